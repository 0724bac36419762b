"""GraphQL over HTTP, as the specification of that name says.

POST with JSON, GET for queries only. `application/graphql-response+json` gets 4xx for what could not start;
`application/json`, for older clients, gets 200 with the errors, but for requests that are not GraphQL requests at all.
So does `text/event-stream`, in which alone subscriptions are answered here.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from fabric.errors import BadInput, FabricError, Internal, RateLimited, TimedOut, TooComplex, Unauthenticated
from fabric.organizations import Organization
from fabric.subject import SESSION_LABEL_HEADER, Subject
from graphql_api.admission import Admission
from graphql_api.connections import Connections
from graphql_api.context import Context
from graphql_api.documents import Invalid
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Asked, Pipeline, Prepared
from graphql_api.responses import body, code_of, format_errors
from graphql_api.sse import COMPLETE, EVENT_STREAM, EventStream, next_

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

_STATUS = {Unauthenticated: 401, Internal: 500, TimedOut: 503, RateLimited: 429}


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


@dataclass(frozen=True, slots=True)
class Accepted:
    """How the caller takes answers: single ones in this media type, and whether it takes streams of events."""

    media_type: str = JSON
    streams: bool = False


class GraphQLOverHTTP:
    """The endpoint."""

    def __init__(self, pipeline: Pipeline, connections: Connections, metrics: Metrics) -> None:
        self._pipeline = pipeline
        self._connections = connections
        self._metrics = metrics

    async def __call__(self, request: Request) -> Response:
        started = time.perf_counter()
        answer = await self._answer(request)
        self._metrics.answered(answer.outcome, time.perf_counter() - started)
        return answer.response

    async def _answer(self, request: Request) -> Answer:
        request_id: str = request.state.request_id
        accepted = Accepted()
        try:
            accepted = _negotiated(request.headers.get("accept"))
            subject, organization = await self._admitted(request)
            prepared = await self._pipeline.prepare(await self._asked(request), subject)
            context = prepared.context(self._pipeline.services, subject, organization, request_id)
            if prepared.operation.is_subscription:
                return self._stream(request, accepted, prepared, context)
            if request.method != "POST" and not prepared.operation.is_query:
                raise NotGraphQL(405, "GET is for queries; send mutations by POST", {"allow": "POST"})
            outcome = await prepared.run(context)
        except NotGraphQL as refusal:
            return _said([refusal.error], request_id, accepted, refusal.status, refusal.headers)
        except RecursionError:
            too_deep = TooComplex("the request is nested too deeply")
            return _said([too_deep], request_id, accepted, _status(too_deep, accepted))
        except Exception as error:
            return _said([error], request_id, accepted, _status(error, accepted), _headers(error))
        return _said(outcome.errors, request_id, accepted, data=outcome.data)

    def _stream(self, request: Request, accepted: Accepted, prepared: Prepared, context: Context) -> Answer:
        """A subscription's response, which runs it."""
        if not accepted.streams:
            raise NotGraphQL(406, f"subscriptions are answered as {EVENT_STREAM}, or over a WebSocket")
        if request.method == "HEAD":
            raise NotGraphQL(405, "HEAD is for queries", {"allow": "GET, POST"})
        headers = request.headers
        admission = Admission(
            self._pipeline.gate, headers.get("authorization"), headers.get(SESSION_LABEL_HEADER), context.subject
        )
        stream = EventStream(
            prepared.stream(context), admission, context.request_id, context.services.settings, self._connections,
            self._metrics,
        )  # fmt: skip
        return Answer(stream, "OK")

    async def _admitted(self, request: Request) -> tuple[Subject, Organization]:
        """Who asks, before anything of what is asked is read."""
        headers = request.headers
        if len(headers.getlist(SESSION_LABEL_HEADER)) > 1:
            raise NotGraphQL(400, BadInput("send one session label", (SESSION_LABEL_HEADER,)))
        try:
            return await self._pipeline.gate.admit(headers.get("authorization"), headers.get(SESSION_LABEL_HEADER))
        except BadInput as error:
            raise NotGraphQL(400, error) from None

    async def _asked(self, request: Request) -> Asked:
        if request.method != "POST":  # HEAD is a GET whose answer stays unsaid
            given: dict[str, Any] = dict(request.query_params)
            for name in ("variables", "extensions"):
                if given.get(name):
                    given[name] = _parsed(given[name].encode())
            return _checked(given)
        media, parameters = _media_type(request.headers.get("content-type", ""))
        if media != JSON:
            raise NotGraphQL(415, f"send {JSON}")
        if parameters.get("charset", "utf-8") not in ("utf-8", "utf8"):
            raise NotGraphQL(415, "send UTF-8")
        content = _parsed(await self._body(request))
        if not isinstance(content, dict):
            raise NotGraphQL(400, "a GraphQL request is a JSON object; several in one are not taken")
        return _checked(content)

    async def _body(self, request: Request) -> bytes:
        """The body, never more of it in memory than is allowed."""
        limit = self._pipeline.services.settings.max_body_bytes
        too_large = NotGraphQL(413, f"the body is larger than {limit:,} bytes")
        if int(request.headers.get("content-length") or 0) > limit:
            raise too_large
        chunks, size = [], 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
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


def _negotiated(accept: str | None) -> Accepted:
    """The media type to answer in: the caller's first choice of the three."""
    if not accept or accept == "*/*":
        return Accepted()
    best, chosen, streams = 0.0, None, False
    for part in accept.split(","):
        media, _, parameters = part.partition(";")
        quality = _quality(parameters)
        match media.strip().lower():
            case "application/graphql-response+json":
                offered = GRAPHQL_JSON
            case "application/json" | "*/*" | "application/*":
                offered = JSON
            case "text/event-stream":
                offered = EVENT_STREAM
                streams = quality > 0
            case _:
                continue
        if quality > best:
            best, chosen = quality, offered
    if chosen is None:
        raise NotGraphQL(406, f"answers come as {GRAPHQL_JSON}, {JSON} or {EVENT_STREAM}")
    return Accepted(chosen, streams)


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    """A media type and its parameters, all in lower case."""
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return media, {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _said(
    errors: Sequence[Exception], request_id: str, accepted: Accepted, status: int = 200,
    headers: Mapping[str, str] | None = None, data: bytes | None = None,
) -> Answer:  # fmt: skip
    told = format_errors(errors, request_id) if errors else []
    content, media_type = body(data, told), accepted.media_type
    if media_type == EVENT_STREAM:
        # What the client cannot read as events it can read as JSON: the status has told it that there are none.
        content, media_type = (next_(content) + COMPLETE, EVENT_STREAM) if status == 200 else (content, GRAPHQL_JSON)
    # What one label sees must not come out of a cache for another.
    response = Response(content, status, {"cache-control": "no-store"} | dict(headers or {}), media_type)
    return Answer(response, code_of(told))


def _status(error: Exception, accepted: Accepted) -> int:
    if not isinstance(error, FabricError | Invalid):
        return 500
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), None)
    return status or (400 if accepted.media_type == GRAPHQL_JSON else 200)


def _headers(error: Exception) -> dict[str, str]:
    return {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
