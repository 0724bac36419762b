"""What a load came to, as a table and a list of problems."""

from rich.console import Console
from rich.table import Table

from fabric.transfer.loader import Summary, Tally
from graphql_api.cli.console import printable

PROBLEMS_SHOWN = 20


def show(summary: Summary, news: str = "") -> None:
    """On standard output; `news` is what had to be made before."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if news:
        console.print(printable(news))
    console.print(_table(summary))
    for problem in summary.problems[:PROBLEMS_SHOWN]:
        console.print(printable(f"{problem.where}: {problem.message}"))
    if (more := summary.problem_count - PROBLEMS_SHOWN) > 0:
        console.print(f"and {more:,} more")
    if summary.stopped:
        console.print("stopped; what came before the problem is stored" if summary.objects != Tally() else "stopped")


def _table(summary: Summary) -> Table:
    table = Table("", box=None, pad_edge=False, caption=f"{summary.seconds:.1f} s", caption_justify="left")
    for heading in ("created", "updated", "unchanged"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, tally in (("objects", summary.objects), ("links", summary.links)):
        table.add_row(name, *(f"{n:,}" for n in (tally.created, tally.updated, tally.unchanged)))
    table.add_row("types", "", f"{len(summary.types):,}", "")
    table.add_row("problems", f"{summary.problem_count:,}", "", "")
    return table
