"""Where commands speak: results on standard output; errors, messages and progress on standard error.

Messages and progress are for people, and left out where nobody watches.
"""

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_CONSOLE = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """One line in red."""
    typer.secho(f"error: {printable(text)}", fg="red", err=True)


def say(text: str) -> None:
    """A message for whoever watches."""
    if _CONSOLE.is_terminal:
        _CONSOLE.print(printable(text))


def progress_bars() -> Progress:
    """Bars that go when they are done; a context manager."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=_CONSOLE, transient=True, disable=not _CONSOLE.is_terminal,
    )  # fmt: skip


def printable(text: str) -> str:
    """The text without what would move a terminal's cursor or change its colours: it may quote somebody's data."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
