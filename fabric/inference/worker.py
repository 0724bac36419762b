"""Inferring in the background: follows the events of all organizations, and keeps the links that follow from others.

One process keeps an organization, from the definitions and links that it loads, for as long as it lives. Who takes over
after it loads them anew and compares with what is stored, so whatever was interrupted is made good.
"""

from contextlib import AbstractAsyncContextManager
from uuid import UUID

from fabric.database.claims import Claims
from fabric.database.db import Database
from fabric.errors import NoLongerKept
from fabric.events.events import read_now, read_page
from fabric.events.journal import Position
from fabric.events.rounds import TAKEN, Rounds
from fabric.inference.inference import Inference
from fabric.live_graphs.graphs import changes
from fabric.types.types import Types

_NAME = "semantic-fabric-inference"

HELD_BACK = 0.05
"""Seconds until events are asked for again that a transaction still holds back."""


class Worker:
    """Use `running`, once in a process. `most` links are inferred for any one clearance."""

    def __init__(self, database: Database, types: Types, most: int) -> None:
        self._database, self._types, self._most = database, types, most
        self._rounds = Rounds(database, _NAME, self._turn)
        self._claims: Claims | None = None
        """By which organizations are kept."""
        self._kept: dict[UUID, tuple[Inference, Position]] = {}
        """Each with the place up to which its events have been worked in."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Infers while the block runs."""
        return self._rounds.running()

    async def _turn(self, claims: Claims, organization_id: UUID) -> float | None:
        if claims is not self._claims:  # without the former others may have taken over
            self._claims, self._kept = claims, {}
        if organization_id not in self._kept and not await claims.take(organization_id):
            return TAKEN
        return HELD_BACK if await self._round(organization_id) else None

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
