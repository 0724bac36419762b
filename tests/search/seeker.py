"""Searches in a library at any label, with vectors in memory or without."""

import asyncio
from typing import Any
from uuid import UUID

from library import Library

from fabric.configuration.configurations import Configurations
from fabric.embedding.provider import Provider, Vectors
from fabric.identity.subject import Session
from fabric.search.asking.query import read_query
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.asking.question import Mode, Question
from fabric.search.asking.reader import Reader
from fabric.search.finding.searching import Asked, Found, Search
from fabric.search.ranking.held_vectors import Near
from fabric.search.ranking.vector_memory import VectorMemory

U, S = "UNCLASSIFIED", "SECRET"


def question(text: str, mode: Mode = Mode.HYBRID) -> Question:
    """As if it were on the record."""
    return Question(text, mode, 0)


class Patient(VectorMemory):
    """Waits for what is loaded, and holds however few there are: so that nothing is asked of the database alone."""

    async def nearest(
        self, session: Session, table: str, model: str, queries: Vectors, pool: int, number: int
    ) -> list[Near]:
        for _ in range(2_000):
            found = await super().nearest(session, table, model, queries, pool, number)
            if found is not None:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError("the vectors are not loaded")


class Seeker:
    def __init__(
        self, library: Library, provider: Provider | None = None, memory: VectorMemory | None = None
    ) -> None:
        self.library = library
        self.memory = memory or VectorMemory(library.database, 0)
        vectors = QueryVectors(provider or library.provider, lambda _: None)
        self.configurations = Configurations(library.database)
        self.search = Search(library.database, library.types, vectors, self.memory, self.configurations)

    @classmethod
    def with_memory(cls, library: Library, provider: Provider | None = None) -> "Seeker":
        return cls(library, provider, Patient(library.database, 2**30, least=0))

    async def reader(self, at: str) -> Reader:
        return await self.search.reader(self.library.subject(at).session)

    async def found(self, text: str, mode: Mode = Mode.TEXT, at: str = U, **given: Any) -> Found:
        reader = await self.reader(at)
        return await self.search.search(reader, Asked(question(text, mode), given.pop("types", reader.types), **given))

    async def ids(self, text: str, mode: Mode = Mode.TEXT, at: str = U, **given: Any) -> list[UUID]:
        return [hit.id for hit in (await self.found(text, mode, at, **given)).hits]

    async def highlights(
        self, text: str, id: UUID, at: str = U, language: str = "english"
    ) -> list[tuple[str, str]]:  # fmt: skip
        """Matches stand in brackets."""
        reader = await self.reader(at)
        query = await read_query(self.library.database, question(text), language)
        found = await self.search.highlights(reader, query, [id])
        return [(h.field, "".join(f"[{t}]" if m else t for t, m in h.pieces)) for h in found.get(id, [])]
