"""Fixtures of tests over HTTP: one server for each worker, an organization of its own for each test."""

from collections.abc import Iterator

import pytest
from http_server import TYPES, MakeServer, Server, Tenant


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
