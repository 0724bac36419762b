"""One pass over an organization: words, then vectors, for all versions that lack them or for those of some objects.

What is missing is asked of the tables, and stored in batches, each in a transaction of its own. So a pass can be killed
anywhere: the next one finds what is left, and repeats at most the batch that was in hand. Text that is the same as
before costs no vector.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

import numpy as np
import structlog

from fabric.database.db import Database
from fabric.embedding.provider import Provider, TextRefused, Vectors
from fabric.identity.subject import Session
from fabric.search import store
from fabric.search.composition import Composition, composition, content_hash
from fabric.search.counts import IndexCounts
from fabric.search.store import FIRST, Place, Stored, Text
from fabric.types.types import Types

WORDS_AT_ONCE = 500
VECTORS_AT_ONCE = 64
FOUND_AT_ONCE = 1_000
"""Versions without vectors that are asked for at a time, since to find them takes long where there are many."""

Progress = Callable[[int], None]
"""Is told how many more versions are done."""

log = structlog.stdlib.get_logger(__name__)


def _ignore(_: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Indexer:
    """`language` is a text search configuration of PostgreSQL. Without a provider there are words alone."""

    database: Database
    types: Types
    provider: Provider | None
    language: str
    counts: IndexCounts

    async def missing(self, organization_id: UUID) -> tuple[int, int]:
        """How many versions wait for their words, and how many for their vectors."""
        model = (await self.provider.model()).key if self.provider is not None else None
        async with self.database.following(organization_id, snapshot=True) as transaction:
            return await store.number_missing(transaction, model)

    async def put_words(
        self, organization_id: UUID, ids: Sequence[UUID] | None = None, progress: Progress = _ignore
    ) -> None:
        """Stores the words of all versions that lack them, or of those of some objects."""
        async with self.database.following(organization_id, snapshot=True) as transaction:
            types = await store.types_in_use(transaction, ids)
        made = await self._compositions(organization_id, types)
        digests = {key: each.digest(self.language) for key, each in made.items()}
        place = FIRST
        while True:
            async with self.database.following(organization_id, snapshot=True) as transaction:
                found = await store.without_words(transaction, digests, place, WORDS_AT_ONCE, ids)
            for label, versions in _by_label(found):
                texts = [_text(v, made[label, v.type_name], digests[label, v.type_name]) for v in versions]
                async with self.database.transaction(Session(organization_id, label)) as transaction:
                    self.counts.words += await store.put_words(transaction, texts, self.language)
            progress(len(found))
            if len(found) < WORDS_AT_ONCE:
                return
            place = Place(found[-1].object_id, found[-1].label)

    async def put_vectors(
        self, organization_id: UUID, ids: Sequence[UUID] | None = None, progress: Progress = _ignore
    ) -> None:
        """Stores the vectors of all versions that have words and lack one, or of those of some objects.

        EmbeddingsUnavailable where the provider gives none; those that were stored before stay.
        """
        if self.provider is None:
            return
        model = (await self.provider.model()).key
        place = FIRST
        while True:
            async with self.database.following(organization_id, snapshot=True) as transaction:
                found = await store.without_vector(transaction, model, place, FOUND_AT_ONCE, ids)
            made = await self._compositions(organization_id, {(v.label, v.type_name) for v in found})
            texts = {(v.object_id, v.label): made[v.label, v.type_name].text(v.data) for v in found}
            # One that has changed since its words were stored gets new words first.
            ready = [v for v in found if content_hash(texts[v.object_id, v.label]) == v.content_hash]
            for start in range(0, len(ready), VECTORS_AT_ONCE):
                batch = [(v, texts[v.object_id, v.label]) for v in ready[start : start + VECTORS_AT_ONCE]]
                await self._embed(organization_id, self.provider, model, batch)
                progress(len(batch))
            progress(len(found) - len(ready))
            if len(found) < FOUND_AT_ONCE:
                return
            place = Place(found[-1].object_id, found[-1].label)

    async def forget_other_models(self, organization_id: UUID) -> None:
        """Takes away the vectors of all models but the provider's, at all labels."""
        if self.provider is None:
            return
        model = (await self.provider.model()).key
        async with self.database.following(organization_id) as transaction:
            labels = await store.labels_with_vectors(transaction)
        for label in labels:
            async with self.database.transaction(Session(organization_id, label)) as transaction:
                await store.forget_other_models(transaction, model)

    async def _embed(
        self, organization_id: UUID, provider: Provider, model: str, texts: Sequence[tuple[Stored, str]]
    ) -> None:
        taken, vectors = await self._vectors(provider, texts)
        by_version = {(v.object_id, v.label): n for n, v in enumerate(taken)}
        for label, versions in _by_label(taken):
            rows = [by_version[v.object_id, v.label] for v in versions]
            hashes = [(v.object_id, v.content_hash or b"") for v in versions]
            async with self.database.transaction(Session(organization_id, label)) as transaction:
                await store.put_vectors(transaction, model, hashes, vectors[rows])
        self.counts.vectors += len(taken)

    async def _vectors(self, provider: Provider, texts: Sequence[tuple[Stored, str]]) -> tuple[list[Stored], Vectors]:
        """The vectors of the texts, and the versions they are of: without those that the provider refuses to take."""
        taken: list[Stored] = []
        parts: list[Vectors] = []
        pending = [list(texts)] if texts else []
        while pending:
            part = pending.pop()
            try:
                parts.append(await provider.embed([text for _, text in part]))
                taken += [version for version, _ in part]
            except TextRefused:
                half = len(part) // 2
                if half:
                    pending += [part[:half], part[half:]]
                else:
                    self.counts.refused += 1
                    log.warning("search.text_refused", object_id=part[0][0].object_id)
        return taken, np.concatenate(parts) if parts else np.empty((0, 0), np.float32)

    async def _compositions(
        self, organization_id: UUID, types: Iterable[tuple[int, str]]
    ) -> dict[tuple[int, str], Composition]:
        """By label and type, each as its label sees it."""
        made: dict[tuple[int, str], Composition] = {}
        for label, names in groupby(sorted(set(types)), key=lambda each: each[0]):
            catalogue = await self.types.catalogue(Session(organization_id, label))
            made |= {(label, name): composition(catalogue, name) for _, name in names}
        return made


def _by_label(versions: Iterable[Stored]) -> list[tuple[int, list[Stored]]]:
    ordered = sorted(versions, key=lambda v: v.label)
    return [(label, list(group)) for label, group in groupby(ordered, key=lambda v: v.label)]


def _text(version: Stored, made: Composition, digest: bytes) -> Text:
    text = "" if version.tombstone else made.text(version.data)
    return Text(version.object_id, version.revision, digest, content_hash(text), text)
