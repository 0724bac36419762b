"""One server for each worker that may send to this machine; organizations and receivers for each test of their own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from databases import clone_database, drop_database, url_of
from hooks import SETTINGS, MakePlace
from http_server import TYPES, Server, Tenant, serving
from receiver import Receiver, receiving

from fabric.database.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def new_place(postgres: EmbeddedPostgres, worker: str) -> MakePlace:
    numbers = count(1)
    maintenance = url_of(postgres.admin_url, "postgres")

    @contextmanager
    def make() -> Iterator[tuple[str, str]]:
        name = f"{worker}_hooks_{next(numbers)}"
        asyncio.run(clone_database(maintenance, name))
        try:
            yield url_of(postgres.url, name), url_of(postgres.admin_url, name)
        finally:
            asyncio.run(drop_database(maintenance, name))

    return make


@pytest.fixture(scope="session")
def server(new_place: MakePlace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with new_place() as urls, serving(*urls, tmp_path_factory.mktemp("hooks"), changed=SETTINGS) as server:
        yield server


@pytest.fixture
def assets(server: Server) -> Tenant:
    """An organization that has `TYPES`, and nothing else."""
    tenant = server.organization()
    tenant.define(*TYPES)
    return tenant


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
