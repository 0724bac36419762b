"""From a catalogue to a GraphQL schema: graphql-core types with fields in thunks, joined with the fixed part.

Strawberry classes would take seconds for some hundred types; these take milliseconds. Their fields need no resolvers:
reads are compiled, and where the executor walks over what the compiler has read (mutations), values lie under their
response keys.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from graphql import (
    GraphQLArgument,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    get_named_type,
    print_schema,
)

from fabric.catalogue import Catalogue, ObjectType
from fabric.definitions import LinkField
from fabric.names import AGGREGATE, camel, link_aggregate, pascal
from graphql_api.aggregate_types import AggregateTypes
from graphql_api.common_types import (
    COLUMNS,
    CONNECTION,
    FABRIC_OBJECT,
    FIXED_SCHEMA,
    LINK,
    NODE,
    PAGE_INFO,
    SCALARS,
    field,
    listed,
    required,
    slicing,
    type_of,
)
from graphql_api.event_fields import EVENT_FIELDS
from graphql_api.event_types import SUBSCRIPTIONS
from graphql_api.fixed import FIXED
from graphql_api.graph_fields import GraphFields
from graphql_api.inputs import Inputs
from graphql_api.link_fields import LINK_FIELDS
from graphql_api.mutations import mutation_fields
from graphql_api.webhook_types import WebhookTypes

_WEBHOOKS = WebhookTypes(SCALARS, PAGE_INFO, SUBSCRIPTIONS)
_WEBHOOK_QUERIES, _WEBHOOK_MUTATIONS = _WEBHOOKS.queries(), _WEBHOOKS.mutations()


@dataclass(frozen=True, slots=True)
class RootField:
    """What a compiled field of Query reads."""

    kind: Literal["id", "key", "list", "aggregate", "node", "nodes"]
    type_name: str | None = None


@dataclass(frozen=True, slots=True)
class Surface:
    """One reader's schema, and what its compiled root fields mean. Shared by all who see the same definitions."""

    schema: GraphQLSchema
    catalogue: Catalogue
    roots: Mapping[str, RootField]

    def sdl(self) -> str:
        return print_schema(self.schema)


def concrete_name(object_type: ObjectType) -> str:
    """The GraphQL object type of the type's own objects: beside an interface of its name stands `…Object`."""
    return object_type.name + ("Object" if is_interface(object_type) else "")


def is_interface(object_type: ObjectType) -> bool:
    return len(object_type.family) > 1


def build_surface(catalogue: Catalogue) -> Surface:
    """The schema of a catalogue. Cost grows with its size; nothing of it is done per request."""
    return _Builder(catalogue).surface()


