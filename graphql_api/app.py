"""The application: the routes, and what surrounds every request."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fabric.errors import BadInput, FabricError, NotFound
from fabric.identity.subject import SESSION_LABEL_HEADER
from fabric.log import request as request_scope
from fabric.settings import Settings
from graphql_api import graphiql
from graphql_api.assembly import Endpoints, Outfit, serving
from graphql_api.at_least import AT_LEAST_HEADER
from graphql_api.http.responses import format_errors
from graphql_api.metrics import Metrics
from graphql_api.streaming.connections import Connections
from graphql_api.streaming.event_source import LAST_EVENT_ID

log = structlog.stdlib.get_logger(__name__)


def create_app(
    settings: Settings, database_url: str, admin_url: str | None = None, metrics: Metrics | None = None,
    connections: Connections | None = None,
) -> ASGIApp:  # fmt: skip
    """The ASGI application that serves this database, as the role of the URL.

    With `admin_url`, the same database as a role that may, it also keeps the indexes that definitions ask for. What it
    does is counted in `metrics`. Who stops the server stops the `connections` first, or waits for them. Raises as
    `Outfit.of`.
    """
    outfit = Outfit.of(settings)
    measured = metrics or Metrics()
    open_connections = connections or Connections(settings, measured)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with serving(outfit, database_url, admin_url, measured, open_connections) as app.state.endpoints:
            yield

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/graphql", _graphql, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", _Endpoint(lambda endpoints: endpoints.websocket)),
            Route("/events", _events),
            Route("/export", _Endpoint(lambda endpoints: endpoints.export), methods=["GET", "POST"]),
            Route("/export/rdf", _Endpoint(lambda endpoints: endpoints.rdf), methods=["GET"]),
            Route("/sparql", _sparql, methods=["GET", "POST"]),
            *([Mount(graphiql.PATH, graphiql.Assets())] if settings.console else []),
            Route("/healthz", _healthy),
            Route("/readyz", _ready),
        ],
        exception_handlers={HTTPException: _refused},
    )
    app.router.redirect_slashes = False  # the address would be made of whatever host the caller names
    app.state.console = settings.console
    return Identified(_sharing(_Straight(app), settings))


def _sharing(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Lets pages of the allowed origins call. Tokens come in a header, so no cookies are asked for."""
    if not settings.allowed_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=[
            "Authorization", "Content-Type", SESSION_LABEL_HEADER, AT_LEAST_HEADER, "X-Request-Id", LAST_EVENT_ID
        ],
        expose_headers=["X-Request-Id", "Content-Disposition"],
    )


class _Endpoint:
    """An endpoint that is there once the application has started, and sends its response itself."""

    def __init__(self, of: Callable[[Endpoints], ASGIApp]) -> None:
        self._of = of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._of(scope["app"].state.endpoints)(scope, receive, send)


class _Straight:
    """Takes GraphQL sent by POST past the application's routes, which would find the same endpoint more slowly."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/graphql" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        endpoints: Endpoints = self._app.state.endpoints
        response = await endpoints.graphql(Request(scope, receive, send))
        await response(scope, receive, send)


async def _graphql(request: Request) -> Response:
    if request.app.state.console and graphiql.is_wanted(request):
        return graphiql.page()
    endpoints: Endpoints = request.app.state.endpoints
    return await endpoints.graphql(request)


async def _events(request: Request) -> Response:
    endpoints: Endpoints = request.app.state.endpoints
    return await endpoints.events(request)


async def _sparql(request: Request) -> Response:
    endpoints: Endpoints = request.app.state.endpoints
    return await endpoints.sparql(request)


async def _refused(_: Request, error: Exception) -> Response:
    """No such address, or no such method there."""
    assert isinstance(error, HTTPException)
    told = NotFound("not found") if error.status_code == 404 else BadInput(error.detail)
    return JSONResponse({"errors": format_errors([told], "")}, error.status_code, error.headers)


async def _healthy(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def _ready(request: Request) -> Response:
    """The database answers too."""
    try:
        await request.app.state.endpoints.database.ask("select 1")
    except FabricError:
        return JSONResponse({"status": "the database does not answer"}, 503)
    return JSONResponse({"status": "ok"})


_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Identified:
    """Gives each request an id, for the log and for the caller, and writes one line about it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        incoming = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"").decode("latin-1")
        with request_scope(incoming) as request_id:
            scope.setdefault("state", {})["request_id"] = request_id
            await self._app(scope, receive, _telling(send, scope["path"], request_id))


def _telling(send: Send, path: str, request_id: str) -> Callable[[Message], Awaitable[None]]:
    async def tell(message: Message) -> None:
        if message["type"] in _STARTS:
            message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            if message.get("status", 200) >= 400:
                log.info("refused", status=message["status"], path=path)
        await send(message)

    return tell
