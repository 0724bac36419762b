"""What the serving role can reach in PostgreSQL itself, whatever the code above does."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from databases import run_sql

from fabric.database.db import READ, Database
from fabric.errors import FabricError, TimedOut
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.subject import Session
from fabric.labels import dominates

pytestmark = pytest.mark.anyio

OWNER, SERVER, FOLLOWER = "semantic_fabric_owner", "semantic_fabric_server", "semantic_fabric_follower"
ROTATOR = "semantic_fabric_rotator"
OWN = {("organizations", "own"), ("revocations", "own")}
"""Policies of what an organization sees at every label."""

UNLABELLED = {"organizations", "compartments", "revocations"}
CLOSED = {"unlock_attempts", "key_floors"}
"""Tables that the server reaches through functions alone, whatever its session."""

OWNERS = {"prunings"}
"""Tables that only their owner adds to."""

LOW, MIDDLE, HIGH, ASIDE = 0, 1 << 60, 3 << 60 | 1, 3 << 60 | 2
"""UNCLASSIFIED, CONFIDENTIAL, SECRET/ALPHA, SECRET/BRAVO."""

TABLES = """select relname::text from pg_class
    where relnamespace = 'fabric'::regnamespace and relkind in ('r', 'p', 'f', 'm', 'v')
      and relname <> 'alembic_version'"""
VALUES: dict[str, Any] = {
    "uuid": uuid4,
    "bigint": lambda: 5,
    "text": lambda: uuid4().hex,
    "jsonb": lambda: "{}",
    "bytea": lambda: b"x",
    "halfvec": lambda: "[1]",
    "smallint[]": lambda: [1],
    "xid8": lambda: 5,
    "text[]": list,
    "timestamp with time zone": lambda: datetime.now(UTC),
}


async def tables(url: str) -> list[str]:
    return [row[0] for row in await run_sql(url, TABLES)]


async def labelled_tables(url: str) -> list[str]:
    return sorted(set(await tables(url)) - UNLABELLED - CLOSED)


async def insert(connection: asyncpg.Connection, table: str, **given: Any) -> None:
    """One row with these values and some value in every other column that needs one."""
    required = await connection.fetch(
        """select attname, format_type(atttypid, atttypmod) from pg_attribute
           where attrelid = $1::regclass and attnum > 0 and attnotnull and not atthasdef and attidentity = ''""",
        f"fabric.{table}",
    )
    row = {name: VALUES[kind]() for name, kind in required} | given
    places = ", ".join(f"${i + 1}" for i in range(len(row)))
    await connection.execute(f"insert into fabric.{table} ({', '.join(row)}) values ({places})", *row.values())


@asynccontextmanager
async def serving(url: str, session: Session | None) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the serving role in a transaction of this session; nothing stays."""
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        if session is not None:
            await connection.execute(
                "select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true)",
                str(session.organization_id), str(session.label),
            )  # fmt: skip
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def refuses(connection: asyncpg.Connection, reason: str, sql: str) -> None:
    """Fails unless the statement is refused for this reason; the transaction goes on."""
    with pytest.raises(asyncpg.PostgresError, match=reason):
        async with connection.transaction():
            await connection.execute(sql)


@pytest.fixture
async def other(admin_url: str, database: Database) -> Organization:
    await establish(admin_url, "globex", ["ALPHA", "BRAVO"])
    found = await Directory(database).find("globex")
    assert found is not None
    return found


@pytest.fixture
async def filled(admin_url: str, organization: Organization, other: Organization) -> list[str]:
    """Every labelled table with a row at each of four labels, in two organizations; the tables' names."""
    names = await labelled_tables(admin_url)
    connection = await asyncpg.connect(admin_url)
    for table, each, label in product(names, (organization, other), (LOW, MIDDLE, HIGH, ASIDE)):
        await insert(connection, table, organization_id=each.organization_id, label=label)
    await connection.close()
    return names


async def test_every_table_is_under_forced_row_security(admin_url: str) -> None:
    rows = await run_sql(
        admin_url,
        """select relname::text, relkind::text, relrowsecurity and relforcerowsecurity, relowner::regrole::text
           from pg_class where relnamespace = 'fabric'::regnamespace and relkind in ('r', 'p', 'f', 'm', 'v')""",
    )
    assert {row[0] for row in rows} > {"objects", "links", "events", "organizations", "api_keys", "alembic_version"}
    exempt = {"alembic_version"}  # one revision number, the same for all
    assert [row[0] for row in rows if row[0] not in exempt and tuple(row)[1:] != ("r", True, OWNER)] == []


