"""What changed since the base was built.

Everything in it is only ever added, with the number of the change that made it; what ends is marked with the number of
the change that ended it. So whoever reads as of a number sees the same for ever, without a lock and without a copy,
while one writer at a time goes on.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.graph.base import ALWAYS, Base
from fabric.graph.ids import Ids
from fabric.graph.profiles import NOTHING, TOMBSTONE, overriders
from fabric.graph.versions import (
    Change,
    LinkRemoved,
    LinkVersion,
    ObjectRemoved,
    ObjectVersion,
    end_of,
    start_of,
    weight_of,
)

NEVER = np.iinfo(np.int64).max
"""The change that ends what has not ended."""

LINKS_CHANGED, PROFILE_CHANGED = 1, 2

BYTES_OF_A_CHANGE = 600
"""About what a changed row takes, with its places in dictionaries and lists."""


class Content(NamedTuple):
    """All of a link's version but id and profile. A weight is None, not NaN, so that equal contents are equal."""

    source: int
    target: int
    relation: int
    label: int
    tombstone: bool
    weight: float | None
    start: int
    end: int


@dataclass(slots=True, eq=False)
class Row:
    """A version of a link that was added, seen from `born` to before `died`."""

    link: int
    content: Content
    profile: int
    born: int
    died: int = NEVER


