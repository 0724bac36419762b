from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from backends import BACKENDS
from contract import Bench


@pytest.fixture(params=BACKENDS)
async def bench(request: pytest.FixtureRequest, anyio_backend: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A vault for one test, of each backend in turn."""
    async with BACKENDS[request.param](tmp_path) as bench:
        yield bench


@pytest.fixture
async def shared_key(bench: Bench) -> str:
    """A key for all examples of one test."""
    return await bench.key()
