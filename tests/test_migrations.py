from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from databases import drop_database, run_sql, servers_place, url_of
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from fabric.database.db import Database
from fabric.database.embedded import ADMIN_ROLE, EmbeddedPostgres
from fabric.database.migration import Ahead, Behind, head, migrate, require_head, revision_of
from fabric.database.models import SCHEMA, Base
from fabric.identity.organizations import Directory, establish
from fabric.identity.subject import Session

pytestmark = pytest.mark.anyio

SHAPE = """
select 'relation', relname::text,
       concat_ws(' ', relkind, relrowsecurity, relforcerowsecurity, relowner::regrole, relacl)
from pg_class where relnamespace = 'fabric'::regnamespace
union all
select 'column', concat_ws('.', c.relname, a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attacl)
from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = 'fabric'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
union all
select 'function', oid::regprocedure::text, concat_ws(' ', pg_get_functiondef(oid), proacl)
from pg_proc where pronamespace = 'fabric'::regnamespace
union all
select 'policy', concat_ws('.', tablename, policyname), concat_ws(' ', cmd, roles, qual, with_check)
from pg_policies where schemaname = 'fabric'
union all
select 'constraint', concat_ws('.', conrelid::regclass, conname), pg_get_constraintdef(oid)
from pg_constraint where connamespace = 'fabric'::regnamespace
union all
select 'trigger', concat_ws('.', tgrelid::regclass, tgname), pg_get_triggerdef(oid)
from pg_trigger where not tgisinternal
union all
select 'collation', collname, collprovider::text from pg_collation where collnamespace = 'fabric'::regnamespace
order by 1, 2"""


@pytest.fixture
async def empty_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database that was never migrated."""
    name = f"empty_{uuid4().hex}"
    maintenance = url_of(postgres.admin_url, "postgres")
    await run_sql(maintenance, f"create database {name} template template0")
    yield url_of(postgres.admin_url, name)
    await drop_database(maintenance, name)


@pytest.fixture(scope="module")
def other_server() -> Iterator[EmbeddedPostgres]:
    """A server of which nobody has made the roles yet: roles belong to all of a server's databases."""
    with TemporaryDirectory(prefix="sf-", dir=servers_place()) as folder, EmbeddedPostgres(Path(folder)) as server:
        yield server


async def shape(url: str) -> list[tuple[str, ...]]:
    return [tuple(row) for row in await run_sql(url, SHAPE)]


async def test_down_and_up_again_gives_the_same_shape(empty_url: str) -> None:
    await migrate(empty_url)
    first = await shape(empty_url)
    assert len(first) > 100
    await migrate(empty_url, "base")
    left = {name for _, name, _ in await shape(empty_url)}
    assert all(name.removeprefix("fabric.").startswith("alembic_version") for name in left), left
    assert await revision_of(empty_url) is None
    await migrate(empty_url)
    assert await shape(empty_url) == first


async def test_migrating_twice_changes_nothing(admin_url: str) -> None:
    before = await shape(admin_url)
    await migrate(admin_url)
    assert await shape(admin_url) == before


async def test_the_models_are_the_tables(admin_url: str) -> None:
    engine = create_async_engine(admin_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()
    assert differences == []


def _differences(connection: Connection) -> list[object]:
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_schemas": True,
        "include_name": lambda name, kind, _: name == SCHEMA if kind == "schema" else True,
        "version_table_schema": SCHEMA,
    }
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


