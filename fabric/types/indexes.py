"""Indexes made from type definitions: fields marked `indexed`, and the lists under `indexes`.

An index costs every write a little and every plan a look, so it is made only once a type has `minimum` objects. All
organizations share it: it leads with the organization, holds one family of types, and its expressions never fail,
whatever others store under the same name (see `fabric.projection`). Only the owner may make one; writers go on.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import asyncpg
import orjson
import structlog

from fabric.log import Outline
from fabric.tasks import woken
from fabric.types.access import literal, value_of
from fabric.types.catalogue import Catalogue, Fragment, ObjectType
from fabric.types.merging import build

log = structlog.stdlib.get_logger(__name__)

MINIMUM = 2_000
"""Fewer objects of a type are sorted and filtered faster than an index is worth."""

PREFIX = "made_"


@dataclass(frozen=True, slots=True)
class Index:
    """One index that definitions ask for."""

    types: tuple[str, ...]
    expressions: tuple[str, ...]

    @property
    def name(self) -> str:
        return PREFIX + hashlib.sha256(self._definition.encode()).hexdigest()[:24]

    @property
    def _definition(self) -> str:
        columns = ", ".join(f"({e})" for e in self.expressions)
        types = ", ".join(map(literal, self.types))
        chosen = f"type_name = {types}" if len(self.types) == 1 else f"type_name in ({types})"
        return f"(organization_id, {columns}, object_id) where {chosen}"

    @property
    def create(self) -> str:
        return f"create index concurrently if not exists {self.name} on fabric.objects {self._definition}"


def wanted(catalogue: Catalogue) -> set[Index]:
    """The indexes that a catalogue asks for."""
    return {index for t in catalogue.types.values() for index in _of_type(t)}


def _of_type(object_type: ObjectType) -> Iterable[Index]:
    fields = {name: f for name, f in object_type.fields.items() if f.protection is None}
    lists = [(f.name,) for f in fields.values() if f.indexed]
    for names in (*lists, *object_type.indexes):
        if all(name in fields for name in names):
            expressions = tuple(value_of(fields[name]).bare for name in names)
            yield Index(object_type.family, expressions)


async def reconcile(
    admin_url: str, *, minimum: int = MINIMUM, progress: Callable[[str, int, int], None] | None = None
) -> tuple[list[str], list[str]]:
    """Makes the indexes that are missing and drops those nobody asks for any more; the names of both.

    `progress` gets what is being done, how many are done and how many there are. One process at a time does this;
    where another is at it, nothing is done.
    """
    connection = await asyncpg.connect(admin_url)
    try:
        if not await connection.fetchval("select pg_try_advisory_lock(hashtextextended('fabric.indexes', 0))"):
            return [], []
        await connection.execute("set role semantic_fabric_owner")
        asked = {index.name: index for index in await _asked(connection, minimum)}
        found = await _existing(connection)
        missing = [index for name, index in asked.items() if not found.get(name)]
        surplus = [name for name, valid in found.items() if name not in asked or not valid]
        for name in surplus:
            await connection.execute(f"drop index concurrently if exists fabric.{name}")
        for i, index in enumerate(missing):
            if progress:
                progress(", ".join(index.types), i, len(missing))
            await connection.execute(index.create)
        if missing:
            await connection.execute("analyze fabric.objects")  # an expression has statistics only through its index
        return [index.name for index in missing], [name for name in surplus if name not in asked]
    finally:
        await connection.close()


async def _asked(connection: asyncpg.Connection, minimum: int) -> set[Index]:
    rows = await connection.fetch(
        """select organization_id, type_name, label, domain, field_schema::text, ui_schema::text, revision
           from fabric.type_definitions"""
    )
    counts = dict(
        await connection.fetch("select type_name, count(*) from fabric.objects where not tombstone group by type_name")
    )
    # In a thread: of many definitions it takes a while, and a server has others to answer meanwhile.
    every = await asyncio.to_thread(_of_definitions, rows)
    return {index for index in every if sum(counts.get(t, 0) for t in index.types) >= minimum}


def _of_definitions(rows: Iterable[asyncpg.Record]) -> set[Index]:
    """What the definitions of all organizations ask for."""
    fragments: dict[object, list[Fragment]] = {}
    for organization_id, name, label, domain, schema, ui_schema, revision in rows:
        fragment = Fragment(
            name, label, domain, orjson.loads(schema), orjson.loads(ui_schema) if ui_schema else None, revision
        )
        fragments.setdefault(organization_id, []).append(fragment)
    return {index for group in fragments.values() for index in wanted(build(group))}


async def _existing(connection: asyncpg.Connection) -> dict[str, bool]:
    """Whether each index of ours is whole; one whose making was interrupted is not."""
    rows = await connection.fetch(
        """select c.relname, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid
           where i.indrelid = 'fabric.objects'::regclass and starts_with(c.relname, $1)""",
        PREFIX,
    )
    return {row["relname"]: row["indisvalid"] for row in rows}


async def keep(admin_url: str, changed: asyncio.Event, *, every: float = 600.0, settle: float = 5.0) -> None:
    """Reconciles for ever: `settle` seconds after definitions have changed, and every `every` seconds."""
    while True:
        try:
            made, dropped = await reconcile(admin_url)
            if made or dropped:
                log.info("indexes.reconciled", made=len(made), dropped=len(dropped))
        except (asyncpg.PostgresError, OSError) as error:
            log.warning("indexes.failed", outline=Outline.of(error))
        await woken(changed, every)
        if changed.is_set():
            await asyncio.sleep(settle)
        changed.clear()
