"""Streams of notices, each worked out once for all readers to whom it is the same.

Those who ask the same at the same session label share a channel: it follows the organization's events, makes each
notice's payload once, and keeps the newest. Readers pull at their own pace. One that comes with an old cursor is served
from the table until it has caught up. One that had caught up and falls behind what is kept is dropped: it can come back
with its last cursor, and misses nothing.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import structlog

from fabric.errors import FabricError
from fabric.events.chronicle import Told
from fabric.events.feed import Feed, Tail
from fabric.events.journal import Position
from fabric.log import Outline
from graphql_api.streaming.streams import Dropped

T = TypeVar("T")

KEPT = 1_000
"""Events whose payloads a channel keeps."""

_PAGE = 200
_AFTER_FAILURE = 1.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one event comes to: payloads, ready to be sent."""

    position: Position
    payloads: tuple[bytes, ...]


Render = Callable[[Sequence[Told]], Awaitable[list[Entry]]]
"""Makes the entries of some events; those that come to nothing may be left out."""


class Channel:
    """One stream of entries, made by one task for all who read it."""

    def __init__(self, feed: Feed, organization_id: UUID, render: Render) -> None:
        self._feed = feed
        self._organization_id = organization_id
        self._render = render
        self._kept: list[Entry] = []
        self._grown = asyncio.Condition()
        self._opened: asyncio.Future[Tail] = asyncio.get_running_loop().create_future()
        self._failure: Exception | None = None

    async def keep_making(self) -> None:
        """Follows the events until it is cancelled. What fails is tried again, for no event may be left out."""
        try:
            async with self._feed.following(self._organization_id) as tail:
                self.start = self.end = tail.end
                self._opened.set_result(tail)
                while True:
                    news = await tail.next(self.end, _PAGE)
                    try:
                        entries = await _whole(self._render(news.told))
                    except FabricError as error:
                        log.warning("notices could not be made", outline=Outline.of(error.__cause__ or error))
                        await asyncio.sleep(_AFTER_FAILURE)
                        continue
                    await self._take(entries, news.end)
        except Exception as error:
            self._failure = error
            if not self._opened.done():
                self._opened.set_exception(error)
            async with self._grown:
                self._grown.notify_all()

    async def _take(self, entries: list[Entry], end: Position) -> None:
        async with self._grown:
            self._kept += entries
            self.end = end
            if len(self._kept) > KEPT:
                beyond = len(self._kept) - KEPT // 2
                self.start = self._kept[beyond - 1].position
                del self._kept[:beyond]
            self._grown.notify_all()

    async def read(
        self, after: Position | None, clearance: int, ready: Callable[[Position], Awaitable[bytes]]
    ) -> AsyncGenerator[bytes, None]:
        """READY, then what follows a place: without one, all that is not there yet. Dropped for who is too slow.

        NoLongerKept where what the clearance sees of what follows may have been pruned.
        """
        tail = await asyncio.shield(self._opened)
        place = self.end if after is None else after
        await tail.require(place, clearance)
        yield await _whole(ready(place))
        live = False
        while True:
            if place >= self.start:
                live = True
                entries, place_after = await self._next(place)
            elif live:
                raise Dropped
            else:
                news = await tail.page(place, _PAGE, clearance)
                entries, place_after = await _whole(self._render(news.told)), news.end
            for entry in entries:
                for payload in entry.payloads:
                    yield payload
            place = place_after

    async def _next(self, after: Position) -> tuple[list[Entry], Position]:
        """The entries that are kept and come after the place, and how far they reach; waits for some."""
        async with self._grown:
            while self.end <= after and self._failure is None:
                await self._grown.wait()
            if self._failure is not None:
                raise self._failure
            first = bisect_right(self._kept, after, key=lambda entry: entry.position)
            return self._kept[first:], self.end


async def _whole(work: Awaitable[T]) -> T:
    """What the work gives. Who is cancelled leaves it to end by itself: half of an execution has loose ends."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise


class Channels:
    """The channels that somebody reads."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._channels: dict[Hashable, tuple[Channel, asyncio.Task[None]]] = {}
        self._readers: dict[Hashable, int] = {}

    @asynccontextmanager
    async def joined(self, key: Hashable, organization_id: UUID, render: Render) -> AsyncIterator[Channel]:
        """The channel of this key; `render` makes it, if nobody reads it yet."""
        if key not in self._channels:
            channel = Channel(self._feed, organization_id, render)
            self._channels[key] = channel, asyncio.create_task(channel.keep_making())
        self._readers[key] = self._readers.get(key, 0) + 1
        try:
            yield self._channels[key][0]
        finally:
            self._readers[key] -= 1
            if not self._readers[key]:
                del self._readers[key]
                self._channels.pop(key)[1].cancel()
