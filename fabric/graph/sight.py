"""What one reader sees of the graph as of one change: the single place where labels, relations and validity are tested.

All that stands above works on what comes out of here, in the order in which it comes: of a node's links first those
that go out, then those that come in, each by relation name, id of the other end and id of the link. That order, like
everything else, does not depend on what the reader does not see.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fabric.graph.arrays import Bools, Floats, Ints, SmallInts, ranges
from fabric.graph.further import FURTHER, FurtherLinks, FurtherSight
from fabric.graph.ids import Ids
from fabric.graph.overlay import LINKS_CHANGED, PROFILE_CHANGED, Overlay, Row
from fabric.graph.scratch import Scratch

AT_ONCE = 1 << 20
"""About how many links are looked at in one step, so that a step's memory is bounded."""

FEW = 64
"""Of up to so many nodes all links are looked at in one step."""

N = TypeVar("N", np.bool_, np.int64)
Key = tuple[str, int, int]
"""Relation name, id of the other end, id of the link."""


class Direction(IntEnum):
    OUT = 0
    IN = 1
    BOTH = 2

    @property
    def reverse(self) -> "Direction":
        return {Direction.OUT: Direction.IN, Direction.IN: Direction.OUT}.get(self, self)


@dataclass(frozen=True, slots=True)
class Links:
    """Visible links, as columns: the place of their node among those asked for, the other end, where the link is."""

    owner: Ints
    other: Ints
    place: Ints


