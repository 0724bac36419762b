"""One server for each worker, an organization of its own for each test."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from databases import run_sql, url_of
from http_server import TYPES, MakeServer, Server, Tenant, serving

from fabric.embedded import DATABASE, EmbeddedPostgres
from fabric.policy import DEFAULT_POLICY

ROLES = """
[roles.objects_only]
permissions = ["object:read"]

[roles.clerk]
permissions = ["object:create", "object:update", "object:delete"]
"""
"""Beside those that come along: one who may not see links, one who may write but not read."""


@pytest.fixture(scope="session")
def new_server(postgres: EmbeddedPostgres, worker: str, tmp_path_factory: pytest.TempPathFactory) -> MakeServer:
    """Starts a server over a migrated database of its own."""
    numbers = count(1)
    maintenance = url_of(postgres.admin_url, "postgres")
    policy = DEFAULT_POLICY.read_text("utf-8") + ROLES

    @contextmanager
    def make(changed: Mapping[str, Any] | None = None) -> Iterator[Server]:
        name = f"{worker}_http_{next(numbers)}"
        asyncio.run(run_sql(maintenance, f"create database {name} template {DATABASE}"))
        try:
            folder = tmp_path_factory.mktemp(name)
            urls = url_of(postgres.url, name), url_of(postgres.admin_url, name)
            with serving(*urls, folder, policy, changed) as server:
                yield server
        finally:
            asyncio.run(run_sql(maintenance, f"drop database {name} with (force)"))

    return make


@pytest.fixture(scope="session")
def server(new_server: MakeServer) -> Iterator[Server]:
    with new_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _alive_afterwards(server: Server) -> Iterator[None]:
    yield
    assert server.is_alive()


@pytest.fixture
def organization(server: Server) -> Tenant:
    return server.organization()


@pytest.fixture
def other_organization(server: Server) -> Tenant:
    return server.organization()


@pytest.fixture
def assets(organization: Tenant) -> Tenant:
    """An organization that has `TYPES`, and nothing else."""
    organization.define(*TYPES)
    return organization


@pytest.fixture
def pair(assets: Tenant) -> tuple[str, str]:
    """The ids of an asset and of a sensor, not linked."""
    made = assets.data(
        'mutation { createAsset(input: {name: "pump", rating: 1.5}) { asset { id } }'
        ' createSensor(input: {name: "dial"}) { sensor { id } } }'
    )
    return made["createAsset"]["asset"]["id"], made["createSensor"]["sensor"]["id"]
