"""What the fields of webhooks do: from arguments to `fabric.webhook_registry`, and back to values by field name."""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import orjson

from fabric.errors import BadInput, FabricError, Several, TooComplex
from fabric.webhooks.queue import DeadLetter
from fabric.webhooks.registry import Given
from fabric.webhooks.signing import message_id
from fabric.webhooks.webhooks import Listed
from graphql_api.context import Context, Info
from graphql_api.fields.told_events import moment
from graphql_api.positions import letter_cursor, read_letter_cursor

Value = dict[str, Any]

MOST_LETTERS = 10_000
"""Dead letters that one request may ask for, of all its webhooks together."""


async def listed(_: Any, info: Info) -> list[Value]:
    context = info.context
    return [_webhook(context, each) for each in await context.services.webhooks.list(context.subject)]


async def one(_: Any, info: Info, webhook: str) -> Value | None:
    try:
        return await _read(info.context, UUID(webhook))
    except ValueError:
        return None


async def create(_: Any, info: Info, input: Value) -> Value:
    context = info.context
    subscription, arguments = _filter(context, input["filter"], "input", "filter")
    given = Given(input["name"], input["url"], subscription, arguments)
    webhook_id = await _led(
        context.services.webhooks.create(
            context.subject, context.organization, given, request_id=context.request_id
        ),
        subscription,
    )  # fmt: skip
    return await _with_secret(context, webhook_id)


async def update(
    _: Any, info: Info, webhook: str, input: Value, expected_revision: int | None = None
) -> Value:  # fmt: skip
    context = info.context
    webhook_id = context.read_id(webhook, "webhookId")
    changes = {name: value for name, value in input.items() if name in ("name", "url") and value is not None}
    subscription = ""
    if input.get("filter") is not None:
        subscription, arguments = _filter(context, input["filter"], "input", "filter")
        changes |= {"subscription": subscription, "arguments": arguments}
    changing = context.services.webhooks.update(
        context.subject, context.organization, webhook_id, changes,
        expected_revision=expected_revision, request_id=context.request_id,
    )  # fmt: skip
    await _led(changing, subscription)
    return {"webhook": await _read(context, webhook_id)}


async def pause(_: Any, info: Info, webhook: str) -> Value:
    context, webhook_id = info.context, info.context.read_id(webhook, "webhookId")
    await context.services.webhooks.pause(context.subject, webhook_id, request_id=context.request_id)
    return {"webhook": await _read(context, webhook_id)}


async def resume(_: Any, info: Info, webhook: str) -> Value:
    context, webhook_id = info.context, info.context.read_id(webhook, "webhookId")
    await context.services.webhooks.resume(
        context.subject, context.organization, webhook_id, request_id=context.request_id
    )
    return {"webhook": await _read(context, webhook_id)}


async def rotate(_: Any, info: Info, webhook: str, overlap_hours: int) -> Value:
    context, webhook_id = info.context, info.context.read_id(webhook, "webhookId")
    await context.services.webhooks.rotate(
        context.subject, webhook_id, timedelta(hours=overlap_hours), request_id=context.request_id
    )
    return await _with_secret(context, webhook_id)


async def delete(_: Any, info: Info, webhook: str) -> Value:
    context, webhook_id = info.context, info.context.read_id(webhook, "webhookId")
    await context.services.webhooks.delete(context.subject, webhook_id, request_id=context.request_id)
    return {"deletedId": str(webhook_id)}


async def replay(_: Any, info: Info, webhook: str, delivery_ids: list[str] | None = None) -> Value:
    return await _of_letters(info.context, "replay", webhook, delivery_ids)


async def discard(_: Any, info: Info, webhook: str, delivery_ids: list[str] | None = None) -> Value:
    return await _of_letters(info.context, "discard", webhook, delivery_ids)


