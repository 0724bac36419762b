"""PageRank of all that a reader sees, as networkx defines it."""

import numpy as np

from fabric.graph.arrays import Floats
from fabric.graph.projection import Projection

DAMPING = 0.85
ROUNDS = 200
TOLERANCE = 1e-6 * (1 - DAMPING) / DAMPING
"""How much the ranks may change in the last round, all together; what further rounds would change is less than 1e-6."""


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
    It ends with a round that changes the ranks, all together, by less than `tolerance`.
    """
    count = len(projection.nodes)
    if not count:
        return np.empty(0)
    source, target = projection.source.astype(np.int64), projection.target.astype(np.int64)
    out = np.bincount(source, weights=weights, minlength=count).astype(np.float64)
    share = np.divide(damping, out, out=np.zeros(count), where=out != 0)
    ends = (out == 0).nonzero()[0]
    anew = 1 / count if personalization is None else personalization
    from_ends = anew if dangling is None else dangling
    ranks = np.full(count, 1 / count) if start is None else start
    flow = np.empty(len(source))
    for _ in range(rounds):
        before = ranks
        np.take(before * share, source, out=flow, mode="clip")  # the mode that needs no copy
        if weights is not None:
            flow *= weights
        ranks = np.bincount(target, weights=flow, minlength=count).astype(np.float64, copy=False)
        ranks += (1 - damping) * anew + damping * before[ends].sum() * from_ends
        if np.abs(ranks - before).sum() < tolerance:
            return ranks
    raise NotConverged
