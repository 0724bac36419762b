"""From a catalogue to a reader's schema: the types of its objects joined with the fixed part."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from graphql import (
    GraphQLField,
    GraphQLFieldMap,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    print_schema,
)
from graphql.type.schema import InterfaceImplementations

from fabric.names import AGGREGATE, camel
from fabric.types.catalogue import Catalogue, ObjectType
from graphql_api.fields.audit_fields import AUDIT_FIELDS
from graphql_api.fields.config_fields import CONFIG_MUTATIONS, CONFIG_QUERIES
from graphql_api.fields.event_fields import EVENT_FIELDS
from graphql_api.fields.event_search_fields import EVENT_SEARCH_FIELDS
from graphql_api.fields.graph_fields import GraphFields
from graphql_api.fields.inference_fields import INFERENCE_FIELDS
from graphql_api.fields.job_fields import JOB_MUTATIONS, JOB_QUERIES
from graphql_api.fields.key_fields import KEY_MUTATIONS, KEY_QUERIES
from graphql_api.fields.link_fields import LINK_FIELDS
from graphql_api.fields.link_search_fields import LINK_SEARCH_FIELDS
from graphql_api.fields.mapping_fields import MAPPING_MUTATIONS
from graphql_api.fields.search_fields import SearchFields
from graphql_api.fields.unlock_fields import UNLOCK_MUTATIONS, UNLOCK_QUERIES
from graphql_api.fields.validation_fields import VALIDATION_MUTATIONS
from graphql_api.schema.aggregate_types import GROUPINGS
from graphql_api.schema.common_types import ENCRYPTED_FIELD, FABRIC_OBJECT, FIXED_SCHEMA, LINK, NODE, PAGE_INFO, SCALARS
from graphql_api.schema.event_types import SUBSCRIPTIONS
from graphql_api.schema.fixed import FIXED
from graphql_api.schema.inputs import ORDER_DIRECTION
from graphql_api.schema.lazy_schema import LazySchema, MadeWhenAsked, root_type
from graphql_api.schema.mutations import mutation_fields
from graphql_api.schema.outputs import NODE_FIELDS, Outputs, is_interface
from graphql_api.schema.webhook_types import WebhookTypes

_WEBHOOKS = WebhookTypes(SCALARS, PAGE_INFO, SUBSCRIPTIONS)
_QUERIES: GraphQLFieldMap = (
    NODE_FIELDS | EVENT_FIELDS | EVENT_SEARCH_FIELDS | LINK_FIELDS | LINK_SEARCH_FIELDS | AUDIT_FIELDS
    | UNLOCK_QUERIES | KEY_QUERIES | JOB_QUERIES | INFERENCE_FIELDS | CONFIG_QUERIES
    | _WEBHOOKS.queries()
)
_MUTATIONS: GraphQLFieldMap = (
    _WEBHOOKS.mutations() | UNLOCK_MUTATIONS | KEY_MUTATIONS | JOB_MUTATIONS | MAPPING_MUTATIONS | CONFIG_MUTATIONS
    | VALIDATION_MUTATIONS
)

_COMMON = (NODE, FABRIC_OBJECT, PAGE_INFO, LINK, ENCRYPTED_FIELD, ORDER_DIRECTION, *GROUPINGS, *SCALARS.values())
"""Types that are the same in all schemas."""


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
        return print_schema(build_whole(self.catalogue))


def build_surface(catalogue: Catalogue) -> Surface:
    """The schema of a catalogue for asking: its types are made when they are asked for. For one thread."""
    return _Builder(catalogue).surface()


def build_whole(catalogue: Catalogue) -> GraphQLSchema:
    """The same schema with all its types, for introspection and printing. Cost grows with the catalogue's size."""
    return _Builder(catalogue).whole()


