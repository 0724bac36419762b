"""One server for each worker, over the demo organization."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import MakeServer, Server, Tenant
from workshop import Workshop

from fabric.demo import ORGANIZATION


@pytest.fixture(scope="session")
def server(new_server: MakeServer, demo_template: str) -> Iterator[Server]:
    with new_server(template=demo_template) as server:
        yield server


@pytest.fixture(scope="session")
def demo(server: Server) -> Tenant:
    return Tenant(server, ORGANIZATION)


@pytest.fixture
def workshop(demo: Tenant, tmp_path: Path) -> Workshop:
    return Workshop.furnish(tmp_path, demo)


@pytest.fixture(scope="session")
def schema_text(demo: Tenant) -> str:
    """What `semantic-fabric schema` prints for the lowest clearance."""
    return Workshop.schema(demo)
