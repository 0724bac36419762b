"""The graph as it was when it was last built: compressed rows of links, in both directions, that never change.

Nodes are numbered in the order of their ids. The links that go out of a node lie side by side, ordered by relation
name, other end and link id; so do those that come in. Both halves are in one set of arrays, and a *place* is a
position in them: of the outgoing half up to `links`, of the incoming one from there on. A link's *row* is its outgoing
place.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from fabric.graph.arrays import Floats, Ints, SmallInts, distinct, numbered, positions, smallest, sorted_order
from fabric.graph.ids import Ids
from fabric.graph.profiles import Profiles

ALWAYS = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)
"""The interval without bounds, in microseconds: `from` up to, not including, `to`."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Versions of links, as columns in any order. Ends are numbers of nodes."""

    ids: Ids
    source: SmallInts
    target: SmallInts
    profile: SmallInts
    weight: Floats | None
    """NaN where a link has none; None if none has any."""
    interval: SmallInts | None
    """Positions in the intervals; None if all links are valid always."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Half-open intervals of validity, in microseconds; the first is `ALWAYS`."""

    starts: Ints
    ends: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    profiles: Profiles
    ids: Ids
    node_profile: SmallInts
    bounds: SmallInts
    """Where the places of each node begin: outgoing, then, `nodes` further on, incoming."""
    other: SmallInts
    """By place, the node at the other end."""
    profile: SmallInts
    """By place."""
    incoming_row: SmallInts
    link_ids: Ids
    """By row; so are the next but `by_id`, the rows in the order of their ids."""
    by_id: SmallInts
    weight: Floats | None
    interval: SmallInts | None
    intervals: Intervals

    @property
    def nodes(self) -> int:
        return len(self.ids)

    @property
    def links(self) -> int:
        return len(self.link_ids)

    @property
    def nbytes(self) -> int:
        arrays = (
            *(self.node_profile, self.bounds, self.other, self.profile, self.incoming_row, self.by_id),
            *(self.weight, self.interval, self.intervals.starts, self.intervals.ends),
        )
        others = self.profiles.nbytes + self.ids.nbytes + self.link_ids.nbytes
        return others + sum(array.nbytes for array in arrays if array is not None)

    def rows_of(self, places: Ints) -> Ints:
        """The rows of places in either half."""
        if not self.links:
            return places
        incoming = places >= self.links
        return np.where(incoming, self.incoming_row.take(places - self.links, mode="clip"), places)

    def source_of(self, row: int) -> int:
        return int(np.searchsorted(self.bounds[: self.nodes + 1], row, side="right")) - 1

    def rows_with(self, link: int) -> list[int]:
        """The rows of all versions of the link of this id."""
        ids, by_id = self.link_ids, self.by_id
        start = bisect_left(range(self.links), link, key=lambda place: ids.number(int(by_id[place])))
        end = start
        while end < self.links and ids.number(int(by_id[end])) == link:
            end += 1
        rows: list[int] = by_id[start:end].tolist()
        return rows


def assemble(profiles: Profiles, ids: Ids, node_profile: SmallInts, rows: Rows, intervals: Intervals) -> Base:
    """`ids` are the nodes', in ascending order and all different."""
    nodes, links = len(ids), len(rows.ids)
    relation = _places_of_names(profiles)[profiles.links.relations]
    id_place = np.empty(links, np.int64)
    id_place[rows.ids.order()] = np.arange(links)
    order = _order(rows.source, relation[rows.profile], rows.target, nodes, id_place)
    id_place = id_place[order]
    source, target = rows.source[order], rows.target[order]
    profile = smallest(rows.profile[order], len(profiles.links))
    incoming = _order(target, relation[profile], source, nodes, id_place)
    by_id = np.empty(links, np.int64)
    by_id[id_place] = np.arange(links)
    bounds = np.zeros(2 * nodes + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=nodes), out=bounds[1 : nodes + 1])
    np.cumsum(np.bincount(target, minlength=nodes), out=bounds[nodes + 1 :])
    bounds[nodes + 1 :] += links
    return Base(
        profiles=profiles,
        ids=ids,
        node_profile=smallest(node_profile, len(profiles.nodes)),
        bounds=positions(bounds, 2 * links + 1),
        other=positions(np.concatenate((target, source[incoming])), nodes),
        profile=np.concatenate((profile, profile[incoming])),
        incoming_row=positions(incoming, links),
        link_ids=rows.ids.take(order),
        by_id=positions(by_id, links),
        weight=None if rows.weight is None else rows.weight[order],
        interval=None if rows.interval is None else smallest(rows.interval[order], len(intervals.starts)),
        intervals=intervals,
    )


def intervals_of(starts: Ints, ends: Ints) -> tuple[SmallInts, Intervals]:
    """The different intervals, and the place of each among them."""
    places = np.zeros(len(starts), np.int64)
    bounded = ((starts != ALWAYS[0]) | (ends != ALWAYS[1])).nonzero()[0]
    start_values, end_values = distinct(starts[bounded]), distinct(ends[bounded])
    keys = np.searchsorted(start_values, starts[bounded]) * len(end_values) + np.searchsorted(end_values, ends[bounded])
    found, places[bounded] = numbered(keys, len(start_values) * len(end_values))
    places[bounded] += 1
    found_starts, found_ends = np.divmod(found, max(len(end_values), 1))
    return places, Intervals(
        np.append(ALWAYS[0], start_values[found_starts]), np.append(ALWAYS[1], end_values[found_ends])
    )


def _places_of_names(profiles: Profiles) -> Ints:
    """By the code of a relation, the place of its name among all in order."""
    names = profiles.relations.values
    places = np.empty(len(names), np.int64)
    places[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return places


def _order(mine: SmallInts, relation: Ints, other: SmallInts, nodes: int, id_place: Ints) -> Ints:
    """The order of the links around their nodes; `nodes` is how many there are, `id_place` each link's by its id."""
    relations = int(relation.max(initial=0)) + 1
    if nodes * nodes * relations > np.iinfo(np.int64).max:
        return np.lexsort((id_place, other, relation, mine))
    return sorted_order((mine.astype(np.int64) * relations + relation) * nodes + other, id_place)
