"""The graphs that are held for SPARQL: one for each organization and session label, never shared between two.

There is another one with inferred links where somebody asks for these.

A graph is what the session's own export gives. Before each question the session itself is asked whether it sees an
event that the graph may not have, or a change of inferred links; if so the graph is made anew. Every change to what a
label sees is told at a label that it sees, deletions and regradings too. So nothing is answered any more that has been
taken away, and what goes on above a reader does not have its graph made anew. By the same question a graph that was
too large is known to be so still, and not made only to be refused again.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID
from weakref import WeakValueDictionary

from fabric.database.db import READ, Database, LostRace
from fabric.errors import Internal
from fabric.identity.organizations import Organization
from fabric.identity.subject import Session, Subject
from fabric.tasks import in_background
from ontology.output.export import Inferred, export
from ontology.output.writing import Writer
from ontology.sparql.held import HeldGraph, TooLarge

KEPT_SECONDS = 600.0
"""For which a graph is kept that nobody asks, and a refusal at the most: it can have been the machine's own need."""
MOST_REFUSALS = 1_000

_MOMENT = "concat(pg_current_snapshot(), ' ', fabric.oldest_transaction())"
_NOW = READ.format(f"select {_MOMENT} from (select s.org) session")

# The moment as of which a graph of an earlier one is current too; null if it is not. So what happens above a session
# is passed over once, and does not cost each of its questions.
_SINCE = """exists (select from fabric.{table} e where e.organization_id = s.org
    and e.transaction_id >= split_part($3, ' ', 2)::xid8
    and not pg_visible_in_snapshot(
        (e.transaction_id::text::bigint - fabric.lift())::text::xid8, split_part($3, ' ', 1)::pg_snapshot))"""
_CHANGED = _SINCE.format(table="events")
_STILL = READ.format(f"select case when not {_CHANGED} then {_MOMENT} end")
_STILL_WITH_INFERRED = READ.format(
    f"select case when not {_CHANGED} and not {_SINCE.format(table='inferred_changes')} then {_MOMENT} end"
)

Key: TypeAlias = tuple[UUID, int, bool]


