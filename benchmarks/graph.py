"""The link graph in memory: what a link takes, how long it loads, and how long questions take, beside networkx.

    python benchmarks/graph.py [LINKS]

Made data, 5,000,000 links unless told otherwise, a fifth as many objects: 20 relations, targets skewed towards some
nodes, a fifth of all versions labelled, every tenth object and link in two versions, weights on half of the links and
intervals on a twentieth. The reader sees most of it. networkx gets a tenth, as far as the reader sees it, as a
MultiDiGraph; the ratios are to the same questions to our graph of that size. Times are the processor's, for one
thread, so that other work on the machine matters less; they are medians, in milliseconds if nothing else is said.
"""

import gc
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import networkx as nx
import numpy as np

from fabric.graph import Builder, GraphView, LinkColumns, LinkGraph, LinkVersion, ObjectColumns, give_back
from fabric.graph.networkx_backend import convert_to_nx
from fabric.labels import Level, code

BATCH = 5_000
LABELS = [0] * 28 + [code(*each) for each in ((1, 0), (2, 0), (0, 1), (0, 2), (0, 4), (1, 1), (3, 8))]
READER = code(Level.CONFIDENTIAL, 3)
SPAN = datetime(2024, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


def made(links: int) -> Iterable[ObjectColumns | LinkColumns]:
    """The columns as a loader would give them."""
    rng, choose = np.random.default_rng(3), random.Random(3)
    nodes = links // 5
    ids = rng.bytes(16 * nodes)
    labels = choose.choices(LABELS, k=nodes)
    for start in range(0, nodes, BATCH):
        end = min(start + BATCH, nodes)
        yield ObjectColumns(ids[16 * start : 16 * end], labels[start:end], ["Thing"] * (end - start))
    twice = range(0, nodes, 10)
    above = [code(Level.TOP_SECRET, 16) for _ in twice]
    yield ObjectColumns(b"".join(ids[16 * i : 16 * i + 16] for i in twice), above, ["Thing"] * len(twice))
    matrix = np.frombuffer(ids, np.uint8).reshape(nodes, 16)
    for start in range(0, links, BATCH):
        count = min(BATCH, links - start)
        versions = [*range(count), *range(0, count, 10)]
        label = choose.choices(LABELS, k=count) + [code(Level.TOP_SECRET, 16)] * (len(versions) - count)
        names = choose.choices([f"relation {i}" for i in range(20)], k=count)
        source, target = rng.integers(0, nodes, count)[versions], (nodes * rng.random(count) ** 2).astype(int)[versions]
        own = np.frombuffer(rng.bytes(16 * count), np.uint8).reshape(count, 16)[versions]
        yield LinkColumns(
            own.tobytes(),
            label,
            [names[i] for i in versions],
            matrix[source].tobytes(),
            matrix[target].tobytes(),
            weights=[None if i % 2 else 1 + i % 7 / 7 for i in versions],
            valid_from=[SPAN[0] if i % 20 == 0 else None for i in versions],
            valid_to=[SPAN[1] if i % 20 == 0 else None for i in versions],
        )


def loaded(links: int) -> tuple[LinkGraph, dict[str, float]]:
    before, builder, add = memory(), Builder(), 0.0
    for columns in made(links):
        start = time.thread_time()
        if isinstance(columns, ObjectColumns):
            builder.add_objects(columns)
        else:
            builder.add_links(columns)
        add += time.thread_time() - start
    start = time.thread_time()
    graph = LinkGraph(builder.build())
    build = time.thread_time() - start
    del builder, columns
    give_back()
    return graph, {
        "batches, s": add,
        "build, s": build,
        "bytes a version of a link": graph.nbytes / graph.links,
        "of the process": (memory() - before) * 1e6 / graph.links,
        "at most, while loading": (max_memory() - before) * 1e6 / graph.links,
    }


def milliseconds(work: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> float:
    """The median."""
    times = []
    for each in arguments:
        start = time.thread_time()
        work(*each)
        times.append(time.thread_time() - start)
    return statistics.median(times) * 1e3


def questions(view: GraphView, starts: list[UUID]) -> dict[str, float]:
    """Each in milliseconds."""
    one = [(id,) for id in starts]
    pairs = list(pairwise(starts))
    return {
        "three hops": milliseconds(lambda id: view.traverse([id], max_depth=3), one),
        "three hops, with ids and paths": milliseconds(lambda id: view.traverse([id], max_depth=3).reached(), one),
        "shortest path": milliseconds(view.shortest_path, pairs),
        "shortest path, weighted": milliseconds(lambda a, b: view.shortest_path(a, b, weighted=True), pairs[:40]),
        "neighborhood, 2 links, 1,000 nodes": milliseconds(lambda id: view.neighborhood(id, radius=2), one[:40]),
        "related, first 10": milliseconds(view.related, one[:9]),
        "what is visible copied out": milliseconds(view.projection, [()]),
        "components": milliseconds(view.components, [(10,)] * 3),
        "PageRank": milliseconds(view.pagerank, [(10,)] * 3),
    }


def of_networkx(graph: nx.MultiDiGraph, starts: list[UUID]) -> dict[str, float]:
    """The same; what networkx has nothing like is left out."""
    one, pairs = [(graph, id) for id in starts], list(pairwise(starts))
    undirected = nx.Graph(graph)

    def path(start: UUID, end: UUID, weight: str | None = None) -> None:
        try:
            if weight:
                nx.bidirectional_dijkstra(graph, start, end, weight)
            else:
                nx.bidirectional_shortest_path(graph, start, end)
        except nx.NetworkXNoPath:
            pass

    return {
        "three hops": milliseconds(lambda g, id: nx.single_source_shortest_path_length(g, id, 3), one),
        "three hops, with ids and paths": milliseconds(lambda g, id: nx.single_source_shortest_path(g, id, 3), one),
        "shortest path": milliseconds(path, pairs),
        "shortest path, weighted": milliseconds(lambda a, b: path(a, b, "weight"), pairs[:40]),
        "neighborhood, 2 links, 1,000 nodes": milliseconds(
            lambda id: graph.subgraph(islice(nx.bfs_tree(undirected, id, depth_limit=2), 1_000)).copy(),
            [(id,) for id in starts[:40]],
        ),
        "components": milliseconds(lambda: list(nx.weakly_connected_components(graph)), [()]),
    }


def at_a_moment(graph: LinkGraph, starts: list[UUID]) -> float:
    """Milliseconds for three hops along the links that are valid then."""
    view = graph.view(READER, at=datetime(2025, 1, 1, tzinfo=UTC))
    return milliseconds(lambda id: view.traverse([id], max_depth=3), [(id,) for id in starts])


def changed(graph: LinkGraph, starts: list[UUID]) -> float:
    """Microseconds for a change of one link."""
    choose = random.Random(7)
    links = [
        LinkVersion(UUID(int=choose.getrandbits(128)), 0, "relation 3", *choose.sample(starts, 2)) for _ in range(5_000)
    ]
    return milliseconds(lambda link: graph.apply([link]), [(link,) for link in links]) * 1e3


def memory() -> float:
    """Megabytes that the process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def max_memory() -> float:
    """The most that it ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def show(figures: dict[str, float], beside: dict[str, float] | None = None) -> None:
    for name, value in figures.items():
        ratio = f"{beside[name] / value:10.1f} ×" if beside and name in beside else ""
        print(f"  {name:40}{value:12,.2f}{ratio}")


def main() -> None:
    links = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    graph, times = loaded(links)
    print(f"{graph.nodes:,} nodes, {graph.links:,} versions of links")
    show(times)
    view = graph.view(READER)
    starts = random.Random(5).sample(list(view), 400)
    show(questions(view, starts))
    show({"three hops, at a moment": at_a_moment(graph, starts)})
    print("with 5,000 changes")
    show({"a change, µs": changed(graph, list(view)), **questions(graph.view(READER), starts)})
    show({"compaction, s": milliseconds(graph.compact, [()]) / 1e3})
    del view, graph
    small, _ = loaded(links // 10)
    print(f"{small.links:,} versions of links; networkx takes how many times as long")
    view = small.view(READER)
    before = memory()
    theirs = convert_to_nx(view)
    bytes_each = (memory() - before) * 1e6 / theirs.number_of_edges()
    starts = random.Random(5).sample(list(view), 400)
    show({"bytes a version of a link": small.nbytes / small.links}, {"bytes a version of a link": bytes_each})
    show(questions(view, starts), of_networkx(theirs, starts))


if __name__ == "__main__":
    main()
