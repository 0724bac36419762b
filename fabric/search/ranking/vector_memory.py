"""Vectors of organizations in memory, loaded when they are first searched and kept current by what is stored since.

It says which vectors may be nearest; what a reader sees of them, and how near they are, the database says. So what is
kept here may be a moment old without telling anybody anything. Where there are no more vectors than a database looks
through fast, or more than there is memory for, or while they are loaded, the database finds them alone.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

import asyncpg
import numpy as np
import structlog

from fabric.database.db import Database, Transaction
from fabric.embedding.provider import Vectors
from fabric.identity.subject import Session
from fabric.log import Outline
from fabric.search.ranking.held_vectors import HeldVectors, Near
from fabric.tasks import ended

LEAST = 200
"""So many vectors that a reader sees are looked through in the database, without any here."""

FRESH_SECONDS = 1.0
WAIT_SECONDS = 0.1
"""Longest that a search waits until what is new has come."""

COUNTED_SECONDS = 60.0
"""Until it is looked again how many of those that are held have gone."""

AFTER_FAILURE = 10.0
UNFIT_SECONDS = 600.0
"""Until it is tried again to load what there was no memory for."""

PAGE = 4_000
_MOST_GONE = 0.25

_COLUMNS = "x.transaction_id::text as transaction, x.entity_id, x.label, halfvec_send(x.embedding) as vector"
_OF = "x.organization_id = $1 and x.entity_table = $2 and x.model = $3"
_AFTER = "(x.transaction_id, x.entity_id, x.label) > ($4::text::xid8, $5::uuid, $6::bigint)"
_PAGE = "order by x.transaction_id, x.entity_id, x.label limit $7"

_LOAD = f"select {_COLUMNS} from fabric.embeddings x where {_OF} and {_AFTER} {_PAGE}"

# Ids beyond what the cluster has given out come from another one, by a restore: those have been loaded.
_NEWS = f"""
select {_COLUMNS} from fabric.embeddings x where {_OF} and {_AFTER}
  and x.transaction_id < pg_snapshot_xmax(pg_current_snapshot())
  and not pg_visible_in_snapshot(x.transaction_id, $8::text::pg_snapshot)
{_PAGE}"""

_COUNT = f"select count(*) from fabric.embeddings x where {_OF}"

log = structlog.stdlib.get_logger(__name__)

Key: TypeAlias = tuple[UUID, str, str]
"""Organization, table, model."""


@dataclass(slots=True)
class _Kept:
    held: HeldVectors = field(default_factory=HeldVectors)
    seen: str | None = None
    """The snapshot of all that has come; None until all have once."""
    at: float = 0.0
    counted: float = 0.0
    task: "asyncio.Task[None] | None" = None
    """What is being loaded."""
    unfit_until: float = 0.0

    @property
    def busy(self) -> bool:
        return self.task is not None and not self.task.done()


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    vectors: int
    nbytes: int
    loading: int


class VectorMemory:
    """`budget` in bytes: beyond it the vectors that were not asked for longest are forgotten."""

    def __init__(self, database: Database, budget: int, least: int = LEAST) -> None:
        self._database = database
        self._budget = budget
        self._least = least
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    async def nearest(
        self, session: Session, table: str, model: str, queries: Vectors, pool: int, number: int
    ) -> list[Near] | None:
        """For each query the `pool` vectors nearest to it at the labels that the session dominates.

        `number` is how many the session sees. None where they are not held, so that the database must be asked.
        """
        if number < self._least or not len(queries):
            return None
        held = await self._current((session.organization_id, table, model))
        if held is None:
            return None
        return await asyncio.to_thread(held.nearest, session.label, queries, pool)

    async def close(self) -> None:
        await ended(*(kept.task for kept in self._kept.values() if kept.task is not None))

    def figures(self) -> MemoryFigures:
        kept = list(self._kept.values())
        return MemoryFigures(
            sum(len(k.held) for k in kept), sum(k.held.nbytes for k in kept), sum(k.busy for k in kept)
        )

    async def _current(self, key: Key) -> HeldVectors | None:
        """What is held, at most a second old; None where it is not there."""
        kept = self._kept.setdefault(key, _Kept())
        self._kept.move_to_end(key)
        now = time.monotonic()
        if not kept.busy and now >= max(kept.unfit_until, kept.at + FRESH_SECONDS):
            kept.task = asyncio.create_task(self._catch_up(key, kept))
        if kept.seen is not None and kept.busy and kept.task is not None:
            await asyncio.wait([kept.task], timeout=WAIT_SECONDS)
        return kept.held if kept.seen is not None and not kept.busy and now >= kept.unfit_until else None

    async def _catch_up(self, key: Key, kept: _Kept) -> None:
        try:
            async with self._database.following(key[0], snapshot=True) as transaction:
                if kept.seen is not None and time.monotonic() > kept.counted + COUNTED_SECONDS:
                    await self._count(transaction, key, kept)
                await self._read(transaction, key, kept)
        except Exception as error:  # whatever it is, the database finds them meanwhile
            log.warning("vectors.not_current", organization=str(key[0]), outline=Outline.of(error.__cause__ or error))
            kept.unfit_until = time.monotonic() + AFTER_FAILURE

    async def _count(self, transaction: Transaction, key: Key, kept: _Kept) -> None:
        """Loads anew what has mostly gone."""
        there = await transaction.fetchval(_COUNT, *key)
        kept.counted = time.monotonic()
        if len(kept.held) - there > _MOST_GONE * len(kept.held):
            kept.held, kept.seen = HeldVectors(), None

    async def _read(self, transaction: Transaction, key: Key, kept: _Kept) -> None:
        """Adds all that has come since it was last read, or all that there is."""
        began = time.monotonic()
        first, snapshot = kept.seen is None, await transaction.fetchval("select pg_current_snapshot()::text")
        after = (kept.seen.partition(":")[0] if kept.seen else "0", UUID(int=0), -1)
        statement, more = (_NEWS, [kept.seen]) if kept.seen else (_LOAD, [])
        await transaction.plan_by_values()
        while True:
            rows = await transaction.fetch(statement, *key, *after, PAGE, *more)
            if rows:
                labels, ids = [row["label"] for row in rows], [row["entity_id"] for row in rows]
                kept.held.put(labels, ids, await asyncio.to_thread(_vectors, rows))
                after = rows[-1]["transaction"], ids[-1], labels[-1]
                if not self._make_room(key):
                    kept.held, kept.seen = HeldVectors(), None
                    kept.unfit_until = time.monotonic() + UNFIT_SECONDS
                    return
            if len(rows) < PAGE:
                break
        kept.seen, kept.at = snapshot, time.monotonic()
        if first:
            kept.counted = kept.at
            log.info(
                "vectors.loaded", organization=str(key[0]), table=key[1], vectors=len(kept.held),
                seconds=round(kept.at - began, 3),
            )  # fmt: skip

    def _make_room(self, key: Key) -> bool:
        """Forgets others while there is too much; whether that was enough."""
        while sum(kept.held.nbytes for kept in self._kept.values()) > self._budget:
            other = next((k for k, kept in self._kept.items() if k != key and not kept.busy and len(kept.held)), None)
            if other is None:
                log.warning("vectors.no_memory", organization=str(key[0]), table=key[1])
                return False
            log.info("vectors.forgotten", organization=str(other[0]), table=other[1])
            del self._kept[other]
        return True


def _vectors(rows: Sequence[asyncpg.Record]) -> Vectors:
    """From what `halfvec_send` gives: two numbers of 16 bits, then the vector's, most significant byte first."""
    halves = np.frombuffer(b"".join(row["vector"] for row in rows), ">f2").reshape(len(rows), -1)
    vectors: Vectors = halves[:, 2:].astype(np.float32)
    return vectors
