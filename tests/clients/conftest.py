"""One server for each worker, over the demo organization."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import MakeServer, Server, Tenant
from workshop import SECONDS, Workshop

from fabric.demo import ORGANIZATION

ALONE = {"search_indexing": False}
"""It would make words and vectors of the whole demo meanwhile, which nobody here searches."""


@pytest.fixture(scope="session")
def server(new_server: MakeServer, demo_template: str) -> Iterator[Server]:
    with new_server(ALONE, template=demo_template) as server:
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
    place = [f"--data-dir={demo.server.settings.data_dir}", f"--database-url={demo.server.database_url}"]
    reader = [f"--organization={demo.name}", "--clearance=UNCLASSIFIED"]
    command = [sys.executable, "-m", "graphql_api.cli", "schema", *place, *reader]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS).stdout
