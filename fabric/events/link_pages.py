"""Links as they are listed: pages of those that a session sees between objects that it sees.

What is sought is split into strands, each a range of one index: of a relation, of an object's links that lead out, and
so on. A page takes them one after another, so what it costs depends on its size alone, but for links that are passed
over because an end is hidden or the time is another.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction
from fabric.events import version_json
from fabric.events.history import Version
from fabric.inference.all_links import ALL_LINKS

MAX_RELATIONS = 100
"""That one list is of: each is a strand."""


Ends = tuple[UUID | None, UUID | None]
"""Source and target, each None for whatever."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which links: None for whatever. Of several `ends`, what one has already the later ones leave out.

    `types` are those that objects at the ends have.
    """

    types: Collection[str]
    relations: Collection[str] | None = None
    ends: tuple[Ends, ...] = ((None, None),)
    valid_at: datetime | None = None
    inferred: bool = False
    """Whether inferred links are among them."""
    link_id: UUID | None = None


Place = tuple[Any, ...]
"""Of a link in a list: its strand's number and, as text, what the strand is sorted by."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of the list: `limit` links between two places, from the end when `backward`."""

    limit: int
    backward: bool = False
    after: Place | None = None
    before: Place | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One link, and its place in the list."""

    link_id: UUID
    label: int
    version: Version
    place: Place


@dataclass(frozen=True, slots=True)
class LinkPage:
    links: list[Listed]
    has_previous: bool
    has_next: bool


async def list_links(transaction: Transaction, sought: Sought, part: Slice) -> LinkPage:
    """The part of the links sought that the transaction's session sees."""
    start = part.before if part.backward else part.after
    query = _Query(transaction, sought)
    rows = await query.rows(part)
    links = [Listed(r["link_id"], r["label"], r["version"], _place(r)) for r in rows[: part.limit]]
    more = len(rows) > part.limit
    behind = start is not None and await _Query(transaction, sought).any_behind(start, backward=part.backward)
    return LinkPage(links[::-1], more, behind) if part.backward else LinkPage(links, behind, more)


async def count_links(transaction: Transaction, sought: Sought) -> int:
    return await _Query(transaction, sought).number()


def _place(row: Any) -> Place:
    return (row["strand"], *(str(row[f"k{i}"]) for i in range(1, 4) if f"k{i}" in row))


