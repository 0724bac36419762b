"""Work in the background on all organizations: each has a turn when events tell of it, and when it is time.

Of several processes one works on an organization at a time: turns claim it, and keep or give back what they claimed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import UUID

from fabric.database.background import keep_claiming
from fabric.database.claims import Claims
from fabric.database.db import Database
from fabric.events.feed import CHANNEL
from fabric.tasks import in_background, woken

TAKEN = 2.0
"""Seconds until an organization has another turn that another process had claimed."""

_LONGEST = 20.0
"""Seconds between two looks at whether the claims are still there."""

_ALL = "select fabric.organization_ids()"

Turn: TypeAlias = Callable[[Claims, UUID], Awaitable[float | None]]
"""Works on an organization; after how many seconds it has another turn, None where that must be told of.

The claims are others whenever those before were lost.
"""


class Rounds:
    """Use `running`, once in a process."""

    def __init__(self, database: Database, name: str, turn: Turn) -> None:
        self._database, self._name, self._turn = database, name, turn
        self._due: dict[UUID, float] = {}
        """When an organization has its next turn, by `time.monotonic`."""
        self._ask = True
        """Whether any organization may have something to do that nobody told of."""
        self._woken = asyncio.Event()
        self.behind: dict[UUID, float] = {}
        """Organizations with something to do that this process knows of, and since when, by `time.monotonic`."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Works while the block runs."""
        working = in_background(keep_claiming(self._database, self._name, self._go_on))
        async with working, self._database.listening(CHANNEL, self._notice):
            yield

    def _notice(self, organization_id: UUID | None) -> None:
        """Of one organization, or (after a gap in what was told) of all."""
        if organization_id is None:
            self._ask = True
        else:
            self._look(organization_id, 0)
        self._woken.set()

    def _look(self, organization_id: UUID, seconds: float) -> None:
        at = time.monotonic() + seconds
        self._due[organization_id] = min(at, self._due.get(organization_id, at))
        self.behind.setdefault(organization_id, time.monotonic())

    async def _go_on(self, claims: Claims) -> None:
        """Works until that fails or is cancelled. What a failure interrupts stays due."""
        self._ask = True  # others may have had the claims meanwhile
        while True:
            self._woken.clear()
            if self._ask:
                self._ask = False
                for row in await self._database.ask(_ALL):
                    self._look(row[0], 0)
            now = time.monotonic()
            for organization_id in [id for id, at in self._due.items() if at <= now]:
                await self._have_turn(claims, organization_id)
            await claims.processes()  # raises where the claims are lost
            await woken(self._woken, min([_LONGEST, *(at - time.monotonic() for at in self._due.values())]))

    async def _have_turn(self, claims: Claims, organization_id: UUID) -> None:
        due = self._due.pop(organization_id)  # what is told of meanwhile makes it due anew
        try:
            again = await self._turn(claims, organization_id)
        except BaseException:
            self._due[organization_id] = due
            raise
        if again is not None:
            self._look(organization_id, again)
        elif organization_id not in self._due:
            self.behind.pop(organization_id, None)
