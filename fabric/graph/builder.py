"""From columns of versions, a few thousand rows at a time, to the arrays of a graph.

A row that comes twice, with the same id and label, counts as it came last. While it is loaded a link takes 80 bytes or
less, 24 more where batches have intervals, and no object of Python.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from fabric.graph.arrays import Bools, Floats, Ints, SmallInts, positions, smallest
from fabric.graph.base import ALWAYS, Base, Intervals, Rows, assemble, intervals_of
from fabric.graph.ids import Ids
from fabric.graph.profiles import NOTHING, TOMBSTONE, Codes, NodeVersion, Profiles, overriders
from fabric.graph.versions import LinkColumns, ObjectColumns, microseconds


class Builder:
    def __init__(self) -> None:
        self._profiles = Profiles()
        self._labels: Codes[int] = Codes()
        self._objects = _Objects()
        self._links = _Links()

    def add_objects(self, columns: ObjectColumns) -> None:
        count = len(columns.labels)
        types = self._profiles.types.codes(columns.type_names)
        if columns.tombstones is not None:
            types[_flags(columns.tombstones, count)] = TOMBSTONE
        self._objects.ids.append(Ids.of(columns.ids))
        self._objects.labels.append(self._labels.codes(columns.labels).astype(np.int32))
        self._objects.types.append(types.astype(np.int32))

    def add_links(self, columns: LinkColumns) -> None:
        count, links = len(columns.labels), self._links
        links.ids.append(Ids.of(columns.ids))
        links.sources.append(Ids.of(columns.sources))
        links.targets.append(Ids.of(columns.targets))
        links.labels.append(self._labels.codes(columns.labels).astype(np.int32))
        links.relations.append(self._profiles.relations.codes(columns.relations).astype(np.int32))
        links.tombstones.append(_flags(columns.tombstones, count))
        links.weights.append(None if columns.weights is None else _weights(columns))
        links.spans.append(_spans(columns, count))

    def build(self) -> Base:
        """Once, at the end: it uses up what was added."""
        labels = self._labels.values
        ids, node_profile = self._objects.nodes(self._profiles, labels)
        return self._links.base(self._profiles, labels, ids, node_profile)


class _Objects:
    def __init__(self) -> None:
        self.ids: list[Ids] = []
        self.labels: list[SmallInts] = []
        self.types: list[SmallInts] = []

    def nodes(self, profiles: Profiles, label_values: list[int]) -> tuple[Ids, Ints]:
        """The ids in order, and the profile of each."""
        ids = Ids.joined(self.ids)
        kinds = len(profiles.types) + 1
        versions = _joined(self.labels) * np.int64(kinds) + (_joined(self.types) + 1)

        def version(key: int) -> NodeVersion:
            return label_values[key // kinds], key % kinds - 1

        order, first = ids.sorted_groups()
        profile = np.empty(len(first), np.int64)
        for keys, groups, rows in _alike(order, first, versions):
            distinct = dict(map(version, keys))
            if len(distinct) == len(keys):
                profile[groups] = profiles.nodes.code(distinct.items())
                continue
            for group, line in zip(groups.tolist(), np.sort(rows, axis=1), strict=True):
                profile[group] = profiles.nodes.code(dict(map(version, versions[line].tolist())).items())
        return ids.take(order[first]), profile


class _Links:
    def __init__(self) -> None:
        self.ids: list[Ids] = []
        self.sources: list[Ids] = []
        self.targets: list[Ids] = []
        self.labels: list[SmallInts] = []
        self.relations: list[SmallInts] = []
        self.tombstones: list[Bools] = []
        self.weights: list[Floats | None] = []
        self.spans: list[tuple[Ints, Ints] | None] = []

    def base(self, profiles: Profiles, label_values: list[int], nodes: Ids, node_profile: Ints) -> Base:
        ids = Ids.joined(self.ids)
        self.ids = []
        profile, kept = self._profiles_of(profiles, label_values, ids)
        nodes, node_profile, source, target = self._ends(nodes, node_profile)
        interval, intervals = self._intervals()
        rows = Rows(ids, source, target, profile, self._weights(), interval)
        if not kept.all():
            rows = _some(rows, kept)
        return assemble(profiles, nodes, node_profile, rows, intervals)

    def _profiles_of(self, profiles: Profiles, label_values: list[int], ids: Ids) -> tuple[Ints, Bools]:
        """The profile of each row, and which rows are not overtaken by a later one."""
        many = len(label_values)
        dead = np.concatenate([np.empty(0, bool), *self.tombstones])
        versions = (_joined(self.relations) * np.int64(many) + _joined(self.labels)) * 2 + dead

        def code(key: int, labels: Sequence[int]) -> int:
            label = label_values[key // 2 % many]
            return profiles.links.code(key // 2 // many, label, bool(key % 2), overriders(labels, label))

        profile = np.empty(len(ids), np.int64)
        kept = np.ones(len(ids), bool)
        order, first = ids.sorted_groups()
        for keys, _, rows in _alike(order, first, versions):
            labels = [label_values[key // 2 % many] for key in keys]
            if len(set(labels)) == len(keys):
                for column, key in enumerate(keys):
                    profile[rows[:, column]] = code(key, labels)
                continue
            kept[rows] = False
            for line in np.sort(rows, axis=1):
                last = {label_values[versions[row] // 2 % many]: row for row in line.tolist()}
                for row in last.values():
                    kept[row] = True
                    profile[row] = code(int(versions[row]), list(last))
            profile[rows[~kept[rows]]] = 0
        return profile, kept

    def _ends(self, nodes: Ids, node_profile: Ints) -> tuple[Ids, Ints, SmallInts, SmallInts]:
        """The nodes, with those that only links know, and the number of each row's source and target."""
        sources, targets = Ids.joined(self.sources), Ids.joined(self.targets)
        self.sources, self.targets = [], []
        source, target = nodes.find(sources), nodes.find(targets)
        if min(source.min(initial=0), target.min(initial=0)) < 0:
            unknown = Ids.joined([sources.take((source < 0).nonzero()[0]), targets.take((target < 0).nonzero()[0])])
            order, first = unknown.sorted_groups()
            nodes = Ids.joined([nodes, unknown.take(order[first])])
            node_profile = np.append(node_profile, np.full(len(first), NOTHING))
            order = nodes.order()
            nodes, node_profile = nodes.take(order), node_profile[order]
            source, target = nodes.find(sources), nodes.find(targets)
        return nodes, node_profile, positions(source, len(nodes)), positions(target, len(nodes))

    def _weights(self) -> Floats | None:
        if all(weights is None or np.isnan(weights).all() for weights in self.weights):
            return None
        parts = zip(self.weights, self.labels, strict=True)
        return np.concatenate([np.full(len(batch), np.nan) if given is None else given for given, batch in parts])

    def _intervals(self) -> tuple[SmallInts | None, Intervals]:
        if all(spans is None for spans in self.spans):
            return None, intervals_of(np.empty(0, np.int64), np.empty(0, np.int64))[1]
        parts = list(zip(self.spans, self.labels, strict=True))
        starts = np.concatenate([np.full(len(b), ALWAYS[0]) if given is None else given[0] for given, b in parts])
        ends = np.concatenate([np.full(len(b), ALWAYS[1]) if given is None else given[1] for given, b in parts])
        return intervals_of(starts, ends)