async def test_every_policy_of_the_server_names_organization_and_clearance(admin_url: str) -> None:
    rows = await run_sql(
        admin_url,
        "select tablename::text, policyname::text, roles::text[], concat(qual, with_check) from pg_policies",
    )
    for table, policy, roles, condition in rows:
        if roles == [OWNER]:
            continue
        if roles in ([FOLLOWER], [ROTATOR]):
            assert "fabric.organization" in condition, (table, policy)
            continue
        assert roles == [SERVER], (table, policy)
        assert "fabric.organization" in condition, (table, policy)
        assert "fabric.clearance" in condition or (table, policy) in OWN, (table, policy)


async def test_every_table_of_ours_keeps_its_organization_first(admin_url: str) -> None:
    rows = await run_sql(
        admin_url,
        """select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
           where connamespace = 'fabric'::regnamespace and contype in ('p', 'u', 'f')""",
    )
    found = {table: text for table, text in rows if not re.search(r"\(organization_id\b", text)}
    assert found == {
        "fabric.organizations": "UNIQUE (name)",
        "fabric.alembic_version": "PRIMARY KEY (version_num)",
    }


@pytest.mark.parametrize(("role", "becomes"), [(SERVER, [FOLLOWER, ROTATOR]), (FOLLOWER, None), (ROTATOR, None)])
async def test_the_server_owns_nothing_and_can_become_the_follower_and_the_rotator_only(
    admin_url: str, role: str, becomes: list[str] | None
) -> None:
    rows = await run_sql(
        admin_url,
        """select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication,
                  (select count(*) from pg_shdepend where refobjid = r.oid and deptype = 'o'),
                  (select array_agg(roleid::regrole::text order by 1) from pg_auth_members where member = r.oid)
           from pg_roles r where rolname = $1""",
        role,
    )
    assert tuple(rows[0]) == (False, 0, becomes)


async def test_the_follower_only_reads(admin_url: str) -> None:
    rows = await run_sql(
        admin_url,
        """select table_name::text, column_name::text, privilege_type::text from information_schema.column_privileges
           where grantee = $1 order by 1, 2""",
        FOLLOWER,
    )
    assert {row[2] for row in rows} == {"SELECT"}
    tables = {
        "objects", "links", "events", "audit_log", "seals", "prunings", "search_texts", "embeddings", "inferred_links",
        "type_definitions", "stopped_rules",
    }  # fmt: skip
    assert {row[0] for row in rows} == tables
    assert {row[1] for row in rows if row[0] == "type_definitions"} == {"organization_id", "label"}
    others = {row[1] for row in rows if row[0] != "inferred_links"}
    assert not others & {"over1", "over2", "over_rest", "terms"}


async def test_the_follower_sees_all_labels_of_one_organization(
    admin_url: str, database: Database, organization: Organization
) -> None:
    other = uuid4()
    connection = await asyncpg.connect(admin_url)
    try:
        for organization_id, label in product((organization.organization_id, other), (LOW, HIGH)):
            await insert(connection, "objects", organization_id=organization_id, label=label)
    finally:
        await connection.close()
    async with database.following(organization.organization_id) as transaction:
        seen = await transaction.fetch("select organization_id, label from fabric.objects order by label")
        assert [tuple(row) for row in seen] == [(organization.organization_id, x) for x in (LOW, HIGH)]
    async with database.transaction(Session(organization.organization_id, LOW)) as transaction:
        assert await transaction.fetchval("select current_user::text") == SERVER
        assert await transaction.fetchval("select count(*) from fabric.objects") == 1


