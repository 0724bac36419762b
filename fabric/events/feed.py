"""One reader of each followed organization's events, however many follow: what is new is read once and kept a while.

Followers pull. Each remembers its own place, and is given what comes after it: out of memory where it keeps up, out of
the table where it is behind. So a slow follower costs the others nothing, and nobody misses an event.

`LISTEN` only wakes. What a transaction that still runs holds back is asked for again until it comes.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog

from fabric.database.db import Database
from fabric.errors import FabricError
from fabric.events.chronicle import Past, Told
from fabric.events.events import read_now, read_page, require_kept
from fabric.events.journal import Position
from fabric.log import Outline
from fabric.tasks import ended, woken

CHANNEL = "fabric_events"
KEPT = 2_000
"""Events of an organization that are kept for those who follow it."""

HEARTBEAT = 5.0
"""Seconds after which the table is read without having been told to."""

_HELD_BACK = (0.002, 0.1)
"""Seconds between two looks for what is held back: at first, and at most."""

_AFTER_FAILURE = 1.0

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What comes next after some place, in order. Everything that stands at or before `end` is complete."""

    told: list[Told]
    end: Position
    waiting: bool = False
    """Whether there is more already."""


class Tail:
    """The newest events of one organization, at all labels. Made by `Feed`."""

    def __init__(self, database: Database, organization_id: UUID, now: Position) -> None:
        self.organization_id = organization_id
        self.end = now
        """Everything at or before it is complete, and has been read."""
        self._start = now
        self._kept: list[Told] = []
        self._past = Past()
        self._database = database
        self._woken = asyncio.Event()
        self._grown = asyncio.Condition()

    def wake(self) -> None:
        self._woken.set()

    async def require(self, after: Position, clearance: int | None = None) -> None:
        """NoLongerKept where what comes after the place, as far as the clearance sees it, may have been pruned."""
        if after < self._start:
            async with self._database.following(self.organization_id) as transaction:
                await require_kept(transaction, after, clearance)

    async def page(self, after: Position, limit: int = 1000, clearance: int | None = None) -> News:
        """What comes after a place, at once; perhaps nothing. NoLongerKept as `require` says."""
        if after < self._start:
            return await self._read(Past(), after, limit, clearance)
        first = bisect_right(self._kept, after, key=lambda told: told.position)
        told = self._kept[first : first + limit]
        full = len(told) == limit
        return News(told, told[-1].position if full else max(after, self.end), full)

    async def next(self, after: Position, limit: int = 1000, clearance: int | None = None) -> News:
        """The same, waiting until something comes; it is never nothing."""
        news = await self.page(after, limit, clearance)
        while not news.told:
            news = await self.beyond(news.end, limit)
        return news

    async def beyond(self, after: Position, limit: int = 1000) -> News:
        """The same, waiting until everything up to some place beyond is complete, even if nothing came."""
        async with self._grown:
            while self.end <= after:
                await self._grown.wait()
        return await self.page(after, limit)

    def number_after(self, place: Position) -> int:
        """How many of the events that have been read, and are kept, come after a place."""
        return len(self._kept) - bisect_right(self._kept, place, key=lambda told: told.position)

    async def reaches(self, position: Position) -> None:
        """Waits until all that stands at or before the position has been read."""
        if self.end < position:
            self.wake()
            async with self._grown:
                await self._grown.wait_for(lambda: self.end >= position)

    async def keep_reading(self) -> None:
        """Reads on until it is cancelled; a database that does not answer is asked again."""
        held_back = _HELD_BACK[0]
        while True:
            asked = self._woken.is_set()
            self._woken.clear()
            try:
                news = await self._read(self._past, self.end)
            except FabricError as error:
                self._past = Past()
                log.warning("events could not be read", outline=Outline.of(error.__cause__ or error))
                await asyncio.sleep(_AFTER_FAILURE)
                continue
            await self._take(news)
            held_back = _HELD_BACK[0] if news.told or asked else min(held_back * 2, _HELD_BACK[1])
            await woken(self._woken, held_back if news.waiting else HEARTBEAT)

    async def _read(self, past: Past, after: Position, limit: int = 1000, clearance: int | None = None) -> News:
        async with self._database.following(self.organization_id) as transaction:
            page = await read_page(transaction, after, limit, clearance=clearance)
            told = await past.tell(transaction, page.events, after, clearance) if page.events else []
        return News(told, page.end, page.waiting)

    async def _take(self, news: News) -> None:
        async with self._grown:
            self._kept += news.told
            self.end = news.end
            if len(self._kept) > KEPT:
                beyond = len(self._kept) - KEPT // 2
                self._start = self._kept[beyond - 1].position
                del self._kept[:beyond]
            self._grown.notify_all()


@dataclass(slots=True)
class _Followed:
    opening: asyncio.Task[Tail]
    followers: int = 0
    reading: asyncio.Task[None] | None = None


class Feed:
    """The tails of the organizations that somebody follows. Use as an async context manager, one in a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followed: dict[UUID, _Followed] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens to the database while the block runs; without it, news comes with each heartbeat."""
        async with self._database.listening(CHANNEL, self._wake):
            yield

    def _wake(self, organization_id: UUID | None) -> None:
        """Of one organization, or (after a gap in what was told) of all."""
        for id, followed in self._followed.items():
            if organization_id in (None, id) and followed.opening.done() and not followed.opening.exception():
                followed.opening.result().wake()

    @asynccontextmanager
    async def following(self, organization_id: UUID) -> AsyncIterator[Tail]:
        """The organization's tail; it is read for as long as somebody follows."""
        followed = self._followed.get(organization_id)
        if followed is None:
            opening = asyncio.create_task(self._open(organization_id))
            followed = self._followed[organization_id] = _Followed(opening)
        followed.followers += 1
        try:
            # Shielded: one who goes away must not take it from those who wait for it too.
            tail = await asyncio.shield(followed.opening)
            if followed.reading is None:
                followed.reading = asyncio.create_task(tail.keep_reading())
            yield tail
        finally:
            followed.followers -= 1
            if not followed.followers:
                del self._followed[organization_id]
                await ended(*(task for task in (followed.opening, followed.reading) if task is not None))

    async def _open(self, organization_id: UUID) -> Tail:
        async with self._database.following(organization_id) as transaction:
            return Tail(self._database, organization_id, await read_now(transaction))
