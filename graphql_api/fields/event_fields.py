"""The fields of Query that read what happened: events in commit order, and objects as they were.

Both are read under the reader's session. A page's cursors are those that subscriptions give and take.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLObjectType,
    GraphQLString,
)

from fabric.errors import BadInput, NoLongerKept
from fabric.events import history
from fabric.events.event_pages import Sought, list_events
from fabric.events.journal import Position
from fabric.events.log_pages import Slice
from fabric.ids import read_id
from graphql_api.at_least import caught_up, position_at
from graphql_api.context import Context, Info
from graphql_api.fields.page_arguments import PageAsked, names_in
from graphql_api.fields.shaping import by_response_key
from graphql_api.fields.told_events import told_event
from graphql_api.fields.told_links import stored_moment
from graphql_api.positions import event_cursor, read_event_cursor
from graphql_api.schema.common_types import EVENTS, SCALARS, field, required, slicing

_NAMES = GraphQLList(required(GraphQLString))
_TIME = SCALARS["DateTime"]

EVENT_WHERE = GraphQLInputObjectType(
    "EventWhere",
    {
        "topics": GraphQLInputField(_NAMES, description="Such as `object.created`, or `object.*`."),
        "types": GraphQLInputField(_NAMES, description="Types of objects or events, or relations."),
        "entityId": GraphQLInputField(GraphQLID, description="Of one object or link."),
        "since": GraphQLInputField(_TIME, description="That moment included."),
        "until": GraphQLInputField(_TIME, description="That moment excluded."),
    },
)

OBJECT_STATE = GraphQLObjectType(
    "ObjectState",
    {
        "objectId": field(required(GraphQLID)),
        "type": field(required(GraphQLString)),
        "label": field(required(SCALARS["Label"])),
        "revision": field(required(GraphQLInt)),
        "data": field(required(SCALARS["JSON"]), description="By the names of the fields that you see now."),
        "createdAt": field(required(_TIME)),
        "updatedAt": field(required(_TIME)),
    },
    description="What there was to see of an object at some place in the events.",
)


async def _events(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    for permission in ("object:read", "link:read", "type:read"):
        context.subject.require(permission)
    asked = PageAsked.of(info, given)
    organization, label = context.organization, context.subject.label
    after, before = (
        None if cursor is None else _place(context, cursor, name)
        for name, cursor in (("after", asked.after), ("before", asked.before))
    )
    part = Slice(asked.limit, asked.backward, after, before)
    await caught_up(context)
    async with context.reading() as transaction:
        page = await list_events(transaction, sought(given.get("where") or {}), part)
    edges = [
        {"cursor": event_cursor(organization, label, event.position), "node": told_event(organization, event)}
        for event in page.events
    ]
    return by_response_key(asked.connection(edges, page.has_previous, page.has_next), info)


def _place(context: Context, cursor: str, name: str) -> Position:
    try:
        return read_event_cursor(context.organization, context.subject.label, cursor)
    except BadInput as error:
        raise BadInput(error.message, (name,)) from None


def sought(where: Mapping[str, Any]) -> Sought:
    since, until = (_moment(where.get(name)) for name in ("since", "until"))
    entity_id = where.get("entityId")
    topics, types = names_in(where.get("topics")), names_in(where.get("types"))
    return Sought(topics, types, None if entity_id is None else read_id(entity_id), since, until)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


async def _object_as_of(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    context.subject.require("object:read")
    token, time = given.get("position"), _moment(given.get("time"))
    if (token is None) == (time is None):
        raise BadInput("say when: by a position, or by a time")
    at = None if token is None else position_at(context.organization, token, "position")
    id = read_id(given["id"])
    session = context.subject.session
    catalogue = await context.services.types.catalogue(session)
    async with context.reading() as transaction:
        try:
            if time is not None:
                at = await history.position_at(transaction, time, id)
            assert at is not None
            versions = await history.versions_at(transaction, "objects", [id], at)
        except NoLongerKept as error:
            raise error.under("position" if time is None else "time") from None
    found = history.seen(versions[id], session.label)
    object_type = catalogue.types.get(found[1]["type_name"]) if found else None
    if found is None or object_type is None:
        return None
    label, version = found
    data = version["data"]
    state = {
        "objectId": str(id),
        "type": object_type.name,
        "label": str(context.organization.lattice.decode(label)),
        "revision": version["revision"],
        "data": {f.name: data[f.key] for f in object_type.fields.values() if f.key in data},
        "createdAt": stored_moment(version["created_at"]),
        "updatedAt": stored_moment(version["updated_at"]),
    }
    return by_response_key(state, info)


EVENT_FIELDS: GraphQLFieldMap = {
    "events": GraphQLField(
        required(EVENTS), {"where": GraphQLArgument(EVENT_WHERE), **slicing()}, _events,
        description="Every event whose label your session dominates, in commit order; `last` gives the newest.",
    ),
    "objectAsOf": GraphQLField(
        OBJECT_STATE,
        {
            "id": GraphQLArgument(required(GraphQLID)),
            "position": GraphQLArgument(GraphQLString, description="One that a mutation gave: right after it."),
            "time": GraphQLArgument(_TIME, description="What had begun by then is in it."),
        },
        _object_as_of, description="An object as you would have seen it then; null where there was none for you.",
    ),
}  # fmt: skip
