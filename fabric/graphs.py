"""The link graphs in memory, one for each organization that is asked for one, kept current by its events.

A graph is loaded as of one moment, and then told every event from before that moment on: each says how a version
stands, so what the load has seen already changes nothing, and nothing is missed. Those that nobody has used for longest
go when memory is short.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from fabric.db import Database
from fabric.errors import FabricError
from fabric.events import BEGINNING, Event
from fabric.feed import Feed, Tail
from fabric.graph import Change, LinkGraph, LinkRemoved, LinkVersion, ObjectRemoved, ObjectVersion
from fabric.graph_loading import load
from fabric.journal import Position
from fabric.log import Outline

_AFTER_FAILURE = 1.0
_TELLING = 500_000
"""Rows between two words of progress."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class _Kept:
    """One organization's graph, or the loading of it."""

    loading: "asyncio.Task[LinkGraph]"
    stack: AsyncExitStack
    place: Position = BEGINNING
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)
    tail: Tail | None = None
    following: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class GraphFigures:
    """Of all graphs in memory together, for operators. `seconds` is how long the last load took."""

    graphs: int
    nodes: int
    links: int
    nbytes: int
    behind: int
    """Events that some graph has not been told yet."""
    seconds: float


class Graphs:
    """`budget` in bytes: beyond it the graphs that were not used for longest are forgotten, but for the last one."""

    def __init__(self, database: Database, feed: Feed, budget: int) -> None:
        self._database = database
        self._feed = feed
        self._budget = budget
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._seconds = 0.0

    async def graph(self, organization_id: UUID, at_least: Position | None = None) -> LinkGraph:
        """The organization's graph, loaded at first use, once it holds all that stands at or before a position."""
        kept = self._kept.get(organization_id)
        if kept is None:
            stack = AsyncExitStack()
            loading = asyncio.create_task(self._load(organization_id, stack))
            kept = self._kept[organization_id] = _Kept(loading, stack)
        self._kept.move_to_end(organization_id)
        try:
            # Shielded: one who goes away must not take it from those who wait for it too.
            graph = await asyncio.shield(kept.loading)
        except Exception:
            await self._forget(organization_id, kept)
            raise
        if at_least is not None and kept.place < at_least and kept.tail is not None:
            kept.tail.wake()
            async with kept.moved:
                await kept.moved.wait_for(lambda: kept.place >= at_least)
        return graph

    async def close(self) -> None:
        for organization_id, kept in list(self._kept.items()):
            await self._forget(organization_id, kept)

    def figures(self) -> GraphFigures:
        loaded = [(k, k.loading.result()) for k in self._kept.values() if k.following is not None]
        return GraphFigures(
            len(loaded),
            sum(graph.nodes for _, graph in loaded),
            sum(graph.links for _, graph in loaded),
            sum(graph.nbytes for _, graph in loaded),
            sum(kept.tail.number_after(kept.place) for kept, _ in loaded if kept.tail is not None),
            self._seconds,
        )

    async def _load(self, organization_id: UUID, stack: AsyncExitStack) -> LinkGraph:
        began = time.monotonic()
        told = 0

        def progress(rows: int) -> None:
            nonlocal told
            if rows >= told + _TELLING:
                told = rows
                log.info("graph loading", organization=str(organization_id), rows=rows)

        tail = await stack.enter_async_context(self._feed.following(organization_id))
        start = tail.end  # before the snapshot, so that nothing falls between
        async with self._database.following(organization_id, snapshot=True) as transaction:
            builder = await load(transaction, progress)
        graph = LinkGraph(await asyncio.to_thread(builder.build))
        self._seconds = time.monotonic() - began
        log.info(
            "graph loaded", organization=str(organization_id), nodes=graph.nodes, links=graph.links,
            seconds=round(self._seconds, 3),
        )  # fmt: skip
        kept = self._kept[organization_id]
        kept.tail, kept.place = tail, start
        # Told once more what the snapshot has seen, it must not be looked at before it is there again.
        await self._catch_up(graph, kept, tail.end)
        kept.following = asyncio.create_task(self._follow(graph, kept))
        await self._make_room()
        return graph

    async def _catch_up(self, graph: LinkGraph, kept: _Kept, until: Position) -> None:
        assert kept.tail is not None
        while kept.place < until:
            news = await kept.tail.page(kept.place)
            graph.apply(changes(told.event for told in news.told))
            kept.place = news.end

    async def _follow(self, graph: LinkGraph, kept: _Kept) -> None:
        assert kept.tail is not None
        while True:
            try:
                news = await kept.tail.beyond(kept.place)
            except FabricError as error:
                log.warning("graph could not be kept current", outline=Outline.of(error.__cause__ or error))
                await asyncio.sleep(_AFTER_FAILURE)
                continue
            graph.apply(changes(told.event for told in news.told))
            async with kept.moved:
                kept.place = news.end
                kept.moved.notify_all()
            if graph.worth_compacting:
                await asyncio.to_thread(graph.compact)
                await self._make_room()

    async def _make_room(self) -> None:
        loaded = [(id, kept) for id, kept in self._kept.items() if kept.following is not None]
        size = {id: kept.loading.result().nbytes for id, kept in loaded if kept.loading.done()}
        total = sum(size.values())
        for organization_id, kept in loaded[:-1]:
            if total <= self._budget:
                break
            total -= size.get(organization_id, 0)
            log.info("graph forgotten", organization=str(organization_id))
            await self._forget(organization_id, kept)

    async def _forget(self, organization_id: UUID, kept: _Kept) -> None:
        if self._kept.get(organization_id) is not kept:
            return
        del self._kept[organization_id]
        tasks = [task for task in (kept.loading, kept.following) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await kept.stack.aclose()


def changes(events: Iterable[Event]) -> list[Change]:
    """What the graph is to be told of the events."""
    return [change for event in events if (change := _change(event)) is not None]


def _change(event: Event) -> Change | None:
    id, version = event.entity_id, event.version
    if id is None:
        return None
    match event.entity_table:
        case "objects":
            if version is None:
                return ObjectRemoved(id, event.label)
            return ObjectVersion(id, event.label, version["type_name"], bool(version.get("tombstone")))
        case "links":
            if version is None:
                return LinkRemoved(id, event.label)
            return LinkVersion(
                id, event.label, version["relation"], UUID(version["source_id"]), UUID(version["target_id"]),
                version.get("weight"), _moment(version.get("valid_from")), _moment(version.get("valid_to")),
                bool(version.get("tombstone")),
            )  # fmt: skip
    return None


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
