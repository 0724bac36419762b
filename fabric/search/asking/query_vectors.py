"""Vectors of queries: of the model whose vectors serve a reader, remembered by a hash of the query, never its text.

A provider that has failed is left alone for a while, so that not every search waits for it.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from fabric.embedding.provider import Model, Provider, Vectors
from fabric.errors import EmbeddingsUnavailable
from fabric.identity.subject import Session
from fabric.search.asking.question import Question

T = TypeVar("T")

CAPACITY = 1_000
RESTING_SECONDS = 5.0

Former = Callable[[str], Provider | None]
"""The provider of a model that is not chosen any more, by the model's key."""


class QueryVectors:
    def __init__(self, provider: Provider | None, former: Former) -> None:
        self._provider = provider
        self._former = former
        self._others: dict[str, Provider | None] = {}
        self._known: OrderedDict[tuple[Session, str, bytes], Vectors] = OrderedDict()
        self._resting: dict[str, float] = {}

    async def model(self, there: Mapping[str, int]) -> Model:
        """Which model serves one who sees so many vectors of each, by their keys.

        The chosen one does as soon as it has as many as any other; until then the other that has most, where this
        process can make vectors of it. EmbeddingsUnavailable without a provider, or where it does not say.
        """
        model = await self._chosen()
        most = max(there, key=lambda key: (there[key], key), default=model.key)
        if there.get(model.key, 0) >= there.get(most, 0):
            return model
        other = await self._other(most)
        return model if other is None else await self._asked(most, other.model)

    async def vector(self, session: Session, model: Model, question: Question) -> Vectors:
        """One vector. EmbeddingsUnavailable where it cannot be had in time.

        What is remembered is the session's own: else the time that it takes would tell what others look for.
        """
        key = session, model.key, hashlib.sha256(question.text.encode()).digest()
        known = self._known.get(key)
        if known is None:
            provider = self._provider if (await self._chosen()) == model else await self._other(model.key)
            if provider is None:
                raise EmbeddingsUnavailable("there are no embeddings of this model any more")
            made = await self._asked(model.key, lambda: provider.embed([question.text], patient=False))
            known = self._known[key] = made[0]
            if len(self._known) > CAPACITY:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return known

    async def close(self) -> None:
        for provider in self._others.values():
            if provider is not None:
                await provider.close()

    async def _chosen(self) -> Model:
        if self._provider is None:
            raise EmbeddingsUnavailable("no embeddings are made here")
        return await self._asked("", self._provider.model)

    async def _other(self, key: str) -> Provider | None:
        if key not in self._others:
            made = await asyncio.to_thread(self._former, key)  # it may read a model's weights
            self._others.setdefault(key, made)
        return self._others[key]

    async def _asked(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        """What the provider of a model gives, unless it rests; it does after it has failed."""
        if self._resting.get(key, 0.0) > time.monotonic():
            raise EmbeddingsUnavailable("embeddings cannot be had at the moment")
        try:
            return await ask()
        except EmbeddingsUnavailable:
            self._resting[key] = time.monotonic() + RESTING_SECONDS
            raise
