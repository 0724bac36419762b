"""Indexing in the background: follows the events of all organizations, and stores words and vectors of what changes.

A process that starts, or has missed events, asks the tables for all that is missing; then it goes by the events. Which
process works on an organization is claimed for one round at a time, so that no vector is paid for twice.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from uuid import UUID

import structlog

from fabric.configuration.configurations import TABLE as CONFIGURATIONS
from fabric.database.claims import Claims
from fabric.database.db import Database
from fabric.errors import EmbeddingsUnavailable, NoLongerKept
from fabric.events.events import Event, read_now, read_page
from fabric.events.journal import Position
from fabric.events.rounds import TAKEN, Rounds
from fabric.log import Outline
from fabric.search.index.indexing import Backlog, Indexer, Wanting, Words
from fabric.search.index.sources import Changed, Source
from fabric.search.index.store import EVENTS, LINKS, OBJECTS

_NAME = "semantic-fabric-search"

HELD_BACK = 0.1
"""Seconds until events are asked for again that a transaction still holds back."""

TURN, LEAST = 500, 20
"""Texts that are made in one turn, about; and what a page counts in which there are fewer."""

MOST_AT_ONCE = 4
"""Reasons to make texts that one organization has at a time. What is told of beyond waits in the events."""

AFTER_FAILURE = (2.0, 300.0)
"""Seconds until vectors are asked for again that could not be had: at first, and at most."""

log = structlog.stdlib.get_logger(__name__)


class Worker:
    """Use `running`, once in a process."""

    def __init__(self, database: Database, indexer: Indexer) -> None:
        self._database = database
        self._indexer = indexer
        self._rounds = Rounds(database, _NAME, self._turn)
        indexer.counts.behind = self._rounds.behind
        self._places: dict[UUID, Position] = {}
        """Up to where the events of an organization have been followed."""
        self._resting: dict[UUID, tuple[float, float]] = {}
        """Organizations whose vectors could not be had: until when they are left alone, and for how long."""
        self._words: dict[UUID, deque[Words]] = {}
        """Texts that are to be made, in their order, of organizations that were told of or looked at whole."""
        self._backlogs: dict[UUID, Backlog] = {}
        """What has no vectors yet of organizations that were looked at whole."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Indexes while the block runs."""
        return self._rounds.running()

    async def _turn(self, claims: Claims, organization_id: UUID) -> float | None:
        if not await claims.take(organization_id):
            return TAKEN
        try:
            again = await self._round(organization_id)
            await claims.give_back(organization_id)
        except BaseException:
            self._words.pop(organization_id, None)
            self._places.pop(organization_id, None)  # all is asked for anew
            raise
        return again

    async def _round(self, organization_id: UUID) -> float | None:
        """Indexes some of what there is; after how many seconds there is more to do, None where that must be told of.

        Some texts, and a page of what has no vectors yet: others wait for their turn.
        """
        words, waiting = self._words.setdefault(organization_id, deque()), False
        if len(words) < MOST_AT_ONCE:
            changed, end, waiting = await self._news(organization_id)
            if changed is None:
                # What was defined and configured before the place: the notices that make others forget what was there
                # before may still be under way.
                self._indexer.types.forget(organization_id)
                self._indexer.configurations.forget(organization_id)
                words.clear()
            if changed is None or changed:
                words.append(self._indexer.without_words(organization_id, changed))
            self._places[organization_id] = end
        of = await self._put_words(words)
        again = await self._put_vectors(organization_id, of)
        return 0.0 if words else HELD_BACK if waiting else again

    async def _put_words(self, words: deque[Words]) -> Wanting | None:
        """Makes some texts, a page of what is looked at whole and one of what is new; of what vectors may be missing.

        None for all.
        """
        done, wanting, whole = 0, list[tuple[Source, list[UUID] | None]](), False
        while words and done < TURN:
            each = words.popleft()
            done += max(await each.go_on(), LEAST)
            if each:
                words.append(each)
            elif each.changed is None:
                whole = True
            else:
                wanting += each.wanting
        return None if whole else wanting

    async def _put_vectors(self, organization_id: UUID, of: Wanting | None) -> float | None:
        """After how many seconds they should be asked for again, where there are more, or could not be had."""
        until, pause = self._resting.get(organization_id, (0.0, 0.0))
        if of is None or pause:
            self._backlogs[organization_id] = self._indexer.without_vectors(organization_id)
        if time.monotonic() < until:
            return until - time.monotonic()
        backlog = self._backlogs.get(organization_id)
        try:
            if of:
                news = self._indexer.without_vectors(organization_id, of)
                while news:
                    await news.go_on()
            if backlog:
                await backlog.go_on()
        except EmbeddingsUnavailable as error:
            self._indexer.counts.failures += 1
            log.warning("search.no_vectors", outline=Outline.of(error.__cause__ or error))
            pause = min(max(pause * 2, AFTER_FAILURE[0]), AFTER_FAILURE[1])
            self._resting[organization_id] = time.monotonic() + pause, pause
            return pause
        self._resting.pop(organization_id, None)
        if backlog:
            return 0.0
        self._backlogs.pop(organization_id, None)
        return None

    async def _news(self, organization_id: UUID) -> tuple[Changed | None, Position, bool]:
        """What was changed since the last round, None for all; the place after, whether there is more."""
        place = self._places.get(organization_id)
        async with self._database.following(organization_id) as transaction:
            if place is None:
                return None, await read_now(transaction), False
            try:
                page = await read_page(transaction, place)
            except NoLongerKept:
                return None, await read_now(transaction), False
        tables = {event.entity_table for event in page.events}
        if tables & {"type_definitions", CONFIGURATIONS}:
            return None, page.end, page.waiting
        return _changed(page.events), page.end, page.waiting


def _changed(events: Iterable[Event]) -> Changed:
    ids: dict[str, set[UUID]] = defaultdict(set)
    for event in events:
        id = UUID(int=event.position.position) if event.entity_table == EVENTS else event.entity_id
        if id is not None:
            ids[event.entity_table].add(id)
    return Changed(*(list(ids[table]) for table in (OBJECTS, LINKS, EVENTS)))
