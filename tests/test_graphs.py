"""Graphs in memory are what is stored: after loading, after every change, and after whatever goes wrong."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from databases import COMPARTMENTS, POLICY, MakeSubject, run_sql, servers_place
from random_world import LABELS, NOTES, World

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.errors import FabricError
from fabric.events.feed import Feed
from fabric.events.journal import Position
from fabric.graph import LinkGraph
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.subject import Subject
from fabric.labels import Label
from fabric.live_graphs.graphs import GraphFigures, Graphs
from fabric.live_graphs.loading import load
from fabric.types.types import Types
from fabric.writing.objects import Change

pytestmark = pytest.mark.anyio

MUCH = 2**30


@pytest.fixture
async def feed(database: Database) -> AsyncIterator[Feed]:
    feed = Feed(database)
    async with feed.running():
        yield feed


@pytest.fixture
async def graphs(database: Database, feed: Feed) -> AsyncIterator[Graphs]:
    graphs = Graphs(database, feed, MUCH)
    yield graphs
    await graphs.close()


@pytest.fixture
async def world(
    admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject
) -> World:
    await types.define(subject(), organization.lattice, NOTES)
    return World(admin_url, database, types, organization, subject, random.Random(7))


async def assert_equal(graph: LinkGraph, world: World) -> None:
    """What each label sees in the graph is what it sees in the tables."""
    for label in LABELS:
        objects, links = await world.view(label)
        view = graph.view(world.organization.lattice.encode(Label.parse(label)))
        assert set(view) == objects.keys()
        found: dict[UUID, float | None] = {}
        for id in objects:
            found |= {link.id: link.weight for link in view.neighborhood(id).links}
        assert found == {id: weight for id, (_, weight) in links.items()}


async def steps(world: World, number: int) -> Position:
    for _ in range(number):
        await world.step()
    return world.views[-1][0]


async def test_a_graph_is_what_is_stored_and_stays_so(graphs: Graphs, world: World) -> None:
    await steps(world, 60)
    graph = await graphs.graph(world.organization.organization_id)
    await assert_equal(graph, world)
    for _ in range(6):
        position = await steps(world, 15)
        assert await graphs.graph(world.organization.organization_id, position) is graph
        await assert_equal(graph, world)


async def test_what_is_written_while_a_graph_loads_is_in_it(graphs: Graphs, world: World) -> None:
    await steps(world, 40)
    writing = asyncio.create_task(steps(world, 60))
    loads = [asyncio.create_task(graphs.graph(world.organization.organization_id)) for _ in range(3)]
    position = await writing
    found = await asyncio.gather(*loads)
    assert found[0] is found[1] is found[2]
    graph = await graphs.graph(world.organization.organization_id, position)
    await assert_equal(graph, world)


async def test_a_load_that_fails_leaves_nothing_and_the_next_succeeds(
    graphs: Graphs, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await steps(world, 40)

    async def fail(*_: object) -> None:
        await run_sql(
            world.admin_url,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()",
        )

    with monkeypatch.context() as patch:
        patch.setattr("fabric.live_graphs.loading._names", fail)
        with pytest.raises(Exception):  # noqa: B017, PT011  whatever a lost connection comes to
            await graphs.graph(world.organization.organization_id)
    assert graphs.figures().graphs == 0
    await _until_it_answers(world)
    await assert_equal(await graphs.graph(world.organization.organization_id), world)


@pytest.fixture
async def other(database: Database, admin_url: str) -> Organization:
    await establish(admin_url, "globex")
    other = await Directory(database).find("globex")
    assert other is not None
    return other


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - other tasks do it
            await asyncio.sleep(0.01)


async def test_idle_graphs_are_forgotten_when_memory_is_short(
    database: Database, feed: Feed, world: World, other: Organization
) -> None:
    graphs = Graphs(database, feed, budget=1)
    await steps(world, 20)
    first = await graphs.graph(world.organization.organization_id)
    await graphs.graph(other.organization_id)
    await _until(lambda: graphs.figures().graphs == 1)
    again = await graphs.graph(world.organization.organization_id)
    assert again is not first
    await assert_equal(again, world)
    await graphs.close()


async def test_a_graph_that_has_no_room_any_more_when_it_has_grown_goes_whole(
    database: Database, feed: Feed, world: World, other: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabric.graph.graph.LEAST_CHANGES", 3)
    graphs = Graphs(database, feed, MUCH)
    await steps(world, 20)
    first = await graphs.graph(world.organization.organization_id)
    await graphs.graph(other.organization_id)
    graphs._budget = 1
    await steps(world, 20)
    await _until(lambda: graphs.figures().graphs == 1)
    await _until(lambda: feed._followed.keys() == {other.organization_id})
    again = await graphs.graph(world.organization.organization_id)
    assert again is not first
    await assert_equal(again, world)
    await graphs.close()


async def test_who_waits_for_a_graph_gets_it_however_short_memory_is_and_whatever_else_is_used(
    database: Database, feed: Feed, world: World, other: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = Graphs(database, feed, budget=1)
    await steps(world, 20)
    await graphs.graph(other.organization_id)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait(*given: Any) -> Any:
        reached.set()
        await go_on.wait()
        return await load(*given)

    monkeypatch.setattr("fabric.live_graphs.graphs.load", wait)
    loading = asyncio.create_task(graphs.graph(world.organization.organization_id))
    await reached.wait()
    assert (graphs.figures().graphs, graphs.figures().loading) == (1, 1)
    await graphs.graph(other.organization_id)  # used after the other, so it is not the first to go
    go_on.set()
    await assert_equal(await loading, world)
    await graphs.close()


async def test_who_waits_for_a_change_gets_it_from_the_next_graph_where_one_is_forgotten(
    graphs: Graphs, world: World
) -> None:
    await steps(world, 20)
    id = world.organization.organization_id
    first = await graphs.graph(id)
    kept = graphs._kept[id]
    assert kept.following is not None
    kept.following.cancel()
    position = await steps(world, 5)
    waiting = asyncio.create_task(graphs.graph(id, position))
    await asyncio.sleep(0.05)
    await graphs._forget(id, kept)
    graph = await waiting
    assert graph is not first
    await assert_equal(graph, world)


async def test_how_far_a_load_has_come_is_told(graphs: Graphs, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await steps(world, 40)
    seen: list[GraphFigures] = []

    async def telling(transaction: Any, progress: Callable[[int], None]) -> Any:
        def tell(rows: int) -> None:
            progress(rows)
            seen.append(graphs.figures())

        return await load(transaction, tell)

    monkeypatch.setattr("fabric.live_graphs.graphs.load", telling)
    await graphs.graph(world.organization.organization_id)
    assert [each.loading for each in seen] == [1, 1]
    assert 0 < seen[0].rows < seen[1].rows
    assert (graphs.figures().loading, graphs.figures().rows) == (0, 0)


async def test_a_graph_outlives_a_crash_of_postgresql_under_load() -> None:
    """A process of the server is killed, which makes all of it start anew, while others write and a graph follows."""
    with (
        TemporaryDirectory(prefix="sf-", dir=servers_place()) as folder,
        EmbeddedPostgres(Path(folder)) as postgres,
    ):
        await migrate(postgres.admin_url)
        await establish(postgres.admin_url, "acme", COMPARTMENTS)
        async with await Database.connect(postgres.url) as database:
            organization = await Directory(database).find("acme")
            assert organization is not None

            def subject(label: str = "UNCLASSIFIED", clearance: str | None = None) -> Subject:
                code = organization.lattice.encode(Label.parse(label))
                held = organization.lattice.encode(Label.parse(clearance or label))
                roles = frozenset({"admin"})
                return Subject(
                    organization.organization_id, "acme", "ann", roles, POLICY.permissions(roles), held, code, 4e9
                )

            types, feed = Types(database), Feed(database)
            await types.define(subject(), organization.lattice, NOTES)
            world = World(postgres.admin_url, database, types, organization, subject, random.Random(1))
            graphs = Graphs(database, feed, MUCH)
            async with feed.running():
                await steps(world, 30)
                graph = await graphs.graph(organization.organization_id)
                await _kill_a_backend(postgres.admin_url)
                await _until_it_answers(world)
                position = await steps(world, 60)
                async with asyncio.timeout(30):
                    assert await graphs.graph(organization.organization_id, position) is graph
                await assert_equal(graph, world)
            await graphs.close()


async def _kill_a_backend(url: str) -> None:
    connection = await asyncpg.connect(url)
    os.kill(await connection.fetchval("select pg_backend_pid()"), signal.SIGKILL)
    with suppress(Exception):
        await connection.close(timeout=1)


async def _until_it_answers(world: World) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(FabricError, OSError, asyncpg.PostgresError):
                change = Change("create", "Note", {"text": "x"})
                await world.objects.write(world.subject(), world.organization, [change])
                return
            await asyncio.sleep(0.1)
