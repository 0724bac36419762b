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

from fabric.database.db import Database
from fabric.errors import FabricError, NoLongerKept
from fabric.events.events import BEGINNING, Event
from fabric.events.feed import Feed, Tail
from fabric.events.journal import Position
from fabric.graph import Builder, Change, LinkGraph, LinkRemoved, LinkVersion, ObjectRemoved, ObjectVersion, give_back
from fabric.live_graphs.loading import load
from fabric.log import Outline
from fabric.tasks import ended

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
    rows: int = 0
    """That have come so far, while it loads."""
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class GraphFigures:
    """Of all graphs in memory together, for operators. `seconds` is how long the last load took.

    `rows` have come so far of those that are `loading`.
    """

    graphs: int
    nodes: int
    links: int
    nbytes: int
    behind: int
    """Events that some graph has not been told yet."""
    seconds: float
    loading: int
    rows: int


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
                await kept.moved.wait_for(lambda: kept.place >= at_least or kept.forgotten)
            if kept.place < at_least:
                return await self.graph(organization_id, at_least)
        return graph

    async def close(self) -> None:
        for organization_id, kept in list(self._kept.items()):
            await self._forget(organization_id, kept)

    def figures(self) -> GraphFigures:
        loaded = [(k, k.loading.result()) for k in self._loaded().values()]
        loading = [k.rows for k in self._kept.values() if not k.loading.done()]
        return GraphFigures(
            len(loaded),
            sum(graph.nodes for _, graph in loaded),
            sum(graph.links for _, graph in loaded),
            sum(graph.nbytes for _, graph in loaded),
            sum(kept.tail.number_after(kept.place) for kept, _ in loaded if kept.tail is not None),
            self._seconds,
            len(loading),
            sum(loading),
        )

    def _loaded(self) -> dict[UUID, _Kept]:
        """Those that were not used for longest first."""
        return {id: kept for id, kept in list(self._kept.items()) if kept.following and kept.loading.done()}

    async def _load(self, organization_id: UUID, stack: AsyncExitStack) -> LinkGraph:
        began = time.monotonic()
        kept = self._kept[organization_id]

        def progress(rows: int) -> None:
            if rows // _TELLING > kept.rows // _TELLING:
                seconds = round(time.monotonic() - began, 3)
                log.info("graph loading", organization=str(organization_id), rows=rows, seconds=seconds)
            kept.rows = rows

        tail = await stack.enter_async_context(self._feed.following(organization_id))
        start = tail.end  # before the snapshot, so that nothing falls between
        async with self._database.following(organization_id, snapshot=True) as transaction:
            graph = await asyncio.to_thread(_built, await load(transaction, progress))
        self._seconds = time.monotonic() - began
        log.info(
            "graph loaded", organization=str(organization_id), nodes=graph.nodes, links=graph.links,
            seconds=round(self._seconds, 3),
        )  # fmt: skip
        kept.tail, kept.place = tail, start
        # Told once more what the snapshot has seen, it must not be looked at before it is there again.
        await self._catch_up(graph, kept, tail.end)
        kept.following = asyncio.create_task(self._follow(organization_id, graph, kept))
        return graph

    async def _catch_up(self, graph: LinkGraph, kept: _Kept, until: Position) -> None:
        assert kept.tail is not None
        while kept.place < until:
            news = await kept.tail.page(kept.place)
            graph.apply(changes(told.event for told in news.told))
            kept.place = news.end

    async def _follow(self, organization_id: UUID, graph: LinkGraph, kept: _Kept) -> None:
        assert kept.tail is not None
        await asyncio.to_thread(give_back)
        await self._make_room()
        while not kept.forgotten:
            try:
                news = await kept.tail.beyond(kept.place)
            except NoLongerKept:
                log.warning("graph forgotten, for it was too far behind", organization=str(organization_id))
                await self._forget(organization_id, kept)
                return
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
        loaded = self._loaded()
        size = {id: kept.loading.result().nbytes for id, kept in loaded.items()}
        total = sum(size.values())
        for organization_id, kept in list(loaded.items())[:-1]:
            if total <= self._budget:
                break
            total -= size[organization_id]
            log.info("graph forgotten", organization=str(organization_id))
            await self._forget(organization_id, kept)

    async def _forget(self, organization_id: UUID, kept: _Kept) -> None:
        if self._kept.get(organization_id) is not kept:
            return
        del self._kept[organization_id]
        kept.forgotten = True
        # A graph that is kept current may find itself to be the one there is no room for.
        others = {kept.loading, kept.following} - {None, asyncio.current_task()}
        await ended(*(task for task in others if task is not None))
        async with kept.moved:
            kept.moved.notify_all()
        await kept.stack.aclose()


def _built(builder: Builder) -> LinkGraph:
    return LinkGraph(builder.build())


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
