import asyncio
from collections.abc import Iterator

import pytest
from databases import clone_database, drop_database, url_of

from compiler.ground import Ground
from compiler.house import House, build
from fabric.database.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def ground(postgres: EmbeddedPostgres, worker: str) -> Iterator[Ground]:
    """One database for all of the compiler's tests: each takes an organization of its own."""
    name = f"{worker}_compiler"
    maintenance = url_of(postgres.admin_url, "postgres")
    asyncio.run(clone_database(maintenance, name))
    with Ground(url_of(postgres.admin_url, name), url_of(postgres.url, name)) as ground:
        yield ground
    asyncio.run(drop_database(maintenance, name))


@pytest.fixture(scope="session")
def house(ground: Ground) -> House:
    return ground.run(build(ground))
