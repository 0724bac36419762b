"""What a command says instead of a traceback: errors of known kinds, in one line each, with what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from fabric.database.embedded import EmbeddedError
from fabric.errors import FabricError, Several
from fabric.secrets import SecretError
from fabric.settings import SettingsError
from vault.protocol import VaultError


class Refused(Exception):
    """A command cannot do what it is asked; the message says why, and what to do."""


KNOWN = (Refused, SettingsError, EmbeddedError, SecretError, VaultError, FabricError)


@contextmanager
def refusing(*kinds: type[Exception], saying: str = "") -> Iterator[None]:
    """Turns errors of these kinds, whose messages are written for users, into Refused; `saying` goes before them."""
    try:
        yield
    except kinds as error:
        raise Refused(saying + (str(error) or type(error).__name__)) from error


def told(error: Exception) -> str:
    """The error in one line. The operator of the command may see what callers of the server may not: the cause."""
    errors = error.errors if isinstance(error, Several) else (error,)
    text = "; ".join(placed(each.path, each.message) if isinstance(each, FabricError) else str(each) for each in errors)
    if isinstance(error, FabricError) and error.__cause__ is not None:
        text += f" ({error.__cause__ or type(error.__cause__).__name__})"
    return " ".join(text.split())


def placed(path: tuple[str | int, ...], message: str) -> str:
    """`fields.name.type: must be …`"""
    return ": ".join(filter(None, [".".join(map(str, path)), message]))
