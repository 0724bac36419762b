"""Embeddings of an endpoint that speaks OpenAI's protocol: OpenAI itself, or one of the many servers that do.

The client tries again by itself where the endpoint is busy or not there, with growing pauses, and waits as long as the
endpoint asks for. Nothing that an endpoint says is told to callers: it may repeat the text.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence

import openai
from openai import AsyncOpenAI

from fabric.embedding.provider import BadVectors, Model, TextRefused, Vectors, unit_vectors
from fabric.errors import EmbeddingsUnavailable

MOST_TEXTS = 256
"""In one request."""

MOST_TOKENS = 8_000
"""Of one text; what comes after is left off."""

CHARACTERS_PER_TOKEN = 3
"""Fewer than there are in most languages, so that no request is longer than it may be."""

RETRIES = 5
"""Of one request, where nobody waits."""

_PROBE = "semantic fabric"


class Endpoint:
    """`dimensions` are asked for where they are given; otherwise the endpoint's first answer says them.

    A request holds about `batch_tokens` tokens at most, takes `timeout` seconds, and `query_timeout` where somebody
    waits; a minute sees `requests_per_minute` of them, or as many as there are when it is 0.
    """

    def __init__(
        self, url: str, key: str, name: str, dimensions: int = 0, *, batch_tokens: int = 50_000, timeout: float = 30.0,
        query_timeout: float = 3.0, requests_per_minute: int = 0,
    ) -> None:  # fmt: skip
        self._client = AsyncOpenAI(api_key=key or "none", base_url=url, max_retries=RETRIES, timeout=timeout)
        self._hasty = self._client.with_options(max_retries=0, timeout=query_timeout)
        self._name, self._dimensions, self._batch_tokens = name, dimensions, batch_tokens
        self._query_timeout = query_timeout
        self._pace = _Pace(requests_per_minute)
        self._known: Model | None = None

    async def model(self) -> Model:
        if self._known is None:
            if self._dimensions:
                self._known = Model(self._name, self._dimensions)
            else:
                probe = await self._ask([_PROBE], patient=False)
                self._known = Model(self._name, len(probe[0]))
        return self._known

    async def embed(self, texts: Sequence[str], *, patient: bool = True) -> Vectors:
        model = await self.model()
        vectors: list[list[float]] = []
        for batch in self._batches(texts):
            vectors += await self._ask(batch, patient)
        return unit_vectors(vectors, len(texts), model.dimensions)

    async def close(self) -> None:
        await self._client.close()

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        room = self._batch_tokens
        for text in texts:
            kept = text[: MOST_TOKENS * CHARACTERS_PER_TOKEN] or " "  # an empty text is refused
            tokens = len(kept) // CHARACTERS_PER_TOKEN + 1
            if batch and (tokens > room or len(batch) == MOST_TEXTS):
                yield batch
                batch, room = [], self._batch_tokens
            batch.append(kept)
            room -= tokens
        if batch:
            yield batch

    async def _ask(self, texts: list[str], patient: bool) -> list[list[float]]:
        """The vectors as they came, in the order of the texts. A key or model that is refused is unavailable too."""
        dimensions = self._dimensions or openai.omit
        if patient:
            await self._pace.wait()
        try:
            # The client's timeout is of each step; one that trickles would take for ever.
            async with asyncio.timeout(None if patient else self._query_timeout):
                answer = await (self._client if patient else self._hasty).embeddings.create(
                    input=texts, model=self._name, dimensions=dimensions, encoding_format="float"
                )
            found = {each.index: each.embedding for each in answer.data}
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            raise TextRefused("the embedding endpoint refuses a text") from error
        except (openai.OpenAIError, TimeoutError) as error:
            raise EmbeddingsUnavailable("the embedding endpoint does not answer as it should") from error
        except (AttributeError, TypeError, ValueError) as error:  # the client does not check what comes
            raise BadVectors("the embedding endpoint's answer holds no embeddings") from error
        if sorted(found) != list(range(len(texts))) or not all(isinstance(v, list) and v for v in found.values()):
            raise BadVectors("the embedding endpoint gave another number of vectors")
        return [found[n] for n in range(len(texts))]


class _Pace:
    """Spreads requests evenly over a minute."""

    def __init__(self, per_minute: int) -> None:
        self._interval = 60 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def wait(self) -> None:
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + self._interval
        if at > now:
            await asyncio.sleep(at - now)
