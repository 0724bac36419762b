"""Profiles: what nodes or links have in common that decides who sees them, kept once and referred to by number.

A node's profile is all of its versions: labels, types and tombstones. A link's versions are rows of their own, so a
link's profile is that of one version: its relation, its label, whether it is a tombstone, and the labels that would
take its place for a reader who sees them. There are few profiles beside what has them, so a reader's view of a whole
graph is a table of profiles, and looking at a link is looking at one entry.

Profiles are only ever added, and never change. What is asked of the first so many of them holds for good.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np

from fabric.graph.arrays import Coded, Growing, Ints
from fabric.labels import dominates, rank

T = TypeVar("T")

READERS = 64
"""How many readers' tables are kept."""

NOTHING = 0
"""The profile of a node without versions: the end of a link whose object is not there."""

NodeVersion = tuple[int, int]
"""A label, and the code of a type or `TOMBSTONE`."""
TOMBSTONE = -1
HIDDEN = -1
NOBODYS = -1
"""Stands for a label that no reader dominates."""


class Codes(Generic[T]):
    """Small numbers for values, in the order in which these came."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._codes: dict[T, int] = {}

    def __len__(self) -> int:
        return len(self.values)

    def code(self, value: T) -> int:
        """The value's code, a new one if need be."""
        found = self._codes.get(value)
        if found is None:
            self.values.append(value)
            found = self._codes[value] = len(self.values) - 1
        return found

    def codes(self, values: Sequence[T] | Coded[T]) -> Ints:
        if isinstance(values, Coded):
            codes = np.zeros(len(values.values), np.int64)
            present = np.unique(values.numbers)
            codes[present] = [self.code(values.values[number]) for number in present.tolist()]
            found: Ints = codes[values.numbers]
            return found
        return np.fromiter(map(self.code, values), np.int64, len(values))

    def known(self, values: Iterable[T]) -> list[int]:
        """The codes of those that have one."""
        return [self._codes[value] for value in values if value in self._codes]


def overriders(labels: Iterable[int], mine: int) -> tuple[int, ...]:
    """The minimal ones, by dominance, among the labels that outrank `mine`: whoever sees another sees one of them."""
    above = [label for label in labels if rank(label) > rank(mine)]
    return tuple(sorted(a for a in above if not any(b != a and dominates(a, b) for b in above)))


class NodeProfiles:
    def __init__(self) -> None:
        self._codes: dict[tuple[NodeVersion, ...], int] = {}
        self._labels, self._types, self._ends = Growing(np.int64), Growing(np.int64), Growing(np.int64)
        self.types_seen = lru_cache(READERS)(self._types_seen)
        self.code(())

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def nbytes(self) -> int:
        return self._labels.nbytes + self._types.nbytes + self._ends.nbytes

    def code(self, versions: Iterable[NodeVersion]) -> int:
        """The profile of a node with these versions, of one label each."""
        key = tuple(sorted(versions, key=lambda version: rank(version[0]), reverse=True))
        found = self._codes.get(key)
        if found is None:
            entries = key or ((0, TOMBSTONE),)
            self._labels.extend([label for label, _ in entries])
            self._types.extend([type_code for _, type_code in entries])
            found = len(self._ends)
            self._ends.extend([len(self._labels)])
            self._codes[key] = found
        return found

    def versions(self, profile: int) -> tuple[NodeVersion, ...]:
        if profile == NOTHING:
            return ()
        ends = self._ends.values
        start, end = int(ends[profile - 1]), int(ends[profile])
        labels, types = self._labels.values[start:end], self._types.values[start:end]
        return tuple(zip(labels.tolist(), types.tolist(), strict=True))

    def _types_seen(self, clearance: int, count: int) -> Ints:
        """Of the first `count` profiles, the code of the type that a reader sees; HIDDEN where it sees nothing."""
        ends = self._ends.values[:count]
        end = int(ends[-1])
        # The versions stand in the order of their rank, so the winner is the first that is dominated.
        place = np.where((self._labels.values[:end] & ~clearance) == 0, np.arange(end), end)
        first = np.minimum.reduceat(place, np.append(0, ends[:-1]))
        types = np.append(self._types.values[:end], HIDDEN)
        seen: Ints = types[first]
        return seen


class LinkProfiles:
    def __init__(self) -> None:
        self._codes: dict[tuple[int, int, bool, tuple[int, ...]], int] = {}
        self._keys: list[tuple[int, int, bool, tuple[int, ...]]] = []
        self._labels, self._relations = Growing(np.int64), Growing(np.int64)
        self._over, self._over_whom = Growing(np.int64), Growing(np.int64)
        self.relations_seen = lru_cache(READERS)(self._relations_seen)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in (self._labels, self._relations, self._over, self._over_whom))

    def code(self, relation: int, label: int, tombstone: bool, over: tuple[int, ...]) -> int:
        """The profile of a version; `over` are its `overriders`."""
        key = relation, label, tombstone, over
        found = self._codes.get(key)
        if found is None:
            found = len(self._keys)
            self._labels.extend([NOBODYS if tombstone else label])
            self._relations.extend([relation])
            self._over.extend(over)
            self._over_whom.extend([found] * len(over))
            self._keys.append(key)
            self._codes[key] = found
        return found

    def key(self, profile: int) -> tuple[int, int, bool, tuple[int, ...]]:
        """Relation, label, tombstone, overriders."""
        return self._keys[profile]

    @property
    def relations(self) -> Ints:
        """The relation of each, whether it can be seen or not."""
        return self._relations.values

    def _relations_seen(self, clearance: int, count: int) -> Ints:
        """Of the first `count` profiles, the relation if a reader sees such a version, else HIDDEN."""
        hidden = (self._labels.values[:count] & ~clearance) != 0
        whom = self._over_whom.values
        outranked = whom[(self._over.values[: len(whom)] & ~clearance) == 0]
        hidden[outranked[outranked < count]] = True
        return np.where(hidden, HIDDEN, self._relations.values[:count])


class Profiles:
    """The profiles of one organization's graph, and the names that they refer to."""

    def __init__(self) -> None:
        self.types: Codes[str] = Codes()
        self.relations: Codes[str] = Codes()
        self.nodes, self.links = NodeProfiles(), LinkProfiles()

    @property
    def nbytes(self) -> int:
        return self.nodes.nbytes + self.links.nbytes
