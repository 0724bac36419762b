"""Views in the hands of networkx, through its dispatch: natively, and by the visible subgraph for everything else."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import networkx as nx
import pytest
from hypothesis import given, settings

import fabric.graph.networkx_backend as backend
from fabric.graph import LinkVersion, ObjectVersion
from fabric.networkx_info import info
from graph.test_graph_property import some_nodes, told, view_of
from graph.worlds import NODES, Reader, Story, loaded, readers, stories

WHOLE = Story(seed=11, objects=40, links=120, changes=30)
READER = Reader(clearance=0)


@pytest.fixture
def no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(view: Any) -> Any:
        raise AssertionError("copied")

    monkeypatch.setattr(backend, "convert_to_nx", refuse)


def test_networkx_knows_the_backend() -> None:
    assert "fabric" in nx.config.backends
    assert nx.utils.backends.backend_info["fabric"] == info()
    for name in info()["functions"]:
        assert callable(getattr(backend, name))


@given(stories, readers)
@settings(max_examples=60)
def test_answers_are_those_for_the_visible_graph(story: Story, reader: Reader) -> None:
    graph, world = told(story)
    view, plain = view_of(graph, reader), world.seen(reader)
    assert {frozenset(each) for each in nx.weakly_connected_components(view)} == {
        frozenset(each) for each in nx.weakly_connected_components(plain)
    }
    assert nx.number_weakly_connected_components(view) == nx.number_weakly_connected_components(plain)
    assert nx.betweenness_centrality(view) == pytest.approx(nx.betweenness_centrality(plain))
    for options in ({}, {"weight": None, "alpha": 0.7}):
        expected = nx.pagerank(plain, max_iter=500, tol=1e-10, **options)
        assert nx.pagerank(view, max_iter=500, tol=1e-10, **options) == pytest.approx(expected, abs=1e-7)
    for start, end in pairwise(some_nodes(plain, story.choose, 4)):
        assert nx.has_path(view, start, end) == nx.has_path(plain, start, end)
        assert nx.descendants(view, start) == nx.descendants(plain, start)
        assert nx.ancestors(view, start) == nx.ancestors(plain, start)
        lengths = nx.single_source_shortest_path_length(plain, start)
        assert nx.single_source_shortest_path_length(view, start) == lengths
        assert nx.single_source_shortest_path_length(view, start, 2) == {n: d for n, d in lengths.items() if d <= 2}
        paths = nx.single_source_shortest_path(view, start)
        assert {node: len(path) - 1 for node, path in paths.items()} == lengths
        assert all(nx.is_path(plain, path) for path in paths.values())
        if end not in lengths:
            with pytest.raises(nx.NetworkXNoPath):
                nx.shortest_path(view, start, end)
            continue
        for weight in (None, "weight"):
            path = nx.shortest_path(view, start, end, weight=weight)
            assert (path[0], path[-1]) == (start, end)
            assert nx.is_path(plain, path)
            length = nx.shortest_path_length(plain, start, end, weight=weight)
            assert nx.shortest_path_length(view, start, end, weight=weight) == pytest.approx(length)


@pytest.mark.usefixtures("no_copy")
def test_what_runs_on_the_arrays_makes_no_copy() -> None:
    graph, world = told(WHOLE)
    view = graph.view(0)
    plain = world.seen(READER)
    start = max(plain, key=plain.out_degree)
    end = next(plain.successors(start))
    calls: list[Callable[[], Any]] = [
        lambda: nx.pagerank(view),
        lambda: nx.shortest_path(view, start, end),
        lambda: nx.shortest_path(view, source=start, target=end, weight="weight"),
        lambda: nx.shortest_path_length(view, start, end),
        lambda: nx.bidirectional_shortest_path(view, start, end),
        lambda: nx.has_path(view, start, end),
        lambda: nx.descendants(view, start),
        lambda: nx.ancestors(view, start),
        lambda: nx.single_source_shortest_path(view, start),
        lambda: nx.single_source_shortest_path_length(view, start),
        lambda: list(nx.weakly_connected_components(view)),
        lambda: nx.number_weakly_connected_components(view),
        lambda: nx.is_weakly_connected(view),
    ]
    for call in calls:
        call()
    with pytest.raises(AssertionError, match="copied"):
        nx.betweenness_centrality(view)


def test_arguments_of_pagerank() -> None:
    graph, world = told(WHOLE)
    view, plain = graph.view(0), world.seen(READER)
    nodes = sorted(plain)
    some: dict[UUID, float] = {nodes[0]: 2, nodes[1]: 1, UUID(int=5): 7}
    for options in (
        {"personalization": some},
        {"dangling": some},
        {"nstart": some, "weight": None},
        {"personalization": some, "dangling": {nodes[-1]: 1}, "alpha": 0.5, "weight": "unheard of"},
    ):
        expected = nx.pagerank(plain, tol=1e-10, **options)
        assert nx.pagerank(view, tol=1e-10, **options) == pytest.approx(expected, abs=1e-7)
    with pytest.raises(nx.PowerIterationFailedConvergence):
        nx.pagerank(view, max_iter=1, tol=1e-12)
    with pytest.raises(ZeroDivisionError):
        nx.pagerank(view, personalization={nodes[0]: 0})


def test_other_ways_of_asking_are_left_to_networkx() -> None:
    graph, world = told(WHOLE)
    view, plain = graph.view(0), world.seen(READER)
    start = max(plain, key=plain.out_degree)
    assert nx.shortest_path_length(view, start) == nx.shortest_path_length(plain, start)
    assert nx.shortest_path(view, start).keys() == nx.shortest_path(plain, start).keys()
    for target, length in nx.shortest_path_length(plain, start, weight="weight", method="bellman-ford").items():
        found = nx.shortest_path_length(view, start, target, weight="weight", method="bellman-ford")
        assert found == pytest.approx(length)
    with pytest.raises(nx.NodeNotFound):
        nx.shortest_path(view, start, UUID(int=5))
    with pytest.raises(nx.NetworkXPointlessConcept):
        nx.is_weakly_connected(graph.view(0, relations=[]) if not len(plain) else loaded([]).view(0))


def test_negative_weights_are_networkxs_own_affair() -> None:
    a, b, c = NODES[:3]
    objects = [ObjectVersion(node, 0, "Thing") for node in (a, b, c)]
    ends = [(a, b, 2.0), (b, c, -1.0), (a, c, 3.0)]
    links = [LinkVersion(UUID(int=i), 0, "feeds", *each) for i, each in enumerate(ends)]
    view = loaded([*objects, *links]).view(0)
    expected = nx.shortest_path(backend.convert_to_nx(view), a, c, weight="weight")
    assert nx.shortest_path(view, a, c, weight="weight") == expected
    assert nx.shortest_path(view, a, c, weight="weight", method="bellman-ford") == [a, b, c]
