"""Breadth-first search: what was discovered, in order, and from where.

The order is a reader's own: nodes come in the order in which the first visible link to them is met.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fabric.graph.arrays import Bools, Ints
from fabric.graph.budget import Budget
from fabric.graph.sight import Direction, Links, Sight


class Quota:
    """The nodes that are to be given: those of some types, up to a number."""

    def __init__(self, left: int | None = None, listed: Bools | None = None) -> None:
        """`listed` says by the code of a type whether its nodes are given."""
        self.left, self._listed = left, listed
        self._numbers: list[Ints] = [np.empty(0, np.int64)]

    @property
    def numbers(self) -> Ints:
        """Their numbers in the search."""
        return np.concatenate(self._numbers)

    def cut(self, search: "Search", nodes: Ints) -> int:
        """Takes what it may of these nodes, which are discovered now; how many of them the search goes on with."""
        given = np.arange(len(nodes))
        if self._listed is not None:
            given = self._listed.take(search.sight.types(nodes)).nonzero()[0]
        count = len(nodes)
        if self.left is not None:
            if len(given) >= self.left:
                given = given[: self.left]
                count = int(given[-1]) + 1 if len(given) else 0
            self.left -= len(given)
        self._numbers.append(given + search.count)
        return count


class Search:
    """Nodes have numbers in the order of discovery. `number` is lent by `Scratch`: by node, its number, or -1."""

    def __init__(
        self, sight: Sight, number: NDArray[np.int32], starts: Ints, budget: Budget, quota: Quota | None = None
    ) -> None:
        """`starts` are visible nodes, all different."""
        self.sight, self.number = sight, number
        self._budget, self._quota = budget, quota
        self.count = 0
        self._nodes: list[Ints] = []
        self._parents: list[Ints] = []
        self._places: list[Ints] = []
        nowhere = np.full(len(starts), -1)
        self._add(starts, nowhere, nowhere)

    @property
    def nodes(self) -> Ints:
        return np.concatenate(self._nodes)

    @property
    def parents(self) -> Ints:
        """By number, the number of the node that it was discovered from; -1 for starts."""
        return np.concatenate(self._parents)

    @property
    def places(self) -> Ints:
        """By number, where the link is by which it was discovered; -1 for starts."""
        return np.concatenate(self._places)

    @property
    def full(self) -> bool:
        return self._quota is not None and self._quota.left == 0

    def level(self, nodes: Ints, numbers: Ints, direction: Direction) -> Ints:
        """Discovers what the links of these nodes, with these numbers, lead to; the new nodes."""
        found = len(self._nodes)
        for _ in self.expand(nodes, numbers, direction):
            pass
        return np.concatenate(self._nodes[found:])

    def expand(self, nodes: Ints, numbers: Ints, direction: Direction) -> Iterator[Links]:
        """Discovers step by step what the links lead to; the links of each step.

        It ends at the link that fills the quota, and spends the budget up to there.
        """
        for links in self.sight.around(nodes, direction):
            fresh, looked_at = self._fresh(links), len(links.other)
            if self._quota is not None:
                fresh = fresh[: self._quota.cut(self, links.other.take(fresh))]
                if self.full:
                    looked_at = int(fresh[-1]) + 1
            self._budget.spend(looked_at)
            parents = numbers.take(links.owner.take(fresh))
            self._add(links.other.take(fresh), parents, links.place.take(fresh))
            yield links
            if self.full:
                break

    def clear(self) -> None:
        """Before `number` is given back."""
        for nodes in self._nodes:
            self.number[nodes] = -1

    def _fresh(self, links: Links) -> Ints:
        """Which of the links are the first to lead to a node that is new."""
        unknown = (self.number.take(links.other) < 0).nonzero()[0]
        candidates = links.other.take(unknown)
        places = np.arange(len(candidates), dtype=np.int32)
        self.number[candidates[::-1]] = places[::-1]  # what is written last holds: the first link to each
        first: Ints = unknown[self.number.take(candidates) == places]
        self.number[candidates] = -1
        return first

    def _add(self, nodes: Ints, parents: Ints, places: Ints) -> None:
        self.number[nodes] = np.arange(self.count, self.count + len(nodes))
        self.count += len(nodes)
        self._nodes.append(nodes)
        self._parents.append(parents)
        self._places.append(places)