class _Builder:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._types = {n: t for n, t in catalogue.types.items() if t.domain == "object"}
        self._inputs = Inputs(catalogue, SCALARS)
        self._aggregates = AggregateTypes(self._inputs, SCALARS, field)
        self._made: dict[str, Any] = {}

    def surface(self) -> Surface:
        query, roots = self._query()
        fixed = FIXED_SCHEMA.to_kwargs()
        assert FIXED_SCHEMA.query_type is not None
        assert FIXED_SCHEMA.mutation_type is not None
        mutations: GraphQLFieldMap = dict(_WEBHOOK_MUTATIONS)
        for object_type in self._types.values():
            mutations |= mutation_fields(object_type, self._inputs, self._shape(object_type))
        concrete = [self._object(t) for t in self._types.values()]
        subscription = GraphQLObjectType("Subscription", SUBSCRIPTIONS)
        others = [t for t in fixed["types"] or () if t not in (FIXED_SCHEMA.query_type, FIXED_SCHEMA.mutation_type)]
        query |= EVENT_FIELDS | LINK_FIELDS | GraphFields(self._catalogue, SCALARS, FABRIC_OBJECT, LINK).fields()
        query |= _WEBHOOK_QUERIES
        queries, mutating = _extended(FIXED_SCHEMA.query_type, query), _extended(FIXED_SCHEMA.mutation_type, mutations)
        schema = GraphQLSchema(
            query=queries,
            mutation=mutating,
            subscription=subscription,
            types=_reached([*others, *concrete, queries, mutating, subscription]),
            directives=fixed["directives"],
        )
        schema._strawberry_schema = FIXED  # type: ignore[attr-defined]
        return Surface(schema, self._catalogue, roots)

    def _query(self) -> tuple[GraphQLFieldMap, dict[str, RootField]]:
        one_id = {"id": GraphQLArgument(required(GraphQLID))}
        ids = {"ids": GraphQLArgument(listed(GraphQLID))}
        fields = {
            "node": field(NODE, one_id, "Any object by its id."),
            "nodes": field(
                required(GraphQLList(NODE)), ids, "Objects by their ids, in that order; null where there is none."
            ),
        }
        roots = {"node": RootField("node"), "nodes": RootField("nodes")}
        for name, t in self._types.items():
            single, many = camel(name), camel(t.plural)
            fields[single] = field(self._shape(t), one_id)
            roots[single] = RootField("id", name)
            fields[many] = field(required(self._connection(t)), self._page_arguments(t), t.description)
            roots[many] = RootField("list", name)
            fields[many + AGGREGATE] = self._aggregates.field(t)
            roots[many + AGGREGATE] = RootField("aggregate", name)
            if t.natural_key:
                keys = {k: GraphQLArgument(required(self._inputs.value(t, t.fields[k]))) for k in t.natural_key}
                fields[f"{single}ByKey"] = field(self._shape(t), keys)
                roots[f"{single}ByKey"] = RootField("key", name)
        return fields, roots

    def _page_arguments(self, object_type: ObjectType) -> dict[str, GraphQLArgument]:
        return {
            "where": GraphQLArgument(self._inputs.where(object_type)),
            "orderBy": GraphQLArgument(GraphQLList(required(self._inputs.order_by(object_type)))),
            **slicing(),
        }

    # Output types

    def _shape(self, object_type: ObjectType) -> Any:
        """What stands for the type in the schema: its interface, where it has descendants, or its object type."""
        return self._interface(object_type) if is_interface(object_type) else self._object(object_type)

    def _once(self, name: str, make: Callable[[], GraphQLNamedType]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _interface(self, t: ObjectType) -> Any:
        return self._once(
            t.name,
            lambda: GraphQLInterfaceType(
                t.name, lambda: self._members(t), interfaces=lambda: self._interfaces(t, itself=False),
                resolve_type=type_of, description=t.description,
            ),
        )  # fmt: skip

    def _object(self, t: ObjectType) -> Any:
        return self._once(
            concrete_name(t),
            lambda: GraphQLObjectType(
                concrete_name(t), lambda: self._members(t), interfaces=lambda: self._interfaces(t, itself=True),
                description=t.description,
            ),
        )  # fmt: skip

    def _interfaces(self, t: ObjectType, *, itself: bool) -> list[Any]:
        names = ([t.name] if itself and is_interface(t) else []) + list(t.ancestors)
        return [*(self._interface(self._types[n]) for n in names), FABRIC_OBJECT, NODE]

    def _members(self, t: ObjectType) -> GraphQLFieldMap:
        members = dict(COLUMNS)
        for name, declared in t.fields.items():
            type_: Any = self._inputs.value(t, declared)
            type_ = required(type_) if declared.non_null else type_
            members[name] = field(type_, description=declared.description)
        for name, link in t.links.items():
            target = self._types[link.target]
            if link.many:
                type_ = required(self._link_connection(self._inputs_owner(t, name), link))
                members[name] = field(type_, self._page_arguments(target), link.description)
                if self._catalogue.has_aggregate(t, name):
                    members[link_aggregate(name)] = self._aggregates.field(target)
            else:
                members[name] = field(self._shape(target), description=link.description)
        return members

    def _inputs_owner(self, t: ObjectType, link: str) -> str:
        lineage = (t.name, *t.ancestors)
        return next(n for n in reversed(lineage) if link in self._types[n].own_links)

    def _connection(self, t: ObjectType) -> Any:
        def edge() -> GraphQLFieldMap:
            return {"cursor": field(required(GraphQLString)), "node": field(required(self._shape(t)))}

        return self._pages(
            t.name, t, lambda: self._once(t.name + "Edge", lambda: GraphQLObjectType(t.name + "Edge", edge))
        )

    def _link_connection(self, owner: str, link: LinkField) -> Any:
        name, target = owner + pascal(link.name), self._types[link.target]

        def edge() -> GraphQLFieldMap:
            return {
                "cursor": field(required(GraphQLString)),
                "node": field(required(self._shape(target))),
                "link": field(required(LINK)),
            }

        return self._pages(
            name, target, lambda: self._once(name + "Edge", lambda: GraphQLObjectType(name + "Edge", edge))
        )

    def _pages(self, name: str, t: ObjectType, edge: Callable[[], Any]) -> Any:
        def fields() -> GraphQLFieldMap:
            return {
                "nodes": field(listed(self._shape(t))),
                "edges": field(listed(edge())),
                **CONNECTION,
            }

        return self._once(name + "Connection", lambda: GraphQLObjectType(name + "Connection", fields))


def _extended(fixed: GraphQLObjectType, fields: GraphQLFieldMap) -> GraphQLObjectType:
    return GraphQLObjectType(fixed.name, {**fixed.fields, **fields}, description=fixed.description)


def _reached(types: Iterable[GraphQLNamedType]) -> list[GraphQLNamedType]:
    """These types and all they lead to.

    graphql-core finds them too, but by recursion: some hundred types, each linked to the next, are too deep for it.
    """
    found: dict[GraphQLNamedType, None] = {}
    pending = deque(types)
    while pending:
        type_ = pending.popleft()
        if type_ in found:
            continue
        found[type_] = None
        if isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType)):
            pending += type_.interfaces
            for each in type_.fields.values():
                pending += [get_named_type(each.type), *(get_named_type(a.type) for a in each.args.values())]
        elif isinstance(type_, GraphQLInputObjectType):
            pending += [get_named_type(each.type) for each in type_.fields.values()]
        elif isinstance(type_, GraphQLUnionType):
            pending += type_.types
    return list(found)
