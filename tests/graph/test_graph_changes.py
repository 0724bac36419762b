"""Changes, snapshots and compaction; and what graphs are made of, at the edges that random histories do not reach."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from uuid import UUID

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fabric.graph.graph
import fabric.graph.related
import fabric.graph.sight
from fabric.errors import BadInput, NotFound, TooComplex
from fabric.graph import (
    Budget,
    Change,
    Direction,
    LinkGraph,
    LinkRemoved,
    LinkVersion,
    ObjectRemoved,
    ObjectVersion,
)
from fabric.graph.base import Base, _order
from fabric.graph.compaction import compacted
from fabric.graph.ids import Ids
from fabric.graph.overlay import Overlay
from fabric.graph.versions import microseconds
from fabric.labels import Level, code
from graph.test_graph_property import answers, told
from graph.worlds import CLEARANCES, LINKS, MOMENTS, NODES, Story, loaded

LOW, HIGH = 0, code(Level.SECRET, 1)
A, B, C, D = NODES[:4]
ALL = [ObjectVersion(node, LOW, "Thing") for node in (A, B, C, D)]


def link(number: int, source: UUID, target: UUID, label: int = LOW, weight: float | None = None) -> LinkVersion:
    return LinkVersion(LINKS[number], label, "feeds", source, target, weight)


def test_hidden_and_unknown_ids_are_alike() -> None:
    graph = loaded([*ALL[:2], ObjectVersion(C, HIGH, "Thing"), ObjectVersion(D, LOW, "Thing", tombstone=True)])
    view = graph.view(LOW)
    told_of = set()
    for id in (C, D, UUID(int=12345)):
        for ask in (
            lambda id: view.traverse([A, id], max_depth=1),
            lambda id: view.shortest_path(A, id),
            lambda id: view.shortest_path(id, A, weighted=True),
            lambda id: view.neighborhood(id),
            lambda id: view.related(id),
            lambda id: view.component(id),
            lambda id: view.degree(id),
        ):
            with pytest.raises(NotFound) as caught:
                ask(id)
            told_of.add((caught.value.message, caught.value.path))
    assert len(told_of) == 1


def test_a_negative_weight_is_refused_where_it_is_seen_and_met() -> None:
    graph = loaded([*ALL, link(0, A, B), link(1, B, C), link(2, D, D, weight=-1.0), link(3, A, C, HIGH, weight=-1.0)])
    below, above = graph.view(LOW), graph.view(HIGH)
    path = below.shortest_path(A, C, weighted=True)
    assert path is not None
    assert path.nodes == (A, B, C)
    with pytest.raises(BadInput):
        above.shortest_path(A, C, weighted=True)
    assert above.shortest_path(A, C) is not None
    with pytest.raises(BadInput):
        below.pagerank(weighted=True)


def test_a_bound_on_links_finds_the_heavier_path_that_it_allows() -> None:
    graph = loaded([*ALL, *(link(i, *ends, weight=1.0) for i, ends in enumerate([(A, B), (B, C), (C, D)]))])
    graph.apply([link(4, A, D, weight=10.0), link(5, A, C, weight=3.0)])
    for max_depth, nodes in ((None, (A, B, C, D)), (3, (A, B, C, D)), (2, (A, C, D)), (1, (A, D)), (0, None)):
        path = graph.view(LOW).shortest_path(A, D, max_depth=max_depth, weighted=True)
        assert (path and path.nodes) == nodes


def test_a_weight_that_is_no_number_counts_as_none() -> None:
    for odd in (float("nan"), float("inf"), -float("inf")):
        for graph in (loaded([*ALL, link(0, A, B, weight=odd)]), loaded(ALL)):
            graph.apply([link(0, A, B, weight=odd)])
            assert graph.view(LOW).neighborhood(A).links[0].weight is None
            path = graph.view(LOW).shortest_path(A, B, weighted=True)
            assert path is not None
            assert path.weight == 1.0


def test_moments_are_half_open_and_in_utc_without_a_zone() -> None:
    start, end = MOMENTS[1], MOMENTS[2]
    graph = loaded([*ALL, LinkVersion(LINKS[0], LOW, "feeds", A, B, None, start, end)])
    graph.apply([LinkVersion(LINKS[1], LOW, "feeds", A, C, None, start, end)])
    for moment, degree in (
        (start - timedelta(microseconds=1), 0),
        (start, 2),
        (start.replace(tzinfo=None), 2),
        (end - timedelta(microseconds=1), 2),
        (end, 0),
        (None, 2),
    ):
        assert graph.view(LOW, at=moment).degree(A) == degree
    assert microseconds(datetime(1970, 1, 1, 0, 0, 1)) == 1_000_000


def test_a_batch_is_seen_as_a_whole() -> None:
    """Each batch moves the one link out of A. Whoever looks meanwhile, while it is compacted too, sees one."""
    graph = loaded([*ALL, link(0, A, B)])
    done = Event()

    def write() -> None:
        choose = random.Random(1)
        for number in range(400):
            before, after = number % 20, (number + 1) % 20
            graph.apply([LinkRemoved(LINKS[before], LOW), link(after, A, choose.choice([B, C, D]))])

    def compact() -> None:
        while not done.is_set():
            graph.compact()

    def look() -> int:
        looked = 0
        while not done.is_set():
            view = graph.view(LOW)
            assert view.degree(A) == view.degree(A, Direction.OUT) == len(view.traverse([A], max_depth=3)) == 1
            assert len(view.neighborhood(A).links) == 1
            assert [each.size for each in view.components()] == [2, 1, 1]
            looked += 1
        return looked

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(compact), pool.submit(look), pool.submit(look)]
        try:
            pool.submit(write).result()
        finally:
            done.set()
        assert all(other.result() is None or other.result() > 0 for other in others)
    assert graph.links == 1


def test_what_changes_during_a_compaction_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = loaded([*ALL, link(0, A, B), link(1, B, C)])
    graph.apply([link(2, C, D)])
    meanwhile: list[Change] = [LinkRemoved(LINKS[0], LOW), link(3, A, D), ObjectRemoved(B, LOW)]

    def slowly(overlay: Overlay, change: int) -> Base:
        graph.apply(meanwhile)
        return compacted(overlay, change)

    monkeypatch.setattr(fabric.graph.graph, "compacted", slowly)
    graph.compact()
    view = graph.view(LOW)
    assert list(view) == sorted([A, C, D])
    assert {each.id for each in view.neighborhood(D).links} == {LINKS[2], LINKS[3]}
    monkeypatch.undo()
    graph.compact()
    assert list(graph.view(LOW)) == sorted([A, C, D])


def test_a_compaction_that_fails_leaves_the_graph_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = loaded(ALL)
    graph.apply([link(0, A, B)])

    def fails(overlay: Overlay, change: int) -> Base:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(fabric.graph.graph, "compacted", fails)
        with pytest.raises(MemoryError):
            graph.compact()
    graph.apply([link(1, A, C)])
    assert graph.view(LOW).degree(A) == 2
    graph.compact()
    assert graph.view(LOW).degree(A) == 2


def test_compaction_drops_what_is_gone() -> None:
    graph = loaded([*ALL, *(link(i, A, B, HIGH, weight=1.0) for i in range(10))])
    graph.apply([LinkRemoved(LINKS[i], HIGH) for i in range(10)] + [ObjectRemoved(D, LOW)])
    assert graph.links == 0
    graph.compact()
    assert (graph.nodes, graph.links) == (3, 0)
    assert list(graph.view(HIGH)) == sorted([A, B, C])


def test_compaction_is_worth_while_after_many_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fabric.graph.graph, "LEAST_CHANGES", 3)
    graph = loaded(ALL)
    for number in range(3):
        assert not graph.worth_compacting
        graph.apply([link(number, A, B), link(number, A, B)])
    assert not graph.worth_compacting
    graph.apply([link(3, A, B)])
    assert graph.worth_compacting
    graph.compact()
    assert not graph.worth_compacting


def test_what_is_related_in_a_large_graph_is_told_as_exactly_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here 2,000 nodes count as large: only the part around the node is looked at."""
    monkeypatch.setattr(fabric.graph.related, "ENOUGH", 100)
    monkeypatch.setattr(fabric.graph.related, "COARSEST", 1e-3)
    choose = random.Random(6)
    nodes = [UUID(int=choose.getrandbits(128)) for _ in range(2_000)]
    ends = [choose.choices(nodes, k=2) for _ in range(6_000)]
    links = [LinkVersion(UUID(int=choose.getrandbits(128)), LOW, "near", *each) for each in ends]
    view = loaded([*(ObjectVersion(node, LOW, "Thing") for node in nodes), *links], batch=1_000).view(LOW)
    related = view.related(nodes[0], 3_000, budget=Budget(3_000))
    assert 10 < len(related) < 1_500
    undirected = nx.MultiGraph(ends)
    exact = nx.pagerank(undirected, personalization={nodes[0]: 1}, tol=1e-12, max_iter=1_000)
    for each in related:
        assert -1e-9 < exact[each.id] - each.score <= 1e-3 * undirected.degree(each.id)


