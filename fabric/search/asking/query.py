"""What somebody typed, read: words, "phrases" between quotation marks, prefix*, and -excluded.

PostgreSQL makes words of the language out of them (stems, without the commonest ones), as it did of the texts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fabric.database.db import Database
from fabric.errors import BadInput
from fabric.search.asking.question import Question

MOST_CHARACTERS = 2_000
MOST_WORDS = 64
LEAST_PREFIX = 2
"""Characters before a `*`: fewer would be a prefix of too much."""

_PIECES = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')

_LEXEMES = """
select p.n::int, v.lexeme, v.positions
from unnest($1::text[]) with ordinality as p(piece, n)
cross join lateral unnest(to_tsvector($2::text::regconfig, p.piece)) v order by 1, v.positions[1]"""


@dataclass(frozen=True, slots=True)
class Query:
    """In words of the language. `phrases` hold (word, place), the first place being 0."""

    words: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    phrases: tuple[tuple[tuple[str, int], ...], ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self.words and not self.prefixes

    def tsquery(self) -> str:
        """What of a text is to be marked, as PostgreSQL reads it."""
        quoted = [f"'{_escaped(word)}'" for word in self.words]
        return " | ".join([*quoted, *(f"'{_escaped(prefix)}':*" for prefix in self.prefixes)])


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    phrase: bool
    excluded: bool


async def read_query(database: Database, question: Question, language: str) -> Query:
    """BadInput for a text that is too long, or has too many words."""
    text = question.text
    if len(text) > MOST_CHARACTERS:
        raise BadInput(f"a query has at most {MOST_CHARACTERS:,} characters", ("query",))
    pieces = _pieces(text)
    prefixes = {
        piece.text[:-1].lower()
        for piece in pieces
        if piece.text.endswith("*") and not piece.phrase and len(piece.text) > LEAST_PREFIX
    }
    whole = [piece for piece in pieces if piece.phrase or not piece.text.endswith("*")]
    if not whole and not prefixes:
        return Query()
    rows = await database.ask(_LEXEMES, [piece.text for piece in whole], language) if whole else []
    words: dict[str, None] = {}
    excluded: dict[str, None] = {}
    phrases: dict[int, list[tuple[str, int]]] = {}
    for row in rows:
        piece = whole[row["n"] - 1]
        (excluded if piece.excluded else words)[row["lexeme"]] = None
        if piece.phrase and not piece.excluded:
            phrases.setdefault(row["n"], []).extend((row["lexeme"], place) for place in row["positions"])
    if len(words) + len(prefixes) + len(excluded) > MOST_WORDS:
        raise BadInput(f"a query has at most {MOST_WORDS} words", ("query",))
    return Query(
        tuple(words), tuple(sorted(prefixes)), tuple(_from_zero(places) for places in phrases.values()),
        tuple(excluded),
    )  # fmt: skip


def _pieces(text: str) -> list[_Piece]:
    found = []
    for match in _PIECES.finditer(text.replace("\0", " ")):
        phrase = match["phrase"] is not None
        piece = match["phrase"] if phrase else match["word"]
        found.append(_Piece(piece, phrase, bool(match["minus"])))
    return found


def _from_zero(places: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    first = min(place for _, place in places)
    return tuple((word, place - first) for word, place in sorted(places, key=lambda each: each[1]))


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("'", "''")
