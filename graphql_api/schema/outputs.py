"""The types that a catalogue's objects are given as: graphql-core types with fields in thunks.

Strawberry classes would take seconds for some hundred types; these take milliseconds. Their fields need no resolvers:
reads are compiled, and where the executor walks over what the compiler has read (mutations), values lie under their
response keys.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLList,
    GraphQLNamedType,
    GraphQLString,
)

from fabric.names import AGGREGATE, camel, link_aggregate, pascal
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field, LinkField
from graphql_api.schema.aggregate_types import AggregateTypes
from graphql_api.schema.common_types import (
    COLUMNS,
    CONNECTION,
    ENCRYPTED_FIELD,
    FABRIC_OBJECT,
    LINK,
    NODE,
    SCALARS,
    field,
    listed,
    required,
    slicing,
    type_of,
)
from graphql_api.schema.generated_types import GeneratedInterface, GeneratedObject
from graphql_api.schema.inputs import Inputs


def concrete_name(object_type: ObjectType) -> str:
    """The GraphQL object type of the type's own objects: beside an interface of its name stands `…Object`."""
    return object_type.name + ("Object" if is_interface(object_type) else "")


def is_interface(object_type: ObjectType) -> bool:
    return len(object_type.family) > 1


_SLICING = slicing()
_ONE_ID = {"id": GraphQLArgument(required(GraphQLID))}

NODE_FIELDS: GraphQLFieldMap = {
    "node": field(NODE, _ONE_ID, "Any object by its id."),
    "nodes": field(
        required(GraphQLList(NODE)),
        {"ids": GraphQLArgument(listed(GraphQLID))},
        "Objects by their ids, in that order; null where there is none.",
    ),
}


class Outputs:
    """Makes the output types of one schema, each once, and the fields of Query that lead to them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._types = catalogue.types
        self.inputs = Inputs(catalogue, SCALARS)
        self.aggregates = AggregateTypes(self.inputs, SCALARS, field)
        self._made: dict[str, Any] = {}
        self._of_types: dict[str, GraphQLFieldMap] = {}
        self._fields: dict[tuple[str, str, bool, str | None], GraphQLField] = {}
        self._links: dict[tuple[str, str], GraphQLFieldMap] = {}
        self._pages_of: dict[str, dict[str, GraphQLArgument]] = {}

    def queries(self, t: ObjectType) -> GraphQLFieldMap:
        """What Query has of the type: one by its id, a list, an aggregate, and where it has a natural key one by it."""
        single, many = camel(t.name), camel(t.plural)
        fields = {
            single: field(self.shape(t), _ONE_ID),
            many: field(required(self._connection(t)), self._page_arguments(t), t.description),
            many + AGGREGATE: self.aggregates.field(t),
        }
        if t.natural_key:
            values = {k: self.inputs.value(self._catalogue.declaring(t.name)[k], t.fields[k]) for k in t.natural_key}
            keys = {k: GraphQLArgument(required(value)) for k, value in values.items()}
            fields[f"{single}ByKey"] = field(self.shape(t), keys)
        return fields

    def _page_arguments(self, object_type: ObjectType) -> dict[str, GraphQLArgument]:
        name = object_type.name
        if name not in self._pages_of:
            self._pages_of[name] = {
                "where": GraphQLArgument(self.inputs.where(object_type)),
                "orderBy": GraphQLArgument(GraphQLList(required(self.inputs.order_by(object_type)))),
                **_SLICING,
            }
        return self._pages_of[name]

    def shape(self, object_type: ObjectType) -> Any:
        """What stands for the type in the schema: its interface, where it has descendants, or its object type."""
        return self.interface(object_type) if is_interface(object_type) else self.object(object_type)

    def _once(self, name: str, make: Callable[[], GraphQLNamedType]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def interface(self, t: ObjectType) -> Any:
        return self._once(
            t.name,
            lambda: GeneratedInterface(
                t.name, lambda: self._members(t), interfaces=lambda: self._interfaces(t, itself=False),
                resolve_type=type_of, description=t.description,
            ),
        )  # fmt: skip

    def object(self, t: ObjectType) -> Any:
        return self._once(
            concrete_name(t),
            lambda: GeneratedObject(
                concrete_name(t), lambda: self._members(t), interfaces=lambda: self._interfaces(t, itself=True),
                description=t.description,
            ),
        )  # fmt: skip

    def _interfaces(self, t: ObjectType, *, itself: bool) -> list[Any]:
        names = ([t.name] if itself and is_interface(t) else []) + list(t.ancestors)
        return [*(self.interface(self._types[n]) for n in names), FABRIC_OBJECT, NODE]

    def _members(self, t: ObjectType) -> GraphQLFieldMap:
        """The fields of the type's objects, which are those of its interface too."""
        if t.name not in self._of_types:
            members, declaring = dict(COLUMNS), self._catalogue.declaring(t.name)
            for name, declared in t.fields.items():
                members[name] = self._field(declaring[name], declared)
            for name, link in t.links.items():
                members |= self._link(declaring[name], link)
            self._of_types[t.name] = members
        return self._of_types[t.name]

    def _field(self, owner: str, declared: Field) -> GraphQLField:
        """One for the declaring type and all that descend from it and say the same of it."""
        key = owner, declared.name, declared.non_null, declared.description
        if key not in self._fields:
            type_: Any = ENCRYPTED_FIELD if declared.protection else self.inputs.value(owner, declared)
            type_ = required(type_) if declared.non_null else type_
            self._fields[key] = field(type_, description=declared.description)
        return self._fields[key]

    def _link(self, owner: str, link: LinkField) -> GraphQLFieldMap:
        """What stands for a link: the same in the declaring type and in all that descend from it."""
        made = self._links.get((owner, link.name))
        if made is None:
            made = self._links[owner, link.name] = self._link_made(self._types[owner], link)
        return made

    def _link_made(self, t: ObjectType, link: LinkField) -> GraphQLFieldMap:
        target = self._types[link.target]
        if not link.many:
            return {link.name: field(self.shape(target), description=link.description)}
        connection = required(self._link_connection(t.name, link))
        made = {link.name: field(connection, self._page_arguments(target), link.description)}
        if self._catalogue.has_aggregate(t, link.name):
            made[link_aggregate(link.name)] = self.aggregates.field(target)
        return made

    def _connection(self, t: ObjectType) -> Any:
        def edge() -> GraphQLFieldMap:
            return {"cursor": field(required(GraphQLString)), "node": field(required(self.shape(t)))}

        return self._pages(
            t.name, t, lambda: self._once(t.name + "Edge", lambda: GeneratedObject(t.name + "Edge", edge))
        )

    def _link_connection(self, owner: str, link: LinkField) -> Any:
        name, target = owner + pascal(link.name), self._types[link.target]

        def edge() -> GraphQLFieldMap:
            return {
                "cursor": field(required(GraphQLString)),
                "node": field(required(self.shape(target))),
                "link": field(required(LINK)),
            }

        return self._pages(
            name, target, lambda: self._once(name + "Edge", lambda: GeneratedObject(name + "Edge", edge))
        )

    def _pages(self, name: str, t: ObjectType, edge: Callable[[], Any]) -> Any:
        def fields() -> GraphQLFieldMap:
            return {
                "nodes": field(listed(self.shape(t))),
                "edges": field(listed(edge())),
                **CONNECTION,
            }

        return self._once(name + "Connection", lambda: GeneratedObject(name + "Connection", fields))