class Overlay:
    def __init__(self, base: Base) -> None:
        self.base, self.profiles = base, base.profiles
        self.published = 0
        """The number of the last change that readers may see."""
        self.rows: list[Row] = []
        self.around: dict[int, list[int]] = {}
        """By node, the numbers of the rows that begin or end there."""
        self.ended: dict[int, int] = {}
        """By row of the base, the change that ended it."""
        self.ended_around: dict[int, list[int]] = {}
        self.node_profiles: dict[int, list[tuple[int, int]]] = {}
        """By node, the changes of its profile in order: the change's number, and what it is since."""
        self.new_ids: list[int] = []
        """Of the nodes that the base does not know; they are numbered on from its own."""
        self._new_nodes: dict[int, int] = {}
        self._rows_with: dict[int, list[int]] = {}
        self._alive = 0
        self.changed: NDArray[np.uint8] = np.zeros(base.nodes, np.uint8)
        """By node, what a reader must look up here; bits are only ever set. New nodes have all."""

    @property
    def size(self) -> int:
        return len(self.rows) + len(self.ended) + len(self.node_profiles) + len(self.new_ids)

    @property
    def nbytes(self) -> int:
        return self.changed.nbytes + self.size * BYTES_OF_A_CHANGE

    @property
    def nodes(self) -> int:
        return self.base.nodes + len(self.new_ids)

    @property
    def links(self) -> int:
        """Versions of links."""
        return self.base.links - len(self.ended) + self._alive

    def node(self, number: int) -> int:
        """The node with the id of these 128 bits; -1 for none."""
        place = self.base.ids.find_number(number)
        return self._new_nodes.get(number, -1) if place < 0 else place

    def find(self, ids: Ids) -> NDArray[np.int64]:
        """The nodes with these ids; -1 for none."""
        found = self.base.ids.find(ids)
        if self._new_nodes:
            for place in (found < 0).nonzero()[0].tolist():
                found[place] = self._new_nodes.get(ids.number(place), -1)
        return found

    def ids(self, nodes: NDArray[np.int64]) -> Ids:
        new = nodes >= self.base.nodes
        if not new.any():
            return self.base.ids.take(nodes)
        found = Ids(np.empty(len(nodes), np.uint64), np.empty(len(nodes), np.uint64))
        given = Ids.of_numbers([self.new_ids[node] for node in (nodes[new] - self.base.nodes).tolist()])
        for half, known, added in (
            (found.high, self.base.ids.high, given.high),
            (found.low, self.base.ids.low, given.low),
        ):
            half[~new] = known[nodes[~new]]
            half[new] = added
        return found

    def number(self, node: int) -> int:
        """The 128 bits of a node's id."""
        base = self.base
        return base.ids.number(node) if node < base.nodes else self.new_ids[node - base.nodes]

    def node_profile(self, node: int, at: int) -> int:
        for since, profile in reversed(self.node_profiles.get(node, ())):
            if since <= at:
                return profile
        return int(self.base.node_profile[node]) if node < self.base.nodes else NOTHING

    def content(self, row: int) -> Content:
        """Of a row of the base."""
        base = self.base
        relation, label, tombstone, _ = self.profiles.links.key(int(base.profile[row]))
        weight = np.nan if base.weight is None else float(base.weight[row])
        start, end = ALWAYS
        if base.interval is not None:
            place = int(base.interval[row])
            start, end = int(base.intervals.starts[place]), int(base.intervals.ends[place])
        return Content(
            base.source_of(row), int(base.other[row]), relation, label, tombstone,
            None if np.isnan(weight) else weight, start, end,
        )  # fmt: skip

    # Writing: one thread at a time. Each method works at the number `published + 1`.

    def apply(self, change: Change) -> None:
        """Not seen before `publish`. What is so already stays untouched."""
        match change:
            case ObjectVersion():
                type_code = TOMBSTONE if change.tombstone else self.profiles.types.code(change.type_name)
                self._set_object(change.id.int, change.label, type_code)
            case ObjectRemoved():
                self._set_object(change.id.int, change.label, None)
            case LinkVersion():
                self._set_link(change.id.int, change.label, self._content_of(change))
            case LinkRemoved():
                self._set_link(change.id.int, change.label, None)

    def publish(self) -> None:
        self.published += 1

    def _node(self, number: int) -> int:
        """The node, a new one if need be."""
        node = self.node(number)
        if node < 0:
            node = self.nodes
            if node >= len(self.changed):
                room = np.full(2 * node + 64, LINKS_CHANGED | PROFILE_CHANGED, np.uint8)
                room[: len(self.changed)] = self.changed
                self.changed = room
            self.new_ids.append(number)
            self._new_nodes[number] = node
        return node

    def _set_object(self, number: int, label: int, type_code: int | None) -> None:
        """None: there is no such version any more."""
        if type_code is None and self.node(number) < 0:
            return
        node = self._node(number)
        before = self.node_profile(node, NEVER)
        versions = dict(self.profiles.nodes.versions(before))
        if type_code is None:
            versions.pop(label, None)
        else:
            versions[label] = type_code
        after = self.profiles.nodes.code(versions.items())
        if after != before:
            self.changed[node] |= PROFILE_CHANGED
            self.node_profiles.setdefault(node, []).append((self.published + 1, after))

    def _content_of(self, version: LinkVersion) -> Content:
        weight = weight_of(version.weight)
        return Content(
            self._node(version.source.int), self._node(version.target.int),
            self.profiles.relations.code(version.relation), version.label, version.tombstone,
            None if np.isnan(weight) else weight, start_of(version.valid_from), end_of(version.valid_to),
        )  # fmt: skip

    def _set_link(self, link: int, label: int, content: Content | None) -> None:
        """None: there is no such version any more."""
        held = self._versions(link)
        after = {each: known for each, (_, _, known) in held.items()}
        if content is None:
            after.pop(label, None)
        else:
            after[label] = content
        if after.get(label) == (held[label][2] if label in held else None):
            return
        for each in held.keys() | after.keys():
            now = after.get(each)
            profile = -1
            if now is not None:
                profile = self.profiles.links.code(now.relation, each, now.tombstone, overriders(after, each))
            place, before, known = held.get(each, (None, -1, None))
            if (before, known) == (profile, now):
                continue
            if place is not None:
                self._end(place)
            if now is not None:
                self._add(Row(link, now, profile, self.published + 1))

    def _versions(self, link: int) -> dict[int, tuple[int | Row, int, Content]]:
        """By label: where it is, its profile, its content."""
        found: dict[int, tuple[int | Row, int, Content]] = {}
        for row in self.base.rows_with(link):
            if row not in self.ended:
                content = self.content(row)
                found[content.label] = row, int(self.base.profile[row]), content
        for place in self._rows_with.get(link, ()):
            added = self.rows[place]
            if added.died == NEVER:
                found[added.content.label] = added, added.profile, added.content
        return found

    def _end(self, place: int | Row) -> None:
        number = self.published + 1
        if isinstance(place, Row):
            place.died = number
            self._alive -= 1
            return
        content = self.content(place)
        self.ended[place] = number
        for node in {content.source, content.target}:
            self.ended_around.setdefault(node, []).append(place)
            self.changed[node] |= LINKS_CHANGED

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        self._alive += 1
        place = len(self.rows) - 1
        self._rows_with.setdefault(row.link, []).append(place)
        for node in {row.content.source, row.content.target}:
            self.around.setdefault(node, []).append(place)
            self.changed[node] |= LINKS_CHANGED
