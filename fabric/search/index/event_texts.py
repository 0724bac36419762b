"""Texts of applications' own events, where their types ask for it: each as its own label sees its type.

An event never changes, so its text is outdated only where its type is another. It stands under the event's position.
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from fabric.database.db import Database
from fabric.search.index.composition import Composition, content_hash, event_composition, head
from fabric.search.index.counts import IndexCounts
from fabric.search.index.sources import Changed, composed
from fabric.search.index.store import EVENTS, ID_OF_POSITION, Key, Text, by_label, put_texts, storing
from fabric.types.types import Types

AT_ONCE = 500

_OURS = f"e.entity_table = '{EVENTS}' and ($1::bigint[] is null or e.position = any($1))"

_TYPES = f"select distinct e.label, e.entity_type from fabric.events e where {_OURS}"

# What a type does not ask for any more is looked at once more, and left without words.
_OUTDATED = f"""
from fabric.events e
join unnest($2::text[], $3::bigint[], $4::bytea[], $5::boolean[]) as c(entity_type, label, composition, asks)
    using (entity_type, label)
left join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
    = (e.organization_id, '{EVENTS}', {ID_OF_POSITION.format("e.position")}, e.label)
where {_OURS} and (c.asks or t.composition is not null) and t.composition is distinct from c.composition"""

_MISSING = f"select count(*) {_OUTDATED}"

_STORED = "e.position, e.label, e.entity_type, e.data"

_NEXT_OUTDATED = f"select {_STORED} {_OUTDATED} and e.position > $6 order by e.position limit $7"

_NAMED = f"select {_STORED} from fabric.events e where e.position = any($1::bigint[])"


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
        made = await self._compositions(organization_id, None)
        async with self.database.following(organization_id, snapshot=True) as transaction:
            await transaction.plan_by_values()
            number: int = await transaction.fetchval(_MISSING, *_asked(None, made, language))
        return number

    async def put_texts(
        self, organization_id: UUID, language: str, changed: Changed | None
    ) -> AsyncGenerator[Sequence[UUID]]:
        ids = None if changed is None else list(changed.events)
        if ids == []:
            return
        positions = None if ids is None else [id.int for id in ids]
        made = await self._compositions(organization_id, positions)
        place = 0
        while True:
            async with self.database.following(organization_id, snapshot=True) as transaction:
                await transaction.plan_by_values()
                rows = await transaction.fetch(_NEXT_OUTDATED, *_asked(positions, made, language), place, AT_ONCE)
            for label, events in by_label((row["label"], _Event(*row)) for row in rows):
                texts = [_text(event, made[label, event.type_name], language) for event in events]
                put = partial(put_texts, table=EVENTS, texts=texts, language=language)
                self.counts.words += await storing(self.database, organization_id, label, put)
            yield [UUID(int=row["position"]) for row in rows]
            if len(rows) < AT_ONCE:
                return
            place = rows[-1]["position"]

    async def _compositions(
        self, organization_id: UUID, positions: list[int] | None
    ) -> dict[tuple[int, str], Composition]:
        """By label and type, of all events or of some."""
        async with self.database.following(organization_id, snapshot=True) as transaction:
            await transaction.plan_by_values()
            types = [(row["label"], row["entity_type"]) for row in await transaction.fetch(_TYPES, positions)]
        return await composed(self.types, organization_id, types, event_composition)

    async def texts(self, organization_id: UUID, keys: Collection[Key]) -> dict[Key, str]:
        async with self.database.following(organization_id, snapshot=True) as transaction:
            rows = await transaction.fetch(_NAMED, [key.id.int for key in keys])
        events = [_Event(*row) for row in rows]
        made = await composed(self.types, organization_id, {(e.label, e.type_name) for e in events}, event_composition)
        return {event.key: _said(event, made[event.label, event.type_name]) for event in events}


def _asked(
    positions: list[int] | None, made: Mapping[tuple[int, str], Composition], language: str
) -> tuple[Any, ...]:  # fmt: skip
    digests = [each.digest(language) for each in made.values()]
    asks = [bool(each.fields) for each in made.values()]
    return positions, [name for _, name in made], [label for label, _ in made], digests, asks


def _text(event: _Event, made: Composition, language: str) -> Text:
    text = _said(event, made)
    return Text(event.key.id, 0, made.digest(language), content_hash(text), text, head(text))


def _said(event: _Event, made: Composition) -> str:
    """Events keep their data by the names of its fields."""
    return made.text({field.key: event.data.get(field.name) for field in made.fields})
