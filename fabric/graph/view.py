"""What one reader sees of an organization's graph at one moment, and all that can be asked of it.

A view is a snapshot: later changes and compaction do not alter it, and it may be used in any thread. Everything that it
answers, its order and its limits included, equals what the graph would give with all that the reader does not see
taken out of it. An id that is not visible is NotFound, whether it exists or not.
"""

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

import numpy as np

from fabric.errors import NotFound
from fabric.graph.arrays import Bools, Floats, Ints
from fabric.graph.budget import Budget
from fabric.graph.paths import Path, costs, fewest_links, least_weight
from fabric.graph.projection import (
    Projection,
    Projections,
    components,
    project_with_places,
    visible_nodes,
)
from fabric.graph.ranking import pagerank
from fabric.graph.related import related
from fabric.graph.search import Quota
from fabric.graph.sight import Direction, Sight
from fabric.graph.traversal import Neighborhood, Traversal, neighborhood, traverse

DIGITS = 12
"""Scores are rounded to so many decimals, so that ties are ties whatever the last digits of sums."""


@dataclass(frozen=True, slots=True)
class Scored:
    id: UUID
    score: float


@dataclass(frozen=True, slots=True)
class Component:
    """Nodes that are connected, whatever the direction of their links. `id` is the lowest of their ids."""

    id: UUID
    size: int


class GraphView:
    """Every method takes a `Budget` of visible links, and raises TooComplex beyond it; without one it has no limit.

    It is a graph for networkx's functions too (see `networkx_backend`).
    """

    __networkx_backend__ = "fabric"

    def __init__(self, sight: Sight, projections: Projections) -> None:
        self.sight, self._projections = sight, projections

    def __contains__(self, id: object) -> bool:
        return isinstance(id, UUID) and self.sight.node(id.int) >= 0

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[UUID]:
        """The visible nodes in the order of their ids."""
        return iter(self.sight.ids(self._nodes).uuids())

    def is_directed(self) -> bool:
        return True

    def is_multigraph(self) -> bool:
        return True

    def degree(self, of: UUID, direction: Direction = Direction.BOTH, *, budget: Budget | None = None) -> int:
        """How many links end there; in BOTH, a link of a node with itself counts twice."""
        degree = sum(len(links.other) for links in self.sight.around(self._node(of), direction))
        _of(budget).spend(degree)
        return degree

    def traverse(
        self,
        starts: Sequence[UUID],
        direction: Direction = Direction.OUT,
        *,
        max_depth: int,
        limit: int | None = None,
        types: Collection[str] | None = None,
        through: Collection[str] | None = None,
        budget: Budget | None = None,
    ) -> Traversal:
        """What can be reached by at most `max_depth` links, breadth first, without the starts.

        Up to `limit` nodes, of the `types` only, are given; the search goes on through all nodes, or those of the types
        `through`.
        """
        nodes = np.concatenate([self._node(id) for id in dict.fromkeys(starts)] or [np.empty(0, np.int64)])
        quota = Quota(limit, self._of_types(types))
        return traverse(self.sight, nodes, direction, max_depth, quota, self._of_types(through), _of(budget))

    def shortest_path(
        self,
        start: UUID,
        end: UUID,
        direction: Direction = Direction.OUT,
        *,
        max_depth: int | None = None,
        weighted: bool = False,
        budget: Budget | None = None,
    ) -> Path | None:
        """The path of fewest links or of least weight, among those of at most `max_depth` links.

        Weighted, a link without a weight counts 1; BadInput when a negative weight is met.
        """
        ends = int(self._node(start)[0]), int(self._node(end)[0])
        find = least_weight if weighted else fewest_links
        return find(self.sight, *ends, direction, max_depth, _of(budget))

    def neighborhood(
        self, of: UUID, *, radius: int = 1, limit: int = 1_000, budget: Budget | None = None
    ) -> Neighborhood:
        """The first `limit` nodes within `radius` links in any direction, itself included, and the links among them."""
        return neighborhood(self.sight, int(self._node(of)[0]), radius, limit, _of(budget))

    def related(self, to: UUID, first: int = 10, *, budget: Budget | None = None) -> list[Scored]:
        """The nodes most related to this one, by personalized PageRank (see `related`); ties by id."""
        node = self._node(to)
        nodes, scores = related(self.sight, int(node[0]), _of(budget))
        order = self.sight.ids(nodes[1:]).order() + 1
        return self._highest(nodes[order], scores[order], first)

    def pagerank(
        self, first: int | None = None, *, weighted: bool = False, budget: Budget | None = None
    ) -> list[Scored]:
        """The nodes of highest rank, all without `first`; ties by id. BadInput for negative weights."""
        projection, weights = self.weighted_projection(budget) if weighted else (self.projection(budget), None)
        return self._highest(projection.nodes, pagerank(projection, weights), first)

    def components(self, first: int | None = None, *, budget: Budget | None = None) -> list[Component]:
        """The largest ones, all without `first`; ties by id."""
        projection = self.projection(budget)
        sizes = np.bincount(components(projection))
        lowest = sizes.nonzero()[0]
        sizes = sizes[lowest]
        order = np.argsort(-sizes, kind="stable")[:first]
        ids = self.sight.ids(projection.nodes[lowest[order]]).uuids()
        return [Component(*each) for each in zip(ids, sizes[order].tolist(), strict=True)]

    def component(self, of: UUID, *, budget: Budget | None = None) -> Component:
        """The one that holds this node."""
        node = self._node(of)
        projection = self.projection(budget)
        labels = components(projection)
        lowest = labels[projection.nodes == node]
        return Component(self.sight.ids(projection.nodes[lowest]).uuids()[0], int((labels == lowest).sum()))

    def projection(self, budget: Budget | None = None) -> Projection:
        """All that is visible; the budget is spent for all links."""
        projection = self._projections.of(self.sight)
        _of(budget).spend(len(projection.source))
        return projection

    def weighted_projection(self, budget: Budget | None = None) -> tuple[Projection, Floats]:
        """The same with the links' weights, 1 where they have none. BadInput for negative ones."""
        projection, places = project_with_places(self.sight)
        _of(budget).spend(len(places))
        return projection, costs(self.sight, places)

    @cached_property
    def _nodes(self) -> Ints:
        return visible_nodes(self.sight)

    def _node(self, id: UUID) -> Ints:
        """NotFound if it is not visible."""
        node = self.sight.node(id.int)
        if node < 0:
            raise NotFound("not found")
        return np.array([node])

    def _of_types(self, names: Collection[str] | None) -> Bools | None:
        return None if names is None else self.sight.of_types(names)

    def _highest(self, nodes: Ints, scores: Floats, first: int | None) -> list[Scored]:
        """`nodes` are in the order of their ids."""
        scores = scores.round(DIGITS)
        if first is not None and first < len(scores):
            least = np.partition(scores, len(scores) - first)[len(scores) - first] if first else np.inf
            best = (scores >= least).nonzero()[0]
            nodes, scores = nodes[best], scores[best]
        order = np.argsort(-scores, kind="stable")[:first]
        ids = self.sight.ids(nodes[order]).uuids()
        return [Scored(*each) for each in zip(ids, scores[order].tolist(), strict=True)]


def _of(budget: Budget | None) -> Budget:
    return Budget(sys.maxsize) if budget is None else budget
