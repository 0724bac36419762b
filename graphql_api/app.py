"""The application: what is made once, the routes, and what surrounds every request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from uuid import UUID

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fabric import indexes, retention
from fabric.db import Database
from fabric.document_register import DocumentRegister
from fabric.embedding import choice
from fabric.encryption import Encryption
from fabric.errors import BadInput, FabricError, NotFound
from fabric.feed import Feed
from fabric.graphs import Graphs
from fabric.key_rotations import KeyRotations
from fabric.links import Links
from fabric.log import request as request_scope
from fabric.migration import require_head
from fabric.numbering import require_order
from fabric.objects import Objects
from fabric.organizations import Directory
from fabric.policy import Policy
from fabric.revocations import CHANNEL, Revocations
from fabric.rotator import Pace, Rotator
from fabric.seal_keys import SealingKey, TrustedKeys, sealing_key, trusted_keys
from fabric.sealing import Sealer
from fabric.search.indexing import Indexer
from fabric.search.query_vectors import QueryVectors
from fabric.search.searching import Search
from fabric.search.worker import Worker as Indexing
from fabric.secrets import token_secret
from fabric.settings import Settings, variable
from fabric.subject import SESSION_LABEL_HEADER
from fabric.token_keys import verification_keys
from fabric.tokens import Authenticator
from fabric.types import Types
from fabric.unlock_attempts import Limit
from fabric.unlock_requests import UnlockRequests
from fabric.unlocking import Unlocking
from fabric.vaults import open_vault
from fabric.webhook_addresses import Networks
from fabric.webhook_client import Client
from fabric.webhook_courier import Office
from fabric.webhook_pace import Schedule, Slots
from fabric.webhook_registry import Registry
from fabric.webhook_worker import Worker
from graphql_api import graphiql
from graphql_api.at_least import AT_LEAST_HEADER
from graphql_api.authentication import Gate
from graphql_api.channels import Channels
from graphql_api.connections import Connections
from graphql_api.context import Services
from graphql_api.downloads import Downloads, Places
from graphql_api.event_source import LAST_EVENT_ID, EventSource
from graphql_api.export_http import ExportOverHTTP
from graphql_api.http import GraphQLOverHTTP
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Pipeline
from graphql_api.rdf_http import RdfOverHTTP
from graphql_api.responses import format_errors
from graphql_api.surfaces import Surfaces
from graphql_api.webhook_notices import Notices
from graphql_api.websocket import GraphQLOverWebSocket
from vault.protocol import Vault

log = structlog.stdlib.get_logger(__name__)


def authenticator(settings: Settings) -> Authenticator:
    shared = "HS256" in settings.jwt_algorithms
    keys = verification_keys(
        settings.jwt_algorithms,
        secret=token_secret(settings.data_dir, settings.jwt_secret_file) if shared else None,
        public_key=settings.jwt_key_file.read_bytes() if settings.jwt_key_file else None,
        jwks_url=settings.jwks_url,
    )
    return Authenticator(
        keys,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        leeway_seconds=settings.jwt_leeway_seconds,
    )


def webhook_client(settings: Settings) -> Client:
    """ValueError for a file of certificate authorities that cannot be read."""
    networks = Networks.parse(settings.webhook_allowed_networks)
    try:
        return Client(
            networks, timeout=settings.webhook_timeout_seconds, connections=settings.webhook_concurrency,
            ca_file=settings.webhook_ca_file,
        )  # fmt: skip
    except OSError as error:
        raise ValueError(f"{variable('webhook_ca_file')}: {error.strerror or error}") from error


def create_app(
    settings: Settings, database_url: str, admin_url: str | None = None, metrics: Metrics | None = None,
    connections: Connections | None = None,
) -> ASGIApp:  # fmt: skip
    """The ASGI application that serves this database, as the role of the URL.

    With `admin_url`, the same database as a role that may, it also keeps the indexes that definitions ask for. What it
    does is counted in `metrics`. Who stops the server stops the `connections` first, or waits for them.
    """
    policy = Policy.load(settings.policy_file)
    identities = authenticator(settings)
    measured = metrics or Metrics()
    open_connections = connections or Connections(settings, measured)
    client = webhook_client(settings)
    provider = choice.provider(settings)
    seal_key = sealing_key(settings.data_dir, settings.seal_key_file)
    seal_keys = trusted_keys(seal_key, settings.seal_public_keys_file)
    vault = open_vault(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await require_head(database_url)
        await require_order(database_url)
        async with await Database.connect(
            database_url, size=settings.pool_size, statement_timeout=settings.statement_timeout_seconds
        ) as database:
            await database.require_safe_role()
            types = Types(database, Encryption(vault) if vault else None)
            feed = Feed(database)
            graphs = Graphs(database, feed, settings.graph_memory_bytes)
            register, channels = DocumentRegister(database), Channels(feed)
            directory, surfaces = Directory(database), Surfaces(settings, measured.caches)
            notices = Notices(database, types, surfaces)
            webhooks = Registry(database, notices, client.networks, settings.max_webhooks)
            objects, links = Objects(types), Links(types)
            limit = Limit(settings.unlock_limit, settings.unlock_window_seconds)
            unlocking = Unlocking(database, types, vault, limit, settings.vault_timeout_seconds)
            rotating = Pace(settings.rotation_rows_per_second, settings.rotation_days)
            rotator = Rotator(database, vault, rotating) if vault else None
            vectors = QueryVectors(provider, lambda key: choice.former(settings, key))
            services = Services(
                settings, database, types, objects, links, register, feed, channels, graphs, webhooks,
                unlocking,
                UnlockRequests(unlocking, settings.unlock_request_seconds),
                KeyRotations(database, types, vault, rotator.poke if rotator else _nothing),
                Search(database, types, vectors, settings.search_language),
            )  # fmt: skip
            measured.database, measured.graphs = database, graphs
            revocations = Revocations(database, leeway_seconds=settings.jwt_leeway_seconds)
            gate = Gate(identities, directory, policy, revocations)
            app.state.database = database
            pipeline = Pipeline(services, gate, surfaces)
            app.state.graphql = GraphQLOverHTTP(pipeline, open_connections, measured)
            app.state.websocket = GraphQLOverWebSocket(pipeline, open_connections, measured)
            app.state.events = EventSource(pipeline, open_connections, measured)
            places = Places(settings.max_exports, measured)
            app.state.export = ExportOverHTTP(pipeline, measured, places)
            app.state.rdf = RdfOverHTTP(pipeline, measured, places)
            pace = Schedule(settings.webhook_retry_seconds, settings.webhook_give_up_hours * 3600)
            slots = Slots(settings.webhook_concurrency)
            worker = Worker(
                Office(database, feed, notices, client, policy, revocations, pace, slots, measured.webhooks), directory
            )
            indexer = Indexer(database, types, provider, settings.search_language, measured.search)
            sealer = measured.sealer = Sealer(database, seal_key, seal_keys, settings.data_dir)
            async with (
                _closing(vault),
                feed.running(),
                sealer.running(),
                rotator.running() if rotator else nullcontext(),
                _following_types(database, types, admin_url),
                _following_revocations(database, revocations, gate, open_connections, worker),
                _delivering(settings, worker, client),
                _indexing(settings, database, indexer),
                _pruning(settings, admin_url, seal_key, seal_keys),
            ):
                yield
                await graphs.close()
                await vectors.close()
                if provider is not None:
                    await provider.close()

    app = Starlette(
        lifespan=lifespan,
        routes=[
            Route("/graphql", _graphql, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", _WebSocket()),
            Route("/events", _events),
            Route("/export", _Download("export"), methods=["GET", "POST"]),
            Route("/export/rdf", _Download("rdf"), methods=["GET"]),
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


def _nothing() -> None:
    """There is nobody to be woken."""


@asynccontextmanager
async def _closing(vault: Vault | None) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if vault is not None:
            await vault.close()


@asynccontextmanager
async def _following_types(database: Database, types: Types, admin_url: str | None) -> AsyncIterator[None]:
    """What other replicas change is forgotten here, and indexed."""
    changed = asyncio.Event()

    def notice(organization_id: UUID | None) -> None:
        types.forget(organization_id)
        changed.set()

    indexing = asyncio.create_task(indexes.keep(admin_url, changed)) if admin_url else None
    try:
        async with database.listening("fabric_types", notice):
            yield
    finally:
        if indexing:
            indexing.cancel()


@asynccontextmanager
async def _delivering(settings: Settings, worker: Worker, client: Client) -> AsyncIterator[None]:
    """Webhooks are sent what happens, by this process unless others do it."""
    if not settings.webhooks:
        yield
        return
    async with client, worker.running():
        yield


@asynccontextmanager
async def _indexing(settings: Settings, database: Database, indexer: Indexer) -> AsyncIterator[None]:
    """What changes can be found by its words and meaning, by this process's work unless others do it."""
    if not settings.search_indexing:
        yield
        return
    async with Indexing(database, indexer).running():
        yield


