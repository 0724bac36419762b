"""Arrays of numbers: their names in types, and the few things that are done with them everywhere here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

S = TypeVar("S", bound=np.generic)
T = TypeVar("T")

Ints = NDArray[np.int64]
"""Positions and codes, in the form by which numpy indexes without converting."""
SmallInts = NDArray[np.integer[Any]]
"""Codes or positions as they are kept: in the smallest type that holds them."""
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_DIRECT = 1 << 24
"""Up to here a table of all possible keys costs less than sorting those there are."""


@dataclass(frozen=True, slots=True)
class Coded(Generic[T]):
    """A column of few different values: each row's is the one at its number."""

    values: Sequence[T]
    numbers: NDArray[Any]


def smallest(values: SmallInts, limit: int) -> SmallInts:
    """The same values, all of them below `limit`, in the smallest unsigned type that holds these."""
    return values.astype(np.min_scalar_type(max(limit - 1, 0)), copy=False)


def positions(values: SmallInts, limit: int) -> SmallInts:
    """The same values, all of them below `limit`, as int32 where that suffices."""
    return values.astype(np.int32 if limit <= np.iinfo(np.int32).max else np.int64, copy=False)


def sorted_order(keys: NDArray[Any], *ties: NDArray[Any]) -> Ints:
    """The positions of `keys` in ascending order; what is equal is ordered by `ties`, the first of them first.

    Made for keys that are nearly all different: only runs of equal ones are sorted twice.
    """
    order: Ints = np.argsort(keys)
    if not ties or len(keys) < 2:
        return order
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        among = np.zeros(len(keys), bool)
        among[1:] = same
        among[:-1] |= same
        places = among.nonzero()[0]
        rows = order[places]
        order[places] = rows[np.lexsort((*(tie[rows] for tie in reversed(ties)), keys[rows]))]
    return order


def distinct(values: Ints) -> Ints:
    """The different ones, ascending. (`np.unique` goes by hashing, which takes ten times as long for millions.)"""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def numbered(keys: Ints, limit: int) -> tuple[Ints, Ints]:
    """The different values of `keys` (at least 0, below `limit`), ascending, and each key's place among them."""
    if limit > _DIRECT:
        values = distinct(keys)
        return values, np.searchsorted(values, keys)
    present = np.zeros(limit, bool)
    present[keys] = True
    return present.nonzero()[0], (np.cumsum(present) - 1)[keys]


def ranges(starts: SmallInts, counts: SmallInts) -> Ints:
    """The positions of several ranges, one range after the other."""
    ends = counts.cumsum(dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    found: Ints = np.repeat(starts - (ends - counts), counts)
    found += np.arange(total)
    return found


class Growing(Generic[S]):
    """Numbers that are only ever appended, by one thread at a time. Others may read; what they read stays as it was.

    One array, not many small ones: large arrays go back to the system when they are given up.
    """

    def __init__(self, kind: type[S]) -> None:
        self._room: NDArray[S] = np.empty(64, kind)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def values(self) -> NDArray[S]:
        length = self._length  # first: the room is never older than its length
        return self._room[:length]

    @property
    def nbytes(self) -> int:
        return self._room.nbytes

    def extend(self, values: Sequence[int] | NDArray[Any]) -> None:
        length = self._length + len(values)
        if length > len(self._room):
            room = np.empty(2 * length, self._room.dtype)
            room[: self._length] = self.values
            self._room = room
        self._room[self._length : length] = values
        self._length = length
