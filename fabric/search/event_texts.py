"""Texts of applications' own events, where their types ask for it: each as its own label sees its type.

An event never changes, so its text is outdated only where its type is another. It stands under the event's position.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fabric.database.db import Database
from fabric.identity.subject import Session
from fabric.search.composition import Composition, content_hash, event_composition, head
from fabric.search.counts import IndexCounts
from fabric.search.sources import Changed, Progress
from fabric.search.store import EVENTS, Key, Text, by_label, put_texts
from fabric.types.types import Types

AT_ONCE = 500

_OURS = f"e.entity_table = '{EVENTS}' and ($1::bigint[] is null or e.position = any($1))"

_TYPES = f"select distinct e.label, e.entity_type from fabric.events e where {_OURS}"

# What a type does not ask for any more is looked at once more, and left without words.
_OUTDATED = f"""
select e.position, e.label, e.entity_type, e.data from fabric.events e
join unnest($2::text[], $3::bigint[], $4::bytea[], $5::boolean[]) as c(entity_type, label, composition, asks)
    using (entity_type, label)
left join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
    = (e.organization_id, '{EVENTS}', lpad(to_hex(e.position), 32, '0')::uuid, e.label)
where {_OURS} and e.position > $6 and (c.asks or t.composition is not null)
  and t.composition is distinct from c.composition
order by e.position limit $7"""

_NAMED = """
select e.position, e.label, e.entity_type, e.data from fabric.events e where e.position = any($1::bigint[])"""


@dataclass(frozen=True, slots=True)
class _Event:
    position: int
    label: int
    type_name: str
    data: Mapping[str, Any]

    @property
    def key(self) -> Key:
        return Key(UUID(int=self.position), self.label)


@dataclass(frozen=True, slots=True)
class EventTexts:
    database: Database
    types: Types
    counts: IndexCounts

    @property
    def table(self) -> str:
        return EVENTS

    async def missing(self, organization_id: UUID, language: str) -> int:
        async with self.database.following(organization_id, snapshot=True) as transaction:
            types = [(row["label"], row["entity_type"]) for row in await transaction.fetch(_TYPES, None)]
            made = await self._compositions(organization_id, types)
            found = await transaction.fetch(_counted(_OUTDATED), *_asked(None, made, language), 0, 2**31)
        return int(found[0][0])

    async def put_texts(
        self, organization_id: UUID, language: str, changed: Changed | None, progress: Progress
    ) -> list[UUID] | None:
        ids = None if changed is None else list(changed.events)
        if ids == []:
            return ids
        positions = None if ids is None else [id.int for id in ids]
        async with self.database.following(organization_id, snapshot=True) as transaction:
            await transaction.plan_by_values()
            types = [(row["label"], row["entity_type"]) for row in await transaction.fetch(_TYPES, positions)]
        made = await self._compositions(organization_id, types)
        place = 0
        while True:
            async with self.database.following(organization_id, snapshot=True) as transaction:
                await transaction.plan_by_values()
                rows = await transaction.fetch(_OUTDATED, *_asked(positions, made, language), place, AT_ONCE)
            for label, events in by_label((row["label"], _Event(*row)) for row in rows):
                texts = [_text(event, made[label, event.type_name], language) for event in events]
                async with self.database.transaction(Session(organization_id, label)) as transaction:
                    self.counts.words += await put_texts(transaction, EVENTS, texts, language)
            progress(len(rows))
            if len(rows) < AT_ONCE:
                return ids
            place = rows[-1]["position"]

    async def texts(self, organization_id: UUID, keys: Collection[Key]) -> dict[Key, str]:
        async with self.database.following(organization_id, snapshot=True) as transaction:
            rows = await transaction.fetch(_NAMED, [key.id.int for key in keys])
        events = [_Event(*row) for row in rows]
        made = await self._compositions(organization_id, {(e.label, e.type_name) for e in events})
        return {event.key: _said(event, made[event.label, event.type_name]) for event in events}

    async def _compositions(
        self, organization_id: UUID, types: Iterable[tuple[int, str]]
    ) -> dict[tuple[int, str], Composition]:
        """By label and type, each as its label sees it."""
        made: dict[tuple[int, str], Composition] = {}
        for label, names in by_label(set(types)):
            catalogue = await self.types.catalogue(Session(organization_id, label))
            made |= {(label, name): event_composition(catalogue, name) for name in names}
        return made


def _asked(
    positions: list[int] | None, made: Mapping[tuple[int, str], Composition], language: str
) -> tuple[Any, ...]:  # fmt: skip
    digests = [each.digest(language) for each in made.values()]
    asks = [bool(each.fields) for each in made.values()]
    return positions, [name for _, name in made], [label for label, _ in made], digests, asks


def _text(event: _Event, made: Composition, language: str) -> Text:
    text = _said(event, made)
    return Text(event.key.id, 0, made.digest(language), content_hash(text), text, head(text))


def _counted(statement: str) -> str:
    return f"select count(*) from ({statement}) found"


def _said(event: _Event, made: Composition) -> str:
    """Events keep their data by the names of its fields."""
    return made.text({field.key: event.data.get(field.name) for field in made.fields})
