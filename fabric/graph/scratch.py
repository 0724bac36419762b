"""Arrays as long as the graph has nodes, lent to searches so that none has to make its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

_SPARE = 4


class Scratch:
    """Arrays of one number a node, all -1, lent to one search at a time."""

    def __init__(self) -> None:
        self._spare: list[NDArray[np.int32]] = []

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in list(self._spare))

    @contextmanager
    def borrow(self, nodes: int) -> Iterator[NDArray[np.int32]]:
        """Whoever borrows it sets back to -1 what it wrote."""
        try:
            array = self._spare.pop()
        except IndexError:
            array = np.empty(0, np.int32)
        if len(array) < nodes:
            array = np.full(nodes + (nodes >> 6), -1, np.int32)
        yield array
        if len(self._spare) < _SPARE:
            self._spare.append(array)
