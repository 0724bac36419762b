"""Unlocking in the schema: mutations that give one object's encrypted values, and requests that others approve.

No value is ever part of a list of objects, of a query or of another mutation's payload. Each field of a document that
unlocks is an attempt of its own, aliases and fragments included.
"""

from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLArgumentMap,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLString,
)

from fabric.errors import BadInput
from fabric.ids import read_id
from fabric.unlocking.attempts import Attempt
from fabric.unlocking.requests import Request, State
from fabric.unlocking.unlocking import Unlocked
from graphql_api.context import Context, Info
from graphql_api.fields.told_events import moment
from graphql_api.schema.common_types import SCALARS, listed, required

_TIME = SCALARS["DateTime"]

UNLOCKED_FIELD = GraphQLObjectType(
    "UnlockedField",
    {
        "objectId": GraphQLField(required(GraphQLID)),
        "field": GraphQLField(required(GraphQLString)),
        "label": GraphQLField(required(SCALARS["Label"]), description="Of the version that the value is of."),
        "value": GraphQLField(SCALARS["JSON"], description="In the JSON form of the field's kind."),
        "expiresAt": GraphQLField(required(_TIME), description="Show it no longer than this."),
    },
    description="The plaintext of one encrypted field.",
)

UNLOCK_REQUEST_STATE = GraphQLEnumType(
    "UnlockRequestState",
    {str(state): str(state) for state in State},
    description="PENDING waits for approvals, APPROVED to be collected. COLLECTED and EXPIRED are over.",
)

UNLOCK_APPROVAL = GraphQLObjectType(
    "UnlockApproval",
    {"approvedBy": GraphQLField(required(GraphQLString)), "approvedAt": GraphQLField(required(_TIME))},
)

UNLOCK_REQUEST = GraphQLObjectType(
    "UnlockRequest",
    {
        "unlockId": GraphQLField(required(GraphQLID)),
        "objectId": GraphQLField(required(GraphQLID)),
        "type": GraphQLField(required(GraphQLString)),
        "field": GraphQLField(required(GraphQLString)),
        "label": GraphQLField(required(SCALARS["Label"]), description="It is approved and collected at this label."),
        "reason": GraphQLField(required(GraphQLString)),
        "requestedBy": GraphQLField(required(GraphQLString)),
        "requestedAt": GraphQLField(required(_TIME)),
        "expiresAt": GraphQLField(required(_TIME)),
        "state": GraphQLField(required(UNLOCK_REQUEST_STATE)),
        "approvalsNeeded": GraphQLField(required(GraphQLInt)),
        "approvals": GraphQLField(listed(UNLOCK_APPROVAL)),
    },
    description="An unlock that others have to approve.",
)

_PAYLOAD = GraphQLObjectType("UnlockRequestPayload", {"unlockRequest": GraphQLField(required(UNLOCK_REQUEST))})


async def _unlock_field(_: Any, info: Info, **given: Any) -> Any:
    (unlocked,) = await _unlocked(info.context, given, [given["field"]])
    return unlocked


async def _unlock_fields(_: Any, info: Info, **given: Any) -> Any:
    return await _unlocked(info.context, given, given["fields"])


async def _unlocked(context: Context, given: dict[str, Any], fields: list[str]) -> list[dict[str, Any]]:
    attempt = _attempt(context, given)
    object_id = read_id(given["objectId"])
    found = await context.services.unlocking.unlock(context.subject, context.organization, object_id, fields, attempt)
    return [_told_value(context, each) for each in found]