async def test_a_column_that_the_models_lack_is_a_difference(admin_url: str) -> None:
    await run_sql(admin_url, "alter table fabric.objects add column extra text")
    engine = create_async_engine(admin_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()
    assert len(differences) == 1


async def test_a_database_at_head_is_accepted_by_the_serving_role(server_url: str) -> None:
    await require_head(server_url)
    assert await revision_of(server_url) == head()


async def test_a_database_without_tables_is_refused_with_the_command(empty_url: str) -> None:
    with pytest.raises(Behind, match=r"at revision none, this version needs .*semantic-fabric migrate"):
        await require_head(empty_url)


async def test_a_database_that_is_behind_is_refused_with_the_command(admin_url: str) -> None:
    await run_sql(admin_url, "delete from fabric.alembic_version")
    with pytest.raises(Behind, match=f"at revision none, this version needs {head()}: run `semantic-fabric migrate`"):
        await require_head(admin_url)


async def test_a_database_of_a_newer_version_is_left_alone(admin_url: str) -> None:
    await run_sql(admin_url, "update fabric.alembic_version set version_num = '9999'")
    with pytest.raises(Ahead, match="at revision 9999, which this version does not know"):
        await migrate(admin_url)
    with pytest.raises(Ahead, match="at revision 9999, which this version does not know"):
        await require_head(admin_url)


async def test_a_failed_migration_leaves_nothing(empty_url: str) -> None:
    await run_sql(empty_url, "create schema fabric")
    await run_sql(empty_url, "create table fabric.api_keys ()")
    with pytest.raises(Exception, match="api_keys"):
        await migrate(empty_url)
    assert await run_sql(empty_url, "select tablename from pg_tables where schemaname = 'fabric'") == [("api_keys",)]


async def _prepare(server: EmbeddedPostgres, name: str) -> str:
    """What an administrator does for an operator who is not superuser: a database and the extension."""
    maintenance = url_of(server.admin_url, "postgres")
    if not await run_sql(maintenance, "select from pg_roles where rolname = 'operator'"):
        await run_sql(maintenance, "create role operator login createrole")
    await run_sql(maintenance, f"create database {name} owner operator")
    await run_sql(url_of(server.admin_url, name), "create extension vector")
    return url_of(server.admin_url, name).replace(f"//{ADMIN_ROLE}@", "//operator@")


async def test_an_operator_without_superuser_can_migrate_and_the_server_serves(other_server: EmbeddedPostgres) -> None:
    url = await _prepare(other_server, "first")
    await migrate(url)
    await require_head(url_of(other_server.url, "first"))
    assert await establish(url, "acme", ["ALPHA"]) == (True, ["ALPHA"])
    await run_sql(url, "set role semantic_fabric_owner")  # as a member, not only by inheritance
    async with await Database.connect(url_of(other_server.url, "first")) as database:
        found = await Directory(database).find("acme")
        assert found is not None
        async with database.transaction(Session(found.organization_id, 0)) as transaction:
            rows = await transaction.fetch("select fabric.text('{\"a\": 1}'::jsonb, 'a') as a, fabric.int8('3') as b")
            assert tuple(rows[0]) == ("1", 3)
            assert await transaction.fetchval("select name from fabric.organizations") == "acme"


async def test_an_operator_is_held_by_row_security(other_server: EmbeddedPostgres) -> None:
    url = await _prepare(other_server, "second")
    await migrate(url)
    await establish(url, "acme")
    connection = await asyncpg.connect(url_of(other_server.url, "second"))
    assert await connection.fetch("select * from fabric.organizations") == []
    await connection.close()


async def test_an_operator_can_take_the_migration_back(other_server: EmbeddedPostgres) -> None:
    url = await _prepare(other_server, "third")
    await migrate(url)
    first = await shape(url)
    await migrate(url, "base")
    await migrate(url)
    assert await shape(url) == first


async def test_another_operator_needs_only_membership_of_the_owner(other_server: EmbeddedPostgres) -> None:
    url = await _prepare(other_server, "fourth")
    await migrate(url)
    maintenance = url_of(other_server.admin_url, "postgres")
    await run_sql(maintenance, "create role colleague login createrole in role semantic_fabric_owner")
    await run_sql(maintenance, "create database fifth owner colleague")
    await run_sql(url_of(other_server.admin_url, "fifth"), "create extension vector")
    await migrate(url_of(url, "x").replace("/fourth?", "/fifth?").replace("//operator@", "//colleague@"))
    await require_head(url_of(other_server.url, "fifth"))


@pytest.mark.anyio
async def test_a_url_may_say_what_the_driver_understands(admin_url: str, server_url: str) -> None:
    await migrate(admin_url + "&sslmode=disable")
    assert await revision_of(server_url + "&sslmode=disable") == head()
