"""Random histories: every answer of a view is that of plain networkx on the graph with all that is hidden taken out."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import inf
from typing import Any
from uuid import UUID

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.errors import NotFound, TooComplex
from fabric.graph import (
    Budget,
    Change,
    Direction,
    GraphView,
    LinkGraph,
    LinkVersion,
    ObjectVersion,
    Path,
    convert_to_nx,
)
from fabric.labels import dominates
from graph.worlds import (
    LABELS,
    NODES,
    TYPES,
    Reader,
    Story,
    World,
    further_of,
    links_of,
    loaded,
    readers,
    stories,
    walked,
)


def told(story: Story) -> tuple[LinkGraph, World]:
    """Its beginning as columns, the rest in steps, with compaction now and then."""
    return told_as(story.loaded(), story.changed(), story.choose)


def told_as(
    load: Sequence[ObjectVersion | LinkVersion], changes: Sequence[Change], choose: random.Random
) -> tuple[LinkGraph, World]:
    world = World()
    graph = loaded(load, batch=choose.randint(1, 30))
    world.apply(load)
    start = 0
    while start < len(changes):
        step = changes[start : start + choose.randint(1, 5)]
        graph.apply(step)
        world.apply(step)
        start += len(step)
        if choose.random() < 0.1:
            graph.compact()
    return graph, world


def view_of(graph: LinkGraph, reader: Reader) -> GraphView:
    return graph.view(reader.clearance, at=reader.at, relations=reader.relations, further=further_of(reader))


def some_nodes(plain: nx.MultiDiGraph, choose: random.Random, count: int) -> list[UUID]:
    return choose.choices(sorted(plain), k=count) if len(plain) else []


def check_budget(ask: Callable[..., Any], looked_at: int) -> None:
    """Just enough is enough, and one link less is not."""
    ask(budget=Budget(looked_at))
    if looked_at:
        with pytest.raises(TooComplex):
            ask(budget=Budget(looked_at - 1))


@given(stories, readers)
@settings(max_examples=80)
def test_nodes_degrees_and_conversion(story: Story, reader: Reader) -> None:
    graph, world = told(story)
    view, plain = view_of(graph, reader), world.seen(reader)
    assert list(view) == sorted(plain)
    assert len(view) == len(plain)
    for node in NODES:
        assert (node in view) == (node in plain)
        if node not in plain:
            with pytest.raises(NotFound):
                view.degree(node)
            continue
        for direction in Direction:
            degree = len(links_of(plain, node, direction))
            assert view.degree(node, direction) == degree
            check_budget(partial(view.degree, node, direction), degree)
    copied = convert_to_nx(view)
    assert dict(copied.nodes(data=True)) == dict(plain.nodes(data=True))
    assert edges(copied) == edges(plain)


def edges(graph: nx.MultiDiGraph) -> dict[UUID, Any]:
    return {link: (source, target, data) for source, target, link, data in graph.edges(keys=True, data=True)}


@given(stories, readers, st.sampled_from(list(Direction)))
@settings(max_examples=100)
def test_traversal(story: Story, reader: Reader, direction: Direction) -> None:
    (graph, world), choose = told(story), story.choose
    view, plain = view_of(graph, reader), world.seen(reader)
    starts = list(dict.fromkeys(some_nodes(plain, choose, choose.randint(0, 3))))
    options: dict[str, Any] = {
        "max_depth": choose.randint(0, 6),
        "limit": choose.choice([None, None, 0, 1, 2, 3, 5]),
        "types": choose.choice([None, None, TYPES[:1], TYPES[1:], ["Unheard"]]),
        "through": choose.choice([None, None, TYPES[:2]]),
    }
    found, listed, looked_at = walked(plain, starts, direction, **options)
    traversal = view.traverse(starts, direction, **options)
    assert traversal.ids() == listed
    assert len(traversal) == len(listed)
    assert traversal.depths() == [found[node].depth for node in listed]
    for each in traversal.reached():
        way = found[each.id]
        assert (each.depth, each.nodes, each.links) == (way.depth, way.nodes, way.links)
        assert each.type_name == plain.nodes[each.id]["type_name"]
    check_budget(partial(view.traverse, starts, direction, **options), looked_at)
    hidden = [node for node in NODES if node not in plain]
    if hidden:
        with pytest.raises(NotFound):
            view.traverse([*starts, choose.choice(hidden)], max_depth=1)


def follows(plain: nx.MultiDiGraph, path: Path, direction: Direction) -> float:
    """Its weight, if each of its links leads on in this direction."""
    assert len(path.nodes) == len(path.links) + 1
    weight = 0.0
    for (node, following), link in zip(pairwise(path.nodes), path.links, strict=True):
        assert (following, link) in links_of(plain, node, direction)
        data = plain.get_edge_data(node, following, link) or plain.get_edge_data(following, node, link)
        weight += data.get("weight", 1.0)
    return weight


def turned(plain: nx.MultiDiGraph, direction: Direction) -> nx.MultiDiGraph | nx.MultiGraph:
    """The graph in which this direction is forward."""
    if direction is Direction.BOTH:
        return nx.MultiGraph(plain)
    return plain if direction is Direction.OUT else plain.reverse()


@given(stories, readers, st.sampled_from(list(Direction)))
@settings(max_examples=100)
def test_shortest_paths(story: Story, reader: Reader, direction: Direction) -> None:
    (graph, world), choose = told(story), story.choose
    view, plain = view_of(graph, reader), world.seen(reader)
    max_depth = choose.choice([None, None, 1, 2, 3])
    for start, end in pairwise(some_nodes(plain, choose, 4)):
        path = view.shortest_path(start, end, direction, max_depth=max_depth)
        try:
            length = nx.shortest_path_length(turned(plain, direction), start, end)
        except nx.NetworkXNoPath:
            length = inf
        assert (path is None) == (length > (inf if max_depth is None else max_depth) or length == inf)
        if path is not None:
            assert len(path.links) == length
            assert (path.nodes[0], path.nodes[-1]) == (start, end)
            assert path.weight == pytest.approx(follows(plain, path, direction))
        lightest = view.shortest_path(start, end, direction, max_depth=max_depth, weighted=True)
        weight = least_weights(plain, start, direction, len(NODES) if max_depth is None else max_depth).get(end)
        assert (lightest is None) == (weight is None)
        if lightest is not None:
            assert lightest.weight == pytest.approx(weight)
            assert lightest.weight == pytest.approx(follows(plain, lightest, direction))
            assert (lightest.nodes[0], lightest.nodes[-1]) == (start, end)
            assert max_depth is None or len(lightest.links) <= max_depth


def least_weights(plain: nx.MultiDiGraph, start: UUID, direction: Direction, links: int) -> dict[UUID, float]:
    """Of the paths with at most so many links, by their end."""
    found = {start: 0.0}
    for _ in range(links):
        known = dict(found)
        for node, weight in known.items():
            for end, link in links_of(plain, node, direction):
                data = plain.get_edge_data(node, end, link) or plain.get_edge_data(end, node, link)
                found[end] = min(found.get(end, inf), weight + data.get("weight", 1.0))
    return found


@given(stories, readers)
@settings(max_examples=80)
def test_neighborhoods(story: Story, reader: Reader) -> None:
    (graph, world), choose = told(story), story.choose
    view, plain = view_of(graph, reader), world.seen(reader)
    for of in some_nodes(plain, choose, 1):
        radius, limit = choose.randint(0, 3), choose.choice([1, 2, 4, 100])
        found, listed, looked_at = walked(plain, [of], Direction.BOTH, radius, limit - 1)
        neighborhood = view.neighborhood(of, radius=radius, limit=limit)
        assert [node.id for node in neighborhood.nodes] == [of, *listed] == list(found)
        assert [node.depth for node in neighborhood.nodes] == [found[node].depth for node in found]
        assert [node.type_name for node in neighborhood.nodes] == [plain.nodes[node]["type_name"] for node in found]
        inside = [
            (node, end, link) for node in found for end, link in links_of(plain, node, Direction.OUT) if end in found
        ]
        assert [(link.source, link.target, link.id) for link in neighborhood.links] == inside
        for link in neighborhood.links:
            data = plain.edges[link.source, link.target, link.id]
            assert (link.relation, link.weight) == (data["relation"], data.get("weight"))
        looked_at += sum(plain.out_degree(node) for node in found)
        check_budget(partial(view.neighborhood, of, radius=radius, limit=limit), looked_at)


@given(stories, readers)
@settings(max_examples=80)
def test_what_is_related(story: Story, reader: Reader) -> None:
    (graph, world), choose = told(story), story.choose
    view, plain = view_of(graph, reader), world.seen(reader)
    undirected = nx.MultiGraph()
    undirected.add_nodes_from(plain)
    undirected.add_edges_from((source, target, link) for source, target, link in plain.edges(keys=True))
    for to in some_nodes(plain, choose, 1):
        related = {each.id: each.score for each in view.related(to, 100)}
        expected = nx.pagerank(undirected, personalization={to: 1}, tol=1e-12, max_iter=1_000)
        assert related.keys() == nx.node_connected_component(undirected, to) - {to}
        for id, score in related.items():
            assert score == pytest.approx(expected[id], abs=1e-6)
        assert list(related.items()) == sorted(related.items(), key=lambda each: (-each[1], each[0]))
        assert [each.id for each in view.related(to, 2)] == list(related)[:2]
        looked_at = sum(len(links_of(plain, node, Direction.BOTH)) for node in [*related, to])
        check_budget(partial(view.related, to), looked_at)


@given(stories, readers)
@settings(max_examples=80)
def test_the_whole(story: Story, reader: Reader) -> None:
    graph, world = told(story)
    view, plain = view_of(graph, reader), world.seen(reader)
    links = plain.number_of_edges()
    expected = sorted((-len(each), min(each)) for each in nx.weakly_connected_components(plain))
    assert [(-each.size, each.id) for each in view.components()] == expected
    assert view.components(2) == view.components()[:2]
    for node in plain:
        component = nx.node_connected_component(nx.Graph(plain), node)
        found = view.component(node)
        assert (found.id, found.size) == (min(component), len(component))
    for weight in (None, "weight"):
        ranks = {each.id: each.score for each in view.pagerank(weighted=weight is not None)}
        theirs = nx.pagerank(plain, weight=weight, tol=1e-12, max_iter=1_000)
        assert ranks.keys() == theirs.keys()
        for id, score in ranks.items():
            assert score == pytest.approx(theirs[id], abs=1e-6)
    for ask in (view.components, view.pagerank, partial(view.pagerank, weighted=True)):
        check_budget(ask, links)


def answers(view: GraphView, choose: random.Random) -> list[Any]:
    """Everything, in the order in which it comes, budgets that are just not enough included."""
    nodes = list(view)
    found: list[Any] = [nodes, view.components(), view.pagerank(), view.pagerank(weighted=True)]
    found.append([edges(convert_to_nx(view))])
    for node in nodes:
        for direction in Direction:
            found.append(view.traverse([node], direction, max_depth=4).reached())
            found.append(view.traverse([node], direction, max_depth=4, limit=2).reached())
            for end in choose.sample(nodes, min(3, len(nodes))):
                found.append(view.shortest_path(node, end, direction))
                found.append(view.shortest_path(node, end, direction, weighted=True))
        found += [view.neighborhood(node, radius=2, limit=4), view.related(node), view.component(node)]
        for _ in range(4):
            budget = choose.randint(0, 12)
            for ask in (
                partial(view.shortest_path, node, nodes[0], Direction.BOTH),
                partial(view.shortest_path, node, nodes[0], Direction.BOTH, weighted=True),
                partial(view.related, node),
                partial(view.neighborhood, node, radius=2),
            ):
                try:
                    found.append(ask(budget=Budget(budget)))
                except TooComplex:
                    found.append("too complex")
    return found


@given(stories, stories, readers)
@settings(max_examples=60)
def test_what_is_hidden_changes_nothing(story: Story, another: Story, reader: Reader) -> None:
    """Another history, in another order, with other hidden versions, that leaves the same for the reader to see."""
    (graph, world), choose = told(story), story.choose
    kept = [v for v in [*world.objects.values(), *world.links.values()] if dominates(reader.clearance, v.label)]
    hidden = [v for v in [*another.loaded(), *another.changed()] if not dominates(reader.clearance, v.label)]
    otherwise = choose.sample([*kept, *hidden], len(kept) + len(hidden))
    early = [each for each in otherwise[: len(kept)] if isinstance(each, ObjectVersion | LinkVersion)]
    other, _ = told_as(early, [each for each in otherwise if each not in early], choose)
    assert answers(view_of(other, reader), another.choose) == answers(view_of(graph, reader), another.choose)


@given(stories, stories, readers)
@settings(max_examples=30)
def test_a_view_stays_as_it_was(story: Story, another: Story, reader: Reader) -> None:
    (graph, _), choose = told(story), story.choose
    view = view_of(graph, reader)
    before = answers(view, another.choose)
    for change in another.changed():
        graph.apply([change])
        if choose.random() < 0.1:
            graph.compact()
    assert answers(view, another.choose) == before


@given(stories)
@settings(max_examples=40)
def test_what_is_applied_twice_is_applied_once(story: Story) -> None:
    (graph, world), choose = told(story), story.choose
    again: list[Change] = [*world.objects.values(), *world.links.values()]
    choose.shuffle(again)
    before = graph.nodes, graph.links, graph.nbytes
    graph.apply(again)
    assert (graph.nodes, graph.links, graph.nbytes) == before
    assert graph.links == len(world.links)
    for clearance in LABELS:
        assert list(graph.view(clearance)) == sorted(world.seen(Reader(clearance)))