def test_many_nodes_are_walked_through_before_the_first_compaction() -> None:
    graph = LinkGraph.empty()
    nodes = [UUID(int=number) for number in range(1, 200)]
    links = [LinkVersion(UUID(int=number.int + 1_000), LOW, "near", A, number) for number in nodes]
    graph.apply([*(ObjectVersion(node, LOW, "Thing") for node in (A, *nodes)), *links])
    assert len(graph.view(LOW).traverse([A], max_depth=3)) == len(nodes)


def test_an_empty_graph_answers() -> None:
    view = LinkGraph.empty().view(HIGH)
    assert (list(view), view.components(), view.pagerank(), view.pagerank(weighted=True)) == ([], [], [], [])
    assert view.traverse([], max_depth=3).reached() == []
    graph = LinkGraph.empty()
    graph.apply([*ALL, link(0, A, B)])
    assert graph.view(LOW).traverse([A], max_depth=3).ids() == [B]


@given(st.integers(0, 1000), st.sampled_from(CLEARANCES))
@settings(max_examples=20)
def test_large_steps_and_small_ones_find_the_same(seed: int, clearance: int) -> None:
    graph, _ = told(Story(seed, 20, 80, 20))
    at_once = answers(graph.view(clearance), random.Random(seed))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fabric.graph.sight, "AT_ONCE", 3)
        patched.setattr(fabric.graph.sight, "FEW", 0)
        assert answers(graph.view(clearance), random.Random(seed)) == at_once


