"""Vectors of one model in memory, by label: what is nearest to others is found by looking at all of them.

Rows are only ever added. One that takes another's place leaves it where it is, as a row that nothing leads to, until
there are too many of those.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from fabric.embedding.provider import Vectors
from fabric.labels import dominates

QUERIES_AT_ONCE = 32
"""Cosines of so many queries are held at a time."""

_MOST_LEFT_BEHIND, _LEFT_ANYWAY = 0.25, 64


@dataclass(frozen=True, slots=True)
class Near:
    """Keys of vectors, in no order. None but these has a cosine above `floor`, which is -inf if they are all."""

    ids: list[UUID]
    labels: list[int]
    floor: float


class _Block:
    """The vectors at one label. Others may read while one adds: what is there stays where it is."""

    def __init__(self, dimensions: int) -> None:
        self.matrix = np.empty((0, dimensions), np.float32)  # labels are many where few vectors are at each
        self.ids: list[UUID] = []
        self.rows: dict[UUID, int] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def put(self, ids: Sequence[UUID], vectors: Vectors) -> None:
        start = len(self.ids)
        end = start + len(ids)
        if end > len(self.matrix):
            grown = np.empty((max(end, len(self.matrix) * 3 // 2), self.matrix.shape[1]), np.float32)
            grown[:start] = self.matrix[:start]
            self.matrix = grown
        self.matrix[start:end] = vectors
        self.rows.update(zip(ids, range(start, end), strict=True))
        self.ids.extend(ids)

    def compacted(self) -> "_Block":
        made = _Block(self.matrix.shape[1])
        made.put(list(self.rows), self.matrix[list(self.rows.values())])
        return made

    @property
    def worth_compacting(self) -> bool:
        return len(self.ids) - len(self.rows) > _MOST_LEFT_BEHIND * len(self.ids) + _LEFT_ANYWAY

    def best(self, queries: Vectors, number: int) -> list[tuple[list[tuple[float, UUID]], float]]:
        """For each query about so many of the highest cosines, and the one that no other is above: -inf for all."""
        ids = self.ids[:]  # a vector is there before its id is
        cosines = queries @ self.matrix[: len(ids)].T
        whole = len(ids) <= number
        columns = np.argpartition(cosines, -number, axis=1)[:, -number:] if not whole else _all_columns(cosines)
        chosen = np.take_along_axis(cosines, columns, axis=1)
        return [
            (
                [(score, ids[at]) for score, at in zip(scores, places, strict=True) if self.rows.get(ids[at]) == at],
                -np.inf if whole else min(scores),
            )
            for scores, places in zip(chosen.tolist(), columns.tolist(), strict=True)
        ]


def _all_columns(of: Vectors) -> NDArray[np.int64]:
    return np.broadcast_to(np.arange(of.shape[1]), of.shape)


class HeldVectors:
    """Of vectors at half precision, as they are stored, and of unit length."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}

    def __len__(self) -> int:
        return sum(map(len, self._blocks.values()))

    @property
    def nbytes(self) -> int:
        """About the memory that they take."""
        each = 200  # for an id, where it stands, and where it is
        return sum(block.matrix.nbytes + each * len(block.ids) for block in self._blocks.values())

    def put(self, labels: Sequence[int], ids: Sequence[UUID], vectors: Vectors) -> None:
        """One row for each; of those with the same label and id the last stays."""
        at = np.asarray(labels, np.int64)
        for label in dict.fromkeys(labels):
            rows = np.flatnonzero(at == label)
            block = self._blocks.setdefault(label, _Block(vectors.shape[1]))
            block.put([ids[row] for row in rows.tolist()], vectors[rows])
            if block.worth_compacting:
                self._blocks[label] = block.compacted()

    def nearest(self, label: int, queries: Vectors, number: int) -> list[Near]:
        """For each query about `number` of the nearest of what a label dominates.

        It may run in another thread than `put`.
        """
        blocks = [(at, block) for at, block in list(self._blocks.items()) if dominates(label, at)]
        found: list[Near] = []
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            some = queries[start : start + QUERIES_AT_ONCE]
            best = [(at, block.best(some, number)) for at, block in blocks]
            found += [_merged([(at, *each[n]) for at, each in best], number) for n in range(len(some))]
        return found


def _merged(parts: Sequence[tuple[int, list[tuple[float, UUID]], float]], number: int) -> Near:
    """The best of all labels: of each the label, its best, and what its others are not above."""
    floor = max((floor for _, _, floor in parts), default=-np.inf)
    every = [(score, id, label) for label, best, _ in parts for score, id in best]
    if len(every) > number:
        every = heapq.nlargest(number, every, key=lambda each: each[0])
        floor = max(floor, every[-1][0])
    return Near([id for _, id, _ in every], [label for _, _, label in every], float(floor))
