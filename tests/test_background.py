"""Work beside answering is begun again, whatever it failed with, and ends with who began it."""

import asyncio

import pytest

from fabric.database import background
from fabric.database.background import keep_claiming
from fabric.database.claims import Claims
from fabric.database.db import Database
from fabric.errors import Internal
from fabric.tasks import in_background

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("fault", [Internal("the database could not answer"), RuntimeError("a mistake of ours")])
async def test_work_that_fails_is_begun_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(background, "_AFTER_FAULT", 0.01)
    begun, again, ended = 0, asyncio.Event(), False

    async def work(claims: Claims) -> None:
        nonlocal begun, ended
        begun += 1
        if begun < 3:
            raise fault
        assert await claims.processes() == 1
        again.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    async with in_background(keep_claiming(database, "semantic-fabric-test", work)), asyncio.timeout(30):
        await again.wait()
        assert not ended
    assert ended
    assert begun == 3
