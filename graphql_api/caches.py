"""Bounded caches, least recently used out first, that count how often they helped."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class Lookups:
    """What all caches of one kind have seen since the process began."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """One count for each kind of cache: there is a document cache for each schema, and plans for each operation."""

    schemas: Lookups = field(default_factory=Lookups)
    documents: Lookups = field(default_factory=Lookups)
    plans: Lookups = field(default_factory=Lookups)


class Cache(Generic[K, V]):
    """Holds values of `capacity` weight at most; one that takes most of it is not kept at all. Threads may share it."""

    def __init__(self, capacity: int, lookups: Lookups) -> None:
        self._capacity = capacity
        self._lookups = lookups
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                self._lookups.misses += 1
                return None
            self._kept.move_to_end(key)
            self._lookups.hits += 1
            return kept[0]

    def keep(self, key: K, value: V, weight: int = 1) -> None:
        with self._lock:
            if key in self._kept:
                self._weight -= self._kept.pop(key)[1]
            if weight > max(1, self._capacity // 2):
                return
            self._kept[key] = value, weight
            self._weight += weight
            while self._weight > self._capacity:
                self._weight -= self._kept.popitem(last=False)[1][1]
                self._lookups.evictions += 1
