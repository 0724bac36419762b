"""Vectors without a model: words and pieces of words, hashed to places of a vector.

They are alike where spellings are. That is no meaning, so the model says that it is lexical, and search gives it next
to no weight. It is what keeps `similar` going where there is nothing better.
"""

import asyncio
import re
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from fabric.embedding.provider import Model, Vectors, unit_vectors

DIMENSIONS = 256
PIECE = 3
_WORDS = re.compile(r"\w+")
MODEL = Model("hashing", DIMENSIONS, "1", lexical=True)


class Hashing:
    """A provider that needs nothing."""

    async def model(self) -> Model:
        return MODEL

    async def embed(self, texts: Sequence[str], *, patient: bool = True) -> Vectors:
        return await asyncio.to_thread(_vectors, texts)

    async def close(self) -> None:
        pass


def _vectors(texts: Sequence[str]) -> Vectors:
    return unit_vectors([_hashed(text) for text in texts], len(texts), DIMENSIONS)


def _hashed(text: str) -> Vectors:
    vector = np.zeros(DIMENSIONS, np.float32)
    vector[0] = 1e-3  # a text without words has a vector too
    for feature in _features(text):
        code = zlib.crc32(feature.encode())
        vector[code % DIMENSIONS] += 1 if code & 0x8000_0000 else -1
    return vector


def _features(text: str) -> Iterator[str]:
    for word in _WORDS.findall(text.lower()):
        yield word
        marked = f"<{word}>"
        yield from (marked[i : i + PIECE] for i in range(len(marked) - PIECE + 1))