def test_many_labels_types_and_relations() -> None:
    """More of each than fit into a byte, loaded and changed."""
    choose = random.Random(2)
    many = [UUID(int=choose.getrandbits(128)) for _ in range(400)]
    objects = [ObjectVersion(id, i << 1, f"Type {i}") for i, id in enumerate(many)]
    links = [
        LinkVersion(UUID(int=choose.getrandbits(128)), i << 1, f"relation {i}", many[i], many[i - 1])
        for i in range(len(many))
    ]
    everything = code(Level.TOP_SECRET, (1 << 60) - 1)
    for graph in (loaded([*objects, *links], batch=100), LinkGraph.empty()):
        graph.apply([*objects, *links])
        for _ in range(2):
            view = graph.view(everything)
            reached = view.traverse([many[-1]], max_depth=500).reached()
            assert [each.type_name for each in reached] == [f"Type {i}" for i in reversed(range(399))]
            assert graph.view(everything, relations=["relation 7"]).traverse([many[7]], max_depth=9).ids() == [many[6]]
            assert list(graph.view(2)) == sorted(many[:2])
            graph.compact()


def test_a_link_takes_at_most_sixty_bytes() -> None:
    """With weights and intervals, some in two versions, and five links a node."""
    choose, nodes = random.Random(3), [UUID(int=i << 64 | i) for i in range(1, 4_001)]
    versions: list[ObjectVersion | LinkVersion] = [ObjectVersion(id, LOW, "Thing") for id in nodes]
    for _ in range(20_000):
        id, (source, target) = UUID(int=choose.getrandbits(128)), choose.choices(nodes, k=2)
        labels = (LOW, HIGH) if choose.random() < 0.1 else (choose.choice([LOW, HIGH]),)
        start = choose.choice([None, None, None, *MOMENTS])
        for label in labels:
            versions.append(LinkVersion(id, label, choose.choice("abc"), source, target, choose.random(), start))
    graph = loaded(versions, batch=5_000)
    assert graph.nbytes / graph.links <= 60


def test_the_order_of_links_does_not_depend_on_how_many_nodes_there_are() -> None:
    """Beyond some hundred million nodes its keys do not fit into one number any more."""
    choose = np.random.default_rng(1)
    mine, other, relation = (choose.integers(0, 20, 500) for _ in range(3))
    ids = choose.permutation(500)
    usual = _order(mine, relation, other, 20, ids)
    assert np.array_equal(_order(mine, relation, other, 1 << 40, ids), usual)


def test_ids_are_found_whatever_they_share() -> None:
    choose = random.Random(5)
    numbers = sorted({choose.choice([0, 1, 2**64 - 1, 2**63]) << 64 | choose.getrandbits(64) for _ in range(500)})
    known = Ids.of([UUID(int=number) for number in numbers])
    others = [number ^ 1 for number in numbers]
    for count in (len(numbers), 30_000):
        wanted = choose.choices([*numbers, *others], k=count)
        places = {number: place for place, number in enumerate(numbers)}
        assert known.find(Ids.of_numbers(wanted)).tolist() == [places.get(number, -1) for number in wanted]
    assert [id.int for id in known.uuids()] == numbers


def test_a_budget_can_be_shared() -> None:
    graph = loaded([*ALL, link(0, A, B), link(1, A, C)])
    view, budget = graph.view(LOW), Budget(4)
    view.traverse([A], max_depth=1, budget=budget)
    view.traverse([A], max_depth=1, budget=budget)
    with pytest.raises(TooComplex):
        view.traverse([A], max_depth=1, budget=budget)