class Sight:
    def __init__(
        self, overlay: Overlay, scratch: Scratch, clearance: int, at: int | None, relations: frozenset[str] | None,
        further: FurtherLinks | None = None,
    ) -> None:  # fmt: skip
        """`at` is in microseconds; without it intervals do not matter. Without `relations` all are looked at.

        `further` are links that only this reader sees.
        """
        self.change = overlay.published  # first: all else that is read here is at least as new
        self.overlay, self.base, self.scratch, self.at = overlay, overlay.base, scratch, at
        self.key = (overlay, self.change, clearance, at, relations, further)
        """Sights with equal keys see the same."""
        self.profiles = overlay.profiles
        self.nodes = overlay.nodes
        self._changed = overlay.changed if self.change else None
        self._types = self.profiles.nodes.types_seen(clearance, len(self.profiles.nodes))
        self._node_seen = self._types >= 0
        self.relations = self.profiles.links.relations_seen(clearance, len(self.profiles.links))
        if relations is None:
            self._link_seen = self.relations >= 0
        else:
            wanted = np.zeros(len(self.profiles.relations) + 1, bool)  # the last one is that of HIDDEN
            wanted[self.profiles.relations.known(relations)] = True
            self._link_seen = wanted[self.relations]
        self._names: Sequence[str] = self.profiles.relations.values
        self._further: FurtherSight | None = None
        if further is not None:
            self._further = FurtherSight(further, overlay, self.nodes, at, relations, self.seen)
            known = list(self._names)
            self._names, self._known_names = [*known, *further.relations], len(known)

    # Nodes

    def node(self, number: int) -> int:
        """The visible node with the id of these 128 bits; -1 for none."""
        node = self.overlay.node(number)
        return node if 0 <= node < self.nodes and self._node_seen[self._profile(node)] else -1

    def seen(self, nodes: SmallInts) -> Bools:
        return self._by_profile(self._node_seen, nodes)

    def types(self, nodes: Ints) -> Ints:
        """Codes of the types that the reader sees them as."""
        return self._by_profile(self._types, nodes)

    def ids(self, nodes: Ints) -> Ids:
        return self.overlay.ids(nodes)

    def type_names(self, nodes: Ints) -> list[str]:
        names = self.profiles.types.values
        return [names[code] for code in self.types(nodes).tolist()]

    def of_types(self, names: Iterable[str]) -> Bools:
        """By the code of a type, whether it is among these."""
        table = np.zeros(len(self.profiles.types), bool)
        table[self.profiles.types.known(names)] = True
        return table

    def _profile(self, node: int) -> int:
        return self.overlay.node_profile(node, self.change)

    def _by_profile(self, table: NDArray[N], nodes: SmallInts) -> NDArray[N]:
        """`table` has an entry for each profile of nodes."""
        if not self.base.nodes:
            return table.take(np.fromiter(map(self._profile, nodes.tolist()), np.int64, len(nodes)))
        found = table.take(self.base.node_profile.take(nodes, mode="clip"))
        if self._changed is not None:
            changed = (self._changed.take(nodes) & PROFILE_CHANGED).nonzero()[0]
            for place in changed.tolist():
                found[place] = table[self._profile(int(nodes[place]))]
        return found

    # Links

    def around(self, nodes: Ints, direction: Direction) -> Iterator[Links]:
        """The visible links of these nodes, in order, in steps of about `AT_ONCE`."""
        if len(nodes) <= FEW or not self.base.nodes:
            yield self._around(nodes, direction)
            return
        _, counts = self._places(np.minimum(nodes, self.base.nodes - 1), direction)
        per_node = counts.reshape(len(nodes), -1).sum(axis=1)
        steps = per_node.cumsum() // AT_ONCE
        first = 0
        for part in np.split(nodes, np.diff(steps).nonzero()[0] + 1):
            links = self._around(part, direction)
            yield Links(links.owner + first, links.other, links.place)
            first += len(part)

    def _places(self, nodes: Ints, direction: Direction) -> tuple[SmallInts, SmallInts]:
        """Where in the base each node's links begin, and how many they are; for BOTH two of each node."""
        if direction is Direction.BOTH:
            segments = np.empty(2 * len(nodes), np.int64)
            segments[0::2] = nodes
            segments[1::2] = nodes + self.base.nodes
        else:
            segments = nodes if direction is Direction.OUT else nodes + self.base.nodes
        starts = self.base.bounds.take(segments)
        return starts, self.base.bounds.take(segments + 1) - starts

    def _around(self, nodes: Ints, direction: Direction) -> Links:
        links = self._around_graph(nodes, direction)
        if self._further is None:
            return links
        ways = (Direction.OUT, Direction.IN) if direction is Direction.BOTH else (direction,)
        further = [self._further.around(nodes, way) for way in ways]
        if not any(len(owner) for owner, _, _ in further):
            return links
        parts = zip((links.owner, links.other, links.place), *further, strict=True)
        return self._in_order(*(np.concatenate(part) for part in parts))

    def _in_order(self, owner: Ints, other: Ints, place: Ints) -> Links:
        links, ends = self.link_ids(place), self.ids(other)
        rank = {name: number for number, name in enumerate(sorted(set(self._names)))}
        relation = np.array([rank[name] for name in self._names], np.int64).take(self._relations(place))
        order = np.lexsort((links.low, links.high, ends.low, ends.high, relation, self.incoming(place), owner))
        return Links(owner[order], other[order], place[order])

    def _around_graph(self, nodes: Ints, direction: Direction) -> Links:
        if self._changed is None:
            return self._around_base(nodes, direction)
        changed = (self._changed.take(nodes) & LINKS_CHANGED) != 0
        if not changed.any():
            return self._around_base(nodes, direction)
        unchanged = (~changed).nonzero()[0]
        links = self._around_base(nodes[unchanged], direction)
        owners, others, places = [unchanged[links.owner]], [links.other], [links.place]
        for owner in changed.nonzero()[0].tolist():
            for each in (Direction.OUT, Direction.IN) if direction is Direction.BOTH else (direction,):
                other, place = self._around_changed(int(nodes[owner]), each)
                owners.append(np.full(len(other), owner))
                others.append(other)
                places.append(place)
        owner, other, place = np.concatenate(owners), np.concatenate(others), np.concatenate(places)
        order = np.argsort(owner, kind="stable")
        return Links(owner[order], other[order], place[order])

    def _around_base(self, nodes: Ints, direction: Direction) -> Links:
        if not len(nodes):
            return Links(nodes, nodes, nodes)
        starts, counts = self._places(nodes, direction)
        place = ranges(starts, counts)
        other = self.base.other.take(place)
        keep = self.base_seen(place)
        keep &= self.seen(other)
        chosen = keep.nonzero()[0]
        owner = np.arange(len(counts)).repeat(counts).take(chosen)
        if direction is Direction.BOTH:
            owner >>= 1
        return Links(owner, other.take(chosen).astype(np.int64), place.take(chosen))

    def base_seen(self, place: Ints) -> Bools:
        """Whether the reader sees the links at these places of the base, whatever their ends and later changes."""
        seen: Bools = self._link_seen.take(self.base.profile.take(place))
        if self.at is not None and self.base.interval is not None:
            interval = self.base.interval.take(self.base.rows_of(place))
            intervals = self.base.intervals
            seen &= (intervals.starts.take(interval) <= self.at) & (intervals.ends.take(interval) > self.at)
        return seen

    def _around_changed(self, node: int, direction: Direction) -> tuple[Ints, Ints]:
        """The other ends and the places of one node's links, those that were added in their order among the others."""
        place = np.empty(0, np.int64)
        if node < self.base.nodes:
            segment = node if direction is Direction.OUT else node + self.base.nodes
            place = np.arange(self.base.bounds[segment], self.base.bounds[segment + 1], dtype=np.int64)
        ended = [row for row in self.overlay.ended_around.get(node, ()) if self.overlay.ended[row] <= self.change]
        if ended:
            place = place[~np.isin(self.base.rows_of(place), ended)]
        if len(place):
            place = place[self.base_seen(place) & self.seen(self.base.other.take(place))]
        other = self.base.other.take(place).astype(np.int64)
        added = self._added(node, direction)
        if not added:
            return other, place
        at = [bisect_left(place, key, key=self._key) for key, _, _ in added]
        others, places = ([each[column] for each in added] for column in (1, 2))
        return np.insert(other, at, others), np.insert(place, at, places)

    def _added(self, node: int, direction: Direction) -> list[tuple[Key, int, int]]:
        """The visible links that were added: keys, in order, with the other ends and the places."""
        found = []
        for number in self.overlay.around.get(node, ()):
            row = self.overlay.rows[number]
            mine, other = row.content[:2] if direction is Direction.OUT else row.content[1::-1]
            if mine == node and self._added_seen(row):
                found.append((self._key_of(row, other), other, 2 * (self.base.links + number) + direction))
        return sorted(found)

    def all_added(self) -> tuple[Ints, Ints, Ints]:
        """All visible links beside the base: their places, as those that go out, and their sources and targets."""
        rows = [(i, row) for i, row in enumerate(list(self.overlay.rows)) if self._added_seen(row)]
        places = np.array([2 * (self.base.links + i) for i, _ in rows], np.int64)
        ends = np.array([(row.content.source, row.content.target) for _, row in rows], np.int64).reshape(-1, 2)
        if self._further is None:
            return places, ends[:, 0], ends[:, 1]
        further, source, target = self._further.all()
        return np.append(places, further), np.append(ends[:, 0], source), np.append(ends[:, 1], target)

    def _added_seen(self, row: Row) -> bool:
        """Whether the reader sees a link that was added, with its ends."""
        if not row.born <= self.change < row.died or not self._link_seen[row.profile]:
            return False
        content = row.content
        return (self.at is None or content.start <= self.at < content.end) and all(
            self._node_seen[self._profile(node)] for node in (content.source, content.target)
        )

    def _key(self, place: int) -> Key:
        """By what links of one node and direction are ordered."""
        base = self.base
        relation = self.profiles.links.relations[base.profile[place]]
        link = int(base.rows_of(np.array([place]))[0])
        return self.profiles.relations.values[relation], base.ids.number(base.other[place]), base.link_ids.number(link)

    def _key_of(self, row: Row, other: int) -> Key:
        return self.profiles.relations.values[row.content.relation], self.overlay.number(other), row.link

    # What is at a place

    def incoming(self, places: Ints) -> Bools:
        """Whether the links are there as those that come in."""
        links = self.base.links
        incoming = np.where(places >= 2 * links, (places & 1).astype(bool), places >= links)
        if self._further is not None:
            further = places >= FURTHER
            incoming[further] = self._further.incoming(places[further])
        return incoming

    def _split(self, places: Ints) -> tuple[Bools, Ints, Bools, list[Row]]:
        """What is of the base, with its rows; what was added, with its rows. The rest is further links."""
        further = places >= FURTHER
        added = (places >= 2 * self.base.links) & ~further
        known = ~(added | further)
        rows = [self.overlay.rows[number] for number in ((places[added] >> 1) - self.base.links).tolist()]
        return known, self.base.rows_of(places[known]), added, rows

    def link_ids(self, places: Ints) -> Ids:
        known, rows, added, new = self._split(places)
        found = self.base.link_ids.take(rows)
        if len(rows) == len(places):
            return found
        parts = [(known, found), (added, Ids.of_numbers([row.link for row in new]))]
        if self._further is not None:
            further = places >= FURTHER
            parts.append((further, self._further.link_ids(places[further])))
        ids = Ids(np.empty(len(places), np.uint64), np.empty(len(places), np.uint64))
        for where, part in parts:
            ids.high[where], ids.low[where] = part.high, part.low
        return ids

    def weights(self, places: Ints) -> Floats:
        """NaN where a link has none."""
        known, rows, added, new = self._split(places)
        weights = np.full(len(places), np.nan)
        if self.base.weight is not None:
            weights[known] = self.base.weight.take(rows)
        weights[added] = [np.nan if row.content.weight is None else row.content.weight for row in new]
        return weights

    def relations_of(self, places: Ints) -> list[str]:
        return [self._names[number] for number in self._relations(places).tolist()]

    def _relations(self, places: Ints) -> Ints:
        """By the places of their names."""
        known, rows, added, new = self._split(places)
        found = np.empty(len(places), np.int64)
        found[known] = self.profiles.links.relations.take(self.base.profile.take(rows))
        found[added] = [row.content.relation for row in new]
        if self._further is not None:
            further = places >= FURTHER
            found[further] = self._further.relations_of(places[further]) + self._known_names
        return found
