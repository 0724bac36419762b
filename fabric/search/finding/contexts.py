"""What a search finds as one bounded text for a language model: passages with what they are linked to, and sources.

Everything in it is read at the reader's session: the best objects, their text as their own label composes it, so
nothing that is encrypted, and the objects at the other end of links that the session sees.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fabric.identity.subject import Session
from fabric.search.asking.query import Query
from fabric.search.asking.reader import Reader
from fabric.search.finding.searching import Asked, Search
from fabric.search.index.composition import composition
from fabric.search.ranking.statements import LINKED, VERSIONS, bound
from fabric.texts.passages import Splitter, count_tokens, first_tokens

HITS = 20
LINKS = 5
"""Of one hit, that are told of."""

PASSAGE, BRIEF = 200, 30
"""Tokens of a hit's passage, and of what is told of an object that it is linked to."""

LEAST = 8
"""Tokens of a passage that is cut to what room there is; shorter would say nothing."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Source:
    """Where something stands of an object: from `start` to before `end`, in characters of the text.

    `linked` says that it is there because a hit is linked to it.
    """

    id: UUID
    type_name: str
    label: int
    start: int
    end: int
    linked: bool


@dataclass(slots=True)
class _Page:
    """The text as it grows, never beyond so many tokens. Parts stand on lines of their own, so that tokens add up."""

    most: int
    text: str = ""
    used: int = 0
    sources: list[Source] = field(default_factory=list)

    @property
    def left(self) -> int:
        return self.most - self.used

    def add(self, text: str, version: "_Version", *, linked: bool) -> bool:
        """Whether there was room for it."""
        if (number := count_tokens(text)) > self.left:
            return False
        if self.text:
            self.text += "\n" if linked else "\n\n"
        start, end = len(self.text), len(self.text) + len(text)
        self.text += text
        self.used += number
        self.sources.append(Source(version.id, version.type_name, version.label, start, end, linked))
        return True


@dataclass(frozen=True, slots=True)
class _Version:
    id: UUID
    label: int
    type_name: str
    text: str


@dataclass(frozen=True, slots=True)
class Made:
    text: str
    tokens: int
    sources: Sequence[Source]
    warning: str


async def context(
    search: Search, reader: Reader, asked: Asked, tokens: int, relations: Collection[str] | None
) -> Made:  # fmt: skip
    """At most so many tokens, as `count_tokens` counts. Only links of these relations are told of, None for all."""
    found = await search.search(reader, asked)
    hits = [hit.id for hit in found.hits[:HITS]]
    linked = await _linked(search, reader, hits, relations)
    versions = await _versions(search, reader, [*hits, *(other for each in linked.values() for *_, other in each)])
    page = _Page(tokens)
    for number, hit in enumerate((id for id in hits if id in versions and versions[id].text), 1):
        if not _add_hit(page, number, versions[hit], found.query):
            break
        for relation, outgoing, other in linked.get(hit, ()):
            if other in versions:
                _add_link(page, relation, outgoing, versions[other])
    return Made(page.text, page.used, page.sources, found.warning)


def _add_hit(page: _Page, number: int, version: _Version, query: Query) -> bool:
    heading = f"[{number}] {version.type_name}\n"
    room = page.left - count_tokens(heading)
    passage = _best_passage(version.text, query)
    if count_tokens(passage) > room:
        if room < LEAST:
            return False
        passage = first_tokens(passage, room)
    return page.add(heading + passage, version, linked=False)


def _add_link(page: _Page, relation: str, outgoing: bool, other: _Version) -> None:
    said = " ".join(first_tokens(other.text, BRIEF).split())
    arrow = f"-> {relation} ->" if outgoing else f"<- {relation} <-"
    page.add(f"{arrow} {other.type_name}" + (f": {said}" if said else ""), other, linked=True)


def _best_passage(text: str, query: Query) -> str:
    """The part of a long text in which most of the query's words stand; of equal ones the first."""
    pieces = Splitter(PASSAGE, 0).pieces(text) if count_tokens(text) > PASSAGE else [text]
    beginnings = (*query.words, *query.prefixes)

    def matching(piece: str) -> int:
        words = {word.lower() for word in _WORD.findall(piece)}
        return sum(any(word.startswith(beginning) for word in words) for beginning in beginnings)

    return max(pieces, key=matching)


async def _linked(
    search: Search, reader: Reader, ids: Sequence[UUID], relations: Collection[str] | None
) -> Mapping[UUID, list[tuple[str, bool, UUID]]]:
    """Of each hit the first of its links, by relation: whether they lead out, and to which object."""
    values = {
        "ids": list(ids), "seen": reader.types, "most": LINKS,
        "relations": None if relations is None else list(relations),
    }  # fmt: skip
    found: dict[UUID, list[tuple[str, bool, UUID]]] = {}
    for id, relation, outgoing, other in await search.database.read(reader.session, *bound(LINKED, values)):
        found.setdefault(UUID(id), []).append((relation, outgoing, UUID(other)))
    return found


async def _versions(search: Search, reader: Reader, ids: Sequence[UUID]) -> Mapping[UUID, _Version]:
    values = {"ids": list(dict.fromkeys(ids)), "seen": reader.types}
    rows: list[Any] = await search.database.read(reader.session, *bound(VERSIONS, values))
    found = {}
    for id, label, type_name, data in rows:
        catalogue = await search.types.catalogue(Session(reader.session.organization_id, label))
        text = composition(catalogue, type_name).text(data).strip()
        found[UUID(id)] = _Version(UUID(id), label, type_name, text)
    return found