async def _request(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    attempt = _attempt(context, given)
    object_id = read_id(given["objectId"])
    made = await context.services.unlock_requests.request(
        context.subject, context.organization, object_id, given["field"], attempt
    )
    return {"unlockRequest": _told_request(context, made)}


async def _approve(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    unlock_id = read_id(given["unlockId"])
    approved = await context.services.unlock_requests.approve(
        context.subject, context.organization, unlock_id, given.get("requestId")
    )
    return {"unlockRequest": _told_request(context, approved)}


async def _collect(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    unlock_id = read_id(given["unlockId"])
    unlocked = await context.services.unlock_requests.collect(
        context.subject, context.organization, unlock_id, given.get("requestId")
    )
    return _told_value(context, unlocked)


async def _requests(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    settings = context.services.settings
    limit = settings.default_page_size if given.get("first") is None else given["first"]
    if not 0 <= limit <= settings.max_page_size:
        raise BadInput(f"a page has 0 to {settings.max_page_size:,} items", ("first",))
    found = await context.services.unlock_requests.seen(context.subject, limit, open_only=given["openOnly"])
    return [_told_request(context, each) for each in found]


def _attempt(context: Context, given: dict[str, Any]) -> Attempt:
    return Attempt.of(context.subject.subject, given["reason"], given.get("requestId"))


def _told_value(context: Context, unlocked: Unlocked) -> dict[str, Any]:
    return {
        "objectId": str(unlocked.object_id),
        "field": unlocked.field,
        "label": str(context.organization.lattice.decode(unlocked.label)),
        "value": unlocked.value,
        "expiresAt": moment(unlocked.expires_at),
    }


def _told_request(context: Context, request: Request) -> dict[str, Any]:
    return {
        "unlockId": str(request.unlock_id),
        "objectId": str(request.object_id),
        "type": request.type_name,
        "field": request.field,
        "label": str(context.organization.lattice.decode(request.label)),
        "reason": request.reason,
        "requestedBy": request.requested_by,
        "requestedAt": moment(request.requested_at),
        "expiresAt": moment(request.expires_at),
        "state": str(request.state),
        "approvalsNeeded": request.needed,
        "approvals": [{"approvedBy": each.by, "approvedAt": moment(each.at)} for each in request.approvals],
    }


def _of_object(**fields: GraphQLArgument) -> GraphQLArgumentMap:
    return {
        "objectId": GraphQLArgument(required(GraphQLID)),
        **fields,
        "reason": GraphQLArgument(required(GraphQLString), description="It is recorded."),
        "requestId": _REQUEST_ID,
    }


_REQUEST_ID = GraphQLArgument(GraphQLString, description="Of your own. It can be used once: a repeated one is refused.")
_FIELD = GraphQLArgument(required(GraphQLString))
_OF_REQUEST = {"unlockId": GraphQLArgument(required(GraphQLID)), "requestId": _REQUEST_ID}

UNLOCK_QUERIES: GraphQLFieldMap = {
    "unlockRequests": GraphQLField(
        listed(UNLOCK_REQUEST),
        {
            "openOnly": GraphQLArgument(required(GraphQLBoolean), default_value=True),
            "first": GraphQLArgument(GraphQLInt),
        },
        _requests, description="Requests that you see, the newest first.",
    ),
}  # fmt: skip

UNLOCK_MUTATIONS: GraphQLFieldMap = {
    "unlockField": GraphQLField(
        required(UNLOCKED_FIELD), _of_object(field=_FIELD), _unlock_field,
        description="The plaintext of one encrypted field, on the record.",
    ),
    "unlockFields": GraphQLField(
        listed(UNLOCKED_FIELD), _of_object(fields=GraphQLArgument(listed(GraphQLString))), _unlock_fields,
        description="The same of several fields of one object, all or none; each counts and is recorded.",
    ),
    "requestUnlock": GraphQLField(
        required(_PAYLOAD), _of_object(field=_FIELD), _request, description="Asks others to approve an unlock.",
    ),
    "approveUnlock": GraphQLField(
        required(_PAYLOAD), _OF_REQUEST, _approve, description="Approves what another person asked for.",
    ),
    "collectUnlock": GraphQLField(
        required(UNLOCKED_FIELD), _OF_REQUEST, _collect, description="The plaintext that others have approved, once.",
    ),
}  # fmt: skip
