"""The field of Query that reads the audit log, for auditors. That it was read is in the log too."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLString,
)

from fabric.errors import BadInput
from fabric.events.audit_log import Record, Sought, read_log
from fabric.events.journal import Position
from fabric.events.log_pages import Slice
from fabric.identity.organizations import Organization
from fabric.ids import read_id
from graphql_api.context import Context, Info
from graphql_api.fields.page_arguments import PageAsked
from graphql_api.fields.shaping import by_response_key
from graphql_api.fields.told_events import moment
from graphql_api.positions import audit_cursor, read_audit_cursor
from graphql_api.schema.common_types import CONNECTION, SCALARS, field, pages, required, slicing

LONGEST_WORD = 255
MOST_WORDS = 100
"""Words of a filter are recorded, so they are short and few."""

_TIME = SCALARS["DateTime"]
_NAMES = GraphQLList(required(GraphQLString))

AUDIT_WHERE = GraphQLInputObjectType(
    "AuditWhere",
    {
        "actor": GraphQLInputField(GraphQLString),
        "actions": GraphQLInputField(_NAMES, description="Such as `field.unlock`, or `field.*`."),
        "outcomes": GraphQLInputField(_NAMES, description="Such as `done` or `denied`."),
        "entityId": GraphQLInputField(GraphQLID, description="Of the object, link or other thing it was about."),
        "since": GraphQLInputField(_TIME, description="That moment included."),
        "until": GraphQLInputField(_TIME, description="That moment excluded."),
    },
)

AUDIT_ORDER = GraphQLEnumType("AuditOrder", {name: name for name in ("NEWEST_FIRST", "OLDEST_FIRST")})

AUDIT_RECORD = GraphQLObjectType(
    "AuditRecord",
    {
        "occurredAt": field(required(_TIME)),
        "actor": field(required(GraphQLString)),
        "action": field(required(GraphQLString), description="What was done or tried, such as `object.created`."),
        "outcome": field(required(GraphQLString), description="`done`, `granted`, `denied` or `failed`."),
        "label": field(required(SCALARS["Label"]), description="The session label of who did it."),
        "entityId": field(GraphQLID),
        "reason": field(GraphQLString, description="As the actor gave it."),
        "requestId": field(GraphQLString),
        "detail": field(required(SCALARS["JSON"])),
        "sealed": field(required(GraphQLBoolean), description="Whether a seal covers it by now."),
    },
    description="Who did what, or tried to.",
)

_RECORDS = pages(AUDIT_RECORD, {"pageInfo": CONNECTION["pageInfo"]})


async def _audit_log(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    context.subject.require("audit:read")
    asked = PageAsked.of(info, given)
    after, before = (
        _place(context, name, cursor) for name, cursor in (("after", asked.after), ("before", asked.before))
    )
    sought = _sought(given.get("where") or {})
    organization, label = context.organization, context.subject.label
    async with context.reading() as transaction:
        page = await read_log(
            transaction, context.subject.subject, sought, Slice(asked.limit, asked.backward, after, before),
            newest_first=given["order"] == "NEWEST_FIRST", request_id=context.request_id,
        )  # fmt: skip
    edges = [
        {"cursor": audit_cursor(organization, label, record.place), "node": _told(organization, record)}
        for record in page.records
    ]
    return by_response_key(asked.connection(edges, page.has_previous, page.has_next), info)


def _place(context: Context, name: str, cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    try:
        return read_audit_cursor(context.organization, context.subject.label, cursor)
    except BadInput as error:
        raise BadInput(error.message, (name,)) from None


def _sought(where: Mapping[str, Any]) -> Sought:
    entity_id = where.get("entityId")
    since, until = (
        None if where.get(name) is None else datetime.fromisoformat(where[name]) for name in ("since", "until")
    )
    actor = where.get("actor")
    actions, outcomes = (
        None if where.get(name) is None else _words(where[name], name) for name in ("actions", "outcomes")
    )
    return Sought(
        None if actor is None else _words([actor], "actor")[0], actions, outcomes,
        None if entity_id is None else read_id(entity_id), since, until,
    )  # fmt: skip


def _words(given: list[str], name: str) -> list[str]:
    if len(given) > MOST_WORDS or not all(len(word) <= LONGEST_WORD and word.isprintable() for word in given):
        raise BadInput(f"at most {MOST_WORDS} words of {LONGEST_WORD} printable characters", ("where", name))
    return given


def _told(organization: Organization, record: Record) -> dict[str, Any]:
    return {
        "occurredAt": moment(record.occurred_at),
        "actor": record.actor,
        "action": record.action,
        "outcome": record.outcome,
        "label": str(organization.lattice.decode(record.label)),
        "entityId": None if record.entity_id is None else str(record.entity_id),
        "reason": record.reason,
        "requestId": record.request_id,
        "detail": record.detail,
        "sealed": record.sealed,
    }


AUDIT_FIELDS: GraphQLFieldMap = {
    "auditLog": GraphQLField(
        required(_RECORDS),
        {
            "where": GraphQLArgument(AUDIT_WHERE),
            "order": GraphQLArgument(required(AUDIT_ORDER), default_value="NEWEST_FIRST"),
            **slicing(),
        },
        _audit_log, description="Every audit record whose label your session dominates. Reading it is recorded too.",
    ),
}  # fmt: skip
