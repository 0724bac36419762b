"""Bounded caches, least recently used out first, that count how often they helped."""

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
    """Holds `capacity` values at most."""

    def __init__(self, capacity: int, lookups: Lookups) -> None:
        self._capacity = capacity
        self._lookups = lookups
        self._kept: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        value = self._kept.get(key)
        if value is None:
            self._lookups.misses += 1
            return None
        self._kept.move_to_end(key)
        self._lookups.hits += 1
        return value

    def keep(self, key: K, value: V) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
            self._lookups.evictions += 1
