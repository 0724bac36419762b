"""What a session sees as a whole: how many texts, how long, of which fields, and how many vectors of which model.

It is kept for a while, by session label and visible types. That it may be a moment old tells nobody anything: it is
made of what the session sees.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from fabric.database.db import Database
from fabric.identity.subject import Session
from fabric.search.index.composition import readable
from fabric.search.ranking.statements import bound
from fabric.types.catalogue import Catalogue
from fabric.types.types import Types

FRESH_SECONDS = 15.0
STALE_SECONDS = 10 * FRESH_SECONDS
"""Until then it is still given out, while it is made anew: it takes a look at all that the session sees."""

CAPACITY = 1_000

Readable: TypeAlias = Callable[[Catalogue, str], frozenset[str]]
"""The keys that a catalogue's reader sees of a type."""


@dataclass(frozen=True, slots=True)
class Corpus:
    number: int
    length: float
    """In words, on average."""
    models: Mapping[str, int]
    gone: Sequence[str] = ()
    """Keys of fields that texts of objects or links are made of, and that are not there any more where these texts are.

    A definition takes fields away at once, and also where its definer sees nothing of what they hold.
    """


@dataclass(slots=True)
class _Made:
    at: float
    reading: asyncio.Task[Corpus]
    anew: asyncio.Task[Corpus] | None = None


class Corpora:
    """Bounded, least recently made out first. Those who ask for the same at the same time share one reading of it."""

    def __init__(self, database: Database, types: Types, statement: str, readable: Readable = readable) -> None:
        self._database, self._types = database, types
        self._statement, self._readable = statement, readable
        self._made: OrderedDict[tuple[Session, str], _Made] = OrderedDict()

    async def of(self, session: Session, definitions: str, types: Sequence[str]) -> Corpus:
        """`types` are all that the session sees; `definitions` is another one whenever these are."""
        key, now = (session, definitions), time.monotonic()
        made = self._made.get(key)
        if made is not None and made.anew is not None and made.anew.done():
            if _failed(made.anew):
                made.anew = None
            else:
                made.reading, made.anew = made.anew, None
        if made is None or now > made.at + STALE_SECONDS or _failed(made.reading):
            made = self._made[key] = _Made(now, asyncio.create_task(self._read(session, types)))
            self._made.move_to_end(key)
            if len(self._made) > CAPACITY:
                self._made.popitem(last=False)
        elif now > made.at + FRESH_SECONDS and made.anew is None:
            made.at, made.anew = now, asyncio.create_task(self._read(session, types))
        return await asyncio.shield(made.reading)

    async def _read(self, session: Session, types: Sequence[str]) -> Corpus:
        found = await self._database.read(session, *bound(self._statement, {"seen": list(types)}))
        gone = await self._gone(session.organization_id, found.get("made_of", ()))
        return Corpus(found["number"], found["length"], found["models"], gone)

    async def _gone(self, organization_id: UUID, made_of: Sequence[tuple[str, int, Sequence[str]]]) -> list[str]:
        gone: set[str] = set()
        for type_name, label, keys in made_of:
            catalogue = await self._types.catalogue(Session(organization_id, label))
            gone |= set(keys) - self._readable(catalogue, type_name)
        return sorted(gone)


def _failed(reading: asyncio.Task[Corpus]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)
