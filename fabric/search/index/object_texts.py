"""Texts of objects: of each version what its own label sees of it."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from fabric.database.db import Database, Transaction
from fabric.search.index.composition import Composition, composition, content_hash, head
from fabric.search.index.counts import IndexCounts
from fabric.search.index.sources import Changed, composed
from fabric.search.index.store import FIRST, OBJECTS, STAMP, Key, Text, by_label, put_texts, storing
from fabric.types.types import Types

AT_ONCE = 500

_STAMP = STAMP.format("o")
_STORED = f"o.object_id, o.label, o.type_name, {_STAMP} as stamp, o.tombstone, o.data"

_TYPES = "select distinct label, type_name from fabric.objects o where $1::uuid[] is null or o.object_id = any($1)"

_OUTDATED = f"""
from fabric.objects o
join unnest($1::text[], $2::bigint[], $3::bytea[]) as c(type_name, label, composition) using (type_name, label)
left join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
    = (o.organization_id, '{OBJECTS}', o.object_id, o.label)
where (t.revision is distinct from {_STAMP} or t.composition is distinct from c.composition)"""

_MISSING = f"select count(*) {_OUTDATED}"

_NEXT_OUTDATED = f"""
select {_STORED} {_OUTDATED}
  and (o.object_id, o.label) > ($4, $5) and ($7::uuid[] is null or o.object_id = any($7))
order by o.object_id, o.label limit $6"""

_NAMED = f"""
select {_STORED} from unnest($1::uuid[], $2::bigint[]) as k(id, label)
join fabric.objects o on o.object_id = k.id and o.label = k.label where o.object_id = any($1) and not o.tombstone"""


@dataclass(frozen=True, slots=True)
class _Version:
    object_id: UUID
    label: int
    type_name: str
    stamp: int
    tombstone: bool
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ObjectTexts:
    database: Database
    types: Types
    counts: IndexCounts

    @property
    def table(self) -> str:
        return OBJECTS

    async def missing(self, organization_id: UUID, language: str) -> int:
        digests, _ = await self._digests(organization_id, language, None)
        async with self.database.following(organization_id, snapshot=True) as transaction:
            await transaction.plan_by_values()
            number: int = await transaction.fetchval(_MISSING, *_columns(digests))
        return number

    async def put_texts(
        self, organization_id: UUID, language: str, changed: Changed | None
    ) -> AsyncGenerator[Sequence[UUID]]:
        ids = None if changed is None else list(changed.objects)
        if ids == []:
            return
        digests, made = await self._digests(organization_id, language, ids)
        place = FIRST
        while True:
            async with self.database.following(organization_id, snapshot=True) as transaction:
                found = await _outdated(transaction, digests, place, ids)
            for label, versions in by_label((v.label, v) for v in found):
                texts = [_text(v, made[label, v.type_name], digests[label, v.type_name]) for v in versions]
                put = partial(put_texts, table=OBJECTS, texts=texts, language=language)
                self.counts.words += await storing(self.database, organization_id, label, put)
            yield [version.object_id for version in found]
            if len(found) < AT_ONCE:
                return
            place = Key(found[-1].object_id, found[-1].label)

    async def texts(self, organization_id: UUID, keys: Collection[Key]) -> dict[Key, str]:
        async with self.database.following(organization_id, snapshot=True) as transaction:
            await transaction.plan_by_values()
            rows = await transaction.fetch(_NAMED, [key.id for key in keys], [key.label for key in keys])
        versions = [_Version(*row) for row in rows]
        made = await composed(self.types, organization_id, {(v.label, v.type_name) for v in versions}, composition)
        return {Key(v.object_id, v.label): made[v.label, v.type_name].text(v.data) for v in versions}

    async def _digests(
        self, organization_id: UUID, language: str, ids: Sequence[UUID] | None
    ) -> tuple[dict[tuple[int, str], bytes], dict[tuple[int, str], Composition]]:
        """By label and type, of all objects or of some; with what they are of."""
        async with self.database.following(organization_id, snapshot=True) as transaction:
            await transaction.plan_by_values()
            types = [(row["label"], row["type_name"]) for row in await transaction.fetch(_TYPES, ids)]
        made = await composed(self.types, organization_id, types, composition)
        return {key: each.digest(language) for key, each in made.items()}, made


async def _outdated(
    transaction: Transaction, compositions: Mapping[tuple[int, str], bytes], after: Key, ids: Sequence[UUID] | None
) -> list[_Version]:
    """The next versions whose text is missing, or made of another version or composition."""
    await transaction.plan_by_values()
    rows = await transaction.fetch(_NEXT_OUTDATED, *_columns(compositions), *after, AT_ONCE, ids)
    return [_Version(*row) for row in rows]


def _columns(compositions: Mapping[tuple[int, str], bytes]) -> tuple[list[Any], ...]:
    return [name for _, name in compositions], [label for label, _ in compositions], [*compositions.values()]


def _text(version: _Version, made: Composition, digest: bytes) -> Text:
    text = "" if version.tombstone else made.text(version.data)
    return Text(version.object_id, version.stamp, digest, content_hash(text), text, head(text), made.keys)
