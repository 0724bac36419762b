"""What is nearest to vectors, as one reader sees it: the memory names what may be, the database decides.

Both ways give the same: what the database says of some vectors counts only where none of the others can be nearer.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import numpy as np

from fabric.database.db import Database
from fabric.embedding.provider import Vectors
from fabric.identity.subject import Session
from fabric.search.asking.reader import Reader
from fabric.search.index.store import OBJECTS, as_text
from fabric.search.ranking.held_vectors import Near
from fabric.search.ranking.statements import (
    NEAREST,
    NEAREST_AMONG,
    NEAREST_OF_ASKED,
    NEAREST_OF_EACH,
    Scored,
    Where,
    anything,
    bound,
    read_scored,
)
from fabric.search.ranking.vector_memory import VectorMemory

FURTHER = 8
"""How many times more are looked at where those that were did not suffice."""

TRIES = 2
"""So many times the memory is asked for more, before the database looks through all."""

MARGIN = 1e-5
"""More than two ways to add up a cosine can differ by."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Of a search for what is near: the names of the types that are asked for, a condition, how many."""

    types: Sequence[str]
    where: Where
    most: int


Decide: TypeAlias = Callable[[Sequence[int], Sequence[Near]], Awaitable[list[Scored]]]
"""Of which vectors, and what may be near to each of them: what is, as the reader sees it."""

Score: TypeAlias = Callable[[Near | None], Awaitable[Scored]]
"""From what may be near, None for all there is, to what is, as the reader sees it."""


@dataclass(frozen=True, slots=True)
class Nearest:
    database: Database
    memory: VectorMemory

    async def to(
        self, reader: Reader, model: str, vector: Vectors, wish: Wish, number: int, without: UUID | None = None
    ) -> Scored:
        """[id, cosine] of the nearest objects, best first. `number` is how many vectors the reader sees."""
        [found] = await self._among(reader, model, [vector], [without], wish, number)
        if found is not None:
            return found
        values = {
            "model": model, "vector": as_text(vector), "seen": reader.types, "gone": reader.gone,
            "types": list(wish.types), "most": wish.most, "without": without, "pool": 2 * wish.most + 1,
        }  # fmt: skip
        if wish.where is anything and set(wish.types) == set(reader.types):
            near = await self.database.read(reader.session, *bound(NEAREST, values))
            if len(near["hits"]) == wish.most or not near["more"]:
                return read_scored(near["hits"])
        return read_scored(await self.database.read(reader.session, *bound(NEAREST_OF_ASKED, values, wish.where)))

    async def to_each(
        self, reader: Reader, model: str, vectors: Mapping[UUID, Vectors], most: int, number: int
    ) -> dict[UUID, Scored]:
        """For each object, by its own vector, the objects nearest to it."""
        ids, wish = list(vectors), Wish(reader.types, anything, most)
        if not ids or not most:
            return {}
        among = await self._among(reader, model, list(vectors.values()), ids, wish, number)
        found = {id: scored for id, scored in zip(ids, among, strict=True) if scored is not None}
        missing, pool = [id for id in ids if id not in found], 2 * most + 2
        while missing:
            values = {
                "ids": missing, "model": model, "seen": reader.types, "gone": reader.gone, "most": most, "pool": pool
            }  # fmt: skip
            rows = await self.database.read(reader.session, *bound(NEAREST_OF_EACH, values))
            enough = {id: near["hits"] for id, near in rows.items() if len(near["hits"]) == most or not near["more"]}
            found |= {UUID(id): read_scored(hits) for id, hits in enough.items()}
            missing, pool = [UUID(id) for id in rows if id not in enough], pool * FURTHER
        return found

    async def _named(
        self, session: Session, table: str, model: str, vectors: Sequence[Vectors], most: int, number: int,
        decide: Decide,
    ) -> list[Scored | None]:  # fmt: skip
        """For each vector the `most` nearest as the memory finds them; None where it cannot be known that they are."""
        found: list[Scored | None] = [None] * len(vectors)
        left, pool = list(range(len(vectors))), most + most // 8 + 24
        for _ in range(TRIES):
            if not left:
                break
            # As the database takes them.
            queries = np.array([vectors[n] for n in left]).astype(np.float16).astype(np.float32)
            nears = await self.memory.nearest(session, table, model, queries, pool, number)
            if nears is None:
                break
            decided = await decide(left, nears)
            sure = {n: hits for n, near, hits in zip(left, nears, decided, strict=True) if _is_sure(near, hits, most)}
            for n, hits in sure.items():
                found[n] = hits
            left, pool = [n for n in left if n not in sure], pool * FURTHER
        return found

    async def of_table(
        self, session: Session, table: str, model: str, vector: Vectors, most: int, number: int, score: Score
    ) -> Scored:
        """[id, cosine] of the `most` nearest of a table, best first."""

        async def decide(_: Sequence[int], nears: Sequence[Near]) -> list[Scored]:
            return [await score(nears[0])]

        [found] = await self._named(session, table, model, [vector], most, number, decide)
        return await score(None) if found is None else found

    async def _among(
        self, reader: Reader, model: str, vectors: Sequence[Vectors], withouts: Sequence[UUID | None], wish: Wish,
        number: int,
    ) -> list[Scored | None]:  # fmt: skip
        async def decide(which: Sequence[int], nears: Sequence[Near]) -> list[Scored]:
            values = {
                "model": model, "vectors": [as_text(vectors[n]) for n in which],
                "withouts": [withouts[n] for n in which],
                "queries": [n for n, near in enumerate(nears, 1) for _ in near.ids],
                "ids": [id for near in nears for id in near.ids],
                "labels": [label for near in nears for label in near.labels],
                "seen": reader.types, "gone": reader.gone, "types": list(wish.types), "most": wish.most,
            }  # fmt: skip
            rows = await self.database.read(reader.session, *bound(NEAREST_AMONG, values, wish.where))
            return [read_scored(hits) for hits in rows]

        return await self._named(reader.session, OBJECTS, model, vectors, wish.most, number, decide)


def _is_sure(near: Near, hits: Scored, most: int) -> bool:
    """Whether no other vector can be among the nearest."""
    return near.floor == -np.inf or (len(hits) == most and hits[-1][1] > near.floor + MARGIN)
