"""Hints: the little of an encrypted value that its field's readers may see without unlocking it."""

import re
from urllib.parse import urlsplit

from fabric.encryption.protection import Hint
from fabric.types.kinds import JSONValue

SHORTEST = 8
"""Characters of a value of which the last four are shown: of a shorter one they would be half of it or more."""

_MAIL = re.compile(r"[^@\s]+@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_LONGEST_HOST = 253


def hint_of(hint: Hint, value: JSONValue) -> str | None:
    """What is stored for a canonical value, behind the form that it has; None where it has no such hint.

    The form is kept so that a definition that asks for another one later does not show what it no longer allows.
    """
    text = _HINTS[hint](value) if not isinstance(value, list | dict | bool) and value is not None else None
    return None if text is None else stored_prefix(hint) + text


def stored_prefix(hint: Hint) -> str:
    return f"{hint}:"


def _none(_: str | int | float) -> str | None:
    return None


def _last4(value: str | int | float) -> str | None:
    text = str(value)
    return text[-4:] if len(text) >= SHORTEST else None


def _domain(value: str | int | float) -> str | None:
    if not isinstance(value, str):
        return None
    mail = _MAIL.fullmatch(value)
    host = mail[1] if mail else _host(value)
    return host.lower() if host and len(host) <= _LONGEST_HOST else None


def _host(value: str) -> str | None:
    try:
        host = urlsplit(value).hostname if "://" in value else None
    except ValueError:
        return None
    return host if host and _HOST.fullmatch(host) else None


_HINTS = {Hint.NONE: _none, Hint.LAST4: _last4, Hint.DOMAIN: _domain}
