"""Errors as GraphQL responses show them: a message, a place, a code out of one list, and nothing of the inside."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import structlog
from graphql import GraphQLError

from fabric.errors import FabricError, Internal, RateLimited, Several, TooComplex
from fabric.log import Outline
from graphql_api.documents.documents import Invalid, message_of

log = structlog.stdlib.get_logger(__name__)

MESSAGE_LENGTH = 1_000
STEP_LENGTH = 200
"""Characters of a message and of one step of a path: they repeat what was sent, which can be long, in many errors."""

MOST_LOCATIONS = 10


def format_errors(errors: Iterable[Exception], request_id: str) -> list[dict[str, Any]]:
    """What the caller is told. What is not meant for callers is logged, and told as INTERNAL with the request's id."""
    return [formatted for error in errors for formatted in _format(error, request_id)]


def _format(error: Exception, request_id: str) -> list[dict[str, Any]]:
    if isinstance(error, Invalid):
        return [_of_document(e) for e in error.errors]
    if isinstance(error, GraphQLError):
        if error.original_error is None or isinstance(error.original_error, GraphQLError):
            return [_of_document(error)]
        place = _place(error)
        return [place | formatted for formatted in _format(error.original_error, request_id)]
    if isinstance(error, Several):
        return [formatted for each in error.errors for formatted in _format(each, request_id)]
    if isinstance(error, FabricError) and not isinstance(error, Internal):
        extensions: dict[str, Any] = {"code": error.code}
        if error.path:
            extensions["inputPath"] = _steps(error.path)
        if isinstance(error, RateLimited) and error.retry_after is not None:
            extensions["retryAfterSeconds"] = math.ceil(error.retry_after)
        return [{"message": _short(error.message, MESSAGE_LENGTH), "extensions": extensions}]
    if isinstance(error, RecursionError):
        return [{"message": "the request is nested too deeply", "extensions": {"code": TooComplex.code}}]
    log.error("request failed", outline=Outline.of(error.__cause__ or error))
    message = f"something went wrong here; the log has more under request {request_id}"
    return [{"message": message, "extensions": {"code": Internal.code, "requestId": request_id}}]


def _of_document(error: GraphQLError) -> dict[str, Any]:
    message = _short(message_of(error), MESSAGE_LENGTH)
    return {"message": message, **_place(error), "extensions": {"code": "BAD_USER_INPUT"}}


def _place(error: GraphQLError) -> dict[str, Any]:
    place: dict[str, Any] = {}
    if error.locations:
        place["locations"] = [location.formatted for location in error.locations[:MOST_LOCATIONS]]
    if error.path:
        place["path"] = list(error.path)
    return place


def _steps(path: Iterable[str | int]) -> list[str | int]:
    return [_short(step, STEP_LENGTH) if isinstance(step, str) else step for step in path]


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def code_of(told: Sequence[Mapping[str, Any]]) -> str:
    """The code of the first error, or OK."""
    return str(told[0]["extensions"]["code"]) if told else "OK"


def body(
    data: bytes | None, errors: list[dict[str, Any]], warnings: Sequence[Mapping[str, str]] = ()
) -> bytes:
    """The response's JSON. `data` is finished JSON and stands in it as it is."""
    end = b',"extensions":' + orjson.dumps({"warnings": list(warnings)}) + b"}" if warnings else b"}"
    if not errors:
        return b'{"data":' + (data or b"null") + end
    told = b'{"errors":' + orjson.dumps(errors)
    return told + (end if data is None else b',"data":' + data + end)
