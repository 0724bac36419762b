"""What is related to a node: personalized PageRank, worked out where it matters.

Links count in both directions, each as one, whatever its weight; a link of a node with itself counts once. The score is
`networkx.pagerank`'s with all personalization on the node: how often a walk is at a place that goes on along a random
link with probability 0.85, and otherwise begins anew at the node.

The walk's probability is pushed along links in rounds, and what is left over at a node is pushed on only where it is
more than so much for each of its links. A score is too low by at most that for each link of its node. It is made finer
as long as few links have been looked at: where not many can be reached the scores are exact, and of a large graph only
the part around the node is looked at.
"""

import numpy as np

from fabric.graph.arrays import Bools, Floats, Growing, Ints, ranges
from fabric.graph.budget import Budget
from fabric.graph.search import Search
from fabric.graph.sight import Direction, Sight

DAMPING = 0.85
COARSEST, FINEST = 1e-5, 1e-9
"""What may be left over at a node for each of its links, at first and at last."""
ENOUGH = 20_000
"""When so many links have been looked at, it becomes no finer."""
REST = 1e-8
"""The probability that may be left over in all, when everything that can be reached has been looked at."""

_UNKNOWN = -1


def related(sight: Sight, to: int, budget: Budget) -> tuple[Ints, Floats]:
    """The nodes that the walk came to, `to` among them, and their scores."""
    with sight.scratch.borrow(sight.nodes) as number:
        walk = _Walk(Search(sight, number, np.array([to]), budget))
        while walk.step():
            pass
        walk.search.clear()
    return walk.search.nodes, walk.score + (1 - DAMPING) * walk.rest


class _Walk:
    """By number of a node in the search: its score so far, the probability that is left there, its links."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.score, self.rest = np.zeros(1), np.ones(1)
        self._degree = np.full(1, _UNKNOWN)
        self._start = np.zeros(1, np.int64)
        self._allowed = COARSEST
        self._ends = Growing(np.int64)
        """The numbers of the nodes at the other ends, for each node from its start on."""

    def step(self) -> bool:
        """Looks at the links of nodes where they may matter, and pushes once; False when that is no more needed."""
        self._look((self._degree == _UNKNOWN) & (self.rest > self._allowed))
        over = (self._degree > 0) & (self.rest > self._allowed * self._degree)
        if not over.any():
            if (self._degree == _UNKNOWN).any():
                finer = len(self._ends) < ENOUGH and self._allowed > FINEST
                self._allowed /= 10
                return finer
            if not len(self._ends) or self.rest.sum() <= REST:
                return False
            over = self.rest > 0
        self._push(over.nonzero()[0])
        return True

    def _look(self, which: Bools) -> None:
        """Reads the links of these nodes, by number, and takes in the nodes that they lead to."""
        numbers = which.nonzero()[0]
        if not len(numbers):
            return
        nodes = self.search.nodes[numbers]
        owners, ends = [], []
        for links in self.search.expand(nodes, numbers, Direction.BOTH):
            once = (links.other != nodes.take(links.owner)) | ~self.search.sight.incoming(links.place)
            owners.append(links.owner[once])
            ends.append(self.search.number.take(links.other[once]))
        degree = np.bincount(np.concatenate(owners), minlength=len(nodes))
        self._start[numbers] = len(self._ends) + degree.cumsum() - degree
        self._degree[numbers] = degree
        self._ends.extend(np.concatenate(ends))
        new = self.search.count - len(self.rest)
        self.score, self.rest = np.append(self.score, np.zeros(new)), np.append(self.rest, np.zeros(new))
        self._degree = np.append(self._degree, np.full(new, _UNKNOWN))
        self._start = np.append(self._start, np.zeros(new, np.int64))

    def _push(self, numbers: Ints) -> None:
        degree = self._degree[numbers]
        rest = self.rest[numbers]
        self.score[numbers] += (1 - DAMPING) * rest
        self.rest[numbers] = 0
        ends = self._ends.values[ranges(self._start[numbers], degree)]
        self.rest += np.bincount(ends, weights=np.repeat(DAMPING * rest / degree, degree), minlength=len(self.rest))
