"""What can be reached from somewhere: breadth first, with the paths that lead there; and the surroundings of a node."""

from dataclasses import dataclass
from math import isnan
from typing import NamedTuple
from uuid import UUID

import numpy as np

from fabric.graph.arrays import Bools, Ints
from fabric.graph.budget import Budget
from fabric.graph.search import Quota, Search
from fabric.graph.sight import Direction, Sight


class Reached(NamedTuple):
    """A node, with one of the shortest paths from a start to it: `depth` links, and one node more, itself the last."""

    id: UUID
    type_name: str
    depth: int
    nodes: tuple[UUID, ...]
    links: tuple[UUID, ...]


class Traversal:
    """The nodes that were reached, in order; their ids and paths are made when they are asked for."""

    def __init__(self, sight: Sight, nodes: Ints, parents: Ints, places: Ints, listed: Ints) -> None:
        """The nodes of a search; `listed` are the numbers of those that are given."""
        self._sight, self._nodes, self._parents, self._places = sight, nodes, parents, places
        self._listed = listed

    def __len__(self) -> int:
        return len(self._listed)

    def ids(self) -> list[UUID]:
        return self._sight.ids(self._nodes.take(self._listed)).uuids()

    def depths(self) -> list[int]:
        """How many links each is away from the nearest start."""
        depths = np.zeros(len(self._nodes), np.int64)
        for number, parent in enumerate(self._parents.tolist()):
            if parent >= 0:
                depths[number] = depths[parent] + 1
        found: list[int] = depths.take(self._listed).tolist()
        return found

    def reached(self) -> list[Reached]:
        needed = np.zeros(len(self._nodes), bool)
        ends = self._listed
        while len(ends):
            needed[ends] = True
            ends = self._parents.take(ends)
            ends = ends[(ends >= 0) & ~needed.take(ends)]
        numbers = needed.nonzero()[0]
        places = self._places.take(numbers)
        made = (places >= 0).nonzero()[0]
        nodes = dict(zip(numbers.tolist(), self._sight.ids(self._nodes.take(numbers)).uuids(), strict=True))
        links = dict(zip(numbers[made].tolist(), self._sight.link_ids(places[made]).uuids(), strict=True))
        types = self._sight.type_names(self._nodes.take(self._listed))
        parents = dict(zip(numbers.tolist(), self._parents.take(numbers).tolist(), strict=True))
        paths: dict[int, tuple[tuple[UUID, ...], tuple[UUID, ...]]] = {}
        for number, parent in parents.items():  # in the order of discovery, so parents come first
            if parent < 0:
                paths[number] = (nodes[number],), ()
            else:
                before = paths[parent]
                paths[number] = (*before[0], nodes[number]), (*before[1], links[number])
        return [
            Reached(nodes[number], type_name, len(paths[number][1]), *paths[number])
            for number, type_name in zip(self._listed.tolist(), types, strict=True)
        ]


class Node(NamedTuple):
    id: UUID
    type_name: str
    depth: int


class Link(NamedTuple):
    id: UUID
    relation: str
    source: UUID
    target: UUID
    weight: float | None


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """Nodes in the order of discovery, and all visible links among them, by source, relation, target and id."""

    nodes: list[Node]
    links: list[Link]


def traverse(
    sight: Sight,
    starts: Ints,
    direction: Direction,
    max_depth: int,
    quota: Quota,
    entered: Bools | None,
    budget: Budget,
) -> Traversal:
    """`entered` says by the code of a type whether the search goes on through its nodes; it does through `starts`."""
    with sight.scratch.borrow(sight.nodes) as number:
        search = Search(sight, number, starts, budget, quota)
        nodes, numbers = starts, np.arange(len(starts))
        depth = 0
        while depth < max_depth and len(nodes) and not search.full:
            first = search.count
            nodes = search.level(nodes, numbers, direction)
            numbers = np.arange(first, search.count)
            if entered is not None:
                through = entered.take(sight.types(nodes)).nonzero()[0]
                nodes, numbers = nodes[through], numbers[through]
            depth += 1
        search.clear()
    return Traversal(sight, search.nodes, search.parents, search.places, quota.numbers)


def neighborhood(sight: Sight, of: int, radius: int, limit: int, budget: Budget) -> Neighborhood:
    """`limit` counts the node itself, and is at least 1."""
    with sight.scratch.borrow(sight.nodes) as number:
        nodes = np.array([of])
        search = Search(sight, number, nodes, budget, Quota(limit - 1))
        depths = [0]
        for depth in range(1, radius + 1):
            if not len(nodes) or search.full:
                break
            nodes = search.level(nodes, np.arange(search.count - len(nodes), search.count), Direction.BOTH)
            depths += [depth] * len(nodes)
        found = search.nodes
        places, ends = [], []
        for links in sight.around(found, Direction.OUT):
            budget.spend(len(links.other))
            among = number.take(links.other)
            inside = (among >= 0).nonzero()[0]
            places.append(links.place[inside])
            ends.append(np.stack((links.owner[inside], among[inside])))
        search.clear()
    ids = sight.ids(found).uuids()
    nodes_found = [Node(*each) for each in zip(ids, sight.type_names(found), depths, strict=True)]
    return Neighborhood(nodes_found, _links(sight, ids, np.concatenate(places), np.concatenate(ends, axis=1)))


def _links(sight: Sight, ids: list[UUID], places: Ints, ends: Ints) -> list[Link]:
    """`ends` are the sources and the targets of the links, as places among `ids`."""
    weights = sight.weights(places).tolist()
    columns = zip(sight.link_ids(places).uuids(), sight.relations_of(places), *ends.tolist(), weights, strict=True)
    return [
        Link(id, relation, ids[source], ids[target], None if isnan(weight) else weight)
        for id, relation, source, target, weight in columns
    ]
