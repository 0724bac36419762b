"""Following events: in commit order, each once, none missed, whatever commits late."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from databases import run_sql, settled

from fabric.database.db import Database
from fabric.events import feed as feeds
from fabric.events.chronicle import Told
from fabric.events.events import BEGINNING, read_page
from fabric.events.feed import Feed, Tail
from fabric.events.journal import Position
from fabric.identity.organizations import Organization

pytestmark = pytest.mark.anyio

INSERT = """insert into fabric.events (organization_id, label, topic, entity_table, entity_type, actor, data)
            values ($1, $2, $3, 'x', 'X', 'ann', '{}') returning position"""


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    feed = Feed(database)
    async with feed.running():
        yield feed


class Writer:
    """One transaction of another connection, which commits when it is told to."""

    def __init__(self, url: str, organization: UUID) -> None:
        self._url, self._organization = url, organization

    async def __aenter__(self) -> "Writer":
        self.connection = await asyncpg.connect(self._url)
        self._transaction = self.connection.transaction()
        await self._transaction.start()
        return self

    async def write(self, topic: str, label: int = 0) -> None:
        await self.connection.execute(INSERT, self._organization, label, topic)

    async def commit(self) -> None:
        await self._transaction.commit()

    async def roll_back(self) -> None:
        await self._transaction.rollback()

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()


async def topics(tail: Tail, after: Position, number: int) -> list[str]:
    """The next so many, as they come."""
    found: list[Told] = []
    async with asyncio.timeout(20):
        while len(found) < number:
            page = await tail.next(after)
            found += page.told
            after = page.end
    return [told.event.topic for told in found]


async def test_what_is_committed_comes(feed: Feed, organization: Organization, admin_url: str) -> None:
    async with feed.following(organization.organization_id) as tail:
        start = tail.end
        await run_sql(admin_url, INSERT, organization.organization_id, 0, "one")
        await run_sql(admin_url, INSERT, organization.organization_id, 7 << 60, "two")
        assert await topics(tail, start, 2) == ["one", "two"]


async def test_what_came_before_is_not_told_unless_asked_for(
    feed: Feed, organization: Organization, admin_url: str
) -> None:
    await run_sql(admin_url, INSERT, organization.organization_id, 0, "before")
    async with feed.following(organization.organization_id) as tail:
        assert (await tail.page(tail.end)).told == []
        assert await topics(tail, BEGINNING, 1) == ["before"]


async def test_an_earlier_transaction_that_commits_later_is_waited_for(
    feed: Feed, organization: Organization, admin_url: str
) -> None:
    async with (
        feed.following(organization.organization_id) as tail,
        Writer(admin_url, organization.organization_id) as early,
        Writer(admin_url, organization.organization_id) as late,
    ):
        start = tail.end
        await early.write("early, once")
        await late.write("late")
        await early.write("early, twice")
        await late.commit()
        following = asyncio.create_task(topics(tail, start, 3))
        await asyncio.sleep(0.2)
        assert not following.done()
        assert (await tail.page(start)).told == []
        await early.commit()
        assert await following == ["early, once", "early, twice", "late"]


async def test_what_waited_for_a_transaction_that_fails_comes_without_a_further_notice(
    feed: Feed, organization: Organization, admin_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "HEARTBEAT", 1000.0)
    async with (
        feed.following(organization.organization_id) as tail,
        Writer(admin_url, organization.organization_id) as early,
        Writer(admin_url, organization.organization_id) as late,
    ):
        start = tail.end
        await early.write("never")
        await late.write("late")
        await late.commit()
        await asyncio.sleep(0.1)
        await early.roll_back()
        assert await topics(tail, start, 1) == ["late"]


@pytest.mark.parametrize("kept", [10_000, 20])
async def test_nothing_is_missed_or_doubled_or_out_of_order_under_many_writers(
    feed: Feed, organization: Organization, admin_url: str, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(feeds, "KEPT", kept)
    rng = random.Random(kept)
    written: list[str] = []

    async def write(name: str) -> None:
        for i in range(12):
            async with Writer(admin_url, organization.organization_id) as writer:
                told = [f"{name} {i} {n}" for n in range(rng.randint(1, 3))]
                for topic in told:
                    await writer.write(topic)
                    await asyncio.sleep(rng.random() * 0.01)
                if rng.random() < 0.2:
                    await writer.roll_back()
                else:
                    await writer.commit()
                    written.extend(told)

    async def follow(tail: Tail, start: Position, pause: float) -> list[str]:
        found: list[Told] = []
        while not found or found[-1].event.topic != "last":
            page = await tail.page(start, rng.randint(1, 5))
            found += page.told
            start = page.end
            await asyncio.sleep(rng.random() * pause)
        assert [e.position for e in found] == sorted(e.position for e in found)
        return [t.event.topic for t in found]

    async with feed.following(organization.organization_id) as tail:
        followers = [asyncio.create_task(follow(tail, tail.end, pause)) for pause in (0.0, 0.01, 0.1)]
        await asyncio.gather(*(write(f"writer {n}") for n in range(8)))
        await run_sql(admin_url, INSERT, organization.organization_id, 0, "last")
        for told in await asyncio.wait_for(asyncio.gather(*followers), 60):
            assert sorted(told) == sorted([*written, "last"])


async def test_other_organizations_are_not_told_of(feed: Feed, organization: Organization, admin_url: str) -> None:
    async with feed.following(organization.organization_id) as tail:
        start = tail.end
        await run_sql(admin_url, INSERT, uuid4(), 0, "theirs")
        await run_sql(admin_url, INSERT, organization.organization_id, 0, "ours")
        assert await topics(tail, start, 1) == ["ours"]
        assert [t.event.topic for t in (await tail.page(BEGINNING)).told] == ["ours"]


async def test_a_place_is_reached_once_all_before_it_has_been_read(
    feed: Feed, organization: Organization, admin_url: str
) -> None:
    async with feed.following(organization.organization_id) as tail:
        rows = await run_sql(
            admin_url,
            INSERT + ", pg_current_xact_id()::text::bigint as transaction_id",
            organization.organization_id, 0, "one",
        )  # fmt: skip
        position = Position(rows[0]["transaction_id"], rows[0]["position"])
        async with asyncio.timeout(10):
            await tail.reaches(position)
        assert tail.end >= position


async def test_following_goes_on_after_connections_are_lost(
    feed: Feed, organization: Organization, admin_url: str
) -> None:
    async with feed.following(organization.organization_id) as tail:
        start = tail.end
        await run_sql(
            admin_url,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()",
        )
        await run_sql(admin_url, INSERT, organization.organization_id, 0, "after")
        assert await topics(tail, start, 1) == ["after"]


async def test_a_tail_is_read_only_while_somebody_follows(feed: Feed, organization: Organization) -> None:
    async with feed.following(organization.organization_id) as one:
        async with feed.following(organization.organization_id) as other:
            assert one is other
        assert feed._followed
    assert not feed._followed


async def test_pages_of_a_session_hold_what_its_label_dominates(
    database: Database, organization: Organization, admin_url: str, subject: Any
) -> None:
    for label in (0, 7 << 60):
        await run_sql(admin_url, INSERT, organization.organization_id, label, str(label))
    await settled(admin_url)
    async with database.transaction(subject().session) as transaction:
        assert [e.topic for e in (await read_page(transaction, BEGINNING)).events] == ["0"]