async def test_the_rotator_changes_ciphertexts_and_nothing_else(
    admin_url: str, database: Database, filled: list[str], organization: Organization
) -> None:
    rows = await run_sql(
        admin_url,
        """select distinct table_name::text, column_name::text, privilege_type::text
           from information_schema.column_privileges where grantee = $1 order by 1, 2, 3""",
        ROTATOR,
    )
    assert {row[0] for row in rows} == {"encrypted_fields"}
    assert {row[1] for row in rows if row[2] == "UPDATE"} == {"key_version", "ciphertext"}
    assert {row[2] for row in rows} == {"SELECT", "UPDATE"}
    assert not {row[1] for row in rows} & {"hint", "blind_index"}
    async with database.rotating(organization.organization_id) as transaction:
        seen = await transaction.fetch("select organization_id, label from fabric.encrypted_fields order by label")
        assert [tuple(row) for row in seen] == [
            (organization.organization_id, x) for x in sorted((LOW, MIDDLE, HIGH, ASIDE))
        ]
        changed = await transaction.fetch("update fabric.encrypted_fields set ciphertext = 'x' returning label")
        assert len(changed) == 4
    others = await run_sql(admin_url, "select organization_id from fabric.encrypted_fields where ciphertext <> 'x'")
    assert len(others) == 4
    assert organization.organization_id not in {row[0] for row in others}


async def test_closed_tables_are_reached_through_functions_alone(server_url: str, organization: Organization) -> None:
    async with serving(server_url, Session(organization.organization_id, HIGH)) as connection:
        for table in sorted(CLOSED):
            for sql in (f"select * from fabric.{table}", f"delete from fabric.{table}"):
                await refuses(connection, "permission denied", sql)


async def test_functions_that_run_as_the_owner_are_few_and_fixed(admin_url: str) -> None:
    rows = await run_sql(
        admin_url,
        """select proname::text, prorettype = 'trigger'::regtype, proconfig,
                  has_function_privilege('public', oid, 'execute')
           from pg_proc where pronamespace = 'fabric'::regnamespace and prosecdef order by 1""",
    )
    callable_ones = {row[0] for row in rows if not row[1]}
    assert callable_ones == {
        "active_webhooks", "beyond", "claim_unlock", "count_unlocks", "encryption_keys", "find_organization",
        "hold_types", "open_jobs", "open_rotations", "organization_ids", "raise_key_floor", "unsealed",
    }  # fmt: skip
    for name, trigger, configuration, public in rows:
        assert configuration == ["search_path=fabric, pg_catalog, pg_temp"], name
        assert trigger or not public, name


async def test_without_a_session_every_table_is_empty(server_url: str, filled: list[str]) -> None:
    async with serving(server_url, None) as connection:
        for table in [*filled, *UNLABELLED]:
            assert await connection.fetchval(f"select count(*) from fabric.{table}") == 0, table


async def test_half_a_session_sees_nothing(server_url: str, filled: list[str], organization: Organization) -> None:
    own = str(organization.organization_id)
    async with serving(server_url, None) as connection:
        for halves in (("", ""), ("", "0"), (own, "")):
            await connection.execute(
                "select set_config('fabric.organization', $1, true), set_config('fabric.clearance', $2, true)", *halves
            )
            for table in filled:
                assert await connection.fetchval(f"select count(*) from fabric.{table}") == 0, (table, halves)


async def test_a_session_sees_what_its_label_dominates_of_its_organization(
    server_url: str, filled: list[str], organization: Organization
) -> None:
    for label in (LOW, MIDDLE, HIGH, ASIDE, HIGH | ASIDE):
        expected = {(organization.organization_id, x) for x in (LOW, MIDDLE, HIGH, ASIDE) if dominates(label, x)}
        async with serving(server_url, Session(organization.organization_id, label)) as connection:
            for table in filled:
                rows = await connection.fetch(f"select organization_id, label from fabric.{table}")
                assert {tuple(row) for row in rows} == expected, table
                assert len(rows) == len(expected), table


async def test_a_session_sees_only_its_own_organization_and_the_compartments_it_holds(
    server_url: str, organization: Organization, other: Organization
) -> None:
    async with serving(server_url, Session(organization.organization_id, HIGH)) as connection:
        assert await connection.fetch("select name, secret from fabric.organizations") == [
            ("acme", organization.secret)
        ]
        assert await connection.fetch("select name from fabric.compartments") == [("ALPHA",)]


async def test_what_tells_of_higher_versions_is_out_of_reach(
    server_url: str, filled: list[str], organization: Organization
) -> None:
    statements = [
        "select over1 from fabric.{}",
        "select over2 from fabric.{}",
        "select over_rest from fabric.{}",
        "select * from fabric.{}",
        "select t from fabric.{} t",
        "select to_jsonb(t) from fabric.{} t",
        "select 1 from fabric.{} where over1 is null",
        "select count(*) from fabric.{} group by over1",
        "select xmin from fabric.{}",
        "select ctid from fabric.{}",
        "update fabric.{} set over1 = null",
        "update fabric.{} set label = 0",
        "update fabric.{} set organization_id = gen_random_uuid()",
        "update fabric.{} set created_at = now()",
        "update fabric.{} set revision = 1 returning over1",
        "delete from fabric.{} returning over1",
        "insert into fabric.{} (over1) values (0)",
    ]
    async with serving(server_url, Session(organization.organization_id, HIGH)) as connection:
        for sql, table in product(statements, ("objects", "links")):
            await refuses(connection, "permission denied", sql.format(table))


