"""Turns of organizations in the background: at first of all, then of those that events tell of, and when it is time."""

import asyncio
from uuid import UUID

import pytest
from databases import run_sql

from fabric.database import background
from fabric.database.claims import Claims
from fabric.database.db import Database
from fabric.errors import Internal
from fabric.events.feed import CHANNEL
from fabric.events.rounds import Rounds
from fabric.identity.organizations import Directory, Organization, establish

pytestmark = pytest.mark.anyio


async def idle(rounds: Rounds) -> None:
    for _ in range(600):
        if not rounds.behind:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("there is something to do still")


@pytest.fixture
async def other(database: Database, admin_url: str, organization: Organization) -> UUID:
    await establish(admin_url, "other")
    found = await Directory(database).find("other")
    assert found is not None
    return found.organization_id


async def test_each_has_a_turn_at_first_when_it_is_told_of_and_when_it_is_time(
    database: Database, admin_url: str, organization: Organization, other: UUID
) -> None:
    one, turns, again = organization.organization_id, asyncio.Queue[UUID](), {other: [0.01]}

    async def turn(_: Claims, organization_id: UUID) -> float | None:
        turns.put_nowait(organization_id)
        times = again.get(organization_id)
        return times.pop() if times else None

    rounds = Rounds(database, "semantic-fabric-test", turn)
    async with rounds.running(), asyncio.timeout(30):
        had = [await turns.get() for _ in range(3)]
        assert {one, other} == {*had}
        assert had.count(other) >= 1
        await idle(rounds)
        while not turns.empty():  # as the listener begins, all are looked at once more
            turns.get_nowait()
        await run_sql(admin_url, "select pg_notify($1, $2)", CHANNEL, str(one))
        while await turns.get() != one:
            pass
        await idle(rounds)


async def test_what_fails_is_due_still_and_its_claims_are_others(
    database: Database, monkeypatch: pytest.MonkeyPatch, organization: Organization
) -> None:
    monkeypatch.setattr(background, "_AFTER_FAULT", 0.01)
    by, done = list[Claims](), asyncio.Event()

    async def turn(claims: Claims, organization_id: UUID) -> float | None:
        assert organization_id in rounds.behind
        by.append(claims)
        if len(by) == 1:
            raise Internal("the database could not answer")
        done.set()
        return None

    rounds = Rounds(database, "semantic-fabric-test", turn)
    async with rounds.running(), asyncio.timeout(30):
        await done.wait()
        assert by[0] is not by[1]
        await idle(rounds)
