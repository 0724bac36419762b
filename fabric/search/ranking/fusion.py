"""Several rankings made into one, by reciprocal ranks: each adds its weight over how far down something stands.

So scores of different kinds need not be comparable, and what two rankings agree on comes first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

DIGITS = 6


@dataclass(frozen=True, slots=True)
class Part:
    """What one ranking says of a hit: its rank, from 1, and its score there."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ids in their order, with scores. `weight`, not negative, is what its word counts."""

    name: str
    weight: float
    scored: Sequence[tuple[UUID, float]]


@dataclass(frozen=True, slots=True)
class Fused:
    id: UUID
    score: float
    parts: Mapping[str, Part]
    """By the name of the ranking; only of those that have it."""


def fuse(rankings: Sequence[Ranking], damping: float) -> list[Fused]:
    """All that any of them has, best first; ties by id. `damping` is how little the first ranks differ.

    A ranking of no weight is left out, unless there is no other.
    """
    if not any(ranking.weight for ranking in rankings):
        rankings = [replace(ranking, weight=1.0) for ranking in rankings]
    parts: dict[UUID, dict[str, Part]] = {}
    scores: dict[UUID, float] = {}
    for ranking in (each for each in rankings if each.weight):
        for rank, (id, score) in enumerate(ranking.scored, 1):
            parts.setdefault(id, {})[ranking.name] = Part(rank, score)
            scores[id] = scores.get(id, 0.0) + ranking.weight / (damping + rank)
    fused = [Fused(id, round(score, DIGITS), parts[id]) for id, score in scores.items()]
    return sorted(fused, key=lambda hit: (-hit.score, hit.id))
