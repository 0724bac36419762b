"""Streams of notices, each worked out once for all readers to whom it is the same.

Those who ask the same at the same session label share a channel: it is offered the events that may concern it, makes
each notice's payload once, and keeps the newest. Readers pull at their own pace. One that comes with an old cursor is
served from the table until it has caught up. One that had caught up and falls behind what is kept is dropped: it can
come back with its last cursor, and misses nothing.
"""

import asyncio
from bisect import bisect_right
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Hashable,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

import structlog

from fabric.errors import FabricError
from fabric.events.chronicle import Told
from fabric.events.feed import Feed, Tail
from fabric.events.journal import Position
from fabric.log import Outline
from graphql_api.streaming.dispatch import Dispatch
from graphql_api.streaming.interests import Key
from graphql_api.streaming.streams import Dropped

T = TypeVar("T")

KEPT = 1_000
"""Events whose payloads a channel keeps."""

WAITING = 2_000
"""Events that wait to be made into payloads. A channel with more reads them again, when it comes to them."""

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

    def __init__(self, dispatch: Dispatch, interests: Collection[Key], render: Render) -> None:
        self._dispatch = dispatch
        self._interests = interests
        self._render = render
        self._offered = asyncio.Event()
        self._waiting: list[Told] = []
        self._behind = False
        self._kept: list[Entry] = []
        self._grown = asyncio.Event()
        self._opened: asyncio.Future[Tail] = asyncio.get_running_loop().create_future()
        self._failure: Exception | None = None

    async def keep_making(self) -> None:
        """Makes entries of what is offered until it is cancelled."""
        try:
            tail = await asyncio.shield(self._dispatch.opened)
            self._start = self._made = self._dispatch.end
            self._dispatch.enter(self, self._interests)
            self._opened.set_result(tail)
            while True:
                await self._offered.wait()
                self._offered.clear()
                while self._waiting or self._behind:
                    await self._make(tail)
        except Exception as error:
            self.fail(error)
        finally:
            self._dispatch.leave(self, self._interests)

    def offer(self, told: Told) -> None:
        if not self._waiting and not self._behind:
            self._made = self._end
        if self._behind or told.position <= self._made:
            return
        self._waiting.append(told)
        if len(self._waiting) > WAITING:
            self._waiting.clear()
            self._behind = True
        self._offered.set()

    def fail(self, error: Exception) -> None:
        self._failure = error
        if not self._opened.done():
            self._opened.set_exception(error)
        self._wake()

    @property
    def _end(self) -> Position:
        """All that concerns the channel has been made up to here."""
        return self._made if self._waiting or self._behind else max(self._made, self._dispatch.end)

    async def _make(self, tail: Tail) -> None:
        """Makes some of what waits. What fails is tried again, for no event may be left out."""
        if self._behind:
            news = await tail.page(self._made, _PAGE)
            told, end = news.told, news.end
        else:
            told = self._waiting[:_PAGE]
            end = told[-1].position
        try:
            entries = await _whole(self._render(told))
        except FabricError as error:
            log.warning("notices could not be made", outline=Outline.of(error.__cause__ or error))
            await asyncio.sleep(_AFTER_FAILURE)
            return
        self._kept += entries
        self._made = end
        if self._behind:
            self._behind = end < self._dispatch.end
        else:
            del self._waiting[: len(told)]
        # Readers are many, and mostly idle: who has nothing to send is not woken.
        if entries:
            self._trim()
            self._wake()

    def _trim(self) -> None:
        if len(self._kept) > KEPT:
            beyond = len(self._kept) - KEPT // 2
            self._start = self._kept[beyond - 1].position
            del self._kept[:beyond]

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    async def read(
        self, after: Position | None, clearance: int, ready: Callable[[Position], Awaitable[bytes]]
    ) -> AsyncGenerator[Sequence[bytes], None]:
        """READY, then what follows a place: without one, all that is not there yet. Dropped for who is too slow.

        NoLongerKept where what the clearance sees of what follows may have been pruned.
        """
        tail = await asyncio.shield(self._opened)
        place = self._end if after is None else after
        await tail.require(place, clearance)
        yield (await _whole(ready(place)),)
        live = False
        while True:
            if place >= self._start:
                live = True
                entries = await self._next(place)
                place_after = entries[-1].position
            elif live:
                raise Dropped
            else:
                news = await tail.page(place, _PAGE, clearance)
                entries, place_after = await _whole(self._render(news.told)), news.end
            if entries:
                yield [payload for entry in entries for payload in entry.payloads]
            place = place_after

    async def _next(self, after: Position) -> list[Entry]:
        """The entries that are kept and come after the place; waits for some."""
        while not self._kept or self._kept[-1].position <= after:
            if self._failure is not None:
                raise self._failure
            await self._grown.wait()
        return self._kept[bisect_right(self._kept, after, key=lambda entry: entry.position) :]


async def _whole(work: Awaitable[T]) -> T:
    """What the work gives. Who is cancelled leaves it to end by itself: half of an execution has loose ends."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise


class Channels:
    """The channels that somebody reads, and the dispatches that serve them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._dispatches: _Shared[UUID, Dispatch] = _Shared()
        self._channels: _Shared[Hashable, Channel] = _Shared()

    @asynccontextmanager
    async def joined(
        self, key: Hashable, organization_id: UUID, interests: Collection[Key], render: Render
    ) -> AsyncIterator[Channel]:
        """The channel of this key; if nobody reads it yet, one of these interests, made by `render`."""
        with self._dispatches.held(
            organization_id, lambda: Dispatch(self._feed, organization_id), Dispatch.keep_handing
        ) as dispatch, self._channels.held(
            key, lambda: Channel(dispatch, interests, render), Channel.keep_making
        ) as channel:  # fmt: skip
            yield channel


K = TypeVar("K", bound=Hashable)


class _Shared(Generic[K, T]):
    """Things that are made when somebody first holds them, and whose work ends when nobody does any more."""

    def __init__(self) -> None:
        self._held: dict[K, tuple[T, asyncio.Task[None]]] = {}
        self._holders: dict[K, int] = {}

    @contextmanager
    def held(self, key: K, make: Callable[[], T], work: Callable[[T], Coroutine[Any, Any, None]]) -> Iterator[T]:
        if key not in self._held:
            made = make()
            self._held[key] = made, asyncio.create_task(work(made))
        self._holders[key] = self._holders.get(key, 0) + 1
        try:
            yield self._held[key][0]
        finally:
            self._holders[key] -= 1
            if not self._holders[key]:
                del self._holders[key]
                self._held.pop(key)[1].cancel()
