"""A new base out of an old one and what has changed since."""

import numpy as np

from fabric.graph.arrays import Floats, Ints, SmallInts, numbered, positions
from fabric.graph.base import Base, Intervals, Rows, assemble, intervals_of
from fabric.graph.ids import Ids
from fabric.graph.overlay import Overlay, Row
from fabric.graph.profiles import NOTHING, TOMBSTONE, Profiles


def compacted(overlay: Overlay, change: int) -> Base:
    """As of this change. Nodes without versions and links are left out, and so are profiles that nothing has."""
    rows, intervals = _rows(overlay, change)
    node_profile = _node_profiles(overlay, change)
    used = node_profile != NOTHING
    used[rows.source] = True
    used[rows.target] = True
    nodes = used.nonzero()[0]
    ids = overlay.ids(nodes)
    order = ids.order()
    ids, nodes = ids.take(order), nodes[order]
    renumbered = np.zeros(len(used), np.int64)
    renumbered[nodes] = np.arange(len(nodes))
    profiles = Profiles()
    rows = Rows(
        rows.ids,
        positions(renumbered[rows.source], len(nodes)),
        positions(renumbered[rows.target], len(nodes)),
        _recoded_links(overlay.profiles, profiles, rows.profile),
        rows.weight,
        rows.interval,
    )
    return assemble(profiles, ids, _recoded_nodes(overlay.profiles, profiles, node_profile[nodes]), rows, intervals)


def _node_profiles(overlay: Overlay, change: int) -> Ints:
    base = overlay.base
    found = np.full(overlay.nodes, NOTHING)
    found[: base.nodes] = base.node_profile
    for node in list(overlay.node_profiles):
        if node < len(found):
            found[node] = overlay.node_profile(node, change)
    return found


def _rows(overlay: Overlay, change: int) -> tuple[Rows, Intervals]:
    """The versions of links that are there, their ends as the overlay numbers nodes."""
    base = overlay.base
    keep = np.ones(base.links, bool)
    keep[[row for row, ended in list(overlay.ended.items()) if ended <= change]] = False
    kept = keep.nonzero()[0]
    added = [row for row in list(overlay.rows) if row.born <= change < row.died]
    source = np.repeat(np.arange(base.nodes, dtype=base.other.dtype), np.diff(base.bounds[: base.nodes + 1]))
    interval, intervals = _intervals(base, kept, added)
    rows = Rows(
        Ids.joined([base.link_ids.take(kept), Ids.of_numbers([row.link for row in added])]),
        np.append(source[kept], np.array([row.content.source for row in added], source.dtype)),
        np.append(base.other.take(kept), np.array([row.content.target for row in added], source.dtype)),
        np.append(base.profile.take(kept).astype(np.int32), np.array([row.profile for row in added], np.int32)),
        _weights(base, kept, added),
        interval,
    )
    return rows, intervals


def _weights(base: Base, kept: Ints, added: list[Row]) -> Floats | None:
    weights = np.full(len(kept) + len(added), np.nan)
    if base.weight is not None:
        weights[: len(kept)] = base.weight.take(kept)
    weights[len(kept) :] = [np.nan if row.content.weight is None else row.content.weight for row in added]
    return None if np.isnan(weights).all() else weights


def _intervals(base: Base, kept: Ints, added: list[Row]) -> tuple[SmallInts | None, Intervals]:
    """The place of each row's interval, and the intervals that are left."""
    starts = np.append(base.intervals.starts, np.array([row.content.start for row in added], np.int64))
    ends = np.append(base.intervals.ends, np.array([row.content.end for row in added], np.int64))
    mine = np.zeros(len(kept), np.int64) if base.interval is None else base.interval.take(kept).astype(np.int64)
    places = np.append(mine, len(base.intervals.starts) + np.arange(len(added)))
    used, places = numbered(places, len(starts))
    renumbered, intervals = intervals_of(starts[used], ends[used])
    return (None if len(intervals.starts) == 1 else renumbered[places]), intervals


def _recoded_nodes(old: Profiles, new: Profiles, profile: Ints) -> Ints:
    used, places = numbered(profile, len(old.nodes))
    types = old.types.values
    codes = [
        new.nodes.code(
            [
                (label, TOMBSTONE if type_code == TOMBSTONE else new.types.code(types[type_code]))
                for label, type_code in old.nodes.versions(each)
            ]
        )
        for each in used.tolist()
    ]
    return np.array(codes, np.int64)[places]


def _recoded_links(old: Profiles, new: Profiles, profile: SmallInts) -> Ints:
    used, places = numbered(profile.astype(np.int64), len(old.links))
    codes = []
    for each in used.tolist():
        relation, label, tombstone, over = old.links.key(each)
        codes.append(new.links.code(new.relations.code(old.relations.values[relation]), label, tombstone, over))
    return np.array(codes, np.int64)[places]
