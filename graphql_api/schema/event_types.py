"""The types in which events, links and changes are told, and the fields of Subscription that tell them.

Their values are mappings by field name. What of an object is selected is read by the compiler when it is told, so it
may be newer than the event, and null where the object is gone again.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    get_nullable_type,
)

from graphql_api.context import Info
from graphql_api.fields.batches import load_object
from graphql_api.fields.shaping import by_response_key
from graphql_api.schema.common_types import EVENT, FABRIC_OBJECT, LINK, SCALARS, required

NOTICE_KIND = GraphQLEnumType(
    "NoticeKind",
    {kind: kind for kind in ("READY", "EVENT", "TRIGGERED", "APPEARED", "CHANGED", "WITHDRAWN")},
    description="READY comes first: all that is committed from then on will be told. APPEARED, CHANGED and WITHDRAWN "
    "speak of what you see, whatever others see.",
)

DIRECTION = GraphQLEnumType(
    "LinkDirection", {name: name for name in ("OUT", "IN", "BOTH")}, description="Seen from the object that is named."
)


def _object(name: str) -> Callable[..., Any]:
    """Resolves to the object whose id stands in the value under `name`, as the reader sees it now."""

    async def resolve(value: Mapping[str, Any], info: Info) -> Any:
        return None if value[name] is None else await load_object(info, UUID(value[name]))

    return resolve


def _link(value: Mapping[str, Any], info: Info) -> Any:
    return by_response_key(value["link"], info)


def _event(value: Mapping[str, Any], info: Info) -> Any:
    return by_response_key(value["event"], info)


TOLD: GraphQLFieldMap = {
    name: GraphQLField(get_nullable_type(EVENT.fields[name].type), description=EVENT.fields[name].description)
    for name in ("topic", "transactionId", "occurredAt", "actor", "label")
}
"""What every notice of a change has, but READY."""


def _notice(name: str, fields: GraphQLFieldMap) -> GraphQLObjectType:
    place = GraphQLField(required(GraphQLString), description="Pass it as `after` to go on from here.")
    return GraphQLObjectType(name, {"kind": GraphQLField(required(NOTICE_KIND)), "cursor": place, **fields})


def _told_field(type_: GraphQLOutputType, args: dict[str, GraphQLArgument], description: str) -> GraphQLField:
    return GraphQLField(required(type_), args, resolve=lambda told, *_, **__: told, description=description)


_LINK_EVENT = _notice(
    "LinkEvent",
    TOLD
    | {"link": GraphQLField(LINK, resolve=_link)}
    | {
        end: GraphQLField(FABRIC_OBJECT, resolve=_object(f"{end}Id"), description="As it is now.")
        for end in ("source", "target")
    },
)
_EVENT_NOTICE = _notice("EventNotice", {"event": GraphQLField(EVENT, resolve=_event)})
_NODE = GraphQLField(FABRIC_OBJECT, resolve=_object("nodeId"), description="Null once it is WITHDRAWN.")
_OBJECT_CHANGE = _notice("ObjectChange", TOLD | {"objectId": GraphQLField(GraphQLID), "node": _NODE})

_NAMES = GraphQLList(required(GraphQLString))
_AFTER = {"after": GraphQLArgument(GraphQLString, description="A cursor: what came since is told first.")}

TOLD_WHOLE = {"link": LINK, "event": EVENT}
"""What a notice brings with all its values."""

SUBSCRIPTIONS: GraphQLFieldMap = {
    "linkEvents": _told_field(
        _LINK_EVENT,
        {
            "relations": GraphQLArgument(_NAMES),
            "types": GraphQLArgument(_NAMES, description="Types of which one end is."),
            "objectId": GraphQLArgument(GraphQLID),
            "direction": GraphQLArgument(required(DIRECTION), default_value="BOTH"),
            **_AFTER,
        },
        "Links that come, change and go, as you see them.",
    ),
    "events": _told_field(
        _EVENT_NOTICE,
        {
            "topics": GraphQLArgument(_NAMES, description="Such as `object.created`, or `object.*`."),
            "types": GraphQLArgument(_NAMES, description="Types of objects or events, or relations."),
            **_AFTER,
        },
        "Every event whose label your session dominates.",
    ),
    "changes": _told_field(
        _OBJECT_CHANGE,
        {
            "type": GraphQLArgument(required(GraphQLString)),
            "where": GraphQLArgument(SCALARS["JSON"], description="As the type's list takes it."),
            **_AFTER,
        },
        "Objects of a type that come into your view, change in it and leave it.",
    ),
}
"""linkEvents, events and changes."""
