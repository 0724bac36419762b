"""The shortest path between two nodes, by number of links or by their weights; from both ends at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf, isnan
from typing import NamedTuple
from uuid import UUID

import numpy as np

from fabric.errors import BadInput
from fabric.graph.arrays import Floats, Ints
from fabric.graph.budget import Budget
from fabric.graph.search import Search
from fabric.graph.sight import Direction, Sight

NO_WEIGHT = 1.0
"""What a link without a weight counts."""
NEGATIVE = "a link has a negative weight; ask without weights"
READ_AHEAD = 32
"""The links of so many nodes are read at once."""


@dataclass(frozen=True, slots=True)
class Path:
    """One node more than links. `weight` is the sum of the links' weights, where those without one count 1."""

    nodes: tuple[UUID, ...]
    links: tuple[UUID, ...]
    weight: float


def costs(sight: Sight, places: Ints) -> Floats:
    """The weights of links. BadInput if one is negative."""
    weights = sight.weights(places)
    if (weights < 0).any():
        raise BadInput(NEGATIVE)
    weights[np.isnan(weights)] = NO_WEIGHT
    return weights


def fewest_links(
    sight: Sight, start: int, end: int, direction: Direction, max_depth: int | None, budget: Budget
) -> Path | None:
    """Of several the one that is met first. Levels are gone through whole, from the end that has fewer nodes to expand.

    So which path is found, and what it costs, follows from the visible graph alone.
    """
    if start == end:
        return _path(sight, [start], [])
    with sight.scratch.borrow(sight.nodes) as ahead, sight.scratch.borrow(sight.nodes) as back:
        sides = (
            Search(sight, ahead, np.array([start]), budget),
            Search(sight, back, np.array([end]), budget),
        )
        found = _meet(sides, direction, inf if max_depth is None else max_depth)
        for search in sides:
            search.clear()
    if found is None:
        return None
    (nodes, places), (nodes_back, places_back) = (_chain(side, at) for side, at in zip(sides, found, strict=True))
    return _path(sight, nodes[::-1] + nodes_back[1:], places[::-1] + places_back)


def _meet(sides: tuple[Search, Search], direction: Direction, max_depth: float) -> tuple[int, int] | None:
    """The numbers, on both sides, of the node where they meet."""
    frontiers = [sides[0].nodes, sides[1].nodes]
    directions = (direction, direction.reverse)
    depth = 0
    while len(frontiers[0]) and len(frontiers[1]) and depth < max_depth:
        here = 0 if len(frontiers[0]) <= len(frontiers[1]) else 1
        search, other = sides[here], sides[1 - here]
        first, nodes = search.count, frontiers[here]
        frontiers[here] = search.level(nodes, np.arange(first - len(nodes), first), directions[here])
        depth += 1
        met = (other.number.take(frontiers[here]) >= 0).nonzero()[0]
        if len(met):
            numbers = first + int(met[0]), int(other.number[frontiers[here][met[0]]])
            return numbers if here == 0 else (numbers[1], numbers[0])
    return None


def _chain(search: Search, number: int) -> tuple[list[int], list[int]]:
    """The nodes from the one of this number back to the start, and the places of the links between them."""
    nodes, parents, places = search.nodes, search.parents, search.places
    chain, links = [int(nodes[number])], []
    while parents[number] >= 0:
        links.append(int(places[number]))
        number = int(parents[number])
        chain.append(int(nodes[number]))
    return chain, links


def _path(sight: Sight, nodes: list[int], places: list[int]) -> Path:
    where = np.array(places, np.int64)
    weights = [NO_WEIGHT if isnan(weight) else weight for weight in sight.weights(where).tolist()]
    return Path(
        tuple(sight.ids(np.array(nodes)).uuids()), tuple(sight.link_ids(where).uuids()), sum(weights, start=0.0)
    )


@dataclass(slots=True, eq=False)
class _Label:
    """One way to a node."""

    node: int
    weight: float
    links: int
    parent: "_Label | None"
    place: int


class _Weighted(NamedTuple):
    other: Ints
    place: Ints
    weight: Floats


