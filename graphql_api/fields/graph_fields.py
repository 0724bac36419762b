"""The fields of Query that walk the link graph: what they are asked, and what they give.

Everything is computed on what the session label sees. Graphs are in memory and follow the events, so they may be a
moment behind; `atLeast` waits for a change of one's own. Inferred links are those that are stored by now. Objects and
links are then read as they are stored: what has gone meanwhile is left out.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLString,
)

from fabric.errors import BadInput, NotFound, TimedOut
from fabric.graph import Budget, Direction, GraphView
from fabric.types.catalogue import Catalogue
from graphql_api.at_least import position_at
from graphql_api.context import Info
from graphql_api.fields.batches import load, load_object, read_objects
from graphql_api.fields.shaping import by_response_key
from graphql_api.fields.told_links import read_links
from graphql_api.schema.event_types import DIRECTION
from graphql_api.streaming.filters import StoredFilter, filter_tree

T = TypeVar("T")

MOST_FILTERED = 10_000
"""Nodes that a filter may be asked of in one traversal."""


def _required(type_: Any) -> Any:
    return GraphQLNonNull(type_)


def _listed(type_: Any) -> Any:
    return _required(GraphQLList(_required(type_)))


async def _node(value: Mapping[str, Any], info: Info) -> Any:
    return await load_object(info, value["node"])


async def _nodes(value: Mapping[str, Any], info: Info) -> Any:
    return await load(info, value["nodes"], read_objects)


async def _links(value: Mapping[str, Any], info: Info) -> Any:
    return await load(info, value["links"], _read_links)


async def _read_links(info: Info, ids: Sequence[UUID]) -> dict[UUID, Any]:
    info.context.spend(info.path.as_list(), len(ids))
    return {id: by_response_key(link, info) for id, link in (await read_links(info.context, ids)).items()}


class GraphFields:
    """Made for each schema, since they lead to its objects and filters."""

    def __init__(
        self, catalogue: Catalogue, scalars: Mapping[str, GraphQLScalarType], any_object: GraphQLInterfaceType,
        link: GraphQLObjectType,
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._json, self._time = scalars["JSON"], scalars["DateTime"]
        nodes = GraphQLField(_listed(any_object), resolve=_nodes)
        links = GraphQLField(_listed(link), resolve=_links)
        node = GraphQLField(any_object, resolve=_node, description="Null if it has gone meanwhile.")
        self._path = GraphQLObjectType(
            "GraphPath",
            {
                "length": GraphQLField(_required(GraphQLInt), description="The number of links."),
                "weight": GraphQLField(GraphQLFloat, description="Of a path by weights; a link without one counts 1."),
                "nodes": nodes,
                "links": links,
            },
        )
        depth, path = GraphQLField(_required(GraphQLInt)), GraphQLField(_required(self._path))
        traversed = GraphQLObjectType("TraversedNode", {"depth": depth, "node": node, "path": path})
        more = GraphQLField(_required(GraphQLBoolean), description="Whether there were more than asked for.")
        self._traversal = GraphQLObjectType("Traversal", {"nodes": GraphQLField(_listed(traversed)), "hasMore": more})
        self._subgraph = GraphQLObjectType("Subgraph", {"nodes": nodes, "links": links, "hasMore": more})
        score = GraphQLField(_required(GraphQLFloat), description="Its part of a random walk from there.")
        self._related = GraphQLObjectType("RelatedNode", {"score": score, "node": node})
        self._component = GraphQLObjectType(
            "ConnectedComponent",
            {
                "lowestId": GraphQLField(_required(GraphQLID), description="The lowest id in it names it."),
                "size": GraphQLField(_required(GraphQLInt)),
            },
        )

    def fields(self) -> GraphQLFieldMap:
        names = GraphQLList(_required(GraphQLString))
        one_id = GraphQLArgument(_required(GraphQLID))
        seen = {
            "relations": GraphQLArgument(names, description="Follow these relations only."),
            "inferred": GraphQLArgument(
                _required(GraphQLBoolean), default_value=False, description="Follow inferred links too, each as one."
            ),
            "asOf": GraphQLArgument(self._time, description="Follow links that are valid then."),
            "atLeast": GraphQLArgument(GraphQLString, description="A position that a mutation gave: wait for it."),
        }
        out = GraphQLArgument(_required(DIRECTION), default_value="OUT")
        both = GraphQLArgument(_required(DIRECTION), default_value="BOTH")
        depth = GraphQLArgument(GraphQLInt, description="Most links on a path.")
        first = GraphQLArgument(GraphQLInt)
        radius = GraphQLArgument(_required(GraphQLInt), default_value=1)
        types = GraphQLArgument(names, description="Give objects of these types only; paths may lead through others.")
        where = GraphQLArgument(self._json, description="As the type's list takes it; `types` names that one type.")
        start = {"from": GraphQLArgument(_listed(GraphQLID))}
        return {
            "traverse": GraphQLField(
                _required(self._traversal),
                start | {"direction": out, "maxDepth": depth, "types": types, "where": where, "first": first} | seen,
                self._traverse, description="What can be reached, nearest first, each with a shortest path.",
            ),
            "shortestPath": GraphQLField(
                self._path,
                {"from": one_id, "to": one_id, "direction": out, "maxDepth": depth}
                | {"weighted": GraphQLArgument(_required(GraphQLBoolean), default_value=False)} | seen,
                self._shortest_path, description="By number of links, or by their weights; null where there is none.",
            ),
            "neighborhood": GraphQLField(
                _required(self._subgraph),
                {"of": one_id, "radius": radius, "first": first} | seen,
                self._neighborhood, description="What is near, in any direction, with all links among it.",
            ),
            "related": GraphQLField(
                _listed(self._related), {"to": one_id, "first": first} | seen, self._relate,
                description="By personalized PageRank over links in any direction.",
            ),
            "linkDegree": GraphQLField(
                _required(GraphQLInt), {"of": one_id, "direction": both} | seen, self._degree,
                description="How many links it has.",
            ),
            "connectedComponent": GraphQLField(
                _required(self._component), {"of": one_id} | seen, self._component_of,
                description="All that it is connected with, in whatever direction.",
            ),
            "connectedComponents": GraphQLField(
                _listed(self._component), {"first": first} | seen, self._components, description="Largest first."
            ),
        }  # fmt: skip

    async def _traverse(self, _: Any, info: Info, **given: Any) -> Any:
        asked = await _Asked.of(info, given, self._catalogue)
        starts = [asked.node(info, id, "from", i) for i, id in enumerate(given["from"])]
        first, depth = asked.first(info), asked.depth()
        types = given.get("types")
        family = None if types is None else self._family(types)
        where = self._filter(info, given)

        def walk(limit: int) -> Callable[[GraphView], Any]:
            return lambda view: view.traverse(
                starts, asked.direction, max_depth=depth, limit=limit, types=family, budget=asked.budget
            )

        traversal = await asked.look(walk(first + 1 if where is None else MOST_FILTERED + 1))
        chosen = traversal.ids()
        if where is not None:
            if len(chosen) > MOST_FILTERED:
                raise BadInput(f"a filter is asked of at most {MOST_FILTERED:,} objects; go less deep", ("where",))
            info.context.spend([*info.path.as_list(), "where"], len(chosen))
            subject, services = info.context.subject, info.context.services
            chosen = await where.passing(
                services.database, services.types.encryption, subject, info.context.organization, chosen
            )
        kept = set(chosen[:first])
        reached = [each for each in await asyncio.to_thread(traversal.reached) if each.id in kept]
        nodes = [
            {"depth": r.depth, "node": r.id, "path": {"length": r.depth, "nodes": r.nodes, "links": r.links}}
            for r in reached
        ]
        return {"nodes": nodes, "hasMore": len(chosen) > first}

    async def _shortest_path(self, _: Any, info: Info, **given: Any) -> Any:
        asked = await _Asked.of(info, given, self._catalogue)
        start, end = asked.node(info, given["from"], "from"), asked.node(info, given["to"], "to")
        path = await asked.look(
            lambda view: view.shortest_path(
                start, end, asked.direction, max_depth=asked.depth(), weighted=given["weighted"], budget=asked.budget
            )
        )
        if path is None:
            return None
        weight = path.weight if given["weighted"] else None
        return {"length": len(path.links), "weight": weight, "nodes": path.nodes, "links": path.links}

    async def _neighborhood(self, _: Any, info: Info, **given: Any) -> Any:
        asked = await _Asked.of(info, given, self._catalogue)
        of, first = asked.node(info, given["of"], "of"), asked.first(info, least=1)
        radius = asked.within("radius", asked.most_depth)
        near = await asked.look(
            lambda view: view.neighborhood(of, radius=radius, limit=first + 1, budget=asked.budget)
        )
        nodes = [node.id for node in near.nodes[:first]]
        kept = set(nodes)
        links = [link.id for link in near.links if link.source in kept and link.target in kept]
        return {"nodes": nodes, "links": links, "hasMore": len(near.nodes) > first}

    async def _relate(self, _: Any, info: Info, **given: Any) -> Any:
        asked = await _Asked.of(info, given, self._catalogue)
        to, first = asked.node(info, given["to"], "to"), asked.first(info)
        scored = await asked.look(lambda view: view.related(to, first, budget=asked.budget))
        return [{"score": each.score, "node": each.id} for each in scored]

    async def _degree(self, _: Any, info: Info, **given: Any) -> Any:
        asked = await _Asked.of(info, given, self._catalogue)
        of = asked.node(info, given["of"], "of")
        return await asked.look(lambda view: view.degree(of, asked.direction, budget=asked.budget))

    async def _component_of(self, _: Any, info: Info, **given: Any) -> Any:
        asked = await _Asked.of(info, given, self._catalogue)
        of = asked.node(info, given["of"], "of")
        component = await asked.look(lambda view: view.component(of, budget=asked.budget))
        return {"lowestId": str(component.id), "size": component.size}

    async def _components(self, _: Any, info: Info, **given: Any) -> Any:
        asked = await _Asked.of(info, given, self._catalogue)
        first = asked.first(info)
        found = await asked.look(lambda view: view.components(first, budget=asked.budget))
        return [{"lowestId": str(component.id), "size": component.size} for component in found]

    def _family(self, names: list[str]) -> set[str]:
        """What the reader does not see as a type names no object."""
        types = self._catalogue.types
        return {member for name in names if name in types for member in types[name].family}

    def _filter(self, info: Info, given: Mapping[str, Any]) -> StoredFilter | None:
        if given.get("where") is None:
            return None
        names = given.get("types") or []
        object_type = self._catalogue.types.get(names[0]) if len(names) == 1 else None
        if object_type is None or object_type.domain != "object":
            raise BadInput("a filter is of one type: name it in types", ("types",))
        tree = filter_tree(info.schema, object_type, given["where"], ("where",))
        found = StoredFilter(self._catalogue, object_type, tree, ("where",))
        for permission in found.permissions:
            info.context.subject.require(permission)
        return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all of these fields are asked, checked; and the view that answers."""

    view: GraphView
    given: Mapping[str, Any]
    budget: Budget
    most_depth: int
    default_page: int
    most_items: int

    @classmethod
    async def of(cls, info: Info, given: Mapping[str, Any], catalogue: Catalogue) -> "_Asked":
        context, settings = info.context, info.context.services.settings
        for permission in ("object:read", "link:read"):
            context.subject.require(permission)
        positions = [context.at_least] if context.at_least else []
        if given.get("atLeast") is not None:
            positions.append(position_at(context.organization, given["atLeast"], "atLeast"))
        try:
            async with asyncio.timeout(settings.graph_timeout_seconds):
                graph = await context.services.graphs.graph(
                    context.subject.organization_id, max(positions, default=None)
                )
        except TimeoutError:
            raise TimedOut("the link graph is not there yet; try again") from None
        further = None
        if given["inferred"] and catalogue.concluded:
            async with context.turns.take():
                further = await context.services.inferred_links.of(context.subject.session)
        as_of = given.get("asOf")
        view = graph.view(
            context.subject.label, at=None if as_of is None else datetime.fromisoformat(as_of),
            relations=context.subject.links.walked(given.get("relations")), further=further,
        )  # fmt: skip
        return cls(
            view, given, context.budget, context.subject.links.depth(settings.max_graph_depth),
            settings.default_page_size, settings.max_page_size,
        )  # fmt: skip

    async def look(self, ask: Callable[[GraphView], T]) -> T:
        """In a thread: a large graph takes its time, and others are answered meanwhile."""
        return await asyncio.to_thread(ask, self.view)

    def node(self, info: Info, id: str, *path: str | int) -> UUID:
        """An object that the reader sees."""
        found = info.context.read_id(id, *path)
        if found not in self.view:
            raise NotFound("not found", path)
        return found

    @property
    def direction(self) -> Direction:
        return Direction[self.given["direction"]]

    def depth(self) -> int:
        return self.within("maxDepth", self.most_depth)

    def first(self, info: Info, least: int = 0) -> int:
        """How many are asked for, counted among what the request may read."""
        value = self.given.get("first")
        size: int = self.default_page if value is None else value
        if not least <= size <= self.most_items:
            raise BadInput(f"{least} to {self.most_items:,} at once", ("first",))
        info.context.spend(info.path.as_list(), size)
        return size

    def within(self, name: str, most: int) -> int:
        value = self.given.get(name)
        depth: int = most if value is None else value
        if not 0 <= depth <= most:
            raise BadInput(f"at most {most} links deep", (name,))
        return depth
