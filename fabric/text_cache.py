"""Texts in memory, bounded by their length and not by their number, for some of them are long."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

ENTRY = 200
"""Characters that an entry counts for beside its text."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A text, or that there is none, as long as `until` is not over."""

    text: str | None
    until: float


class TextCache(Generic[K]):
    """Holds `capacity` characters at most, least recently used out first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._size = 0
        self._kept: OrderedDict[K, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K, now: float) -> Kept | None:
        """What is kept under the key and not over."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= now:
            self.drop(key)
            return None
        self._kept.move_to_end(key)
        return kept

    def keep(self, key: K, text: str | None, until: float) -> None:
        self.drop(key)
        self._kept[key] = Kept(text, until)
        self._size += _size(text)
        while self._size > self._capacity:
            _, gone = self._kept.popitem(last=False)
            self._size -= _size(gone.text)

    def drop(self, key: K) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._size -= _size(gone.text)


def _size(text: str | None) -> int:
    return ENTRY + len(text or "")