@dataclass(frozen=True, slots=True)
class _Strand:
    """Links that one index holds in order: of some ends, if of any, but not of the earlier ones."""

    relation: str | None
    ends: Ends
    earlier: tuple[Ends, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """What the index has them sorted by."""
        source, target = self.ends
        keys = ["target_id"] if source else ["source_id"] if target else []
        return (*(["relation"] if self.relation is None and keys else []), *keys, "link_id")


class _Query:
    """One statement on the strands, and the values of its parameters."""

    def __init__(self, transaction: Transaction, sought: Sought) -> None:
        self._transaction = transaction
        self._sought = sought
        self._arguments: list[Any] = []
        relations: Sequence[str | None] = [None] if sought.relations is None else sorted(set(sought.relations))
        self._strands = [
            _Strand(relation, ends, sought.ends[:i]) for i, ends in enumerate(sought.ends) for relation in relations
        ]

    def _say(self, value: Any) -> str:
        self._arguments.append(value)
        return f"${len(self._arguments)}"

    async def rows(self, part: Slice) -> list[Any]:
        if not self._strands:
            return []
        start, end = (part.before, part.after) if part.backward else (part.after, part.before)
        further, back, direction = ("<", ">", " desc") if part.backward else (">", "<", "")
        places = [(place, side) for place, side in ((start, further), (end, back)) if place is not None]
        limit = self._say(part.limit + 1)
        parts = []
        for number, strand in enumerate(self._strands):
            if all(_reaches(number, place, operator) for place, operator in places):
                bounds = [b for place, operator in places if (b := self._beyond(number, strand, place, operator))]
                parts.append(self._part(number, strand, bounds, direction, limit))
        if not parts:
            return []
        keys = ["strand", *(f"k{i}" for i in range(1, len(self._strands[0].keys) + 1))]
        order = ", ".join(f"p.{key}{direction}" for key in keys)
        union = " union all ".join(f"({each})" for each in parts)
        return await self._transaction.fetch(
            f"select p.* from ({union}) p order by {order} limit {limit}", *self._arguments
        )

    def _part(self, number: int, strand: _Strand, bounds: list[str], direction: str, limit: str) -> str:
        keys = ", ".join(f"l.{key} as k{i}" for i, key in enumerate(strand.keys, start=1))
        order = ", ".join(f"l.{key}{direction}" for key in strand.keys)
        return (
            f"select {number} as strand, {keys}, l.link_id, l.label, {version_json.LINK.format(v='l')} as version"
            f" from {self._source(strand, bounds)} order by {order} limit {limit}"
        )

    def _source(self, strand: _Strand, bounds: Sequence[str] = ()) -> str:
        """FROM and WHERE of a strand's links whose ends are both seen."""
        types = self._say(list(self._sought.types))
        ends = " ".join(
            # "offset" keeps the planner from beginning with the objects: links are read in their index's order.
            f"cross join lateral (select from fabric.objects {o} where {o}.organization_id = l.organization_id"
            f" and {o}.object_id = l.{end}_id and not {o}.tombstone and {o}.type_name = any({types}::text[])"
            f" offset 0) {o}"
            for o, end in (("s", "source"), ("t", "target"))
        )
        links = ALL_LINKS if self._sought.inferred else "fabric.links"
        return f"{links} l {ends} where {' and '.join([*self._conditions(strand), *bounds])}"

    def _conditions(self, strand: _Strand) -> Iterator[str]:
        sought = self._sought
        yield f"l.organization_id = {self._say(self._transaction.session.organization_id)} and not l.tombstone"
        if strand.relation is not None:
            yield f"l.relation = {self._say(strand.relation)}"
        if any(strand.ends):
            yield self._of(strand.ends)
        yield from (f"not ({self._of(ends)})" for ends in strand.earlier)
        if sought.link_id is not None:
            yield f"l.link_id = {self._say(sought.link_id)}"
        if sought.valid_at is not None:
            at = self._say(sought.valid_at)
            yield f"(l.valid_from is null or l.valid_from <= {at}) and (l.valid_to is null or l.valid_to > {at})"

    def _of(self, ends: Ends) -> str:
        named = zip(("source_id", "target_id"), ends, strict=True)
        return " and ".join(f"l.{column} = {self._say(id)}" for column, id in named if id)

    def _beyond(self, number: int, strand: _Strand, place: Place, operator: str) -> str:
        """The links of a strand on one side of a place; empty where all of them are."""
        if number != place[0]:
            return ""
        values = ", ".join(
            self._say(value) + ("::text" if key == "relation" else "::text::uuid")
            for key, value in zip(strand.keys, place[1:], strict=True)
        )
        return f"({', '.join(f'l.{key}' for key in strand.keys)}) {operator} ({values})"

    async def any_behind(self, start: Place, *, backward: bool) -> bool:
        """Whether there are links on the other side of where a page starts, one at that very place included."""
        operator = ">=" if backward else "<="
        found = " or ".join(
            f"exists (select from {self._source(strand, [b for b in [self._beyond(n, strand, start, operator)] if b])})"
            for n, strand in enumerate(self._strands)
            if _reaches(n, start, operator)
        )
        return bool(await self._transaction.fetchval(f"select {found or 'false'}", *self._arguments))

    async def number(self) -> int:
        counts = " + ".join(f"(select count(*) from {self._source(strand)})" for strand in self._strands)
        return int(await self._transaction.fetchval(f"select {counts or '0'}", *self._arguments))


def _reaches(number: int, place: Place, operator: str) -> bool:
    """Whether some of a strand's links may be on that side of the place."""
    at: int = place[0]
    return number == at or (number > at) == operator.startswith(">")
