"""How fast messages are sent: how many at once, how long until one is tried again, and when it is given up."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakValueDictionary

LONGEST_PAUSE = 3_600.0
"""Seconds between two attempts, and longest that a receiver may ask to be left alone."""

JITTER = 0.2
"""By how much of it a pause may be longer or shorter, so that what failed together does not come back together."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Pauses double from `first`, to an hour; a message is given up `give_up` seconds after it was first tried."""

    first: float = 2.0
    give_up: float = 72 * 3600.0

    def pause(self, attempts: int) -> float:
        """Seconds until the next attempt, after so many that failed."""
        doubled = self.first * 2.0 ** min(attempts - 1, 30)
        return min(doubled, LONGEST_PAUSE) * random.uniform(1 - JITTER, 1 + JITTER)


class Slots:
    """How many messages may be on their way at once: in all, and of these a quarter for one organization.

    So receivers of one organization that take their time leave room for those of the others.
    """

    def __init__(self, number: int) -> None:
        self._all = asyncio.Semaphore(number)
        self._share = max(1, number // 4)
        self._of: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def taken(self, organization_id: UUID) -> AsyncIterator[None]:
        """Waits for a place, and keeps it until the block ends."""
        own = self._of.get(organization_id)
        if own is None:
            own = self._of[organization_id] = asyncio.Semaphore(self._share)
        async with own, self._all:
            yield
