"""PageRank of all that a reader sees, as networkx defines it."""

import numpy as np

from fabric.graph.arrays import Floats
from fabric.graph.projection import Projection

DAMPING = 0.85
ROUNDS = 200
TOLERANCE = 1e-7


class NotConverged(Exception):
    """The ranks still changed by more than was asked for when all rounds were over."""


def pagerank(
    projection: Projection,
    weights: Floats | None = None,
    *,
    damping: float = DAMPING,
    personalization: Floats | None = None,
    dangling: Floats | None = None,
    start: Floats | None = None,
    rounds: int = ROUNDS,
    tolerance: float = TOLERANCE,
) -> Floats:
    """By place of a node, the probability that a random walk is there.

    `weights` are the links'; without them all count 1. The other arrays are distributions over the nodes, for where a
    walk begins anew, where it goes from nodes without links (by default as it begins anew), and to start from.
    `tolerance` is how much the ranks may change, all together, in the last of at most so many rounds.
    """
    count = len(projection.nodes)
    if not count:
        return np.empty(0)
    source = projection.source.astype(np.int64)
    first = np.append(0, np.diff(projection.target).nonzero()[0] + 1) if len(source) else source
    reached = projection.target[first]
    out = np.bincount(source, weights=weights, minlength=count).astype(np.float64)
    share = np.divide(1.0, out, out=np.zeros(count), where=out != 0)
    ends = (out == 0).nonzero()[0]
    anew = np.full(count, 1 / count) if personalization is None else personalization
    from_ends = anew if dangling is None else dangling
    ranks: Floats = np.full(count, 1 / count) if start is None else start
    flow = np.empty(len(source))
    for _ in range(rounds):
        before = ranks
        ranks = from_ends * before[ends].sum()
        if len(source):
            np.take(before * share, source, out=flow, mode="clip")  # the mode that needs no copy
            if weights is not None:
                flow *= weights
            ranks[reached] += np.add.reduceat(flow, first)
        ranks *= damping
        ranks += (1 - damping) * anew
        if np.abs(ranks - before).sum() < tolerance:
            return ranks
    raise NotConverged
