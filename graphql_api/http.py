"""GraphQL over HTTP, as the specification of that name says.

POST with JSON, GET for queries only. `application/graphql-response+json` gets 4xx for what could not start;
`application/json`, for older clients, gets 200 with the errors, but for requests that are not GraphQL requests at all.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from fabric.errors import FabricError, Internal, RateLimited, TimedOut, Unauthenticated
from graphql_api.authentication import Gate
from graphql_api.compiler import OperationReader, Outcome
from graphql_api.context import Context, Services
from graphql_api.documents import Invalid
from graphql_api.responses import body, format_errors
from graphql_api.surfaces import Surfaces

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

_STATUS = {Unauthenticated: 401, Internal: 500, TimedOut: 503, RateLimited: 429}


class NotGraphQL(Exception):
    """The HTTP request is not a GraphQL request: its status, and why."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a GraphQL request."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)


class GraphQLOverHTTP:
    """The endpoint."""

    def __init__(self, services: Services, gate: Gate, surfaces: Surfaces) -> None:
        self._services = services
        self._gate = gate
        self._surfaces = surfaces

    async def __call__(self, request: Request) -> Response:
        request_id: str = request.state.request_id
        media_type = JSON
        try:
            media_type = _negotiated(request.headers.get("accept"))
            asked = await self._asked(request)
            outcome = await self._run(request, asked, request_id)
        except NotGraphQL as refusal:
            content = body(None, [{"message": refusal.message, "extensions": {"code": "BAD_USER_INPUT"}}])
            return Response(content, refusal.status, refusal.headers, media_type)
        except (FabricError, Invalid) as error:
            return Response(
                body(None, format_errors([error], request_id)), _status(error, media_type), _headers(error), media_type
            )
        errors = format_errors(outcome.errors, request_id) if outcome.errors else []
        return Response(body(outcome.data, errors), media_type=media_type)

    async def _run(self, request: Request, asked: Asked, request_id: str) -> Outcome:
        headers = request.headers
        subject, organization = await self._gate.admit(
            headers.get("authorization"), headers.get("fabric-session-label")
        )
        catalogue = await self._services.types.catalogue(subject.session)
        compiler = await self._surfaces.compiler(subject.organization_id, catalogue)
        operation = compiler.operation(asked.query, asked.operation_name)
        if request.method == "GET" and not operation.is_query:
            raise NotGraphQL(405, "GET is for queries; send mutations by POST", {"allow": "POST"})
        variables = compiler.variables(operation, asked.variables)
        reader = OperationReader(compiler, operation)
        context = Context(self._services, subject, organization, request_id, reader, variables)
        return await compiler.run(context, operation, asked.variables)

    async def _asked(self, request: Request) -> Asked:
        if request.method == "GET":
            given: dict[str, Any] = dict(request.query_params)
            for name in ("variables", "extensions"):
                if given.get(name):
                    given[name] = _parsed(given[name].encode())
            return _checked(given)
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != JSON:
            raise NotGraphQL(415, f"send {JSON}")
        charset = content_type.partition("charset=")[2].strip().strip('"').lower()
        if charset not in ("", "utf-8", "utf8"):
            raise NotGraphQL(415, "send UTF-8")
        content = _parsed(await self._body(request))
        if not isinstance(content, dict):
            raise NotGraphQL(400, "a GraphQL request is a JSON object; several in one are not taken")
        return _checked(content)

    async def _body(self, request: Request) -> bytes:
        """The body, never more of it in memory than is allowed."""
        limit = self._services.settings.max_body_bytes
        too_large = NotGraphQL(413, f"the body is larger than {limit:,} bytes")
        if int(request.headers.get("content-length") or 0) > limit:
            raise too_large
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise too_large
            chunks.append(chunk)
        return b"".join(chunks)


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise NotGraphQL(400, "this is not JSON") from None


def _checked(given: dict[str, Any]) -> Asked:
    query, name, variables = given.get("query"), given.get("operationName"), given.get("variables")
    if not isinstance(query, str) or not query:
        raise NotGraphQL(400, "query is missing: the text of a GraphQL document")
    if name is not None and not isinstance(name, str):
        raise NotGraphQL(400, "operationName is a string")
    if variables is not None and not isinstance(variables, dict) and variables != "":
        raise NotGraphQL(400, "variables is an object")
    if given.get("extensions") not in (None, "") and not isinstance(given["extensions"], dict):
        raise NotGraphQL(400, "extensions is an object")
    return Asked(query, name or None, variables or {})


def _negotiated(accept: str | None) -> str:
    """The media type to answer in: the caller's first choice of the two."""
    if not accept or accept == "*/*":
        return JSON
    best, chosen = 0.0, None
    for part in accept.split(","):
        media, _, parameters = part.partition(";")
        quality = _quality(parameters)
        match media.strip().lower():
            case "application/graphql-response+json":
                offered = GRAPHQL_JSON
            case "application/json" | "*/*" | "application/*":
                offered = JSON
            case _:
                continue
        if quality > best:
            best, chosen = quality, offered
    if chosen is None:
        raise NotGraphQL(406, f"answers come as {GRAPHQL_JSON} or {JSON}")
    return chosen


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _status(error: FabricError | Invalid, media_type: str) -> int:
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), None)
    return status or (200 if media_type == JSON else 400)


def _headers(error: FabricError | Invalid) -> dict[str, str]:
    return {"www-authenticate": "Bearer"} if isinstance(error, Unauthenticated) else {}
