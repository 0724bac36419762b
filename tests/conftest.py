"""The test ground: a PostgreSQL for each worker, a database of its own for each test that asks for one.

The server is the embedded one, started when the first test needs it. Its database is migrated once and cloned for each
test, so tests share no rows and can run in any order. Workers share no server: a transaction holds back the events of
all that began after it in the cluster, whatever their database. Nothing here survives the run, so the server need not
survive a power cut either.

Async tests are marked `pytest.mark.anyio`, most simply with `pytestmark = pytest.mark.anyio` at the top of a module.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from databases import COMPARTMENTS, POLICY, MakeSubject, clone_database, drop_database, run_sql, servers_place, url_of
from demo_organization import TEMPLATE, load_demo
from http_server import MakeServer, Server, serving
from hypothesis import settings
from sealed import Ground

from fabric.database.db import Database
from fabric.database.embedded import DATABASE, EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.policy import DEFAULT_POLICY
from fabric.identity.subject import Subject
from fabric.labels import Label
from fabric.log import OURS, PLAIN_SPOKEN
from fabric.seals.seal_keys import SealingKey, TrustedKeys
from fabric.types.types import Types
from fabric.writing.links import Links
from fabric.writing.objects import Objects

# A loaded machine is no fault of what is tested.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROLES = """
[roles.objects_only]
permissions = ["object:read"]

[roles.clerk]
permissions = ["object:create", "object:update", "object:delete"]

[roles.near_walker]
permissions = ["object:read", "link:read"]
relations = ["near"]
max_graph_depth = 2

[roles.short_walker]
permissions = ["object:read", "link:read"]
max_graph_links = 2

[roles.near_linker]
permissions = ["object:update", "link:create", "link:update", "link:delete"]
relations = ["near"]
"""
"""Beside those that come along: one who may not see links, one who may write but not read, some who may walk and link
by one relation alone, or not far."""

_names = count(1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported stays: looking through it again and again for garbage takes as long as all the rest of this."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def untouched_log() -> Iterator[None]:
    """Undoes what `fabric.log.configure` does to the whole process."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in ("", *OURS, *PLAIN_SPOKEN)}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The worker's server, with the template."""
    with TemporaryDirectory(prefix="sf-", dir=servers_place()) as folder, EmbeddedPostgres(Path(folder)) as server:
        asyncio.run(_prepare_template(server.admin_url))
        yield server


async def _prepare_template(url: str) -> None:
    maintenance = url_of(url, "postgres")
    for changed in ("fsync = off", "full_page_writes = off", "synchronous_commit = off", "max_wal_size = '512MB'"):
        await run_sql(maintenance, f"alter system set {changed}")
    await run_sql(maintenance, "select pg_reload_conf()")
    await migrate(url)
    await run_sql(maintenance, f"alter database {DATABASE} is_template true allow_connections false")


@pytest.fixture(scope="session")
def demo_template(postgres: EmbeddedPostgres) -> str:
    """The name of a database with the demo organization, to be cloned."""
    asyncio.run(_prepare_demo(postgres))
    return TEMPLATE


async def _prepare_demo(server: EmbeddedPostgres) -> None:
    maintenance = url_of(server.admin_url, "postgres")
    await clone_database(maintenance, TEMPLATE)
    await load_demo(url_of(server.admin_url, TEMPLATE), url_of(server.url, TEMPLATE))
    await run_sql(maintenance, f"alter database {TEMPLATE} is_template true allow_connections false")


@pytest.fixture(scope="session")
def new_server(postgres: EmbeddedPostgres, worker: str, tmp_path_factory: pytest.TempPathFactory) -> MakeServer:
    """Starts a server over a database of its own, by default a migrated one without anything in it."""
    numbers = count(1)
    maintenance = url_of(postgres.admin_url, "postgres")
    policy = DEFAULT_POLICY.read_text("utf-8") + ROLES

    @contextmanager
    def make(changed: Mapping[str, Any] | None = None, template: str = DATABASE) -> Iterator[Server]:
        name = f"{worker}_http_{next(numbers)}"
        asyncio.run(clone_database(maintenance, name, template))
        try:
            folder = tmp_path_factory.mktemp(name)
            urls = url_of(postgres.url, name), url_of(postgres.admin_url, name)
            with serving(*urls, folder, policy, changed) as server:
                yield server
        finally:
            asyncio.run(drop_database(maintenance, name))

    return make


@pytest.fixture
def database_name(postgres: EmbeddedPostgres, worker: str) -> Iterator[str]:
    """A migrated database that only this test knows."""
    name = f"{worker}_{next(_names)}"
    maintenance = url_of(postgres.admin_url, "postgres")
    asyncio.run(clone_database(maintenance, name))
    yield name
    asyncio.run(drop_database(maintenance, name))


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    given: dict[str, Any] = getattr(request.config, "workerinput", {})
    return str(given.get("workerid", "main"))


@pytest.fixture
def admin_url(postgres: EmbeddedPostgres, database_name: str) -> str:
    """The test's database as a superuser, whom row security does not hold."""
    return url_of(postgres.admin_url, database_name)


@pytest.fixture
def server_url(postgres: EmbeddedPostgres, database_name: str) -> str:
    """The test's database as the role that serves."""
    return url_of(postgres.url, database_name)


@pytest.fixture
async def database(server_url: str) -> AsyncIterator[Database]:
    async with await Database.connect(server_url) as database:
        yield database


@pytest.fixture
async def organization(admin_url: str, database: Database) -> Organization:
    """`acme`, with three compartments."""
    await establish(admin_url, "acme", COMPARTMENTS)
    found = await Directory(database).find("acme")
    assert found is not None
    return found


@pytest.fixture
def subject(organization: Organization) -> MakeSubject:
    def make(
        label: str = "UNCLASSIFIED",
        roles: tuple[str, ...] = ("admin",),
        name: str = "ann",
        clearance: str | None = None,
    ) -> Subject:
        """A subject of `acme` at this session label."""
        held = frozenset(roles)
        code = organization.lattice.encode(Label.parse(label))
        return Subject(
            organization_id=organization.organization_id,
            organization=organization.name,
            subject=name,
            roles=held,
            permissions=POLICY.permissions(held),
            clearance=organization.lattice.encode(Label.parse(clearance)) if clearance else code,
            label=code,
            expires_at=4e9,
        )

    return make


@pytest.fixture
def types(database: Database) -> Types:
    return Types(database)


@pytest.fixture
def objects(database: Database, types: Types) -> Objects:
    return Objects(types)


@pytest.fixture
def links(database: Database, types: Types) -> Links:
    return Links(types)


@pytest.fixture
def ground(database: Database, organization: Organization, admin_url: str) -> Ground:
    key = SealingKey(Ed25519PrivateKey.generate())
    return Ground(database, organization, admin_url, key, TrustedKeys([key.public]))
