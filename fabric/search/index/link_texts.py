"""Texts of links: made of the link and of how the texts of both its ends begin.

Whether they are outdated is asked of the tables: with each text stands a stamp of all versions that it is made of. It
says nothing of what does not show in the text, so an object can be changed without its links being made anew.
"""

import hashlib
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from fabric.database.db import Database, Transaction
from fabric.search.index.composites import SAID, Composite, End, LinkVersion, composites
from fabric.search.index.composition import Composition, content_hash, property_key, relation_composition
from fabric.search.index.sources import Changed, composed
from fabric.search.index.store import LINKS, Key, Text, by_label, forget_texts, put_texts, storing
from fabric.types.types import Types

AT_ONCE = 300

_NOTHING = Composite("", b"")

_RULES = b"3"
"""Another one has all texts made anew."""

_RELATIONS = """
select distinct label, relation from fabric.links l where $1::uuid[] is null or l.link_id = any($1)"""

_TOUCHED = """
select link_id from unnest($1::uuid[]) as c(link_id)
union select link_id from fabric.links where source_id = any($2)
union select link_id from fabric.links where target_id = any($2)"""

_NEXT = "select link_id from fabric.links where link_id > $1 group by link_id order by link_id limit $2"

_OUTDATED = f"""
with versions as materialized (
    select l.link_id, l.label, l.tombstone, l.relation, l.source_id, l.target_id, {SAID.format('l')} as said
    from fabric.links l where l.link_id = any($1)
), made_of as (
    select v.link_id, hashtextextended(
        concat(c.digest, encode(v.said, 'hex')), hashint8extended(v.label, v.tombstone::int)) as stamp
    from versions v left join unnest($2::text[], $3::bigint[], $4::text[]) as c(relation, label, digest)
        using (relation, label)
    union all
    select e.link_id, hashtextextended(coalesce(t.head, ''), hashint8extended(o.label, o.tombstone::int))
    from (select link_id, source_id as id from versions union select link_id, target_id from versions) e
    join fabric.objects o on o.object_id = e.id
    left join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
        = (o.organization_id, 'objects', o.object_id, o.label)
), stamps as (
    select link_id, mod(sum(stamp), 4611686018427387904)::bigint as stamp from made_of group by link_id
)
select s.link_id, s.stamp from stamps s left join lateral (
    select bool_and(t.revision = s.stamp) as right from fabric.search_texts t
    where t.entity_table = '{LINKS}' and t.entity_id = s.link_id) t on true
where t.right is not true"""

_VERSIONS = f"""
select link_id, label, tombstone, relation, source_id, target_id, properties, {SAID.format('l')} as said
from fabric.links l where link_id = any($1)"""

_ENDS = """
select o.object_id, o.label, o.tombstone, coalesce(t.head, '') as head from fabric.objects o
left join fabric.search_texts t on (t.organization_id, t.entity_table, t.entity_id, t.label)
    = (o.organization_id, 'objects', o.object_id, o.label)
where o.object_id = any($1)"""

_KEPT = f"select entity_id, label from fabric.search_texts where entity_table = '{LINKS}' and entity_id = any($1)"

_MISSING = f"""
select count(distinct l.link_id) from fabric.links l
where not exists (select from fabric.search_texts t where t.entity_table = '{LINKS}' and t.entity_id = l.link_id)"""


