"""What the link graph adds to a search: what is near the best hits, by personalized PageRank on its visible part."""

from collections.abc import Sequence
from uuid import UUID

from fabric.errors import NotFound
from fabric.graph import Budget, GraphView

SEEDS = 5
NEIGHBOURS = 100
"""Around each seed, that count."""

DIGITS = 6


def neighbours(view: GraphView, seeds: Sequence[tuple[UUID, float]], budget: Budget) -> list[tuple[UUID, float]]:
    """Nodes by how often walks from the seeds come to them, most often first; ties by id.

    Each seed counts by its score. Seeds themselves are there only as neighbours of others. TooComplex beyond the
    budget.
    """
    total = sum(score for _, score in seeds) or 1.0
    found: dict[UUID, float] = {}
    for seed, weight in seeds:
        try:
            scored = view.related(seed, NEIGHBOURS, budget=budget)
        except NotFound:  # it went after the search had found it
            continue
        for each in scored:
            if each.id != seed:
                found[each.id] = found.get(each.id, 0.0) + each.score * weight / total
    rounded = [(id, round(score, DIGITS)) for id, score in found.items()]
    return sorted(rounded, key=lambda each: (-each[1], each[0]))
