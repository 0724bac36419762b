"""Work beside answering is begun again, whatever it failed with, and ends with who began it."""

import asyncio
from uuid import uuid4

import pytest
from databases import run_sql

from fabric.database import background, claims
from fabric.database.background import keep_claiming
from fabric.database.claims import Claims, claiming
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

    async def work(held: Claims) -> None:
        nonlocal begun, ended
        begun += 1
        if begun < 3:
            raise fault
        assert await held.processes() == 1
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


async def test_a_claim_is_kept_for_as_long_as_the_work_in_hand_takes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "IDLE_SECONDS", 1)
    id = uuid4()
    async with claiming(database, "semantic-fabric-test") as one, claiming(database, "semantic-fabric-test") as other:
        assert await one.take(id)
        await asyncio.sleep(1.6)  # nothing is said over the connection meanwhile
        assert not await other.take(id)
        await one.give_back(id)
        assert await other.take(id)


async def test_who_holds_claims_is_told_where_they_are_lost(database: Database, admin_url: str) -> None:
    async def lose() -> None:
        async with claiming(database, "semantic-fabric-lost") as held:
            await run_sql(
                admin_url,
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1",
                "semantic-fabric-lost",
            )
            await held.processes()

    with pytest.raises(Internal):
        await lose()