async def dead_letters(source: Value, info: Info, first: int | None = None, after: str | None = None) -> Value:
    """A page of a webhook's dead letters."""
    context = info.context
    settings, organization, webhook_id = context.services.settings, context.organization, UUID(source["webhookId"])
    limit = settings.default_page_size if first is None else first
    if not 0 <= limit <= settings.max_page_size:
        raise BadInput(f"a page has 0 to {settings.max_page_size:,} items", ("first",))
    asked = context.batches[dead_letters] = context.batches.get(dead_letters, 0) + limit
    if asked > MOST_LETTERS:
        raise TooComplex(f"one request asks for {MOST_LETTERS:,} dead letters at most")
    place = read_letter_cursor(organization, webhook_id, after) if after is not None else 0
    found = await context.services.webhooks.dead_letters(context.subject, webhook_id, place, limit)
    nodes = [_letter(letter) for letter in found.letters]
    cursors = [letter_cursor(organization, webhook_id, letter.ordinal) for letter in found.letters]
    return {
        "nodes": nodes,
        "edges": [{"cursor": cursor, "node": node} for cursor, node in zip(cursors, nodes, strict=True)],
        "pageInfo": {
            "hasNextPage": found.more,
            "hasPreviousPage": False,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
        "totalCount": found.total,
    }


async def _of_letters(
    context: Context, act: Literal["replay", "discard"], webhook: str, given: Sequence[str] | None
) -> Value:
    webhook_id = context.read_id(webhook, "webhookId")
    ids = None if given is None else [context.read_id(id, "deliveryIds", i) for i, id in enumerate(given)]
    registry = context.services.webhooks
    do = registry.replay if act == "replay" else registry.discard
    number = await do(context.subject, webhook_id, ids, request_id=context.request_id)
    return {"webhook": await _read(context, webhook_id), "number": number}


async def _read(context: Context, webhook_id: UUID) -> Value | None:
    found = await context.services.webhooks.find(context.subject, webhook_id)
    return None if found is None else _webhook(context, found)


async def _with_secret(context: Context, webhook_id: UUID) -> Value:
    secret = await context.services.webhooks.secret(context.subject, context.organization, webhook_id)
    return {"webhook": await _read(context, webhook_id), "secret": secret}


def _filter(context: Context, given: Mapping[str, Any], *path: str) -> tuple[str, Value]:
    """The subscription that is named, and its arguments as they are to be kept."""
    named = {name: arguments for name, arguments in given.items() if arguments is not None}
    if len(named) != 1:
        raise BadInput("a filter names exactly one subscription", path)
    [(name, arguments)] = named.items()
    if arguments.get("objectId") is not None:
        arguments = {**arguments, "objectId": str(context.read_id(arguments["objectId"], *path, name, "objectId"))}
    return name, arguments


async def _led(work: Awaitable[Any], subscription: str) -> Any:
    """The work's result, its errors with the path of the argument: a filter's lie below its subscription."""
    try:
        return await work
    except FabricError as error:
        raise _in_input(error, subscription) from None


def _in_input(error: FabricError, subscription: str) -> FabricError:
    if isinstance(error, Several):
        return Several([_in_input(each, subscription) for each in error.errors])
    match error.path:
        case ("name" | "url", *_):
            return error.under("input")
        case ("type" | "where", *_):
            return error.under("input", "filter", subscription)
        case _:
            return error


def _webhook(context: Context, listed: Listed) -> Value:
    w, decode = listed.webhook, context.organization.lattice.decode
    return {
        "webhookId": str(w.webhook_id),
        "name": w.name,
        "url": w.url,
        "filter": {w.subscription: dict(w.arguments)},
        "label": str(decode(w.label)),
        "owner": w.owner,
        "roles": w.roles,
        "state": str(w.state),
        "stoppedFor": w.stopped_for and str(w.stopped_for),
        "lastDeliveredAt": w.last_delivered_at and moment(w.last_delivered_at),
        "failingSince": w.failing_since and moment(w.failing_since),
        "lastFailure": w.last_failure,
        "waiting": listed.waiting,
        "lagSeconds": listed.lag,
        "oldSecretUntil": w.overlap_until and moment(w.overlap_until),
        "revision": w.revision,
        "createdAt": moment(w.created_at),
        "updatedAt": moment(w.updated_at),
    }


def _letter(letter: DeadLetter) -> Value:
    return {
        "deliveryId": str(letter.delivery_id),
        "messageId": message_id(letter.delivery_id),
        "type": letter.topic,
        "payload": orjson.loads(letter.body),
        "attempts": letter.attempts,
        "failure": letter.failure,
        "occurredAt": moment(letter.occurred_at),
        "firstAttemptAt": moment(letter.first_attempt_at),
        "givenUpAt": moment(letter.given_up_at),
    }
