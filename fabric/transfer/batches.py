"""Items sorted by label into batches for one transaction each, in memory that does not grow with their number."""

import pickle
from collections import defaultdict
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, Generic, Self, TypeVar

from fabric.labels import rank

SIZE = 500
"""Items of a batch. Writing one takes a lock for each of them, and PostgreSQL's table of locks is limited."""

WEIGHT = 16 << 20
"""Bytes of a batch, about; one item more may be in it."""

HELD = 4 * WEIGHT
"""Bytes of all batches that are being filled."""

BOTTOM = 0
"""The label that all others dominate."""

Item = TypeVar("Item")


class Batch(Generic[Item]):
    """Items for one transaction."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.weight = 0

    def add(self, item: Item) -> bool:
        """Whether that was the last one: the batch is full."""
        self.items.append(item)
        self.weight += len(pickle.dumps(item, pickle.HIGHEST_PROTOCOL))
        return len(self.items) >= SIZE or self.weight >= WEIGHT


class BatchesByLabel(Generic[Item]):
    """Batches of one label each, those of lower-ranking labels first.

    That order makes the outcome independent of the order of the items, since what a version becomes depends on the
    versions below it. Nothing is below the bottom label, so its batches are ready once they are full. The others wait
    for `rest`, in a file that has no name and that only this process writes and reads. Use as a context manager.
    """

    def __init__(self) -> None:
        self._filling: defaultdict[int, Batch[Item]] = defaultdict(Batch)
        self._waiting: defaultdict[int, list[int]] = defaultdict(list)
        self.held = 0
        """Bytes that are in memory, about."""
        self._file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(WEIGHT)  # noqa: SIM115 (`__exit__` closes it)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, label: int, item: Item) -> list[Item]:
        """Takes the item; the items of the bottom label's batch if it is full now, none otherwise."""
        batch = self._filling[label]
        self.held -= batch.weight
        full = batch.add(item)
        self.held += batch.weight
        if full and label == BOTTOM:
            return self._take(label)
        if full:
            self._wait(label)
        elif self.held > HELD and (others := self._filling.keys() - {BOTTOM}):
            self._wait(max(others, key=lambda each: self._filling[each].weight))
        return []

    def rest(self) -> Iterator[tuple[int, list[Item]]]:
        """What has not been handed out: labels by rank, within a label the order in which the items came."""
        for label in sorted(self._waiting.keys() | self._filling.keys(), key=rank):
            for offset in self._waiting[label]:
                self._file.seek(offset)
                yield label, pickle.load(self._file)
            if label in self._filling:
                yield label, self._take(label)

    def _take(self, label: int) -> list[Item]:
        batch = self._filling.pop(label)
        self.held -= batch.weight
        return batch.items

    def _wait(self, label: int) -> None:
        items: list[Any] = self._take(label)
        self._waiting[label].append(self._file.seek(0, 2))
        pickle.dump(items, self._file, pickle.HIGHEST_PROTOCOL)
