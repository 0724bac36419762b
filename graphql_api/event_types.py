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
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
)

from graphql_api.batches import load_object
from graphql_api.context import Info
from graphql_api.told_links import by_response_key

NOTICE_KIND = GraphQLEnumType(
    "NoticeKind",
    {kind: kind for kind in ("READY", "EVENT", "TRIGGERED", "APPEARED", "CHANGED", "WITHDRAWN")},
    description="READY comes first: all that is committed from then on will be told. APPEARED, CHANGED and WITHDRAWN "
    "speak of what you see, whatever others see.",
)

DIRECTION = GraphQLEnumType(
    "LinkDirection", {name: name for name in ("OUT", "IN", "BOTH")}, description="Seen from the object that is named."
)


def _required(type_: Any) -> Any:
    return GraphQLNonNull(type_)


def _object(name: str) -> Callable[..., Any]:
    """Resolves to the object whose id stands in the value under `name`, as the reader sees it now."""

    async def resolve(value: Mapping[str, Any], info: Info) -> Any:
        return None if value[name] is None else await load_object(info, UUID(value[name]))

    return resolve


def _link(value: Mapping[str, Any], info: Info) -> Any:
    return None if value["link"] is None else by_response_key(value["link"], info)


class EventTypes:
    """Made for each schema, since some of the fields lead to its objects."""

    def __init__(
        self, scalars: Mapping[str, GraphQLScalarType], any_object: GraphQLInterfaceType, link: GraphQLObjectType
    ) -> None:
        self._label, self._json, self._time = scalars["Label"], scalars["JSON"], scalars["DateTime"]
        self._any_object = any_object
        self.event = GraphQLObjectType(
            "Event", self._event, description="One change, told at the label of its writer, or an event of your own."
        )
        self._link = link
        self._told: GraphQLFieldMap = {
            "topic": GraphQLField(GraphQLString, description="What happened, such as `link.created`."),
            "transactionId": GraphQLField(GraphQLString, description="What one transaction changed has one of these."),
            "occurredAt": GraphQLField(self._time),
            "actor": GraphQLField(GraphQLString),
            "label": GraphQLField(self._label, description="The label that it was written at."),
        }

    def subscriptions(self) -> GraphQLFieldMap:
        """linkEvents, events and changes."""
        after = {"after": GraphQLArgument(GraphQLString, description="A cursor: what came since is told first.")}
        names = GraphQLList(_required(GraphQLString))
        ends = {
            end: GraphQLField(self._any_object, resolve=_object(f"{end}Id"), description="As it is now.")
            for end in ("source", "target")
        }
        link_event = self._notice("LinkEvent", self._told | {"link": GraphQLField(self._link, resolve=_link)} | ends)
        notice = self._notice("EventNotice", {"event": GraphQLField(self.event)})
        node = GraphQLField(self._any_object, resolve=_object("nodeId"), description="Null once it is WITHDRAWN.")
        change = self._notice("ObjectChange", self._told | {"objectId": GraphQLField(GraphQLID), "node": node})
        return {
            "linkEvents": _told_field(
                link_event,
                {
                    "relations": GraphQLArgument(names),
                    "types": GraphQLArgument(names, description="Types of which one end is."),
                    "objectId": GraphQLArgument(GraphQLID),
                    "direction": GraphQLArgument(_required(DIRECTION), default_value="BOTH"),
                    **after,
                },
                "Links that come, change and go, as you see them.",
            ),
            "events": _told_field(
                notice,
                {
                    "topics": GraphQLArgument(names, description="Such as `object.created`, or `object.*`."),
                    "types": GraphQLArgument(names, description="Types of objects or events, or relations."),
                    **after,
                },
                "Every event whose label your session dominates.",
            ),
            "changes": _told_field(
                change,
                {
                    "type": GraphQLArgument(_required(GraphQLString)),
                    "where": GraphQLArgument(self._json, description="As the type's list takes it."),
                    **after,
                },
                "Objects of a type that come into your view, change in it and leave it.",
            ),
        }

    def _notice(self, name: str, fields: GraphQLFieldMap) -> GraphQLObjectType:
        place = GraphQLField(_required(GraphQLString), description="Pass it as `after` to go on from here.")
        return GraphQLObjectType(name, {"kind": GraphQLField(_required(NOTICE_KIND)), "cursor": place, **fields})

    def _event(self) -> GraphQLFieldMap:
        return self._told | {
            "topic": GraphQLField(_required(GraphQLString)),
            "entityId": GraphQLField(GraphQLID),
            "entityType": GraphQLField(_required(GraphQLString), description="The type, or a link's relation."),
            "from": GraphQLField(GraphQLID, description="Of a link."),
            "to": GraphQLField(GraphQLID, description="Of a link."),
            "data": GraphQLField(_required(self._json), description="The difference, as `before` and `after`."),
        }


def _told_field(type_: GraphQLOutputType, args: dict[str, GraphQLArgument], description: str) -> GraphQLField:
    return GraphQLField(_required(type_), args, resolve=lambda told, *_, **__: told, description=description)