@asynccontextmanager
async def _following_revocations(
    database: Database, revocations: Revocations, gate: Gate, connections: Connections, worker: Worker
) -> AsyncIterator[None]:
    """What is revoked ends the connections and the webhooks of its tokens at once, here too."""
    checks: set[asyncio.Task[None]] = set()

    def notice(organization_id: UUID | None) -> None:
        revocations.forget(organization_id)
        worker.poke(organization_id)
        check = asyncio.create_task(connections.recheck(gate, organization_id))
        checks.add(check)
        check.add_done_callback(checks.discard)

    try:
        async with database.listening(CHANNEL, notice):
            yield
    finally:
        for check in checks:
            check.cancel()


class _WebSocket:
    """The endpoint for WebSockets, which is there once the application has started."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint: GraphQLOverWebSocket = scope["app"].state.websocket
        await endpoint(scope, receive, send)


class _Straight:
    """Takes GraphQL sent by POST past the application's routes, which would find the same endpoint more slowly."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/graphql" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        endpoint: GraphQLOverHTTP = self._app.state.graphql
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


@asynccontextmanager
async def _pruning(
    settings: Settings, admin_url: str | None, key: SealingKey, trusted: TrustedKeys
) -> AsyncIterator[None]:
    """What is too old by the settings goes, where this process may do that."""
    policy = retention.Policy.of_days(settings.events_kept_days, settings.audit_kept_days)
    if admin_url is None or not [*policy]:
        if [*policy]:
            log.warning("retention.needs_admin", setting=variable("admin_database_url"))
        yield
        return
    pruning = asyncio.create_task(retention.keep(admin_url, policy, key, trusted))
    try:
        yield
    finally:
        pruning.cancel()


async def _graphql(request: Request) -> Response:
    if request.app.state.console and graphiql.is_wanted(request):
        return graphiql.page()
    endpoint: GraphQLOverHTTP = request.app.state.graphql
    return await endpoint(request)


async def _events(request: Request) -> Response:
    endpoint: EventSource = request.app.state.events
    return await endpoint(request)


class _Download:
    """The endpoint made at the start. No function: it sends its response itself."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint: Downloads = getattr(scope["app"].state, self._name)
        await endpoint(scope, receive, send)


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
        await request.app.state.database.ask("select 1")
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