async def test_nothing_is_added_at_another_label_or_to_another_organization(
    admin_url: str, server_url: str, organization: Organization, other: Organization
) -> None:
    elsewhere = [(organization.organization_id, label) for label in (LOW, MIDDLE, ASIDE, HIGH | ASIDE)]
    async with serving(server_url, Session(organization.organization_id, HIGH)) as connection:
        for table in sorted({*await labelled_tables(admin_url)} - OWNERS):
            for organization_id, label in [*elsewhere, (other.organization_id, HIGH)]:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    async with connection.transaction():
                        await insert(connection, table, organization_id=organization_id, label=label)
            await insert(connection, table, organization_id=organization.organization_id, label=HIGH)


async def test_only_rows_at_the_session_label_are_revised_or_removed(
    server_url: str, filled: list[str], organization: Organization
) -> None:
    session = Session(organization.organization_id, HIGH)
    acted = 0
    for table in filled:
        for sql in (f"update fabric.{table} set label = label", f"delete from fabric.{table}"):
            async with serving(server_url, session) as connection:
                try:
                    rows = await connection.fetch(sql + " returning organization_id, label")
                except asyncpg.InsufficientPrivilegeError:
                    continue  # append-only, or by column: then the statement is not granted at all
                acted += 1
                assert rows == [(organization.organization_id, HIGH)], sql
    assert acted >= 8


async def test_updates_reach_no_other_label(server_url: str, filled: list[str], organization: Organization) -> None:
    changes = {
        "objects": "data = '{}'",
        "links": "weight = 1",
        "type_definitions": "domain = 'x'",
        "api_keys": "name = 'x'",
    }
    async with serving(server_url, Session(organization.organization_id, HIGH)) as connection:
        for table, change in changes.items():
            assert await connection.fetch(f"update fabric.{table} set {change} returning label") == [(HIGH,)], table


async def test_a_row_cannot_be_moved_to_another_label_or_organization(
    server_url: str, filled: list[str], organization: Organization, other: Organization
) -> None:
    tables_of_rows = (
        "type_definitions", "configurations", "embeddings", "encrypted_fields", "api_keys", "search_texts",
        "search_terms",
    )  # fmt: skip
    async with serving(server_url, Session(organization.organization_id, HIGH)) as connection:
        for table, change in product(
            tables_of_rows, (f"label = {LOW}", f"organization_id = '{other.organization_id}'")
        ):
            await refuses(connection, "row-level security", f"update fabric.{table} set {change} where label = {HIGH}")


async def test_what_happened_is_not_rewritten(server_url: str, filled: list[str], organization: Organization) -> None:
    async with serving(server_url, Session(organization.organization_id, HIGH)) as connection:
        for table, column in (
            ("events", "actor"), ("audit_log", "actor"), ("seals", "key_id"), ("prunings", "key_id"),
        ):  # fmt: skip
            await refuses(connection, "permission denied", f"update fabric.{table} set {column} = 'x'")
            await refuses(connection, "permission denied", f"delete from fabric.{table}")
        for table in OWNERS:
            await refuses(connection, "permission denied", f"insert into fabric.{table} select * from fabric.{table}")