class _Builder:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._types = {n: t for n, t in catalogue.types.items() if t.domain == "object"}
        self._outputs = Outputs(catalogue)
        self._queried: dict[str, GraphQLFieldMap] = {}
        self._mutated: dict[str, GraphQLFieldMap] = {}

    def surface(self) -> Surface:
        query, mutation, subscription = self._fixed()
        queries = MadeWhenAsked(query, self._queries_like, self._all_queries)
        mutations = MadeWhenAsked(mutation, self._mutations_like, self._all_mutations)
        schema = LazySchema(
            root_type("Query", queries), root_type("Mutation", mutations), subscription,
            _reached([*_fixed_types(), *_COMMON, *_of_fields([*query.values(), *mutation.values()])]),
            FIXED_SCHEMA.directives, self._types_like, self._all_types, self._implementing,
        )  # fmt: skip
        schema._strawberry_schema = FIXED  # type: ignore[attr-defined]
        nodes = {"node": RootField("node"), "nodes": RootField("nodes")}
        return Surface(schema, self._catalogue, MadeWhenAsked(nodes, self._roots_like, self._all_roots))

    def whole(self) -> GraphQLSchema:
        queries, mutations, subscription = self._fixed()
        query = GraphQLObjectType("Query", queries | self._all_queries())
        mutation = GraphQLObjectType("Mutation", mutations | self._all_mutations())
        concrete = [self._outputs.object(t) for t in self._types.values()]
        schema = GraphQLSchema(
            query=query,
            mutation=mutation,
            subscription=subscription,
            types=_reached([*_fixed_types(), *concrete, query, mutation, subscription]),
            directives=FIXED_SCHEMA.directives,
            assume_valid=True,
        )
        schema._strawberry_schema = FIXED  # type: ignore[attr-defined]
        return schema

    def _fixed(self) -> tuple[GraphQLFieldMap, GraphQLFieldMap, GraphQLObjectType]:
        """The fields of Query and Mutation that are there whatever is defined, and Subscription."""
        assert FIXED_SCHEMA.query_type is not None
        assert FIXED_SCHEMA.mutation_type is not None
        graph = GraphFields(self._catalogue, SCALARS, FABRIC_OBJECT, LINK).fields()
        search = SearchFields(self._catalogue).fields()
        return (
            FIXED_SCHEMA.query_type.fields | _QUERIES | graph | search,
            FIXED_SCHEMA.mutation_type.fields | _MUTATIONS,
            GraphQLObjectType("Subscription", SUBSCRIPTIONS),
        )

    # What belongs to a type

    def _queries(self, t: ObjectType) -> GraphQLFieldMap:
        if t.name not in self._queried:
            self._queried[t.name] = self._outputs.queries(t)
        return self._queried[t.name]

    def _mutations(self, t: ObjectType) -> GraphQLFieldMap:
        if t.name not in self._mutated:
            self._mutated[t.name] = mutation_fields(t, self._outputs.inputs, self._outputs.shape(t))
        return self._mutated[t.name]

    def _types_of(self, t: ObjectType) -> dict[str, GraphQLNamedType]:
        """All that have their names from the type."""
        pending: list[Any] = [self._outputs.object(t), *self._outputs.inputs.of_other_ends(t)]
        pending += _of_fields([*self._queries(t).values(), *self._mutations(t).values()])
        found: dict[str, GraphQLNamedType] = {}
        while pending:
            type_ = pending.pop()
            if type_.name not in found and self._owner("type", type_.name) is t:
                found[type_.name] = type_
                pending += _referred(type_)
        return found

    # What belongs to a name

    def _owner(self, kind: str, name: str) -> ObjectType | None:
        """The type of objects that brings a name into the schema."""
        return self._types.get(self._catalogue.names.get(f"{kind}:{name}", ""))

    def _queries_like(self, name: str) -> GraphQLFieldMap:
        owner = self._owner("query", name)
        return self._queries(owner) if owner else {}

    def _mutations_like(self, name: str) -> GraphQLFieldMap:
        owner = self._owner("mutation", name)
        return self._mutations(owner) if owner else {}

    def _roots_like(self, name: str) -> Mapping[str, RootField]:
        owner = self._owner("query", name)
        return _roots(owner) if owner else {}

    def _types_like(self, name: str) -> Mapping[str, GraphQLNamedType]:
        owner = self._owner("type", name)
        if owner is None:
            shared = self._outputs.inputs.shared(name) or self._outputs.aggregates.shared(name)
            return {name: shared} if shared else {}
        for shape in (self._outputs.object(owner), self._outputs.shape(owner)):
            if shape.name == name:  # without all the others of the type
                return {name: shape}
        return self._types_of(owner)

    def _implementing(self, interface: str) -> InterfaceImplementations:
        family = self._types[interface].family if interface in self._types else self._types
        types = [self._types[name] for name in family]
        below = [self._outputs.interface(t) for t in types if is_interface(t) and t.name != interface]
        return InterfaceImplementations(
            objects=[self._outputs.object(t) for t in types],
            interfaces=[FABRIC_OBJECT, *below] if interface == NODE.name else below,
        )

    # All there is

    def _all_queries(self) -> GraphQLFieldMap:
        return {name: field for t in self._types.values() for name, field in self._queries(t).items()}

    def _all_mutations(self) -> GraphQLFieldMap:
        return {name: field for t in self._types.values() for name, field in self._mutations(t).items()}

    def _all_roots(self) -> Mapping[str, RootField]:
        return {name: root for t in self._types.values() for name, root in _roots(t).items()}

    def _all_types(self) -> Mapping[str, GraphQLNamedType]:
        fields = [*self._all_queries().values(), *self._all_mutations().values()]
        concrete = map(self._outputs.object, self._types.values())
        return {t.name: t for t in _reached([*concrete, *_of_fields(fields)])}


def _roots(t: ObjectType) -> dict[str, RootField]:
    """What the fields of Query mean that `Outputs.queries` makes."""
    single, many = camel(t.name), camel(t.plural)
    roots = {
        single: RootField("id", t.name),
        many: RootField("list", t.name),
        many + AGGREGATE: RootField("aggregate", t.name),
    }
    return roots | {f"{single}ByKey": RootField("key", t.name)} if t.natural_key else roots


def _fixed_types() -> list[GraphQLNamedType]:
    roots = FIXED_SCHEMA.query_type, FIXED_SCHEMA.mutation_type
    return [t for t in FIXED_SCHEMA.type_map.values() if t not in roots]


def _reached(types: Iterable[GraphQLNamedType]) -> list[GraphQLNamedType]:
    """These types and all they lead to.

    graphql-core finds them too, but by recursion: some hundred types, each linked to the next, are too deep for it.
    """
    found: dict[GraphQLNamedType, None] = {}
    pending = deque(types)
    while pending:
        type_ = pending.popleft()
        if type_ not in found:
            found[type_] = None
            pending += _referred(type_)
    return list(found)


def _referred(type_: GraphQLNamedType) -> list[Any]:
    """The types that a type refers to itself."""
    if isinstance(type_, GraphQLUnionType):
        return list(type_.types)
    if isinstance(type_, GraphQLInputObjectType):
        return [get_named_type(field.type) for field in type_.fields.values()]
    if isinstance(type_, (GraphQLObjectType, GraphQLInterfaceType)):
        return [*type_.interfaces, *_of_fields(type_.fields.values())]
    return []


def _of_fields(fields: Iterable[GraphQLField]) -> Iterator[Any]:
    for field in fields:
        yield get_named_type(field.type)
        for argument in field.args.values():
            yield get_named_type(argument.type)
