"""Inferring in the background: follows the events of all organizations, and keeps the links that follow from others.

One process keeps an organization, from the definitions and links that it loads, for as long as it lives. Who takes over
after it loads them anew and compares with what is stored, so whatever was interrupted is made good.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from fabric.database.background import keep_claiming
from fabric.database.claims import Claims
from fabric.database.db import Database
from fabric.errors import NoLongerKept
from fabric.events.events import read_now, read_page
from fabric.events.feed import CHANNEL
from fabric.events.journal import Position
from fabric.inference.inference import Inference
from fabric.live_graphs.graphs import changes
from fabric.tasks import in_background, woken
from fabric.types.types import Types

_NAME = "semantic-fabric-inference"
_ALL = "select fabric.organization_ids()"

HELD_BACK = 0.05
"""Seconds until events are asked for again that a transaction still holds back."""

TAKEN = 2.0
"""Seconds until an organization is looked at again that another process keeps."""

log = structlog.stdlib.get_logger(__name__)


class Worker:
    """Use `running`, once in a process. `most` links are inferred for any one clearance."""

    def __init__(self, database: Database, types: Types, most: int) -> None:
        self._database, self._types, self._most = database, types, most
        self._kept: dict[UUID, tuple[Inference, Position]] = {}
        """Each with the place up to which its events have been worked in."""
        self._due: dict[UUID, float] = {}
        """When an organization is looked at next, by `time.monotonic`."""
        self._ask = True
        self._woken = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Infers while the block runs."""
        working = in_background(keep_claiming(self._database, _NAME, self._go_on))
        async with working, self._database.listening(CHANNEL, self._notice):
            yield

    def _notice(self, organization_id: UUID | None) -> None:
        """Of one organization, or (after a gap in what was told) of all."""
        if organization_id is None:
            self._ask = True
        else:
            self._due[organization_id] = 0.0
        self._woken.set()

    async def _go_on(self, claims: Claims) -> None:
        self._kept.clear()  # without the claims others may have taken over
        self._ask = True
        while True:
            self._woken.clear()
            if self._ask:
                self._due |= {row[0]: 0.0 for row in await self._database.ask(_ALL)}
                self._ask = False
            now = time.monotonic()
            for organization_id in [id for id, at in self._due.items() if at <= now]:
                del self._due[organization_id]  # what is told of meanwhile makes it due anew
                if organization_id not in self._kept and not await claims.take(organization_id):
                    self._due[organization_id] = time.monotonic() + TAKEN
                elif await self._round(organization_id):
                    self._due.setdefault(organization_id, time.monotonic() + HELD_BACK)
            await claims.processes()  # raises where the claims are lost
            pause = min([20.0, *(at - time.monotonic() for at in self._due.values())])
            await woken(self._woken, pause)

    async def _round(self, organization_id: UUID) -> bool:
        """Whether there is more to do already."""
        if organization_id not in self._kept:
            async with self._database.following(organization_id) as transaction:
                place = await read_now(transaction)
            await self._begin(organization_id, place)
        inference, place = self._kept[organization_id]
        try:
            async with self._database.following(organization_id) as transaction:
                page = await read_page(transaction, place)
        except NoLongerKept:
            del self._kept[organization_id]
            return True
        if any(event.entity_table == "type_definitions" for event in page.events):
            await self._begin(organization_id, page.end)
        else:
            await inference.apply(changes(page.events))
            self._kept[organization_id] = inference, page.end
        return page.waiting

    async def _begin(self, organization_id: UUID, place: Position) -> None:
        self._kept.pop(organization_id, None)
        # Definitions may have changed before the place, and the notice that makes others forget them be under way.
        self._types.forget(organization_id)
        inference = await Inference.load(self._database, self._types, organization_id, self._most)
        await inference.begin()
        self._kept[organization_id] = inference, place
