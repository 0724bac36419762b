"""A query of SPARQL 1.1 as the engine reads it rightly: the same text, but in the places where the engine differs.

- It takes `true` and `false` in lower case only.
- Its GROUP_CONCAT keeps a language that all texts have, so its value goes through STR.
- It reads one dot within a name, or several side by side; those after them are escaped, which means the same.
- It has no terminals, so it can read what is one IRI as two comparisons: `?x<?a&&?b>?y`. `with_plain_iris` tells.
- It does not evaluate a query with a function that it does not know, where only the expression is to fail; so
  `unknown_function` tells which it is, and the query is asked again with one of that name that always fails.

All else of a text stays as it is, to the letter.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from ontology.sparql.lexing import PROLOGUE, Token

_DOTS = re.compile(r"\\.|\.+", re.DOTALL)
_UNKNOWN = re.compile(r"The custom function <([^>]*)> is not supported")
_COMPARISONS = re.compile(r"&&|[(),]")
"""One of which is within any IRI that can be read as the end of one comparison and the beginning of another."""
_PLAIN = "<urn:x>"


@dataclass(frozen=True, slots=True)
class _Edit:
    place: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Translation:
    """A text for the engine, and where each place of it was in the text that was given."""

    text: str
    _given: str
    _edits: Sequence[_Edit]

    @classmethod
    def of(cls, given: str, edits: Iterable[_Edit]) -> Self:
        ordered, parts, place = sorted(edits, key=lambda edit: (edit.place, edit.end)), list[str](), 0
        for edit in ordered:
            parts += given[place : edit.place], edit.text
            place = edit.end
        return cls("".join([*parts, given[place:]]), given, ordered)

    def place_given(self, line: int, column: int) -> tuple[int, int]:
        """The line and column, both from 1, of what stands at these in `text`."""
        lines = self.text.split("\n")
        place = sum(len(each) + 1 for each in lines[: line - 1]) + column - 1
        longer = 0
        for edit in self._edits:
            start = edit.place + longer
            if place < start + len(edit.text):
                place = min(place, start)
                break
            longer += len(edit.text) - (edit.end - edit.place)
        before = self._given[: max(place - longer, 0)]
        return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def translated(text: str, terminals: Sequence[Token]) -> Translation:
    return Translation.of(text, _edits(terminals))


def with_plain_iris(text: str, terminals: Sequence[Token]) -> str | None:
    """The same, but with other IRIs, where one might be read as something else; None where none can.

    The one text is a query where the other is, if all that is an IRI was read as one.
    """
    plain = [
        _Edit(token.place, token.end, _PLAIN)
        for token in _after_prologue(terminals)
        if token.kind == "iri" and _COMPARISONS.search(token.text)
    ]
    return Translation.of(text, [*_edits(terminals), *plain]).text if plain else None


def unknown_function(error: RuntimeError) -> str | None:
    """The IRI of the function that the engine does not know; None if that is not what it says."""
    found = _UNKNOWN.fullmatch(str(error))
    return found[1] if found else None


def _edits(terminals: Sequence[Token]) -> Iterator[_Edit]:
    for token in terminals:
        if token.is_word("TRUE", "FALSE"):
            yield _Edit(token.place, token.end, token.text.lower())
        elif token.kind == "name" and (escaped := _dots_escaped(token.text)) != token.text:
            yield _Edit(token.place, token.end, escaped)
    yield from _concatenations(terminals)


def _concatenations(terminals: Sequence[Token]) -> Iterator[_Edit]:
    """STR( ) around each GROUP_CONCAT( ), which can stand wherever that can."""
    opened = list[Token | None]()
    for before, token in zip([None, *terminals], terminals, strict=False):
        if token.text == "(":
            opened.append(before if before is not None and before.is_word("GROUP_CONCAT") else None)
        elif token.text == ")" and opened and (concatenation := opened.pop()) is not None:
            yield _Edit(concatenation.place, concatenation.place, "STR(")
            yield _Edit(token.end, token.end, ")")


def _dots_escaped(name: str) -> str:
    prefix, _, local = name.partition(":")
    seen = 0

    def escaped(found: re.Match[str]) -> str:
        nonlocal seen
        if found[0][0] != ".":
            return found[0]
        seen += 1
        return found[0] if seen == 1 else found[0].replace(".", r"\.")

    return f"{prefix}:{_DOTS.sub(escaped, local)}"


def _after_prologue(terminals: Sequence[Token]) -> Sequence[Token]:
    begins = next((n for n, t in enumerate(terminals) if t.kind == "word" and not t.is_word(*PROLOGUE)), 0)
    return terminals[begins:]
