"""Random histories of labelled versions, and the plain answers: those of networkx with the hidden taken out."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import networkx as nx
import numpy as np
from hypothesis import strategies as st

from fabric.graph import (
    Builder,
    Change,
    Coded,
    Direction,
    FurtherLinks,
    LinkColumns,
    LinkGraph,
    LinkRemoved,
    LinkVersion,
    ObjectColumns,
    ObjectRemoved,
    ObjectVersion,
)
from fabric.graph.versions import end_of, start_of, weight_of
from fabric.labels import Level, code, winner

LABELS = [code(level, bits) for level, bits in product((Level.UNCLASSIFIED, Level.SECRET), range(4))]
CLEARANCES = [code(level, bits) for level, bits in product((Level.UNCLASSIFIED, Level.SECRET), range(4))]
TYPES = ["Pump", "Site", "Valve"]
RELATIONS = ["feeds", "near", "part_of"]
START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENTS = [START + timedelta(days=day) for day in range(4)]

_choose = random.Random(4)
# Two of three share their upper half with others, so that it does not tell ids apart.
NODES = [UUID(int=_choose.getrandbits(128) if i % 3 else 7 << 64 | _choose.getrandbits(64)) for i in range(9)]
ENDS = [*NODES, UUID(int=_choose.getrandbits(128))]
"""One of which there is never an object."""
LINKS = [UUID(int=_choose.getrandbits(128) if i % 3 else 9 << 64 | _choose.getrandbits(64)) for i in range(24)]


@dataclass(frozen=True)
class Story:
    """What is loaded and what changes then, by a seed; and how it is told. It shrinks to fewer versions."""

    seed: int
    objects: int
    links: int
    changes: int

    @property
    def choose(self) -> random.Random:
        return random.Random(self.seed)

    def loaded(self) -> list[ObjectVersion | LinkVersion]:
        objects, links = random.Random(self.seed + 1), random.Random(self.seed + 2)
        found = [an_object(objects) for _ in range(self.objects)] + [a_link(links) for _ in range(self.links)]
        return self.choose.sample(found, len(found))

    def changed(self) -> list[Change]:
        choose = random.Random(self.seed + 3)
        return [choose.choice([an_object, a_link, a_link, a_removal])(choose) for _ in range(self.changes)]


stories = st.builds(Story, st.integers(0, 2**32), st.integers(8, 40), st.integers(10, 120), st.integers(0, 80))


def a_label(choose: random.Random) -> int:
    return choose.choice([*[0] * 8, *LABELS])


def an_object(choose: random.Random) -> ObjectVersion:
    return ObjectVersion(choose.choice(NODES), a_label(choose), choose.choice(TYPES), choose.random() < 0.05)


def a_link(choose: random.Random) -> LinkVersion:
    """One of few ids, so that it has several versions, at times with other ends."""
    id = choose.choice(LINKS)
    ends = random.Random(id.int).choices(NODES, k=2) if choose.random() < 0.8 else choose.choices(NODES, k=2)
    weight = choose.choice([None, None, 0.0, 0.5, 1.0, 2.5])
    bounds = [choose.choice([None, None, None, *MOMENTS]) for _ in range(2)]
    relation = choose.choice(RELATIONS)
    return LinkVersion(id, a_label(choose), relation, *ends, weight, *bounds, tombstone=choose.random() < 0.05)


def a_removal(choose: random.Random) -> ObjectRemoved | LinkRemoved:
    if choose.random() < 0.5:
        return ObjectRemoved(choose.choice(NODES), a_label(choose))
    return LinkRemoved(choose.choice(LINKS), a_label(choose))


@dataclass(frozen=True)
class Reader:
    clearance: int
    at: datetime | None = None
    relations: tuple[str, ...] | None = None
    seed: int | None = None
    """Of the links that only this reader sees."""

    def further(self) -> list[LinkVersion]:
        choose = random.Random(self.seed)
        found = [a_link(choose) for _ in range(0 if self.seed is None else choose.randint(0, 30))]
        names = [*RELATIONS, "concluded"]
        return [
            replace(link, id=UUID(int=9 << 64 | choose.getrandbits(64)), relation=choose.choice(names), weight=None,
                    source=choose.choice(ENDS), tombstone=False)
            for link in found
        ]  # fmt: skip


readers = st.builds(
    Reader,
    st.sampled_from([*CLEARANCES, *CLEARANCES[3:]]),
    st.sampled_from([None, None, None, None, *MOMENTS]),
    st.sampled_from([None, None, None, ("feeds",), ("near", "part_of"), ("concluded",), ("unheard_of",)]),
    st.none() | st.integers(0, 2**32),
)
"""Who looks, and at what."""


@dataclass
class World:
    """The versions there are, by id and label."""

    objects: dict[tuple[UUID, int], ObjectVersion] = field(default_factory=dict)
    links: dict[tuple[UUID, int], LinkVersion] = field(default_factory=dict)

    def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            match change:
                case ObjectVersion():
                    self.objects[change.id, change.label] = change
                case LinkVersion():
                    self.links[change.id, change.label] = change
                case ObjectRemoved():
                    self.objects.pop((change.id, change.label), None)
                case LinkRemoved():
                    self.links.pop((change.id, change.label), None)

    def seen(self, reader: Reader) -> nx.MultiDiGraph:
        """With all that the reader does not see taken out."""
        graph = nx.MultiDiGraph()
        for version in winners(self.objects.values(), reader.clearance):
            assert isinstance(version, ObjectVersion)
            graph.add_node(version.id, type_name=version.type_name)
        for version in (*winners(self.links.values(), reader.clearance), *reader.further()):
            assert isinstance(version, LinkVersion)
            if version.source not in graph or version.target not in graph:
                continue
            if reader.relations is not None and version.relation not in reader.relations:
                continue
            if reader.at is not None and not (
                (version.valid_from is None or version.valid_from <= reader.at)
                and (version.valid_to is None or reader.at < version.valid_to)
            ):
                continue
            weight = {} if version.weight is None else {"weight": version.weight}
            graph.add_edge(version.source, version.target, version.id, relation=version.relation, **weight)
        return graph


def winners(versions: Iterable[ObjectVersion | LinkVersion], clearance: int) -> list[ObjectVersion] | list[LinkVersion]:
    by_id: dict[UUID, dict[int, ObjectVersion | LinkVersion]] = {}
    for version in versions:
        by_id.setdefault(version.id, {})[version.label] = version
    found = []
    for each in by_id.values():
        label = winner(each, clearance)
        if label is not None and not each[label].tombstone:
            found.append(each[label])
    return found  # type: ignore[return-value]


def loaded(versions: Sequence[ObjectVersion | LinkVersion], batch: int = 5) -> LinkGraph:
    """Built out of columns."""
    builder = Builder()
    for number, start in enumerate(range(0, len(versions), batch)):
        rows = versions[start : start + batch]
        objects = [row for row in rows if isinstance(row, ObjectVersion)]
        links = [row for row in rows if isinstance(row, LinkVersion)]
        as_arrays = number % 2 == 1
        builder.add_objects(_object_columns(objects, as_arrays))
        builder.add_links(_link_columns(links, as_arrays))
    return LinkGraph(builder.build())


def further_of(reader: Reader) -> FurtherLinks | None:
    if reader.seed is None:
        return None
    builder = Builder()
    builder.add_links(_link_columns(reader.further(), as_arrays=False))
    return FurtherLinks(builder.build())


def _object_columns(rows: Sequence[ObjectVersion], as_arrays: bool) -> ObjectColumns:
    ids = b"".join(row.id.bytes for row in rows)
    labels, names = [row.label for row in rows], [row.type_name for row in rows]
    dead = [row.tombstone for row in rows]
    if as_arrays:
        return ObjectColumns(ids, _coded(labels), _coded(names), np.array(dead, bool))
    return ObjectColumns(ids, labels, names, dead)


def _link_columns(rows: Sequence[LinkVersion], as_arrays: bool) -> LinkColumns:
    ids, sources, targets = ([getattr(row, name) for row in rows] for name in ("id", "source", "target"))
    labels, relations = [row.label for row in rows], [row.relation for row in rows]
    dead = [row.tombstone for row in rows] if any(row.tombstone for row in rows) else None
    weights = [row.weight for row in rows] if any(row.weight is not None for row in rows) else None
    if as_arrays:
        return LinkColumns(
            ids, _coded(labels), _coded(relations), sources, targets,
            None if weights is None else np.array([weight_of(weight) for weight in weights]),
            np.array([start_of(row.valid_from) for row in rows], np.int64),
            np.array([end_of(row.valid_to) for row in rows], np.int64),
            None if dead is None else np.array(dead, bool),
        )  # fmt: skip
    starts, ends = [row.valid_from for row in rows], [row.valid_to for row in rows]
    return LinkColumns(ids, labels, relations, sources, targets, weights, starts, ends, dead)


def _coded(values: Sequence[Any]) -> Coded[Any]:
    """With a value that no row has."""
    known = ["nobody's", *dict.fromkeys(values)]
    return Coded(known, np.array([known.index(value) for value in values], np.int64))


# What is asked of a graph, answered step by step by the definition


def links_of(graph: nx.MultiDiGraph, node: UUID, direction: Direction) -> list[tuple[UUID, UUID]]:
    """The node's links in the order of the rule: the other end and the link's id."""
    out, into = graph.out_edges(node, keys=True, data=True), graph.in_edges(node, keys=True, data=True)
    outgoing = sorted((data["relation"], end, link) for _, end, link, data in out)
    incoming = sorted((data["relation"], end, link) for end, _, link, data in into)
    found = {Direction.OUT: outgoing, Direction.IN: incoming, Direction.BOTH: outgoing + incoming}[direction]
    return [(end, link) for _, end, link in found]


@dataclass(frozen=True)
class Way:
    depth: int
    nodes: tuple[UUID, ...]
    links: tuple[UUID, ...]


def walked(
    graph: nx.MultiDiGraph,
    starts: Sequence[UUID],
    direction: Direction,
    max_depth: int,
    limit: int | None = None,
    types: Sequence[str] | None = None,
    through: Sequence[str] | None = None,
) -> tuple[dict[UUID, Way], list[UUID], int]:
    """All that was discovered, what of it is given, and how many links were looked at."""
    found = {start: Way(0, (start,), ()) for start in starts}
    given: list[UUID] = []
    looked_at = 0
    queue = list(found)
    for node in queue:
        way = found[node]
        if way.depth == max_depth or limit == len(given):
            break
        if way.depth and through is not None and graph.nodes[node]["type_name"] not in through:
            continue
        for end, link in links_of(graph, node, direction):
            looked_at += 1
            if end in found:
                continue
            found[end] = Way(way.depth + 1, (*way.nodes, end), (*way.links, link))
            queue.append(end)
            if types is None or graph.nodes[end]["type_name"] in types:
                given.append(end)
                if limit == len(given):
                    break
    return found, given, looked_at