@dataclass(slots=True, eq=False)
class _Side:
    """What one end knows: by node, the ways to it of which none is both as light and as short as another."""

    direction: Direction
    bounded: bool
    """Whether the number of links matters too."""
    heap: list[tuple[float, int, int, _Label]] = field(default_factory=list)
    ways: dict[int, list[_Label]] = field(default_factory=dict)
    around: dict[int, _Weighted] = field(default_factory=dict)
    """The links that were read, by node; `met` are the nodes whose links were made use of."""
    met: set[int] = field(default_factory=set)
    pushed: int = 0

    def push(self, node: int, weight: float, links: int, parent: _Label | None, place: int) -> _Label | None:
        """The new way; None if there is one as good."""
        ways = self.ways.get(node)
        if ways is None:
            ways = self.ways[node] = []
        for way in ways:
            if way.weight <= weight and (not self.bounded or way.links <= links):
                return None
        if ways:
            ways[:] = [way for way in ways if (self.bounded and way.links < links) or way.weight < weight]
        label = _Label(node, weight, links, parent, place)
        ways.append(label)
        self.pushed += 1
        heappush(self.heap, (weight, links, self.pushed, label))
        return label


def least_weight(
    sight: Sight, start: int, end: int, direction: Direction, max_depth: int | None, budget: Budget
) -> Path | None:
    """Dijkstra's, from both ends, among the paths of at most `max_depth` links. BadInput if it meets a negative weight.

    A node can have several ways to it: lighter ones of more links, and heavier ones of fewer, that a bound may need.
    """
    bound, best, weight = inf if max_depth is None else max_depth, None, inf
    if start == end:
        return _path(sight, [start], [])
    sides = _Side(direction, max_depth is not None), _Side(direction.reverse, max_depth is not None)
    for side, node in zip(sides, (start, end), strict=True):
        side.push(node, 0.0, 0, None, -1)
    while sides[0].heap and sides[1].heap and sides[0].heap[0][0] + sides[1].heap[0][0] < weight:
        here = 0 if len(sides[0].heap) <= len(sides[1].heap) else 1
        side, other = sides[here], sides[1 - here]
        way = heappop(side.heap)[-1]
        if way not in side.ways[way.node] or way.links >= bound:
            continue
        for node, place, cost in _around(sight, side, way.node, budget):
            label = side.push(node, way.weight + cost, way.links + 1, way, place)
            if label is None:
                continue
            for rest in other.ways.get(node, ()):
                if label.links + rest.links <= bound and label.weight + rest.weight < weight:
                    weight = label.weight + rest.weight
                    best = (label, rest) if here == 0 else (rest, label)
    return None if best is None else _joined(sight, *best)


def _around(sight: Sight, side: _Side, node: int, budget: Budget) -> Iterable[tuple[int, int, float]]:
    """The other end, place and weight of each link. The budget is spent when a node is asked for the first time."""
    if node not in side.around:
        _read_ahead(sight, side, node)
    links = side.around[node]
    if node not in side.met:
        side.met.add(node)
        budget.spend(len(links.other))
        if (links.weight < 0).any():
            raise BadInput(NEGATIVE)
    return zip(links.other.tolist(), links.place.tolist(), links.weight.tolist(), strict=True)


def _read_ahead(sight: Sight, side: _Side, node: int) -> None:
    """Reads the links of this node, and of those that will probably be next: together that is far quicker."""
    coming = [entry[-1].node for entry in side.heap[: READ_AHEAD - 1]]
    nodes = [each for each in dict.fromkeys((node, *coming)) if each not in side.around]
    for links in sight.around(np.array(nodes), side.direction):
        weight = sight.weights(links.place)
        weight[np.isnan(weight)] = NO_WEIGHT
        bounds = np.searchsorted(links.owner, np.arange(len(nodes) + 1)).tolist()
        for each, start, end in zip(nodes, bounds, bounds[1:], strict=False):
            if end > start or each not in side.around:
                side.around[each] = _Weighted(links.other[start:end], links.place[start:end], weight[start:end])


def _joined(sight: Sight, way: _Label, rest: _Label) -> Path:
    nodes, places = [way.node], []
    label: _Label | None = way
    while label is not None and label.parent is not None:
        places.append(label.place)
        label = label.parent
        nodes.append(label.node)
    nodes.reverse()
    places.reverse()
    label = rest
    while label.parent is not None:
        places.append(label.place)
        label = label.parent
        nodes.append(label.node)
    return _path(sight, nodes, places)
