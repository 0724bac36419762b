"""The door to PostgreSQL: transactions, errors in our words, races run again, notices."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from databases import MakeSubject, run_sql

from fabric.database.connection import Connection
from fabric.database.db import (
    READ,
    RETRIES,
    Database,
    LostRace,
    StaleTypes,
    Transaction,
    UnsafeRole,
    load_json,
    retried,
    translate,
)
from fabric.errors import BadInput, Conflict, FabricError, Internal, TimedOut
from fabric.identity.organizations import Organization
from fabric.identity.subject import Session
from fabric.types.types import Types

pytestmark = pytest.mark.anyio

INSERT = """insert into fabric.configurations (organization_id, label, name, value, revision)
            values ($1, $2, $3, '1', 1)"""


@pytest.fixture
def session(organization: Organization) -> Session:
    return Session(organization.organization_id, 0)


async def add(transaction: Transaction, name: str) -> None:
    await transaction.fetch(INSERT, transaction.session.organization_id, transaction.session.label, name)


async def add_and_fail(database: Database, session: Session) -> None:
    async with database.transaction(session) as transaction:
        await add(transaction, "dropped")
        raise BadInput("no")


async def add_twice(database: Database, session: Session) -> None:
    async with database.transaction(session) as transaction:
        await add(transaction, "x")
        await add(transaction, "x")


async def lose_connection(
    database: Database, session: Session, admin_url: str, *, then: Exception | None = None
) -> None:
    async with database.transaction(session) as transaction:
        pid = await transaction.fetchval("select pg_backend_pid()")
        await run_sql(admin_url, "select pg_terminate_backend($1, 5000)", pid)
        if then is not None:
            raise then
        await transaction.fetch("select 1")


async def names(url: str) -> list[str]:
    return [row["name"] for row in await run_sql(url, "select name from fabric.configurations order by name")]


# Reading


async def test_a_read_gives_the_one_value_of_its_statement(database: Database, session: Session) -> None:
    assert await database.read(session, READ.format("select $3::int + $4::int"), (1, 2)) == 3
    assert await database.read(session, READ.format("select '{\"a\": [1]}'::jsonb")) == {"a": [1]}
    assert await database.read(session, READ.format("select null::text")) is None


async def test_a_read_knows_its_session(database: Database, session: Session) -> None:
    settings = "select array[current_setting('fabric.organization'), current_setting('fabric.clearance'), s.org::text]"
    organization = str(session.organization_id)
    for label in (0, 2**63 - 1):
        found = await database.read(Session(session.organization_id, label), READ.format(settings))
        assert found == [organization, str(label), organization]


async def test_more_readers_than_connections_wait_for_each_other(server_url: str, session: Session) -> None:
    async with await Database.connect(server_url, size=2) as database:
        reads = [database.read(session, READ.format("select $3::int from pg_sleep(0.01)"), (n,)) for n in range(20)]
        assert await asyncio.gather(*reads) == list(range(20))


async def test_text_forms_do_not_depend_on_the_server(admin_url: str, database_name: str, server_url: str) -> None:
    await run_sql(admin_url, f"alter database {database_name} set timezone = 'Asia/Tokyo'")
    await run_sql(admin_url, f"alter database {database_name} set intervalstyle = 'postgres_verbose'")
    async with await Database.connect(server_url) as database:
        [row] = await database.ask("select '2020-01-01 12:00+00'::timestamptz::text a, '1 day 1 min'::interval::text b")
        assert tuple(row) == ("2020-01-01 12:00:00+00", "P1DT1M")


# Types of the database


async def asked_for(url: str, statement: str, prepare: str = "select") -> tuple[Any, int]:
    """What the statement gives over a connection of its own, and how many statements were sent for it."""
    connection = await asyncpg.connect(url, connection_class=Connection)
    try:
        await load_json(connection)
        await connection.execute(prepare)
        sent: list[Any] = []
        connection.add_query_logger(sent.append)
        given = await connection.fetchval(statement)
        await asyncio.sleep(0)  # it is told when there is time
        return given, len(sent)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("statement", "given"),
    [
        ("select array[null, 1.5]::float8[]", [None, 1.5]),
        ("select array['{\"a\": [1]}', '2']::jsonb[]", [{"a": [1]}, 2]),
        ("select array[array[$$x$$]]::name[]", [["x"]]),
    ],
)
async def test_what_an_array_is_of_is_not_asked_over_each_connection(
    server_url: str, statement: str, given: list[Any]
) -> None:
    assert (await asked_for(server_url, statement))[0] == given
    assert await asked_for(server_url, statement) == (given, 1)


async def test_of_types_that_are_not_postgresqls_own_each_connection_asks(admin_url: str) -> None:
    for values in ("'red', 'green'", "'green', 'blue'"):
        make = f"drop type if exists colour; create type colour as enum ({values})"
        given, sent = await asked_for(admin_url, "select enum_range(null::colour)", make)
        assert given == [value.strip("'") for value in values.split(", ")]
        assert sent > 1


# Transactions


async def test_a_block_that_ends_commits_and_one_that_raises_does_not(
    database: Database, session: Session, admin_url: str
) -> None:
    async with database.transaction(session) as transaction:
        await add(transaction, "kept")
    with pytest.raises(BadInput):
        await add_and_fail(database, session)
    assert await names(admin_url) == ["kept"]


async def test_a_transaction_can_move_to_another_label(database: Database, session: Session, admin_url: str) -> None:
    async with database.transaction(session) as transaction:
        await add(transaction, "low")
        await transaction.act_at(7)
        await add(transaction, "high")
        assert await transaction.fetchval("select count(*) from fabric.configurations") == 2
        await transaction.act_at(0)
        assert await transaction.fetchval("select count(*) from fabric.configurations") == 1
    rows = await run_sql(admin_url, "select name, label from fabric.configurations order by label")
    assert [tuple(row) for row in rows] == [("low", 0), ("high", 7)]


async def test_a_cursor_gives_rows_as_they_come(database: Database, session: Session) -> None:
    async with database.transaction(session) as transaction:
        found = [row["n"] async for row in transaction.cursor("select n from generate_series(1, $1) n", 25, size=10)]
    assert found == list(range(1, 26))


async def test_a_snapshot_is_of_one_moment_and_only_reads(database: Database, session: Session) -> None:
    count = "select count(*) from fabric.configurations"
    async with database.transaction(session, snapshot=True) as snapshot:
        assert await snapshot.fetchval(count) == 0
        async with database.transaction(session) as transaction:
            await add(transaction, "later")
        assert await snapshot.fetchval(count) == 0
    with pytest.raises(Internal):
        async with database.transaction(session, snapshot=True) as snapshot:
            await add(snapshot, "x")


# Errors


@pytest.mark.parametrize(
    "sql",
    [
        "select * from fabric.nowhere",
        "select over1 from fabric.objects",
        "select 1 / 0",
        "selec",
        "insert into fabric.objects (organization_id) values (gen_random_uuid())",
        "select 'x'::uuid",
        "select $3",
    ],
)
async def test_what_the_driver_says_reaches_nobody(database: Database, session: Session, sql: str) -> None:
    with pytest.raises(Internal) as in_read:
        await database.read(session, READ.format(sql))
    with pytest.raises(Internal) as in_transaction:
        async with database.transaction(session) as transaction:
            await transaction.fetch(sql)
    for caught in (in_read, in_transaction):
        assert caught.value.message == "the database could not answer"
        assert isinstance(caught.value.__cause__, (asyncpg.PostgresError, asyncpg.InterfaceError))


async def test_what_takes_too_long_times_out(server_url: str, session: Session) -> None:
    async with await Database.connect(server_url, statement_timeout=0.05) as database:
        with pytest.raises(TimedOut):
            await database.read(session, READ.format("select pg_sleep(5)"))
        with pytest.raises(TimedOut):
            async with database.transaction(session) as transaction:
                await transaction.fetch("select pg_sleep(5)")


async def test_a_lost_connection_is_an_error_and_the_next_is_new(
    database: Database, session: Session, admin_url: str
) -> None:
    with pytest.raises(Internal):
        await lose_connection(database, session, admin_url)
    assert await database.read(session, READ.format("select 1")) == 1


async def test_an_error_of_ours_is_not_covered_by_a_lost_connection(
    database: Database, session: Session, admin_url: str
) -> None:
    with pytest.raises(BadInput):
        await lose_connection(database, session, admin_url, then=BadInput("no"))


# Races


async def test_a_double_key_is_a_lost_race(database: Database, session: Session) -> None:
    with pytest.raises(LostRace):
        await add_twice(database, session)


async def test_a_deadlock_is_a_lost_race(
    admin_url: str, database_name: str, server_url: str, organization: Organization
) -> None:
    await run_sql(admin_url, f"alter database {database_name} set deadlock_timeout = '20ms'")
    session = Session(organization.organization_id, 0)
    met = asyncio.Barrier(2)

    async def lock(database: Database, first: int, second: int) -> str:
        try:
            async with database.transaction(session) as transaction:
                await transaction.fetch("select pg_advisory_xact_lock($1)", first)
                await met.wait()
                await transaction.fetch("select pg_advisory_xact_lock($1)", second)
        except LostRace:
            return "lost"
        return "done"

    async with await Database.connect(server_url) as database:
        assert sorted(await asyncio.gather(lock(database, 1, 2), lock(database, 2, 1))) == ["done", "lost"]


@pytest.mark.parametrize(("losses", "runs"), [(0, 1), (1, 2), (RETRIES - 1, RETRIES)])
async def test_what_lost_a_race_is_run_again(losses: int, runs: int) -> None:
    ran = 0

    async def work() -> str:
        nonlocal ran
        ran += 1
        if ran <= losses:
            raise LostRace
        return "done"

    assert (await retried(work), ran) == ("done", runs)


async def test_what_always_loses_is_a_conflict() -> None:
    ran = 0

    async def work() -> None:
        nonlocal ran
        ran += 1
        raise StaleTypes

    with pytest.raises(Conflict):
        await retried(work)
    assert ran == RETRIES


async def test_any_other_error_is_not_run_again() -> None:
    ran = 0

    async def work() -> None:
        nonlocal ran
        ran += 1
        raise BadInput("no")

    with pytest.raises(BadInput):
        await retried(work)
    assert ran == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncpg.SerializationError(), LostRace),
        (asyncpg.QueryCanceledError(), TimedOut),
        (TimeoutError(), TimedOut),
        (asyncpg.InterfaceError("x"), Internal),
        (OSError(), Internal),
    ],
)
def test_every_driver_error_has_its_word(error: Exception, kind: type[Exception]) -> None:
    assert type(translate(error)) is kind


# Holding the definitions


async def test_definitions_stay_while_they_are_held(
    database: Database, types: Types, organization: Organization, subject: MakeSubject
) -> None:
    revision = (await types.catalogue(subject().session)).revision
    async with (
        database.transaction(subject().session, holding=revision),
        database.transaction(subject("SECRET").session, holding=revision),  # holders do not wait for each other
    ):
        change = asyncio.create_task(types.define(subject("SECRET"), organization.lattice, [{"typeName": "Thing"}]))
        await asyncio.sleep(0.05)
        assert not change.done()
    assert await change == ["Thing"]
    with pytest.raises(StaleTypes):
        async with database.transaction(subject().session, holding=revision):
            pytest.fail("held what has passed")


# The role


async def test_the_serving_role_is_safe(database: Database) -> None:
    await database.require_safe_role()


@pytest.mark.parametrize("power", ["superuser", "bypassrls", "in role semantic_fabric_owner"])
async def test_a_role_that_row_security_does_not_hold_is_refused(
    admin_url: str, server_url: str, worker: str, power: str
) -> None:
    role = f"unsafe_{worker}"
    await run_sql(admin_url, f"create role {role} login {power}")
    try:
        url = server_url.replace("//semantic_fabric_server@", f"//{role}@")
        async with await Database.connect(url) as database:
            with pytest.raises(UnsafeRole, match=role):
                await database.require_safe_role()
    finally:
        await run_sql(admin_url, f"drop role {role}")


# Notices


async def test_a_listener_hears_of_changed_definitions_and_of_gaps(
    database: Database, types: Types, organization: Organization, subject: MakeSubject, admin_url: str
) -> None:
    heard: asyncio.Queue[UUID | None] = asyncio.Queue()

    async def next_notice() -> UUID | None:
        return await asyncio.wait_for(heard.get(), 5)

    async with database.listening("fabric_types", heard.put_nowait):
        assert await next_notice() is None  # nothing is known of the time before
        await types.define(subject(), organization.lattice, [{"typeName": "Thing"}])
        assert await next_notice() == organization.organization_id
        await run_sql(
            admin_url,
            """select pg_terminate_backend(pid, 5000) from pg_stat_activity
               where query ilike 'listen%' and datname = current_database()""",
        )
        assert await next_notice() is None
        await types.define(subject(), organization.lattice, [{"typeName": "Other"}])
        assert await next_notice() == organization.organization_id
    await types.define(subject(), organization.lattice, [{"typeName": "Third"}])
    assert heard.empty()


async def test_organizations_that_do_not_exist_see_nothing(database: Database, session: Session) -> None:
    nobody: Any = Session(uuid4(), 2**63 - 1)
    assert await database.read(nobody, READ.format("select count(*) from fabric.organizations")) == 0
    with pytest.raises((FabricError, LostRace)):
        async with database.transaction(nobody) as transaction:
            await transaction.fetch(INSERT, session.organization_id, 2**63 - 1, "x")