def _some(rows: Rows, kept: Bools) -> Rows:
    return Rows(
        rows.ids.take(kept.nonzero()[0]),
        rows.source[kept],
        rows.target[kept],
        rows.profile[kept],
        None if rows.weight is None else rows.weight[kept],
        None if rows.interval is None else rows.interval[kept],
    )


def _alike(order: Ints, first: Ints, versions: Ints) -> Iterator[tuple[list[int], Ints, Ints]]:
    """The ids whose rows have the same versions, all together: those versions, ascending; which ids; the rows.

    `order` are the rows by id, with each id's beginning at `first`. The rows come as one line for each id, a column for
    each version.
    """
    sizes = np.diff(np.append(first, len(order)))
    limit = int(versions.max(initial=0)) + 1
    for size in np.flatnonzero(np.bincount(sizes)).tolist():
        groups = (sizes == size).nonzero()[0]
        rows = order[first[groups][:, np.newaxis] + np.arange(size)]
        mine = versions[rows]
        if size > 1:
            across = np.argsort(mine, axis=1)
            rows, mine = np.take_along_axis(rows, across, 1), np.take_along_axis(mine, across, 1)
        down = np.lexsort([smallest(column, limit) for column in mine.T])  # small numbers sort in linear time
        groups, rows, mine = groups[down], rows[down], mine[down]
        starts = (mine[1:] != mine[:-1]).any(axis=1).nonzero()[0] + 1
        for start, end in zip([0, *starts.tolist()], [*starts.tolist(), len(mine)], strict=True):
            yield mine[start].tolist(), groups[start:end], rows[start:end]


def _joined(parts: list[SmallInts]) -> SmallInts:
    return np.concatenate(parts) if parts else np.empty(0, np.int32)


def _flags(flags: object, count: int) -> Bools:
    return np.zeros(count, bool) if flags is None else np.array(flags, bool)


def _weights(columns: LinkColumns) -> Floats:
    weights = np.array(columns.weights, np.float64)
    weights[~np.isfinite(weights)] = np.nan
    return weights


def _spans(columns: LinkColumns, count: int) -> tuple[Ints, Ints] | None:
    spans = np.full(count, ALWAYS[0]), np.full(count, ALWAYS[1])
    bounded = False
    for span, given in zip(spans, (columns.valid_from, columns.valid_to), strict=True):
        for row, moment in enumerate(given or ()):
            if moment is not None:
                span[row] = microseconds(moment)
                bounded = True
    return spans if bounded else None
