"""The inferred links that sessions see, in memory, for walks that follow them too.

They are read as row security shows them to the session, and are kept for as long as nothing changes at the labels that
it dominates: that is asked before each use. So a walk finds what lists of links would, no later, and what is kept for
one session is of no use to another.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from fabric.database.db import Database, Transaction
from fabric.graph import Builder, FurtherLinks
from fabric.identity.subject import Session
from fabric.live_graphs.loading import load_inferred

_CHANGES = "select label, transaction_id from fabric.inferred_changes where organization_id = $1"

PATIENCE = 10.0, 10.0
"""Seconds that reading them may take in one statement, and between two."""

_State = frozenset[tuple[int, int]]
"""Of each label that has any, the transaction that changed inferred links there last."""


@dataclass(slots=True)
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who reads; others wait for what it reads."""
    links: FurtherLinks | None = None
    state: _State = frozenset()
    read_at: float = 0.0
    """Since when that was so at least, by `time.monotonic`."""


class InferredLinks:
    """Within `budget` bytes: beyond it, what was not used for longest goes, but for the last one."""

    def __init__(self, database: Database, budget: int) -> None:
        self._database, self._budget = database, budget
        self._kept: OrderedDict[Session, _Kept] = OrderedDict()

    @property
    def nbytes(self) -> int:
        return sum(kept.links.nbytes for kept in list(self._kept.values()) if kept.links is not None)

    async def of(self, session: Session) -> FurtherLinks:
        """All that the session sees, as of this call or later."""
        asked_at = time.monotonic()
        async with self._database.transaction(session) as transaction:
            state = await _state(transaction)
        kept = self._kept.setdefault(session, _Kept())
        self._kept.move_to_end(session)
        async with kept.lock:
            if kept.links is None or (kept.state != state and kept.read_at < asked_at):
                await self._read(session, kept)
            assert kept.links is not None
            return kept.links

    async def _read(self, session: Session, kept: _Kept) -> None:
        began = time.monotonic()
        async with self._database.transaction(session, snapshot=True, patience=PATIENCE) as transaction:
            state = await _state(transaction)
            builder = await load_inferred(transaction)
        kept.links = await asyncio.to_thread(_built, builder)
        kept.state, kept.read_at = state, began
        while self.nbytes > self._budget and len(self._kept) > 1:
            self._kept.popitem(last=False)


async def _state(transaction: Transaction) -> _State:
    rows = await transaction.fetch(_CHANGES, transaction.session.organization_id)
    return frozenset((row[0], row[1]) for row in rows)


def _built(builder: Builder) -> FurtherLinks:
    return FurtherLinks(builder.build())