async def test_the_server_changes_no_shape_and_no_roles(server_url: str, organization: Organization) -> None:
    statements = [
        "create table fabric.mine (x int)",
        "create table public.mine (x int)",
        "create schema mine",
        "create function fabric.lower(text, int) returns text language sql as 'select $1'",
        "create policy all_of_it on fabric.objects using (true)",
        "drop policy read on fabric.objects",
        "drop table fabric.objects",
        "truncate fabric.objects",
        "lock table fabric.organizations in access exclusive mode",
        "alter table fabric.objects disable row level security",
        "alter table fabric.objects no force row level security",
        "alter table fabric.objects disable trigger user",
        "alter table fabric.objects owner to semantic_fabric_server",
        "alter role semantic_fabric_server bypassrls",
        "grant semantic_fabric_owner to semantic_fabric_server",
        "grant select (over1) on fabric.objects to semantic_fabric_server",
        "set role semantic_fabric_owner",
        "set session authorization semantic_fabric_owner",
        "set session_replication_role = replica",
        "insert into fabric.organizations (organization_id, name, secret) values (gen_random_uuid(), 'x', '')",
        "update fabric.organizations set secret = ''",
        "delete from fabric.compartments",
        "update fabric.alembic_version set version_num = ''",
        "copy fabric.objects to program 'cat'",
        "select nextval('fabric.events_position_seq')",
        "select last_value from fabric.events_position_seq",
        "select fabric.keep_winning_objects()",
    ]
    async with serving(server_url, Session(organization.organization_id, LOW)) as connection:
        for sql in statements:
            await refuses(connection, "permission denied|must be owner|Only roles with|trigger functions", sql)