@dataclass(frozen=True, slots=True)
class LinkTexts:
    database: Database
    types: Types

    @property
    def table(self) -> str:
        return LINKS

    async def missing(self, organization_id: UUID, language: str) -> int:
        async with self.database.following(organization_id, snapshot=True) as transaction:
            number: int = await transaction.fetchval(_MISSING)
        return number

    async def put_texts(
        self, organization_id: UUID, language: str, changed: Changed | None
    ) -> AsyncGenerator[Sequence[UUID]]:
        """Of links that changed, and of those of objects that did."""
        async with self.database.following(organization_id, snapshot=True) as transaction:
            ids = None if changed is None else await _touched(transaction, changed)
            if ids == []:
                return
            relations = [(row["label"], row["relation"]) for row in await transaction.fetch(_RELATIONS, ids)]
        made = await composed(self.types, organization_id, relations, relation_composition)
        async for page in self._pages(organization_id, ids):
            async with self.database.following(organization_id, snapshot=True) as transaction:
                stamps = await _outdated(transaction, made, page)
                # In the same snapshot: a stamp tells of what was read, and of nothing that it becomes meanwhile.
                stored = await _stored(transaction, stamps)
            if stamps:
                await self._put(organization_id, language, stamps, await self._told(organization_id, stored, made))
            yield list(stamps)

    async def _pages(self, organization_id: UUID, ids: Sequence[UUID] | None) -> AsyncIterator[Sequence[UUID]]:
        """All links, or those that are named, some at a time."""
        if ids is not None:
            for start in range(0, len(ids), AT_ONCE):
                yield ids[start : start + AT_ONCE]
            return
        place = UUID(int=0)
        while True:
            async with self.database.following(organization_id, snapshot=True) as transaction:
                page = [row["link_id"] for row in await transaction.fetch(_NEXT, place, AT_ONCE)]
            yield page
            if len(page) < AT_ONCE:
                return
            place = page[-1]

    async def texts(self, organization_id: UUID, keys: Collection[Key]) -> dict[Key, str]:
        async with self.database.following(organization_id, snapshot=True) as transaction:
            stored = await _stored(transaction, {key.id for key in keys})
        told = await self._told(organization_id, stored, {})
        made = {id: composites(versions, told.ends) for id, versions in told.links.items()}
        return {key: made[key.id][key.label].text for key in keys if key.label in made.get(key.id, {})}

    async def _put(self, organization_id: UUID, language: str, stamps: Mapping[UUID, int], told: "_Told") -> None:
        """A link of which nobody sees anything has a text without anything in it, which says that it was looked at."""
        texts: dict[Key, Composite] = {}
        for id, versions in told.links.items():
            made = composites(versions, told.ends) or {min(version.label for version in versions): _NOTHING}
            texts |= {Key(id, label): composite for label, composite in made.items()}
        async with self.database.following(organization_id, snapshot=True) as transaction:
            kept = {Key(row["entity_id"], row["label"]) for row in await transaction.fetch(_KEPT, list(stamps))}
        for label, keys in by_label((key.label, key) for key in {*texts, *kept}):
            new = [_text(key, stamps[key.id], texts[key]) for key in keys if key in texts]
            gone = [key.id for key in keys if key not in texts]

            async def put(transaction: Transaction, gone: list[UUID] = gone, new: list[Text] = new) -> None:
                await forget_texts(transaction, LINKS, gone)
                await put_texts(transaction, LINKS, new, language)

            await storing(self.database, organization_id, label, put)

    async def _told(
        self, organization_id: UUID, stored: "_Stored", made: Mapping[tuple[int, str], Composition]
    ) -> "_Told":
        """`made` are compositions that are known already."""
        named = {(row["label"], row["relation"]) for row in stored.links}
        made = {**await composed(self.types, organization_id, named - made.keys(), relation_composition), **made}
        ends: dict[UUID, list[End]] = defaultdict(list)
        for row in stored.ends:
            ends[row["object_id"]].append(End(row["label"], row["tombstone"], row["head"]))
        links: dict[UUID, list[LinkVersion]] = defaultdict(list)
        for row in stored.links:
            label, relation = row["label"], row["relation"]
            composition, properties = made[label, relation], row["properties"]
            version = LinkVersion(
                label, row["tombstone"], relation, row["source_id"], row["target_id"], composition.text(properties),
                row["said"], tuple(property_key(relation, key) for key in composition.keys_in(properties)),
            )  # fmt: skip
            links[row["link_id"]].append(version)
        return _Told(links, ends)


@dataclass(frozen=True, slots=True)
class _Stored:
    """The versions of links that there are, and those of the objects at their ends."""

    links: Sequence[asyncpg.Record]
    ends: Sequence[asyncpg.Record]


@dataclass(frozen=True, slots=True)
class _Told:
    """The same by their ids, as texts are made of them."""

    links: Mapping[UUID, list[LinkVersion]]
    ends: Mapping[UUID, list[End]]


async def _stored(transaction: Transaction, ids: Iterable[UUID]) -> _Stored:
    await transaction.plan_by_values()
    links = await transaction.fetch(_VERSIONS, list(ids))
    objects = [row[name] for row in links for name in ("source_id", "target_id")]
    return _Stored(links, await transaction.fetch(_ENDS, objects))


async def _touched(transaction: Transaction, changed: Changed) -> list[UUID]:
    await transaction.plan_by_values()
    rows = await transaction.fetch(_TOUCHED, list(changed.links), list(changed.objects))
    return [row["link_id"] for row in rows]


async def _outdated(
    transaction: Transaction, made: Mapping[tuple[int, str], Composition], ids: Sequence[UUID]
) -> dict[UUID, int]:
    """The stamps of those of the links whose texts are missing or outdated."""
    await transaction.plan_by_values()
    relations, labels = [name for _, name in made], [label for label, _ in made]
    digests = [_digest(relation, each) for (_, relation), each in made.items()]
    rows = await transaction.fetch(_OUTDATED, list(ids), relations, labels, digests)
    return {row["link_id"]: row["stamp"] for row in rows}


def _digest(relation: str, made: Composition) -> str:
    fields = "".join(f"\0{field.name}\0{field.key}" for field in made.fields)
    return hashlib.sha256(_RULES + relation.encode() + fields.encode()).hexdigest()


def _text(key: Key, stamp: int, made: Composite) -> Text:
    return Text(key.id, stamp, made.made_of, content_hash(made.text), "", keys=made.keys)
