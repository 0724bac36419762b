"""One pass over an organization: texts with their words, then vectors, of all that lacks them or of what changed.

What is missing is asked of the tables, and stored in batches, each in a transaction of its own. So a pass can be killed
anywhere: the next one finds what is left, and repeats at most the batch that was in hand. Text that is the same as
before costs no vector.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias
from uuid import UUID

import numpy as np
import structlog

from fabric.configuration.configurations import Configurations
from fabric.configuration.options import LANGUAGE
from fabric.database.db import Database
from fabric.embedding.provider import Provider, TextRefused, Vectors
from fabric.search.index import store
from fabric.search.index.composition import content_hash
from fabric.search.index.counts import IndexCounts
from fabric.search.index.event_texts import EventTexts
from fabric.search.index.link_texts import LinkTexts
from fabric.search.index.object_texts import ObjectTexts
from fabric.search.index.orphans import forget_orphans
from fabric.search.index.sources import Changed, Source
from fabric.search.index.store import FIRST, Key, by_label
from fabric.types.types import Types

VECTORS_AT_ONCE = 64
PAGE = 512
"""Texts without vectors that are asked for at a time, since to find them takes long where there are many."""

Wanting: TypeAlias = Sequence[tuple[Source, list[UUID] | None]]
"""Of what vectors may be missing; None for all of a source."""

Progress: TypeAlias = Callable[[int], None]
"""Is told how many more are done."""

log = structlog.stdlib.get_logger(__name__)


def _ignore(_: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Indexer:
    """Words are of the language that each organization has chosen. Without a provider there are words alone."""

    database: Database
    types: Types
    provider: Provider | None
    configurations: Configurations
    counts: IndexCounts
    sources: Sequence[Source] = field(init=False)
    """In their order: the texts of links are made of those of objects."""

    def __post_init__(self) -> None:
        sources = (
            ObjectTexts(self.database, self.types, self.counts),
            LinkTexts(self.database, self.types),
            EventTexts(self.database, self.types, self.counts),
        )
        object.__setattr__(self, "sources", sources)

    async def missing(self, organization_id: UUID) -> tuple[int, int]:
        """How many texts are to be made, and how many wait for their vectors."""
        texts = sum((await self.missing_texts(organization_id)).values())
        if self.provider is None:
            return texts, 0
        model = (await self.provider.model()).key
        async with self.database.following(organization_id, snapshot=True) as transaction:
            return texts, await store.number_without_vector(transaction, model)

    async def missing_texts(self, organization_id: UUID) -> dict[str, int]:
        """How many texts are to be made, by the table of what they are of."""
        language = await self.language(organization_id)
        return {source.table: await source.missing(organization_id, language) for source in self.sources}

    async def put_words(
        self, organization_id: UUID, changed: Changed | None = None, progress: Progress = _ignore
    ) -> None:
        """Stores all texts that are missing or outdated, or those of what changed, and takes away those of nothing."""
        words = self.without_words(organization_id, changed)
        while words:
            progress(await words.go_on())

    def without_words(self, organization_id: UUID, changed: Changed | None) -> "Words":
        """All texts that are missing or outdated, or those of what changed."""
        return Words(self, organization_id, changed)

    async def put_vectors(self, organization_id: UUID, progress: Progress = _ignore) -> None:
        """Stores the vectors of all texts that lack one.

        EmbeddingsUnavailable where the provider gives none; those that were stored before stay.
        """
        without = self.without_vectors(organization_id)
        while without:
            progress(await without.go_on())

    def without_vectors(self, organization_id: UUID, of: Wanting | None = None) -> "Backlog":
        """All texts that lack a vector, or some."""
        wanting: Wanting = of if of is not None else [(source, None) for source in self.sources]
        left = [(source, ids) for source, ids in wanting if ids != []] if self.provider is not None else []
        return Backlog(self, organization_id, left)

    async def forget_other_models(self, organization_id: UUID) -> None:
        """Takes away the vectors of all models but the provider's, at all labels."""
        if self.provider is None:
            return
        model = (await self.provider.model()).key
        async with self.database.following(organization_id) as transaction:
            labels = await store.labels_with_vectors(transaction)
        for label in labels:
            await store.storing(self.database, organization_id, label, partial(store.forget_other_models, model=model))

    async def language(self, organization_id: UUID) -> str:
        return (await self.configurations.of(organization_id))[LANGUAGE]


