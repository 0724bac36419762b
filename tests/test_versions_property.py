"""Random histories of labelled versions: PostgreSQL, `fabric.labels` and the rules agree on who sees what."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import pytest
from databases import MakeSubject, run_sql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabric.database.db import READ, Database
from fabric.errors import FabricError
from fabric.identity.organizations import Organization
from fabric.identity.subject import Session
from fabric.labels import COMPARTMENT_BITS, Level, code, dominates, join, rank, winner
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio

Versions = dict[int, str | None]
"""What one object's versions say, by label; None is a tombstone."""

ALL_LABELS = [code(level, bits) for level, bits in product(Level, range(8))]
READ_WINNERS = READ.format(
    "select coalesce(jsonb_agg(jsonb_build_array(object_id, label, tombstone)), '[]') from fabric.objects"
)
READ_OVERS = """select object_id, label, array_remove(array[over1, over2] || over_rest, null) as over
    from fabric.objects where organization_id = $1"""

# Each example starts by emptying the table.
thirty = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
sixty = settings(thirty, max_examples=60)


@pytest.fixture
async def admin(admin_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def things(types: Types, subject: MakeSubject, organization: Organization) -> None:
    document = {"typeName": "Thing", "fields": {"value": {"type": "string"}}}
    await types.define(subject(), organization.lattice, [document])


async def check_winners(
    database: Database, organization_id: UUID, versions: dict[UUID, set[int]], clearances: Iterable[int]
) -> None:
    """Each of the clearances gets, of each object, the one row that Python picks, and nothing else."""
    for clearance in clearances:
        found = await database.read(Session(organization_id, clearance), READ_WINNERS)
        expected = {str(id): won for id, labels in versions.items() if (won := winner(labels, clearance)) is not None}
        assert len(found) == len(expected), clearance
        assert {id: label for id, label, _ in found} == expected, clearance
        for id, labels in versions.items():
            assert expected.get(str(id)) == by_definition(labels, clearance)


def by_definition(labels: set[int], clearance: int) -> int | None:
    visible = [x for x in labels if dominates(clearance, x)]
    best = [x for x in visible if all(rank(x) >= rank(y) for y in visible)]
    return best[0] if best else None


async def check_overs(admin: asyncpg.Connection, organization_id: UUID) -> dict[UUID, set[int]]:
    """Each row knows exactly the minimal labels that outrank it. Gives the labels there are, by object."""
    rows = await admin.fetch(READ_OVERS, organization_id)
    versions: dict[UUID, set[int]] = {}
    for row in rows:
        versions.setdefault(row["object_id"], set()).add(row["label"])
    for row in rows:
        higher = {x for x in versions[row["object_id"]] if rank(x) > rank(row["label"])}
        minimal = {x for x in higher if not any(dominates(x, y) for y in higher - {x})}
        assert row["over"] == sorted(minimal)
    return versions


Action = Literal["create", "update", "upsert", "delete"]


@dataclass(frozen=True)
class Operation:
    action: Action
    label: int
    thing: int
    value: str


operations = st.builds(
    Operation,
    st.sampled_from(["create", "update", "upsert", "delete"]),
    st.sampled_from(ALL_LABELS),
    st.integers(0, 1),
    st.sampled_from("xyz"),
)


def expected_outcome(versions: Versions, operation: Operation) -> str:
    """Does to `versions` what labels.md says, and tells the outcome."""
    label, value = operation.label, operation.value
    shown = by_definition(set(versions), label)
    alive = shown is not None and versions[shown] is not None
    if operation.action == "create" or (operation.action == "upsert" and not alive):
        if shown == label and alive:
            return "CONFLICT"
        versions[label] = value
        return "changed"
    if not alive or shown is None:
        return "NOT_FOUND"
    if operation.action == "delete":
        versions.pop(label, None)
        lower = by_definition(set(versions), label)
        if lower is not None and versions[lower] is not None:
            versions[label] = None
        return "changed"
    if versions[shown] == value:
        return "same"
    versions[label] = value
    return "changed"


async def outcome(objects: Objects, organization: Organization, subject: Any, operation: Operation, id: UUID) -> str:
    data = {} if operation.action == "delete" else {"value": operation.value}
    try:
        written, _ = await objects.write(subject, organization, [Change(operation.action, "Thing", data, id)])
    except FabricError as error:
        return error.code
    return "changed" if written[0].changed else "same"


@thirty
@given(st.lists(operations, min_size=1, max_size=10))
async def test_every_history_leaves_what_the_rules_say_for_every_clearance(
    database: Database, objects: Objects, things: None, subject: MakeSubject, organization: Organization,
    admin: asyncpg.Connection, history: list[Operation],
) -> None:  # fmt: skip
    await admin.execute("delete from fabric.objects")
    ids = [uuid4(), uuid4()]
    model: list[Versions] = [{}, {}]
    for operation in history:
        label = str(organization.lattice.decode(operation.label))
        found = await outcome(objects, organization, subject(label), operation, ids[operation.thing])
        assert found == expected_outcome(model[operation.thing], operation)
        rows = await admin.fetch("select object_id, label, tombstone, data->>'value' as value from fabric.objects")
        stored: list[Versions] = [{}, {}]
        for row in rows:
            stored[ids.index(row["object_id"])][row["label"]] = None if row["tombstone"] else row["value"]
        assert stored == model
        versions = await check_overs(admin, organization.organization_id)
        await check_winners(database, organization.organization_id, versions, ALL_LABELS)


few = st.sampled_from(ALL_LABELS)
wide = st.builds(code, st.sampled_from(Level), st.integers(0, (1 << COMPARTMENT_BITS) - 1))
crowds = st.lists(st.sets(few, max_size=10) | st.sets(wide, max_size=6), min_size=1, max_size=4)


@sixty
@given(crowds, st.lists(wide, max_size=6), st.integers())
async def test_crowds_of_versions_written_and_removed_in_any_order(
    database: Database, organization: Organization, admin: asyncpg.Connection, crowd: list[set[int]],
    clearances: list[int], seed: int,
) -> None:  # fmt: skip
    rng = random.Random(seed)
    await admin.execute("delete from fabric.objects")
    objects = [uuid4() for _ in crowd]
    rows = [
        (organization.organization_id, id, label) for id, labels in zip(objects, crowd, strict=True) for label in labels
    ]
    rng.shuffle(rows)
    while rows:  # several rows of several objects in one statement
        some = [rows.pop() for _ in range(min(len(rows), rng.randint(1, 6)))]
        await admin.execute(
            """insert into fabric.objects (organization_id, object_id, label, type_name, data, revision)
               select *, 'Thing', '{}', 1 from unnest($1::uuid[], $2::uuid[], $3::bigint[])""",
            *map(list, zip(*some, strict=True)),
        )
    versions = await check_overs(admin, organization.organization_id)
    assert versions == {id: labels for id, labels in zip(objects, crowd, strict=True) if labels}
    readers = [*rng.sample(ALL_LABELS, 8), *clearances, *(join(rng.sample(sorted(c), len(c) // 2)) for c in crowd)]
    await check_winners(database, organization.organization_id, versions, readers)
    some_labels = rng.sample(sorted(set().union(*crowd)), len(set().union(*crowd)) // 2)
    await admin.execute("delete from fabric.objects where label = any($1)", some_labels)
    versions = await check_overs(admin, organization.organization_id)
    await check_winners(database, organization.organization_id, versions, readers)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
async def test_versions_made_at_the_same_time_know_of_each_other(
    admin_url: str, database_name: str, organization: Organization, things: None, subject: MakeSubject,
    server_url: str, admin: asyncpg.Connection, isolation: str,
) -> None:  # fmt: skip
    """Whatever isolation the database has by default."""
    await run_sql(admin_url, f"alter database {database_name} set default_transaction_isolation = '{isolation}'")
    rng = random.Random(2)
    async with await Database.connect(server_url, size=4) as database:
        objects = Objects(Types(database))
        for _ in range(25):
            id = uuid4()
            labels = rng.sample(ALL_LABELS, 4)
            made = [Operation("create", label, 0, "x") for label in labels]
            outcomes = await asyncio.gather(*(
                outcome(objects, organization, subject(str(organization.lattice.decode(o.label))), o, id) for o in made
            ))  # fmt: skip
            assert outcomes == ["changed"] * 4
        versions = await check_overs(admin, organization.organization_id)
        assert sum(map(len, versions.values())) == 100
        await check_winners(database, organization.organization_id, versions, ALL_LABELS)


async def test_anything_at_the_same_time_leaves_the_winners_right(
    organization: Organization, things: None, subject: MakeSubject, server_url: str, admin: asyncpg.Connection
) -> None:
    rng = random.Random(3)
    async with await Database.connect(server_url, size=6) as database:
        objects = Objects(Types(database))
        ids = [uuid4() for _ in range(3)]
        seen = set()
        for _ in range(25):
            some = [
                Operation(
                    rng.choice(["create", "update", "upsert", "delete"]),
                    rng.choice(ALL_LABELS),
                    rng.randint(0, 2),
                    rng.choice("xyz"),
                )
                for _ in range(6)
            ]
            outcomes = await asyncio.gather(*(
                outcome(objects, organization, subject(str(organization.lattice.decode(o.label))), o, ids[o.thing])
                for o in some
            ))  # fmt: skip
            seen |= set(outcomes)
            versions = await check_overs(admin, organization.organization_id)
            await check_winners(database, organization.organization_id, versions, ALL_LABELS)
        assert seen <= {"changed", "same", "NOT_FOUND", "CONFLICT"}
