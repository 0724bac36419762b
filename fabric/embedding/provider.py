"""What every provider of embeddings does, and what is held of its answers before anybody uses them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fabric.errors import EmbeddingsUnavailable

Vectors: TypeAlias = NDArray[np.float32]
"""One row of unit length for each text, in the order of the texts."""


class BadVectors(EmbeddingsUnavailable):
    """An answer that is no set of vectors of this model: the wrong number or length, or not finite."""


class TextRefused(EmbeddingsUnavailable):
    """The provider will not take one of the texts; others it may."""


@dataclass(frozen=True, slots=True)
class Model:
    """What vectors are of. Only vectors of equal models can be compared.

    `lexical` says that it knows spellings and not meanings.
    """

    name: str
    dimensions: int
    revision: str = ""
    lexical: bool = False

    @property
    def key(self) -> str:
        """Under which its vectors are stored."""
        return "#".join(part for part in (self.name, str(self.dimensions), self.revision) if part)


class Provider(Protocol):
    """Made once in a process. EmbeddingsUnavailable from both methods where no vectors can be had now."""

    async def model(self) -> Model:
        """The model whose vectors it gives, from its start to its end."""

    async def embed(self, texts: Sequence[str], *, patient: bool = True) -> Vectors:
        """The texts' vectors. What the model cannot take of a long text is left off.

        `patient` tries again for a while where the endpoint is busy; otherwise there is somebody who waits.
        """

    async def close(self) -> None:
        """Gives back what it holds."""


def unit_vectors(vectors: object, number: int, dimensions: int) -> Vectors:
    """The vectors with unit length. BadVectors unless they are that many, of that length, finite and not zero."""
    if not number:
        return np.empty((0, dimensions), np.float32)
    try:
        # Numbers beyond float32 become infinite, which is told below.
        with np.errstate(over="ignore"):
            array = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError):
        raise BadVectors("the embeddings are not vectors of one length") from None
    if array.shape != (number, dimensions):
        raise BadVectors(f"the embeddings have another form than {number} vectors of {dimensions} dimensions")
    if not np.isfinite(array).all():
        raise BadVectors("the embeddings hold what is no finite number")
    lengths = np.linalg.norm(array.astype(np.float64), axis=1, keepdims=True)
    if (lengths == 0).any():
        raise BadVectors("the embeddings hold a vector of no length")
    unit: Vectors = (array / lengths).astype(np.float32)
    return unit
