"""Links that one reader sees further to those of the graph: such as are known of its session alone.

They are arrays of their own, like those of the graph and with nodes numbered by themselves. For a sight of the graph
they are put to its nodes; where these are not seen by the reader, the links are not. They have no weights.
"""

import weakref
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fabric.graph.arrays import Bools, Ints, SmallInts, ranges
from fabric.graph.base import Base
from fabric.graph.ids import Ids
from fabric.graph.overlay import Overlay

FURTHER = 1 << 60
"""Places from here on are of these links."""

_OBJECTS = 20_000
"""About the bytes of what is not arrays."""


@dataclass(frozen=True, slots=True)
class _Numbering:
    overlay: "weakref.ref[Overlay]"
    nodes: int
    """Of the graph, when it was made."""
    there: Ints
    """By a node here, its number in the graph; -1 where the graph does not know it."""
    known: Ints
    """The numbers in the graph, ascending; and of each the node here."""
    here: Ints

    def serves(self, overlay: Overlay, nodes: int) -> bool:
        complete = len(self.known) == len(self.there)
        return self.overlay() is overlay and (complete or self.nodes == nodes)

    def find(self, nodes: Ints) -> Ints:
        """Nodes of the graph as they are numbered here; -1 for none."""
        if not len(self.known):
            return np.full(len(nodes), -1)
        places = np.minimum(np.searchsorted(self.known, nodes), len(self.known) - 1)
        return np.where(self.known[places] == nodes, self.here[places], -1)


class FurtherLinks:
    """Made for one reader; any thread may look."""

    def __init__(self, base: Base) -> None:
        """All links of `base` are the reader's, whatever their labels."""
        self.base = base
        self.relations: Sequence[str] = base.profiles.relations.values
        self._numbering: _Numbering | None = None

    @property
    def nbytes(self) -> int:
        return self.base.nbytes + 24 * self.base.nodes + _OBJECTS

    def numbering(self, overlay: Overlay, nodes: int) -> _Numbering:
        found = self._numbering
        if found is None or not found.serves(overlay, nodes):
            there = overlay.find(self.base.ids)
            here = np.argsort(there, kind="stable")[int((there < 0).sum()) :]
            found = self._numbering = _Numbering(weakref.ref(overlay), nodes, there, there[here], here)
        return found


class FurtherSight:
    """What is seen of the links by a reader of a graph of so many `nodes`, which sees the nodes that `seen` tells."""

    def __init__(
        self, links: FurtherLinks, overlay: Overlay, nodes: int, at: int | None, relations: Collection[str] | None,
        seen: Callable[[SmallInts], Bools],
    ) -> None:  # fmt: skip
        self._base, self._at, self._seen = links.base, at, seen
        self._nodes, self._numbering = nodes, links.numbering(overlay, nodes)
        self._wanted = np.array([relations is None or name in relations for name in links.relations], bool)

    def around(self, nodes: Ints, direction: int) -> tuple[Ints, Ints, Ints]:
        """Of links that go out (0) or come in (1): the places of their nodes among `nodes`, the other ends, where."""
        here = self._numbering.find(nodes)
        mine = (here >= 0).nonzero()[0]
        segments = here[mine] + direction * self._base.nodes
        starts = self._base.bounds.take(segments)
        counts = self._base.bounds.take(segments + 1) - starts
        place = ranges(starts, counts)
        other = self._numbering.there.take(self._base.other.take(place))
        kept = self._kept(place, other)
        return mine.repeat(counts)[kept], other[kept], place[kept] + FURTHER

    def all(self) -> tuple[Ints, Ints, Ints]:
        """The places of all, as those that go out, with their sources and targets."""
        base = self._base
        place = np.arange(base.links)
        sources = np.repeat(np.arange(base.nodes), np.diff(base.bounds[: base.nodes + 1]))
        source, target = (self._numbering.there.take(end) for end in (sources, base.other[: base.links]))
        kept = self._kept(place, target)
        kept = kept[self._is_seen(source[kept])]
        return place[kept] + FURTHER, source[kept], target[kept]

    def incoming(self, places: Ints) -> Bools:
        return places - FURTHER >= self._base.links

    def link_ids(self, places: Ints) -> Ids:
        return self._base.link_ids.take(self._base.rows_of(places - FURTHER))

    def relations_of(self, places: Ints) -> Ints:
        """Their places among the names of relations."""
        return self._base.profiles.links.relations.take(self._base.profile.take(places - FURTHER))

    def _kept(self, place: Ints, other: Ints) -> Ints:
        base = self._base
        kept: Bools = self._wanted.take(base.profiles.links.relations.take(base.profile.take(place)))
        if self._at is not None and base.interval is not None:
            interval = base.interval.take(base.rows_of(place))
            kept &= (base.intervals.starts.take(interval) <= self._at) & (base.intervals.ends.take(interval) > self._at)
        kept &= self._is_seen(other)
        return kept.nonzero()[0]

    def _is_seen(self, nodes: Ints) -> Bools:
        """Those that came to the graph after it was looked at are not there yet."""
        there = (nodes >= 0) & (nodes < self._nodes)
        there[there] = self._seen(nodes[there])
        return there
