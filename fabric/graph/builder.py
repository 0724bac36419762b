"""From columns of versions, a few thousand rows at a time, to the arrays of a graph.

A row that comes twice, with the same id and label, counts as it came last. While it is loaded a version of a link takes
56 bytes, 8 more for each of weight, start and end if there are any, and no object of Python.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from fabric.graph.arrays import Bools, Growing, Ints, S, SmallInts, positions, smallest
from fabric.graph.base import ALWAYS, Base, Intervals, Rows, assemble, intervals_of
from fabric.graph.ids import GrowingIds, Ids
from fabric.graph.profiles import NOTHING, TOMBSTONE, Codes, NodeVersion, Profiles, overriders
from fabric.graph.versions import LinkColumns, ObjectColumns, microseconds


class Builder:
    def __init__(self) -> None:
        self._profiles = Profiles()
        self._labels: Codes[int] = Codes()
        self._objects = _Objects()
        self._links = _Links()

    def add_objects(self, columns: ObjectColumns) -> None:
        types = self._profiles.types.codes(columns.type_names)
        if columns.tombstones is not None:
            types[np.array(columns.tombstones, bool)] = TOMBSTONE
        self._objects.ids.extend(Ids.of(columns.ids))
        self._objects.labels.extend(self._labels.codes(columns.labels))
        self._objects.types.extend(types)

    def add_links(self, columns: LinkColumns) -> None:
        links = self._links
        row = len(links.labels)
        links.ids.extend(Ids.of(columns.ids))
        links.sources.extend(Ids.of(columns.sources))
        links.targets.extend(Ids.of(columns.targets))
        links.labels.extend(self._labels.codes(columns.labels))
        links.relations.extend(self._profiles.relations.codes(columns.relations))
        if columns.tombstones is not None:
            links.tombstones.add(row, np.array(columns.tombstones, bool))
        if columns.weights is not None:
            weights = np.array(columns.weights, np.float64)
            links.weights.add(row, np.where(np.isfinite(weights), weights, np.nan))
        for span, given in ((links.starts, columns.valid_from), (links.ends, columns.valid_to)):
            if isinstance(given, np.ndarray):
                if (given != span.default).any():
                    span.add(row, given)
            elif given is not None and any(given):
                span.add(row, [span.default if moment is None else microseconds(moment) for moment in given])

    def build(self) -> Base:
        """Once, at the end: it uses up what was added."""
        labels = self._labels.values
        ids, node_profile = self._objects.nodes(self._profiles, labels)
        return self._links.base(self._profiles, labels, ids, node_profile)


class _Rare(Generic[S]):
    """A column that takes no memory as long as no batch has it."""

    def __init__(self, kind: type[S], default: Any) -> None:
        self._kind, self.default = kind, default
        self._values: Growing[S] | None = None

    def add(self, row: int, values: Sequence[int] | NDArray[Any]) -> None:
        """From this row on."""
        if self._values is None:
            self._values = Growing(self._kind)
        self._values.extend(np.full(row - len(self._values), self.default))
        self._values.extend(values)

    def taken(self, rows: int) -> NDArray[S] | None:
        """The column of so many rows, which is then given up; None if no batch had it."""
        if self._values is None:
            return None
        self._values.extend(np.full(rows - len(self._values), self.default))
        values, self._values = self._values.values, None
        return values


class _Objects:
    def __init__(self) -> None:
        self.ids = GrowingIds()
        self.labels, self.types = Growing(np.int32), Growing(np.int32)

    def nodes(self, profiles: Profiles, label_values: list[int]) -> tuple[Ids, Ints]:
        """The ids in order, and the profile of each."""
        ids = self.ids.values
        kinds = len(profiles.types) + 1
        versions = self.labels.values * np.int64(kinds) + (self.types.values + 1)

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
        self.ids, self.sources, self.targets = GrowingIds(), GrowingIds(), GrowingIds()
        self.labels, self.relations = Growing(np.int32), Growing(np.int32)
        self.tombstones = _Rare(np.bool_, False)
        self.weights = _Rare(np.float64, np.nan)
        self.starts, self.ends = _Rare(np.int64, ALWAYS[0]), _Rare(np.int64, ALWAYS[1])

    def base(self, profiles: Profiles, label_values: list[int], nodes: Ids, node_profile: Ints) -> Base:
        ids = self.ids.values
        profile, kept = self._profiles_of(profiles, label_values, ids)
        nodes, node_profile, source, target = self._numbers_of_ends(nodes, node_profile)
        interval, intervals = self._intervals(len(ids))
        weights = self.weights.taken(len(ids))
        if weights is not None and np.isnan(weights).all():
            weights = None
        rows = Rows(ids, source, target, profile, weights, interval)
        if not kept.all():
            rows = _some(rows, kept)
        return assemble(profiles, nodes, node_profile, rows, intervals)

    def _profiles_of(self, profiles: Profiles, label_values: list[int], ids: Ids) -> tuple[Ints, Bools]:
        """The profile of each row, and which rows are not overtaken by a later one."""
        many = len(label_values)
        versions = (self.relations.values * np.int64(many) + self.labels.values) * 2
        dead = self.tombstones.taken(len(ids))
        if dead is not None:
            versions += dead

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

    def _numbers_of_ends(self, nodes: Ids, node_profile: Ints) -> tuple[Ids, Ints, SmallInts, SmallInts]:
        """The nodes, with those that only links know, and the number of each row's source and target."""
        sources, targets = self.sources.values, self.targets.values
        self.sources, self.targets = GrowingIds(), GrowingIds()
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

    def _intervals(self, rows: int) -> tuple[SmallInts | None, Intervals]:
        starts, ends = self.starts.taken(rows), self.ends.taken(rows)
        if starts is None and ends is None:
            return None, Intervals(np.array([ALWAYS[0]]), np.array([ALWAYS[1]]))
        return intervals_of(
            np.full(rows, ALWAYS[0]) if starts is None else starts, np.full(rows, ALWAYS[1]) if ends is None else ends
        )


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