@dataclass(slots=True)
class Words:
    """Texts to be made of an organization, gone through a page at a time: so others can have their turn in between."""

    indexer: Indexer
    organization_id: UUID
    changed: Changed | None
    wanting: list[tuple[Source, list[UUID] | None]] = field(init=False)
    """What may lack vectors once all is done."""
    _pages: AsyncGenerator[int] = field(init=False)
    _done: bool = False

    def __post_init__(self) -> None:
        self.wanting = [(source, None if self.changed is None else []) for source in self.indexer.sources]
        self._pages = self._each_page()

    def __bool__(self) -> bool:
        return not self._done

    async def go_on(self) -> int:
        """Stores the next page; how many texts that were. After a failure all must be begun anew."""
        number = await anext(self._pages, None)
        self._done = number is None
        return number or 0

    async def _each_page(self) -> AsyncGenerator[int]:
        indexer, id = self.indexer, self.organization_id
        language = await indexer.language(id)
        for source in indexer.sources:
            ids = None if self.changed is None else self.changed.of(source.table)
            await forget_orphans(indexer.database, id, source.table, ids)
        for source, wanting in self.wanting:
            async for page in source.put_texts(id, language, self.changed):
                if wanting is not None:
                    wanting += page
                yield len(page)


@dataclass(slots=True)
class Backlog:
    """Texts that may lack vectors, gone through a page at a time: so others can have their turn in between."""

    indexer: Indexer
    organization_id: UUID
    left: list[tuple[Source, list[UUID] | None]]
    place: Key = FIRST

    def __bool__(self) -> bool:
        return bool(self.left)

    async def go_on(self) -> int:
        """Stores the vectors of the next page; of how many texts it was.

        EmbeddingsUnavailable where the provider gives none; then it is still where it was.
        """
        (source, ids), provider = self.left[0], self.indexer.provider
        assert provider is not None
        model = (await provider.model()).key
        async with self.indexer.database.following(self.organization_id, snapshot=True) as transaction:
            found = await store.without_vector(transaction, source.table, model, self.place, PAGE, ids)
        texts = await source.texts(self.organization_id, list(found))
        # One that has changed since it was stored is stored anew first.
        ready = [key for key, text in texts.items() if content_hash(text) == found[key]]
        for start in range(0, len(ready), VECTORS_AT_ONCE):
            batch = [(key, texts[key]) for key in ready[start : start + VECTORS_AT_ONCE]]
            taken, vectors = await self._vectors(provider, batch)
            await self._store(source.table, model, [(key, found[key]) for key in taken], vectors)
        if len(found) < PAGE:
            self.left.pop(0)
            self.place = FIRST
        else:
            self.place = list(found)[-1]
        return len(found)

    async def _store(
        self, table: str, model: str, texts: Sequence[tuple[Key, bytes]], vectors: Vectors
    ) -> None:
        for label, rows in by_label((key.label, row) for row, (key, _) in enumerate(texts)):
            hashes = [(texts[row][0].id, texts[row][1]) for row in rows]
            put = partial(store.put_vectors, table=table, model=model, texts=hashes, vectors=vectors[rows])
            await store.storing(self.indexer.database, self.organization_id, label, put)
        self.indexer.counts.vectors += len(texts)

    async def _vectors(self, provider: Provider, texts: Sequence[tuple[Key, str]]) -> tuple[list[Key], Vectors]:
        """The vectors of the texts, and whose they are: without those that the provider refuses to take."""
        taken: list[Key] = []
        parts: list[Vectors] = []
        pending = [list(texts)] if texts else []
        while pending:
            part = pending.pop()
            try:
                parts.append(await provider.embed([text for _, text in part]))
                taken += [key for key, _ in part]
            except TextRefused:
                half = len(part) // 2
                if half:
                    pending += [part[:half], part[half:]]
                else:
                    self.indexer.counts.refused += 1
                    log.warning("search.text_refused", id=part[0][0].id)
        return taken, np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
