"""The messages of the protocol `graphql-transport-ws`, as they are read and written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import Headers

from fabric.identity.subject import SESSION_LABEL_HEADER
from graphql_api.streaming.streams import CloseCode, Dropped

PROTOCOL = "graphql-transport-ws"

ACKNOWLEDGED = '{"type":"connection_ack"}'
PING = '{"type":"ping"}'

MAX_ID = 255
"""Characters of an operation's id. The protocol knows no limit, but ids are kept while operations run."""

_KINDS = frozenset({"connection_init", "ping", "pong", "subscribe", "complete"})


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message of the client; `id` is empty where its kind has none."""

    kind: str
    id: str
    payload: Mapping[str, Any]


def read(text: str | None) -> Incoming:
    """Dropped for what is not a message of the protocol."""
    try:
        content = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        raise invalid("a message is a text of JSON") from None
    if not isinstance(content, dict) or content.get("type") not in _KINDS:
        raise invalid("a message is an object with a type that clients send")
    kind, payload = content["type"], content.get("payload")
    if not isinstance(payload, dict) and (payload is not None or kind == "subscribe"):
        raise invalid("payload is an object")
    return Incoming(kind, _id(content) if kind in ("subscribe", "complete") else "", payload or {})


def _id(content: Mapping[str, Any]) -> str:
    found = content.get("id")
    if not isinstance(found, str) or not 0 < len(found) <= MAX_ID:
        raise invalid(f"id is a text of 1 to {MAX_ID} characters")
    return found


def invalid(why: str) -> Dropped:
    return Dropped(CloseCode.BAD_REQUEST, f"Invalid message: {why}")


def credentials(headers: Headers, payload: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The Authorization and the session label, each from the upgrade's headers or from `connection_init`.

    Dropped where one is given more than once: which of them counts must not depend on who reads.
    """
    return _given("Authorization", headers, payload), _given(SESSION_LABEL_HEADER, headers, payload)


def _given(name: str, headers: Headers, payload: Mapping[str, Any]) -> str | None:
    found = [*headers.getlist(name), *(value for key, value in payload.items() if key.lower() == name.lower())]
    if len(found) > 1 or not all(isinstance(value, str) for value in found):
        raise Dropped(CloseCode.BAD_REQUEST, f"{name} is a text that is given once")
    return found[0] if found else None


def pong(payload: Mapping[str, Any]) -> str:
    """Dropped for a payload that is nested too deeply to be sent back."""
    if not payload:
        return '{"type":"pong"}'
    try:
        return f'{{"type":"pong","payload":{orjson.dumps(payload).decode()}}}'
    except orjson.JSONEncodeError:
        raise invalid("the payload is nested too deeply") from None


def next_(key: bytes, payload: bytes) -> bytes:
    """`key` is the operation's id as JSON, `payload` a finished GraphQL response."""
    return b'{"id":%b,"type":"next","payload":%b}' % (key, payload)


def error(key: str, errors: Sequence[Mapping[str, Any]]) -> str:
    """Errors as GraphQL responses show them; the operation has ended with it."""
    return f'{{"id":{key},"type":"error","payload":{orjson.dumps(errors).decode()}}}'


def complete(key: str) -> str:
    return f'{{"id":{key},"type":"complete"}}'
