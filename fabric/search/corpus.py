"""What a session sees as a whole: how many texts, how long, and how many vectors of which model.

It is kept for a while, by session label and visible types. That it may be a moment old tells nobody anything: it is
made of what the session sees.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabric.db import Database
from fabric.search.statements import CORPUS, bound
from fabric.subject import Session

FRESH_SECONDS = 15.0
CAPACITY = 1_000


@dataclass(frozen=True, slots=True)
class Corpus:
    number: int
    length: float
    """In words, on average."""
    models: Mapping[str, int]


class Corpora:
    """Bounded, least recently made out first. Those who ask for the same at the same time share one reading of it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: OrderedDict[tuple[Session, str], tuple[float, asyncio.Task[Corpus]]] = OrderedDict()

    async def of(self, session: Session, fingerprint: str, types: Sequence[str]) -> Corpus:
        """`types` are all that the session sees, `fingerprint` tells them apart from others."""
        key, now = (session, fingerprint), time.monotonic()
        until, reading = self._made.get(key, (0.0, None))
        if reading is None or until < now or (reading.done() and (reading.cancelled() or reading.exception())):
            reading = asyncio.create_task(self._read(session, types))
            self._made[key] = now + FRESH_SECONDS, reading
            self._made.move_to_end(key)
            if len(self._made) > CAPACITY:
                self._made.popitem(last=False)
        return await asyncio.shield(reading)

    async def _read(self, session: Session, types: Sequence[str]) -> Corpus:
        found = await self._database.read(session, *bound(CORPUS, {"seen": list(types)}))
        return Corpus(found["number"], found["length"], found["models"])
