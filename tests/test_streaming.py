"""Events find the channels whom they concern, and each channel makes all of it once."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from databases import MakeSubject, run_sql, settled
from hypothesis import given
from hypothesis import strategies as st
from random_world import LABELS, NOTES, World

from fabric.database.db import Database
from fabric.errors import Internal
from fabric.events.chronicle import Past, Told
from fabric.events.events import BEGINNING, read_page
from fabric.events.feed import Feed, News
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.tasks import in_background
from fabric.types.types import Types
from graphql_api.compiler.surfaces import build_surface
from graphql_api.streaming import channels as making
from graphql_api.streaming.channels import Channels, Entry
from graphql_api.streaming.interests import Key, keys_of, topics
from graphql_api.streaming.streams import PORTION, portions
from graphql_api.streaming.watches import Watcher, watch

EVENT = """insert into fabric.events (organization_id, label, topic, entity_table, entity_type, actor, data)
           values ($1, 0, $2, 'x', 'X', 'ann', '{}')"""


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(3))
async def test_what_comes_to_something_has_a_key_that_the_watch_names(
    admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject, seed: int
) -> None:
    await types.define(subject(), organization.lattice, NOTES)
    world = World(admin_url, database, types, organization, subject, random.Random(seed))
    for _ in range(50):
        await world.step()
    await settled(admin_url)
    async with database.following(organization.organization_id) as transaction:
        events = (await read_page(transaction, BEGINNING)).events
        told = await Past().tell(transaction, events, BEGINNING)
    surface = build_surface(await types.catalogue(subject().session))
    asked: list[tuple[str, dict[str, Any]]] = [
        *(("linkEvents", {"objectId": str(id), "direction": way}) for id in world.ids for way in ("IN", "OUT", "BOTH")),
        ("linkEvents", {"direction": "BOTH"}),
        ("linkEvents", {"direction": "BOTH", "relations": ["cites"]}),
        ("linkEvents", {"direction": "BOTH", "types": ["Note"]}),
        ("events", {}),
        ("events", {"topics": ["object.created", "link.deleted"]}),
        ("events", {"topics": ["object.*", "link.created"]}),
        ("events", {"types": ["Note"]}),
        ("events", {"types": ["cites"]}),
        ("changes", {"type": "Note"}),
    ]
    left_out = 0
    for label in LABELS:
        watcher = Watcher(database, surface, subject(label), organization)
        for field, arguments in asked:
            watching = watch(watcher, field, arguments)
            found = await watching.notices(told)
            concerned = [bool(keys_of(each) & watching.interests) for each in told]
            assert not [each for each, notices, had in zip(told, found, concerned, strict=True) if notices and not had]
            left_out += len(concerned) - sum(concerned)
    assert left_out > len(told)


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    feed = Feed(database)
    async with feed.running():
        yield feed


class Making:
    """What a channel is made by: notes what it is given, takes its time, and fails when it is told to."""

    def __init__(self, pause: float = 0.0) -> None:
        self.given: list[str] = []
        self.failures = 0
        self._pause = pause

    async def render(self, told: Sequence[Told]) -> list[Entry]:
        await asyncio.sleep(self._pause)
        if self.failures:
            self.failures -= 1
            raise Internal("not now")
        self.given += [each.event.topic for each in told]
        wanted = [each for each in told if each.event.topic.startswith("mine")]
        return [Entry(each.position, (each.event.topic.encode(),)) for each in wanted]


async def ready(_: object) -> bytes:
    return b"READY"


MINE = topics(f"mine.{n}" for n in range(100))


async def read(channels: Channels, organization: Organization, making: Making, number: int, opened: asyncio.Event,
               interests: frozenset[Key] = MINE) -> list[bytes]:  # fmt: skip
    found: list[bytes] = []
    id = organization.organization_id
    async with channels.joined(making, id, interests, making.render) as channel:
        async for payloads in channel.read(None, 0, ready):
            opened.set()
            found += payloads
            if len(found) > number:
                return found
    raise AssertionError


@pytest.mark.anyio
@pytest.mark.parametrize("waiting", [3, 2_000], ids=["behind again and again", "never behind"])
async def test_a_channel_is_given_all_that_concerns_it_and_nothing_is_made_twice(
    admin_url: str, feed: Feed, organization: Organization, monkeypatch: pytest.MonkeyPatch, waiting: int
) -> None:
    monkeypatch.setattr(making, "WAITING", waiting)
    monkeypatch.setattr(making, "_PAGE", 4)
    await settled(admin_url)
    channels = Channels(feed)
    slow, quick, idle = Making(0.002), Making(), Making()
    opened = [asyncio.Event() for _ in range(3)]
    readers = [
        asyncio.create_task(read(channels, organization, made, 100, event))
        for made, event in zip((slow, quick), opened, strict=False)
    ]
    bystander = asyncio.create_task(read(channels, organization, idle, 1, opened[2], topics(["nobody's"])))
    for event in opened:
        await event.wait()
    for n in range(100):
        for topic in (f"mine.{n}", f"other.{n}"):
            await run_sql(admin_url, EVENT, organization.organization_id, topic)
    expected = [b"READY", *(f"mine.{n}".encode() for n in range(100))]
    async with asyncio.timeout(30):
        assert await asyncio.gather(*readers) == [expected, expected]
    assert not idle.given
    if waiting == 2_000:
        assert slow.given == quick.given == [f"mine.{n}" for n in range(100)]
    bystander.cancel()
    await asyncio.wait([bystander])


@pytest.mark.anyio
async def test_what_fails_is_made_again(
    admin_url: str, feed: Feed, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_AFTER_FAILURE", 0.01)
    await settled(admin_url)
    made, opened = Making(), asyncio.Event()
    reader = asyncio.create_task(read(Channels(feed), organization, made, 3, opened))
    await opened.wait()
    made.failures = 2
    for n in range(3):
        await run_sql(admin_url, EVENT, organization.organization_id, f"mine.{n}")
    async with asyncio.timeout(30):
        assert await reader == [b"READY", b"mine.0", b"mine.1", b"mine.2"]


@given(st.lists(st.integers(0, 3 * PORTION // 2).map(bytes), max_size=12))
def test_portions_are_all_payloads_in_order_and_none_is_large_but_for_a_large_payload(payloads: list[bytes]) -> None:
    found = list(portions(payloads))
    assert [payload for some in found for payload in some] == payloads
    assert all(some and (len(some) == 1 or sum(map(len, some)) <= PORTION) for some in found)


@pytest.mark.anyio
async def test_what_was_read_ahead_is_not_made_again_when_it_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "WAITING", 2)
    told = {n: Told(SimpleNamespace(position=Position(n, 0), topic=f"mine.{n}")) for n in range(1, 7)}

    class Ahead:
        """A tail that has read further than the dispatch has handed on."""

        async def page(self, after: Position, _: int) -> News:
            found = [each for n, each in told.items() if n <= 5 and each.position > after]
            return News(found, Position(5, 0))

    dispatch: Any = SimpleNamespace(
        opened=asyncio.get_running_loop().create_future(), end=Position(0, 0), enter=lambda *_: None,
        leave=lambda *_: None,
    )  # fmt: skip
    dispatch.opened.set_result(Ahead())
    made = Making(0.01)
    channel = making.Channel(dispatch, MINE, made.render)
    async with in_background(channel.keep_making()):
        await asyncio.sleep(0)
        for n in (1, 2, 3):
            channel.offer(told[n])  # one too many: it reads them again, and further
        dispatch.end = Position(3, 0)
        async with asyncio.timeout(10):
            while not made.given:  # noqa: ASYNC110 - they come by themselves
                await asyncio.sleep(0.01)
            for n in (4, 5, 6):
                channel.offer(told[n])
            dispatch.end = Position(6, 0)
            while "mine.6" not in made.given:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert made.given == [f"mine.{n}" for n in range(1, 7)]
