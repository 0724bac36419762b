"""Views as graphs of networkx: its functions take a `GraphView` as it is, by its dispatch to backends.

What is below runs on the arrays. For everything else the visible subgraph is copied into a `networkx.MultiDiGraph`;
networkx does that only if it may fall back to its own code, so that is switched on here. Nodes are UUIDs, a link's key
is its id, and its weight is there where it has one. None of this has a budget.
"""

from collections.abc import Callable, Iterator, Mapping
from math import isnan
from typing import Any, TypeVar
from uuid import UUID

import networkx as nx
import numpy as np

from fabric.errors import BadInput, NotFound
from fabric.graph.arrays import Floats
from fabric.graph.paths import Path
from fabric.graph.projection import components, project_with_places
from fabric.graph.ranking import DAMPING, NotConverged
from fabric.graph.ranking import pagerank as ranks_of
from fabric.graph.sight import Direction
from fabric.graph.view import GraphView

R = TypeVar("R")

WEIGHT = "weight"

nx.config.fallback_to_nx = True


def convert_to_nx(view: GraphView) -> nx.MultiDiGraph:
    """All that is visible, nodes with `type_name`, links with `relation` and, if they have one, `weight`."""
    sight = view.sight
    projection, places = project_with_places(sight)
    nodes = sight.ids(projection.nodes).uuids()
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(
        (id, {"type_name": name}) for id, name in zip(nodes, sight.type_names(projection.nodes), strict=True)
    )
    weights = sight.weights(places).tolist()
    ends = zip(projection.source.tolist(), projection.target.tolist(), strict=True)
    links = zip(ends, sight.link_ids(places).uuids(), sight.relations_of(places), weights, strict=True)
    graph.add_edges_from(
        (nodes[source], nodes[target], id, {"relation": name} | ({} if isnan(weight) else {WEIGHT: weight}))
        for (source, target), id, name, weight in links
    )
    return graph


def convert_from_nx(graph: Any, **_: Any) -> GraphView:
    raise NotImplementedError("a view is of links that are stored; other graphs cannot be made into one")


def _found(ask: Callable[[], R]) -> R:
    """In the words of networkx. What is refused here is left to its own code, with its own rules."""
    try:
        return ask()
    except NotFound:
        raise nx.NodeNotFound("a node is not in the graph") from None
    except BadInput as error:
        raise NotImplementedError(error.message) from error


# Paths


def _path(view: GraphView, source: Any, target: Any, weight: Any, method: str) -> Path:
    if weight not in (None, WEIGHT) or not (isinstance(source, UUID) and isinstance(target, UUID)):
        raise NotImplementedError("one path, by number of links or by weight")
    if method != "dijkstra":
        raise NotImplementedError("Dijkstra's alone")
    path = _found(lambda: view.shortest_path(source, target, weighted=weight is not None))
    if path is None:
        raise nx.NetworkXNoPath(f"no path between {source} and {target}")
    return path


def shortest_path(
    view: GraphView, source: Any = None, target: Any = None, weight: Any = None, method: str = "dijkstra"
) -> list[UUID]:
    return list(_path(view, source, target, weight, method).nodes)


def bidirectional_shortest_path(view: GraphView, source: Any, target: Any) -> list[UUID]:
    return shortest_path(view, source, target)


def shortest_path_length(
    view: GraphView, source: Any = None, target: Any = None, weight: Any = None, method: str = "dijkstra"
) -> float:
    path = _path(view, source, target, weight, method)
    return len(path.links) if weight is None else path.weight


def has_path(view: GraphView, source: Any, target: Any) -> bool:
    try:
        shortest_path(view, source, target)
    except nx.NetworkXNoPath:
        return False
    return True


# What can be reached


def _all(view: GraphView, cutoff: float | None) -> int:
    return len(view) if cutoff is None else int(cutoff)


def single_source_shortest_path(view: GraphView, source: Any, cutoff: float | None = None) -> dict[UUID, list[UUID]]:
    reached = _found(lambda: view.traverse([source], max_depth=_all(view, cutoff))).reached()
    return {source: [source]} | {each.id: list(each.nodes) for each in reached}


def single_source_shortest_path_length(view: GraphView, source: Any, cutoff: float | None = None) -> dict[UUID, int]:
    traversal = _found(lambda: view.traverse([source], max_depth=_all(view, cutoff)))
    return {source: 0} | dict(zip(traversal.ids(), traversal.depths(), strict=True))


def descendants(view: GraphView, source: Any) -> set[UUID]:
    return set(_found(lambda: view.traverse([source], max_depth=len(view))).ids())


def ancestors(view: GraphView, source: Any) -> set[UUID]:
    return set(_found(lambda: view.traverse([source], Direction.IN, max_depth=len(view))).ids())


# The whole


def pagerank(
    view: GraphView,
    alpha: float = DAMPING,
    personalization: Mapping[UUID, float] | None = None,
    max_iter: int = 100,
    tol: float = 1e-6,
    nstart: Mapping[UUID, float] | None = None,
    weight: Any = WEIGHT,
    dangling: Mapping[UUID, float] | None = None,
) -> dict[UUID, float]:
    if weight == WEIGHT:
        projection, weights = _found(view.weighted_projection)
    else:
        projection, weights = view.projection(), None
    nodes = list(view)

    def distribution(given: Mapping[UUID, float] | None) -> Floats | None:
        if given is None:
            return None
        values: Floats = np.array([given.get(node, 0.0) for node in nodes], np.float64)
        if not values.sum():
            raise ZeroDivisionError
        values /= values.sum()
        return values

    try:
        ranks = ranks_of(
            projection,
            weights,
            damping=alpha,
            personalization=distribution(personalization),
            dangling=distribution(dangling),
            start=distribution(nstart),
            rounds=max_iter,
            tolerance=tol * len(nodes),
        )
    except NotConverged:
        raise nx.PowerIterationFailedConvergence(max_iter) from None
    return dict(zip(nodes, ranks.tolist(), strict=True))


def weakly_connected_components(view: GraphView) -> Iterator[set[UUID]]:
    found: dict[int, set[UUID]] = {}
    for node, label in zip(view, components(view.projection()).tolist(), strict=True):
        found.setdefault(label, set()).add(node)
    return iter(found.values())


def number_weakly_connected_components(view: GraphView) -> int:
    return len(view.components())


def is_weakly_connected(view: GraphView) -> bool:
    if not len(view):
        raise nx.NetworkXPointlessConcept("Connectivity is undefined for the null graph.")
    return len(view.components()) == 1
