"""All that a reader sees, copied out for what needs the whole of it: PageRank, components, conversion.

Nodes stand in the order of their ids, links in that of their targets and sources. So sums, whose last digits depend on
the order in which they are made, depend on what is visible and on nothing else.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock

import numpy as np

from fabric.graph.arrays import Ints, SmallInts, distinct, positions, sorted_order
from fabric.graph.sight import Sight

KEPT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    nodes: Ints
    """The graph's numbers of the visible nodes, by their place here."""
    source: SmallInts
    target: SmallInts
    """By link, places of nodes."""

    @property
    def nbytes(self) -> int:
        return self.nodes.nbytes + self.source.nbytes + self.target.nbytes


class Projections:
    """The last few that were made, for those who ask again before anything has changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Projection] = OrderedDict()
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        with self._lock:
            return sum(projection.nbytes for projection in self._kept.values())

    def of(self, sight: Sight) -> Projection:
        with self._lock:
            found = self._kept.pop(sight.key, None)
        if found is None:
            found = project(sight)
        with self._lock:
            self._kept[sight.key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found


def visible_nodes(sight: Sight) -> Ints:
    """In the order of their ids."""
    nodes = np.arange(sight.nodes)
    nodes = nodes[sight.seen(nodes)]
    if len(nodes) and nodes[-1] >= sight.base.nodes:
        nodes = nodes[sight.ids(nodes).order()]
    return nodes


def project(sight: Sight) -> Projection:
    nodes = visible_nodes(sight)
    source, target, _ = _visible_links(sight, nodes)
    # Ends alone, without where the links are, can be sorted by value, which is far quicker.
    keys = np.sort(_keys(source, target, len(nodes)))
    target = keys // max(len(nodes), 1)
    keys -= target * len(nodes)
    return Projection(nodes, positions(keys, len(nodes)), positions(target, len(nodes)))


def project_with_places(sight: Sight) -> tuple[Projection, Ints]:
    """Also where each link is; links between the same nodes are in the order of their ids."""
    nodes = visible_nodes(sight)
    source, target, place = _visible_links(sight, nodes)
    ids = sight.link_ids(place)
    order = sorted_order(_keys(source, target, len(nodes)), ids.high, ids.low)
    return Projection(nodes, source[order], target[order]), place[order]


def _keys(source: SmallInts, target: SmallInts, nodes: int) -> Ints:
    return target * np.int64(nodes) + source


def _visible_links(sight: Sight, nodes: Ints) -> tuple[SmallInts, SmallInts, Ints]:
    """The places of their ends among `nodes`, and where they are."""
    local = np.full(sight.nodes, -1, np.int32)
    local[nodes] = np.arange(len(nodes))
    base = sight.base
    place = np.arange(base.links)
    keep = sight.base_seen(place)
    keep[[row for row, change in list(sight.overlay.ended.items()) if change <= sight.change]] = False
    source = np.repeat(local[: base.nodes], np.diff(base.bounds[: base.nodes + 1]))
    target = local[base.other[: base.links]]
    keep &= (source >= 0) & (target >= 0)
    added, sources, targets = sight.all_added()
    return (
        np.append(source[keep], local[sources]),
        np.append(target[keep], local[targets]),
        np.append(place[keep], added),
    )


def components(projection: Projection) -> Ints:
    """By place of a node, the place of the first node that it is connected with, whatever the links' direction.

    In each round every component that has lower neighbours is joined to the lowest of them, and links within components
    fall away. (Joined to any of them, a star could lose one leaf a round.)
    """
    count = len(projection.nodes)
    first = np.arange(count)
    a, b = projection.source.astype(np.int64), projection.target.astype(np.int64)
    while True:
        apart = a != b
        a, b = a[apart], b[apart]
        if not len(a):
            return first
        keys = distinct(np.maximum(a, b) * count + np.minimum(a, b))
        a = keys // count
        b = keys - a * count
        lowest = np.append(0, np.diff(a).nonzero()[0] + 1)
        first[a[lowest]] = b[lowest]
        while not np.array_equal(further := first[first], first):
            first = further
        a, b = first[a], first[b]
