"""The words of a SPARQL text: what is neither IRI, name, variable, text nor comment, and so can only be a keyword.

What a query may not do is told by them before anything is evaluated. The evaluation could not do it either: its process
can open no file and no connection.
"""

import re
from collections.abc import Iterator

UPDATES = frozenset({"INSERT", "DELETE", "LOAD", "CLEAR", "DROP", "CREATE", "ADD", "MOVE", "COPY", "WITH"})
"""What an update may begin with."""

_PROLOGUE = frozenset({"BASE", "PREFIX", "VERSION"})
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")
_TOKEN = re.compile(
    r"""
    \#[^\n\r]* | <[^<>"{}|^`\\\x00-\x20]*>
    | \"{3}(?:\"{0,2}(?:[^"\\]|\\.))*\"{3} | '{3}(?:'{0,2}(?:[^'\\]|\\.))*'{3}
    | "(?:[^"\\\n\r]|\\.)*" | '(?:[^'\\\n\r]|\\.)*'
    | [?$]\w+ | @[A-Za-z]+(?:-+[A-Za-z0-9]+)*
    | (?:\w[\w.\-]*)?:(?:[\w:.\-]|%[0-9A-Fa-f]{2}|\\.)*
    | (?P<word>[A-Za-z]\w*) | .
    """,
    re.VERBOSE | re.DOTALL,
)


def words(text: str) -> Iterator[str]:
    """In upper case, in their order."""
    for token in _TOKEN.finditer(_ESCAPED.sub(_unescaped, text)):
        if token.lastgroup is not None:
            yield token["word"].upper()


def begins_with(found: list[str]) -> str:
    """The first word after the prologue, by which the form of a query is known; empty where there is none."""
    return next((word for word in found if word not in _PROLOGUE), "")


def _unescaped(escape: re.Match[str]) -> str:
    code = int(escape[1] or escape[2], 16)
    return chr(code) if code <= 0x10FFFF else escape[0]
