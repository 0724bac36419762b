"""Ids as numbers: a UUID is two halves of 64 bits, so that arrays of them sort and search at the machine's speed.

The order of ids is that of their bytes, which is also the order of UUIDs in Python and in PostgreSQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from fabric.graph.arrays import Growing, Ints, SmallInts, sorted_order

_LOW = (1 << 64) - 1
_MANY = 10_000
"""From so many on, what is looked up is sorted first: the search then goes through memory in one direction."""


@dataclass(frozen=True, slots=True)
class Ids:
    """An array of UUIDs, 16 bytes each."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]

    @classmethod
    def of(cls, ids: Sequence[UUID] | bytes) -> Self:
        """Of UUIDs, or of the bytes of several, one after the other."""
        data = ids if isinstance(ids, bytes) else b"".join([id.bytes for id in ids])
        halves = np.frombuffer(data, ">u8").astype(np.uint64)
        return cls(halves[0::2].copy(), halves[1::2].copy())

    @classmethod
    def of_numbers(cls, numbers: Sequence[int]) -> Self:
        high = np.fromiter((number >> 64 for number in numbers), np.uint64, len(numbers))
        return cls(high, np.fromiter((number & _LOW for number in numbers), np.uint64, len(numbers)))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        if not parts:
            return cls(np.empty(0, np.uint64), np.empty(0, np.uint64))
        return cls(np.concatenate([p.high for p in parts]), np.concatenate([p.low for p in parts]))

    def __len__(self) -> int:
        return len(self.high)

    @property
    def nbytes(self) -> int:
        return self.high.nbytes + self.low.nbytes

    def take(self, places: SmallInts) -> "Ids":
        return Ids(self.high.take(places), self.low.take(places))

    def number(self, place: int) -> int:
        """The 128 bits of one."""
        return int(self.high[place]) << 64 | int(self.low[place])

    def uuids(self) -> list[UUID]:
        return [UUID(int=h << 64 | w) for h, w in zip(self.high.tolist(), self.low.tolist(), strict=True)]

    def order(self) -> Ints:
        """The places in ascending order."""
        return sorted_order(self.high, self.low)

    def sorted_groups(self) -> tuple[Ints, Ints]:
        """The places in ascending order, and where in that order each different id begins."""
        order = self.order()
        high, low = self.high[order], self.low[order]
        first = np.ones(len(order), bool)
        np.not_equal(high[1:], high[:-1], out=first[1:])
        first[1:] |= low[1:] != low[:-1]
        return order, first.nonzero()[0]

    def find(self, wanted: "Ids") -> Ints:
        """Where each of `wanted` is among these, which are in ascending order and all different; -1 for none."""
        if len(wanted) > _MANY:
            order = np.argsort(wanted.high)
            found = np.empty(len(wanted), np.int64)
            found[order] = self._find(wanted.take(order))
            return found
        return self._find(wanted)

    def _find(self, wanted: "Ids") -> Ints:
        if not len(self):
            return np.full(len(wanted), -1)
        places: Ints = np.searchsorted(self.high, wanted.high)
        near = np.minimum(places, len(self) - 1)
        same_high = self.high[near] == wanted.high
        same = same_high & (self.low[near] == wanted.low)
        places[~same] = -1
        for place in (same_high & ~same).nonzero()[0].tolist():  # ids with one upper half, or none like it
            places[place] = self.find_number(wanted.number(place))
        return places

    def find_number(self, number: int) -> int:
        """Where the id of these 128 bits is among these, in ascending order; -1 for nowhere."""
        high, low = np.uint64(number >> 64), np.uint64(number & _LOW)
        left = int(np.searchsorted(self.high, high))
        if left == len(self) or self.high[left] != high:
            return -1
        right = int(np.searchsorted(self.high, high, side="right"))
        place = left + int(np.searchsorted(self.low[left:right], low))
        return place if place < right and self.low[place] == low else -1


class GrowingIds:
    def __init__(self) -> None:
        self._high, self._low = Growing(np.uint64), Growing(np.uint64)

    @property
    def values(self) -> Ids:
        return Ids(self._high.values, self._low.values)

    def extend(self, ids: Ids) -> None:
        self._high.extend(ids.high)
        self._low.extend(ids.low)