async def test_switching_row_security_off_gives_an_error_instead_of_rows(
    server_url: str, filled: list[str], organization: Organization
) -> None:
    async with serving(server_url, Session(organization.organization_id, LOW)) as connection:
        await connection.execute("set row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.fetch("select label from fabric.objects")


async def test_the_owner_has_its_rows_from_a_policy_and_not_from_owning(admin_url: str, filled: list[str]) -> None:
    connection = await asyncpg.connect(admin_url)
    for table in filled:
        async with connection.transaction():
            await connection.execute(f"set local role {OWNER}")
            assert await connection.fetchval(f"select count(*) from fabric.{table}") == 8, table
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(f"drop policy maintain on fabric.{table}")
        await connection.execute(f"set local role {OWNER}")
        assert await connection.fetchval(f"select count(*) from fabric.{table}") == 0, table
        await transaction.rollback()
    await connection.close()


async def test_statistics_tell_the_server_nothing(admin_url: str, server_url: str, filled: list[str]) -> None:
    await run_sql(admin_url, "analyze")
    assert await run_sql(admin_url, "select from pg_stats where schemaname = 'fabric' and tablename = 'objects'")
    assert (
        await run_sql(server_url, "select tablename, attname from pg_stats where tablename in ('objects', 'events')")
        == []
    )


SETTINGS = """select concat(current_setting('fabric.organization', true), current_setting('fabric.clearance', true),
                             (select count(*) from fabric.organizations)) as left_over"""


@pytest.fixture
async def single(server_url: str) -> AsyncIterator[Database]:
    """A pool of one connection: what one use leaves on it, the next finds."""
    async with await Database.connect(server_url, size=1, statement_timeout=0.2) as database:
        yield database


async def committed(database: Database, session: Session) -> None:
    async with database.transaction(session) as transaction:
        assert await transaction.fetchval("select count(*) from fabric.organizations") == 1


async def read(database: Database, session: Session) -> None:
    assert await database.read(session, READ.format("select count(*) from fabric.organizations")) == 1


async def rolled_back(database: Database, session: Session) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction(session):
            raise ZeroDivisionError


async def failed(database: Database, session: Session) -> None:
    with pytest.raises(FabricError):
        async with database.transaction(session) as transaction:
            await transaction.fetch("select 1 / 0")


async def failed_to_read(database: Database, session: Session) -> None:
    with pytest.raises(FabricError):
        await database.read(session, READ.format("select 1 / (select 0 from fabric.organizations)"))


async def failed_unnoticed(database: Database, session: Session) -> None:
    async with database.transaction(session) as transaction:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await transaction.fetch("select 1 / 0")


async def timed_out(database: Database, session: Session) -> None:
    with pytest.raises(TimedOut):
        async with database.transaction(session) as transaction:
            await transaction.fetch("select pg_sleep(30)")


async def timed_out_reading(database: Database, session: Session) -> None:
    with pytest.raises(TimedOut):
        await database.read(session, READ.format("select pg_sleep(30)"))


async def cancelled(database: Database, session: Session) -> None:
    async def work() -> None:
        async with database.transaction(session) as transaction:
            await transaction.fetch("select pg_sleep(30)")

    await cancel(work())


async def cancelled_between_statements(database: Database, session: Session) -> None:
    async def work() -> None:
        async with database.transaction(session):
            await asyncio.sleep(30)

    await cancel(work())


async def cancelled_while_rolling_back(database: Database, session: Session) -> None:
    async def work() -> None:
        async with database.transaction(session) as transaction:
            await transaction.fetch("select pg_sleep(30)")

    await cancel(work(), times=3)


async def cancelled_at_the_start(database: Database, session: Session) -> None:
    async def work() -> None:
        async with database.transaction(session):
            pass

    for wait in range(12):
        task = asyncio.create_task(work())
        for _ in range(wait):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def cancelled_reading(database: Database, session: Session) -> None:
    await cancel(database.read(session, READ.format("select pg_sleep(30)")))


async def cancel(work: Any, times: int = 1) -> None:
    task = asyncio.create_task(work)
    await asyncio.sleep(0.05)
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "use",
    [
        committed, read, rolled_back, failed, failed_to_read, failed_unnoticed, timed_out, timed_out_reading, cancelled,
        cancelled_between_statements, cancelled_while_rolling_back, cancelled_at_the_start, cancelled_reading,
    ],
    ids=lambda use: use.__name__,
)  # fmt: skip
async def test_a_connection_in_the_pool_has_no_session(
    single: Database, organization: Organization, use: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await use(single, Session(organization.organization_id, HIGH))
    for _ in range(3):
        assert (await single.ask(SETTINGS))[0]["left_over"] == "0"
    assert caplog.records == []


async def test_a_parameter_is_never_a_statement(
    single: Database, filled: list[str], organization: Organization
) -> None:
    seen = "select array[$3, current_setting('fabric.clearance'), (select count(*) from fabric.objects)::text]"
    for text in (
        "select set_config('fabric.clearance', '9223372036854775807', true)",
        "'); select set_config('fabric.clearance', '9223372036854775807', false); --",
        "' || set_config('fabric.clearance', '9223372036854775807', false) || '",
        "$1",
    ):
        found = await single.read(Session(organization.organization_id, LOW), READ.format(seen), (text,))
        assert found == [text, "0", "1"]
        assert (await single.ask(SETTINGS))[0]["left_over"] == "0"


async def test_a_session_label_is_an_integer(single: Database, organization: Organization) -> None:
    forged: Any = "0', true), set_config('fabric.clearance', '9223372036854775807"
    with pytest.raises(ValueError, match="format"):
        async with single.transaction(Session(organization.organization_id, forged)):
            pytest.fail("a session at text")


async def test_mixed_readers_of_one_pool_never_see_each_others_rows(
    server_url: str, filled: list[str], organization: Organization, other: Organization
) -> None:
    query = READ.format(
        "select coalesce(jsonb_agg(jsonb_build_array(o.organization_id, o.label)), '[]') from fabric.objects o,"
        " pg_sleep($3)"
    )
    rng = random.Random(1)
    sessions = [
        Session(each.organization_id, label)
        for each in (organization, other)
        for label in (LOW, MIDDLE, HIGH, ASIDE, HIGH | ASIDE)
    ]

    async def reader(database: Database) -> int:
        seen = 0
        for _ in range(10):
            session = rng.choice(sessions)
            try:
                async with asyncio.timeout(rng.choice([0.001, 5, 5, 5])):
                    if rng.random() < 0.3:
                        async with database.transaction(session) as transaction:
                            rows = await transaction.fetch("select organization_id, label from fabric.objects")
                            found = [[str(r["organization_id"]), r["label"]] for r in rows]
                    else:
                        found = await database.read(session, query, (rng.choice([0.0, 0.002]),))
            except (TimeoutError, TimedOut):
                continue
            expected = [x for x in (LOW, MIDDLE, HIGH, ASIDE) if dominates(session.label, x)]
            assert sorted(found) == sorted([str(session.organization_id), x] for x in expected)
            seen += 1
        return seen

    async with await Database.connect(server_url, size=3) as database:
        assert sum(await asyncio.gather(*(reader(database) for _ in range(40)))) > 200


async def test_one_door_needs_no_session_and_gives_one_organization(
    server_url: str, organization: Organization, other: Organization
) -> None:
    rows = await run_sql(server_url, "select * from fabric.find_organization('acme')")
    assert [tuple(row) for row in rows] == [
        (organization.organization_id, organization.secret, ["ALPHA", "BRAVO", "CHARLIE"])
    ]
    assert await run_sql(server_url, "select * from fabric.find_organization('%')") == []
    assert await run_sql(server_url, "select * from fabric.find_organization(null)") == []
