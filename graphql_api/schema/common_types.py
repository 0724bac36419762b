"""The types that every schema has whatever its definitions: what objects, links and events show, and their pages.

Their fields take what lies under their response keys, be it read by the compiler or made by `told.by_response_key`.
"""

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    is_scalar_type,
    specified_scalar_types,
)

from fabric.inference.rules import Form
from graphql_api.context import Info
from graphql_api.fields.explanations import explanation
from graphql_api.fields.likeness import similar, similar_node
from graphql_api.schema.fixed import FIXED
from graphql_api.schema.scalars import GENERATED

FIXED_SCHEMA = FIXED._schema
SCALARS: Mapping[str, GraphQLScalarType] = {
    **specified_scalar_types,
    **{scalar.name: scalar for scalar in GENERATED},
    **{name: type_ for name, type_ in FIXED_SCHEMA.type_map.items() if is_scalar_type(type_)},
}


def by_key(source: Any, info: Info, **_: Any) -> Any:
    """What the compiler has read for this field, aliases and arguments included."""
    return source[info.path.key]


TYPE_KEY = "@type"
"""Where the executor finds an object's type. `__typename` may be an alias of anything."""


def type_of(value: Any, *_: Any) -> str:
    return str(value[TYPE_KEY])


def field(
    type_: GraphQLOutputType, args: dict[str, GraphQLArgument] | None = None, description: str | None = None
) -> GraphQLField:
    return GraphQLField(type_, args, resolve=by_key, description=description)


def required(type_: Any) -> Any:
    return GraphQLNonNull(type_)


def listed(type_: Any) -> Any:
    return required(GraphQLList(required(type_)))


def slicing() -> dict[str, GraphQLArgument]:
    """The arguments by which a page is taken of a list."""
    return {
        "first": GraphQLArgument(GraphQLInt),
        "after": GraphQLArgument(GraphQLString),
        "last": GraphQLArgument(GraphQLInt),
        "before": GraphQLArgument(GraphQLString),
    }


NODE = GraphQLInterfaceType(
    "Node", {"id": field(required(GraphQLID))}, resolve_type=type_of, description="Anything with an id."
)

PAGE_INFO = GraphQLObjectType(
    "PageInfo",
    {
        "hasNextPage": field(required(GraphQLBoolean)),
        "hasPreviousPage": field(required(GraphQLBoolean)),
        "startCursor": field(GraphQLString),
        "endCursor": field(GraphQLString),
    },
)

CONNECTION: GraphQLFieldMap = {"pageInfo": field(required(PAGE_INFO)), "totalCount": field(required(GraphQLInt))}

ENCRYPTED_FIELD = GraphQLObjectType(
    "EncryptedField",
    {
        "locked": field(required(GraphQLBoolean), description="True: no query gives the value."),
        "hint": field(GraphQLString, description="What may be seen of the value, such as its last four characters."),
        "purpose": field(required(GraphQLString)),
        "unlockPermission": field(required(GraphQLString), description="Who has it may unlock the value."),
    },
    description="An encrypted value. Null stands where there is none.",
)

EVENT = GraphQLObjectType(
    "Event",
    {
        "topic": field(required(GraphQLString), description="What happened, such as `link.created`."),
        "transactionId": field(required(GraphQLString), description="What one transaction changed has one of these."),
        "occurredAt": field(required(SCALARS["DateTime"])),
        "actor": field(required(GraphQLString)),
        "label": field(required(SCALARS["Label"]), description="The label that it was written at."),
        "entityId": field(GraphQLID),
        "entityType": field(required(GraphQLString), description="The type, or a link's relation."),
        "from": field(GraphQLID, description="Of a link."),
        "to": field(GraphQLID, description="Of a link."),
        "data": field(required(SCALARS["JSON"]), description="The difference, as `before` and `after`."),
    },
    description="One change, told at the label of its writer, or an event of your own.",
)


def pages(type_: GraphQLObjectType, further: GraphQLFieldMap) -> GraphQLObjectType:
    """The connection of a type, and its edge, named after it."""
    edge = {"cursor": field(required(GraphQLString)), "node": field(required(type_))}
    return GraphQLObjectType(
        type_.name + "Connection",
        {
            "nodes": field(listed(type_)),
            "edges": field(listed(GraphQLObjectType(type_.name + "Edge", edge))),
            **further,
        },
    )


EVENTS = pages(EVENT, {"pageInfo": CONNECTION["pageInfo"]})

VERSION: GraphQLFieldMap = {
    "id": field(required(GraphQLID)),
    "label": field(required(SCALARS["Label"]), description="The label of the version you see."),
    "revision": field(required(GraphQLInt), description="Counts changes; pass it as expectedRevision."),
    "createdAt": field(required(SCALARS["DateTime"])),
    "updatedAt": field(required(SCALARS["DateTime"])),
}
"""What objects and links have. What types have in common is made once, for it is most of a large schema."""


def _similar_fields() -> GraphQLFieldMap:
    return {
        "score": GraphQLField(required(GraphQLFloat), description="The cosine."),
        "node": GraphQLField(FABRIC_OBJECT, resolve=similar_node, description="Null if it has gone meanwhile."),
    }


SIMILAR = GraphQLObjectType("SimilarObject", _similar_fields)

COLUMNS: GraphQLFieldMap = VERSION | {
    "history": field(
        required(EVENTS), slicing(), "Its events whose label you dominate, oldest first; `last` gives the newest."
    ),
    "similar": GraphQLField(
        listed(SIMILAR), {"first": GraphQLArgument(GraphQLInt)}, similar,
        description="What is nearest to it in meaning, found for all objects of a list together.",
    ),
}
"""What all objects have."""

FABRIC_OBJECT: GraphQLInterfaceType = GraphQLInterfaceType(
    "FabricObject", lambda: COLUMNS, interfaces=[NODE], resolve_type=type_of, description="What all objects have."
)

FORM = GraphQLEnumType(
    "InferenceForm", {form.value: form for form in Form}, description="What the rule is in definitions."
)


def _derivation_fields() -> GraphQLFieldMap:
    return {
        "form": field(required(FORM)),
        "relations": field(
            listed(GraphQLString), description="Those of the premises; after `^` one that is read from its other end."
        ),
        "premises": field(listed(LINK), description="The links that it follows from together, in that order."),
    }


DERIVATION = GraphQLObjectType("LinkDerivation", _derivation_fields)


def _link_fields() -> GraphQLFieldMap:
    return VERSION | {
        "relation": field(required(GraphQLString)),
        "from": field(required(GraphQLID)),
        "to": field(required(GraphQLID)),
        "inferred": field(
            required(GraphQLBoolean), description="Whether it follows from other links, by what definitions say."
        ),
        "explain": GraphQLField(
            GraphQLList(required(DERIVATION)),
            {"first": GraphQLArgument(required(GraphQLInt), default_value=10)},
            explanation,
            description="What it follows from in one step, each way by itself. Null if it is written.",
        ),
        "weight": field(GraphQLFloat),
        "properties": field(required(SCALARS["JSON"])),
        "validFrom": field(SCALARS["DateTime"]),
        "validTo": field(SCALARS["DateTime"]),
        "semanticNamespace": field(GraphQLString),
        "semanticPredicate": field(GraphQLString),
    }


LINK = GraphQLObjectType(
    "Link", _link_fields, description="A link from one object to another. It is the same from both of its ends."
)
"""One type for all links, for clients that keep what they read by id: a link is reached from either end."""

LINKS = pages(LINK, CONNECTION)