@dataclass(slots=True, eq=False)
class _Kept:
    """A graph, the moment as of which it is no older, and how many questions it is being asked."""

    graph: HeldGraph
    moment: str
    users: int = 0
    used: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Refusal:
    """Of a graph that was too large, and the moment as of which that is no older."""

    moment: str
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the graphs that are held: how many, their triples, their memory in bytes, and what the last one took."""

    graphs: int
    triples: int
    nbytes: int
    seconds: float


class HeldGraphs:
    """Makes graphs when they are asked for, one at a time, organizations in turn. Keeps them within `memory` bytes."""

    def __init__(self, database: Database, memory: int, patience: tuple[float, float]) -> None:
        self._database, self._memory, self._patience = database, memory, patience
        self._kept: dict[Key, _Kept] = {}
        self._retired: set[_Kept] = set()
        self._refusals: dict[Key, _Refusal] = {}
        self._locks = WeakValueDictionary[Key, asyncio.Lock]()
        self._turns = WeakValueDictionary[UUID, asyncio.Lock]()
        self._making = asyncio.Lock()
        self._seconds = 0.0

    @property
    def figures(self) -> Figures:
        graphs = [kept.graph for kept in (*list(self._kept.values()), *list(self._retired))]
        return Figures(len(graphs), sum(g.triples for g in graphs), sum(g.nbytes for g in graphs), self._seconds)

    @asynccontextmanager
    async def of(
        self, organization: Organization, subject: Subject, inferred: bool = False
    ) -> AsyncIterator[HeldGraph]:
        """What the subject's session sees now, to be asked while the block runs.

        Forbidden for a permission to read that the subject lacks, TooComplex for more than can be held, TimedOut.
        """
        for permission in ("type:read", "object:read", "link:read"):
            subject.require(permission)
        key = subject.organization_id, subject.label, inferred
        async with self._locks.setdefault(key, asyncio.Lock()):
            await self._require_no_refusal(key, subject.session)
            kept = await self._current(key, subject.session) or await self._made(key, organization, subject)
            kept.users += 1
        try:
            await self._make_room()
            yield kept.graph
        finally:
            kept.users -= 1
            kept.used = time.monotonic()
            await self._end_retired()
            await self._make_room()

    async def _require_no_refusal(self, key: Key, session: Session) -> None:
        """TooLarge, where the graph was, and has not changed since."""
        refusal = self._refusals.get(key)
        if refusal is not None:
            moment = await self._still(key, session, refusal.moment)
            if moment is not None:
                refusal.moment = moment
                raise TooLarge
            self._refusals.pop(key, None)

    async def _still(self, key: Key, session: Session, moment: str) -> str | None:
        """The moment as of which what the session sees is as it was at an earlier one; None if it is not."""
        _, _, inferred = key
        still = _STILL_WITH_INFERRED if inferred else _STILL
        found: str | None = await self._database.read(session, still, (moment,))
        return found

    async def _current(self, key: Key, session: Session) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        moment = await self._still(key, session, kept.moment) if kept.graph.lives else None
        if self._kept.get(key) is not kept:  # forgotten meanwhile, to make room
            return None
        if moment is None:
            await self._retire(key)
            return None
        kept.moment = moment
        return kept

    async def _made(self, key: Key, organization: Organization, subject: Subject) -> _Kept:
        # Whoever waits is served in the order of coming, but of one organization only the first waits with the others.
        async with self._turns.setdefault(organization.organization_id, asyncio.Lock()), self._making:
            started = time.monotonic()
            moment = await self._database.read(subject.session, _NOW)
            graph = await HeldGraph.start(self._memory)
            try:
                _, _, inferred = key
                parts = Inferred.APART if inferred else Inferred.LEFT_OUT
                writer = Writer("nquads")
                async with aclosing(
                    export(self._database, organization, subject, writer, patience=self._patience, inferred=parts)
                ) as chunks:
                    await graph.load(chunks)
            except BaseException as error:
                await asyncio.shield(graph.close())
                if isinstance(error, TooLarge):
                    self._refusals[key] = _Refusal(moment)
                    if len(self._refusals) > MOST_REFUSALS:
                        del self._refusals[next(iter(self._refusals))]
                if isinstance(error, LostRace):
                    raise Internal("try again") from error.__cause__
                raise
            kept = self._kept[key] = _Kept(graph, moment)
            self._seconds = time.monotonic() - started
            return kept

    async def _make_room(self) -> None:
        """Forgets what was not asked for longest, until the rest fits. What is being asked would not end by that."""
        while self.figures.nbytes > self._memory:
            unasked = {key: kept.used for key, kept in self._kept.items() if not kept.users}
            if not unasked:
                return
            await self._retire(min(unasked, key=unasked.__getitem__))

    async def _retire(self, key: Key) -> None:
        """It is asked nothing more, and ends with the last question that it is being asked."""
        self._retired.add(self._kept.pop(key))
        await self._end_retired()

    async def _end_retired(self) -> None:
        while (kept := next((kept for kept in self._retired if not kept.users), None)) is not None:
            self._retired.remove(kept)
            await kept.graph.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Forgets, while the block runs, graphs that nobody asks; at its end all of them."""
        try:
            async with in_background(self._forgetting()):
                yield
        finally:
            for kept in (*self._kept.values(), *self._retired):
                await kept.graph.close()
            self._kept.clear()
            self._retired.clear()

    async def _forgetting(self) -> None:
        while True:
            await asyncio.sleep(KEPT_SECONDS / 10)
            oldest = time.monotonic() - KEPT_SECONDS
            for key in [key for key, refusal in self._refusals.items() if refusal.since < oldest]:
                del self._refusals[key]
            for key, kept in list(self._kept.items()):
                if not kept.users and kept.used < oldest and self._kept.get(key) is kept:
                    await self._retire(key)
