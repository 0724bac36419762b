"""The places of a version's text that a query's words are found at, cut out as PostgreSQL does it.

They come as pieces of text that match or do not, never as markup: the text may hold some itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fabric.database.db import Database
from fabric.search.asking.query import Query

MOST_CHARACTERS = 20_000
"""Of one field's text, that are looked through."""

_START, _STOP = "\ue000", "\ue001"
_OPTIONS = f'StartSel="{_START}", StopSel="{_STOP}", MaxFragments=2, MaxWords=30, MinWords=10, FragmentDelimiter=" … "'
_PRIVATE = {ord(_START): None, ord(_STOP): None}

_HEADLINES = f"""
select ts_headline($1::text::regconfig, p.part, $2::text::tsquery, '{_OPTIONS}') as headline
from unnest($3::text[]) with ordinality as p(part, n) order by p.n"""


@dataclass(frozen=True, slots=True)
class Highlight:
    """Of one field: pieces in their order, and whether each matches."""

    field: str
    pieces: tuple[tuple[str, bool], ...]


async def highlights(
    database: Database, query: Query, language: str, texts: Sequence[Sequence[tuple[str, str]]]
) -> list[list[Highlight]]:
    """For each text, given as names of fields and what they hold: the fields in which something matches."""
    parts = [(n, field, text) for n, fields in enumerate(texts) for field, text in fields]
    found: list[list[Highlight]] = [[] for _ in texts]
    if query.is_empty or not parts:
        return found
    given = [text[:MOST_CHARACTERS].translate(_PRIVATE) for _, _, text in parts]
    rows = await database.ask(_HEADLINES, language, query.tsquery(), given)
    for (n, field, _), row in zip(parts, rows, strict=True):
        pieces = _pieces(row["headline"])
        if any(matches for _, matches in pieces):
            found[n].append(Highlight(field, pieces))
    return found


def _pieces(headline: str) -> tuple[tuple[str, bool], ...]:
    pieces = []
    for part in headline.split(_START):
        matched, stop, rest = part.partition(_STOP)
        pieces += [(matched, True), (rest, False)] if stop else [(part, False)]
    return tuple((text, matches) for text, matches in pieces if text)
