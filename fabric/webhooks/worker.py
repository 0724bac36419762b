"""Which webhooks this process delivers: its share of all, each claimed so that no other process delivers it too.

Every process looks for active webhooks that nobody has claimed, and gives back what is more than its share. So they
spread over the processes that there are, and those of a process that ends are taken over within seconds.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import structlog

from fabric.database.background import keep_claiming
from fabric.database.claims import Claims
from fabric.database.db import LostRace
from fabric.identity.organizations import Directory
from fabric.identity.subject import Session
from fabric.log import Outline
from fabric.tasks import ended, in_background, woken
from fabric.webhooks import queue
from fabric.webhooks.courier import Courier, Office
from fabric.webhooks.webhooks import CHANNEL

MOST = 1_000
"""Webhooks that one process works on; each is an advisory lock, of which PostgreSQL has a limited number."""

LOOK = 5.0
"""Seconds after which the process looks for webhooks without having been told to."""

_NAME = "semantic-fabric-webhooks"
_ACTIVE = "select organization_id, organization, webhook_id, label, revision from fabric.active_webhooks()"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    organization_id: UUID
    revision: int
    courier: Courier
    running: asyncio.Task[None]


class Worker:
    """Use `running`, once in a process."""

    def __init__(self, office: Office, directory: Directory) -> None:
        self._office = office
        self._directory = directory
        self._held: dict[UUID, _Held] = {}
        self._woken = asyncio.Event()
        office.counts.lag = self._lag

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Delivers while the block runs."""
        database = self._office.database
        working = in_background(keep_claiming(database, _NAME, self._work))
        async with working, database.listening(CHANNEL, self.poke):
            yield

    def poke(self, organization_id: UUID | None) -> None:
        """What concerns an organization's webhooks has changed, or (after a gap in the notices) perhaps any's."""
        for held in self._held.values():
            if organization_id in (None, held.organization_id):
                held.courier.poke()
        self._woken.set()

    def _lag(self) -> float:
        now = datetime.now(UTC)
        times = [held.courier.behind for held in list(self._held.values())]
        return max((max(0.0, (now - each).total_seconds()) for each in times if each is not None), default=0.0)

    async def _work(self, claims: Claims) -> None:
        try:
            await self._share(claims)
        finally:
            await self._end(self._held)

    async def _share(self, claims: Claims) -> None:
        """Works on this process's share, until that fails or is cancelled."""
        while True:
            self._woken.clear()
            rows = await self._office.database.ask(_ACTIVE)
            active = {row["webhook_id"]: row for row in rows}
            share = min(MOST, -(-len(rows) // await claims.processes()))
            await self._let_go(claims, active, share)
            await self._take_up(claims, active, share)
            self._office.counts.working_on = len(self._held)
            await woken(self._woken, LOOK)

    async def _let_go(self, claims: Claims, active: dict[UUID, asyncpg.Record], share: int) -> None:
        """Of what has ended, was changed or is not to be delivered any more, and of what is beyond the share."""
        over = [
            id for id, held in self._held.items()
            if held.running.done() or id not in active or active[id]["revision"] != held.revision
        ]  # fmt: skip
        kept = [id for id in self._held if id not in over]
        over += kept[share:]
        await self._end(over)
        for id in over:
            await claims.give_back(id)

    async def _take_up(self, claims: Claims, active: dict[UUID, asyncpg.Record], share: int) -> None:
        free = [row for id, row in active.items() if id not in self._held]
        random.shuffle(free)  # processes that look at the same time seldom meet
        for row in free:
            if len(self._held) >= share:
                return
            if await claims.take(row["webhook_id"]) and not await self._take(row):
                await claims.give_back(row["webhook_id"])

    async def _take(self, row: asyncpg.Record) -> bool:
        """Whether there is a courier now."""
        organization = await self._directory.find(row["organization"])
        session = Session(row["organization_id"], row["label"])
        try:
            async with self._office.database.transaction(session) as transaction:
                webhook = await queue.take(transaction, row["webhook_id"])
        except LostRace:
            return False
        if organization is None or webhook is None:
            return False
        courier = Courier(self._office, organization, webhook)
        running = asyncio.create_task(courier.run())
        running.add_done_callback(lambda _: self._woken.set())
        self._held[webhook.webhook_id] = _Held(webhook.organization_id, webhook.revision, courier, running)
        return True

    async def _end(self, ids: Iterable[UUID]) -> None:
        """Has couriers end, and waits until they have."""
        ending = {id: self._held.pop(id) for id in list(ids)}
        await ended(*(held.running for held in ending.values()))
        for id, held in ending.items():
            if not held.running.cancelled() and (fault := held.running.exception()):
                log.error("webhook could not be delivered", webhook_id=id, outline=Outline.of(fault))
