"""HTTP requests that carry a GraphQL request, and answers to them: what all addresses have in common."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from fabric.errors import BadInput, FabricError, Internal, RateLimited, TimedOut, TooComplex, Unauthenticated
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.identity.subject import SESSION_LABEL_HEADER, Subject
from fabric.settings import Settings
from graphql_api.at_least import AT_LEAST_HEADER, position_asked
from graphql_api.documents.documents import Invalid
from graphql_api.http.authentication import Gate
from graphql_api.http.responses import body, code_of, format_errors
from graphql_api.pipeline import Asked
from graphql_api.streaming.sse import COMPLETE, EVENT_STREAM, next_

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

STATUSES = {Unauthenticated: 401, Internal: 500, TimedOut: 503, RateLimited: 429}


class NotGraphQL(Exception):
    """The HTTP request is not a GraphQL request: its status, and what is wrong with it."""

    def __init__(self, status: int, error: FabricError | str, headers: dict[str, str] | None = None) -> None:
        self.error = BadInput(error) if isinstance(error, str) else error
        super().__init__(self.error.message)
        self.status, self.headers = status, headers or {}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and the code of its first error; `OK` where it has none."""

    response: Response
    outcome: str


async def admitted(gate: Gate, request: Request) -> tuple[Subject, Organization]:
    """Who asks, before anything of what is asked is read. Raises as `Gate.admit` does, or NotGraphQL."""
    headers = request.headers
    if len(headers.getlist(SESSION_LABEL_HEADER)) > 1:
        raise NotGraphQL(400, BadInput("send one session label", (SESSION_LABEL_HEADER,)))
    try:
        return await gate.admit(headers.get("authorization"), headers.get(SESSION_LABEL_HEADER))
    except BadInput as error:
        raise NotGraphQL(400, error) from None


def waited_for(request: Request, organization: Organization, asked: Asked) -> Position | None:
    """The position that the answer must have come to. NotGraphQL for what is none of the organization."""
    try:
        return position_asked(organization, request.headers.getlist(AT_LEAST_HEADER), asked.at_least)
    except BadInput as error:
        raise NotGraphQL(400, error) from None


async def asked_by(request: Request, settings: Settings) -> Asked:
    """What is asked: a POST's body, or the parameters of any other request. NotGraphQL for what is neither."""
    if request.method != "POST":  # HEAD is a GET whose answer stays unsaid
        given: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            if given.get(name):
                given[name] = _parsed(given[name].encode())
        return _checked(given)
    media, parameters = media_type_of(request.headers.get("content-type", ""))
    if media != JSON:
        raise NotGraphQL(415, f"send {JSON}")
    if parameters.get("charset", "utf-8") not in ("utf-8", "utf8"):
        raise NotGraphQL(415, "send UTF-8")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise NotGraphQL(415, "send it without a Content-Encoding")
    content = _parsed(await body_of(request, settings.max_body_bytes, settings.body_timeout_seconds))
    if not isinstance(content, dict):
        raise NotGraphQL(400, "a GraphQL request is a JSON object; several in one are not taken")
    return _checked(content)


async def body_of(request: Request, limit: int, seconds: float) -> bytes:
    """The body, never more of it in memory than is allowed, nor waited for longer."""
    too_large = NotGraphQL(413, f"the body is larger than {limit:,} bytes")
    if int(request.headers.get("content-length") or 0) > limit:
        raise too_large
    chunks, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError:
        raise NotGraphQL(408, "the body took too long to arrive", {"connection": "close"}) from None
    except ClientDisconnect:
        raise NotGraphQL(400, "the body ended early") from None
    return b"".join(chunks)


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise NotGraphQL(400, "this is not JSON") from None


def _checked(given: dict[str, Any]) -> Asked:
    try:
        return Asked.read(given)
    except BadInput as error:
        raise NotGraphQL(400, error) from None


def negotiated(accept: str | None, offers: Mapping[str, str], default: str) -> str:
    """The caller's first choice among `offers`, by the media ranges that ask for each; NotGraphQL for none of them."""
    if not accept or accept == "*/*":
        return default
    best, chosen = 0.0, None
    for part in accept.split(","):
        media, _, parameters = part.partition(";")
        quality = _quality(parameters)
        offered = offers.get(media.strip().lower())
        if offered is not None and quality > best:
            best, chosen = quality, offered
    if chosen is None:
        raise NotGraphQL(406, f"answers come as {' or '.join(dict.fromkeys(offers.values()))}")
    return chosen


def accepts(accept: str | None, media_type: str) -> bool:
    """Whether the caller names this media type among those that it takes."""
    parts = (part.partition(";") for part in (accept or "").split(","))
    return any(media.strip().lower() == media_type and _quality(rest) > 0 for media, _, rest in parts)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def media_type_of(text: str) -> tuple[str, dict[str, str]]:
    """A media type and its parameters, all in lower case."""
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return media, {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def said(
    errors: Sequence[Exception], request_id: str, media_type: str, status: int = 200,
    headers: Mapping[str, str] | None = None, data: bytes | None = None, warnings: Sequence[Mapping[str, str]] = (),
) -> Answer:  # fmt: skip
    told = format_errors(errors, request_id) if errors else []
    content = body(data, told, warnings)
    if media_type == EVENT_STREAM:
        # What the client cannot read as events it can read as JSON: the status has told it that there are none.
        content, media_type = (next_(content) + COMPLETE, EVENT_STREAM) if status == 200 else (content, GRAPHQL_JSON)
    # What one label sees must not come out of a cache for another.
    response = Response(content, status, {"cache-control": "no-store"} | dict(headers or {}), media_type)
    return Answer(response, code_of(told))


def refused(error: Exception, request_id: str, media_type: str) -> Answer:
    """The answer where nothing has begun."""
    if isinstance(error, NotGraphQL):
        return said([error.error], request_id, media_type, error.status, error.headers)
    if isinstance(error, RecursionError):
        error = TooComplex("the request is nested too deeply")
    headers = {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
    return said([error], request_id, media_type, _status(error, media_type), headers)


def _status(error: Exception, media_type: str) -> int:
    if not isinstance(error, FabricError | Invalid):
        return 500
    status = next((s for kind, s in STATUSES.items() if isinstance(error, kind)), None)
    return status or (200 if media_type in (JSON, EVENT_STREAM) else 400)
