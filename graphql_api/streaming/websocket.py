"""GraphQL over WebSocket, by the protocol `graphql-transport-ws`; the older `graphql-ws` is not spoken.

A connection is of one subject at one session label, as `connection_init` says. Queries, mutations and subscriptions go
through the same pipeline as over HTTP. The token is checked again before each operation and each event, and with each
sign of life; it ends the connection when it expires.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from fabric.errors import BadInput, FabricError, Forbidden, RateLimited
from fabric.identity.organizations import Organization
from fabric.log import request as request_scope
from graphql_api.at_least import position_asked
from graphql_api.http.origins import is_allowed
from graphql_api.http.responses import body, code_of, format_errors
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Asked, Pipeline
from graphql_api.streaming import transport_ws
from graphql_api.streaming.admission import Admission, refused
from graphql_api.streaming.batched_websocket import EXTENSION
from graphql_api.streaming.connections import Connections
from graphql_api.streaming.streams import CloseCode, Dropped, Ending, Gone, Outgoing, portions

MAX_REASON = 123
"""Bytes that a close frame has room for."""

log = structlog.stdlib.get_logger(__name__)


class GraphQLOverWebSocket:
    """The endpoint, an ASGI application for WebSockets."""

    def __init__(self, pipeline: Pipeline, connections: Connections, metrics: Metrics) -> None:
        self.pipeline = pipeline
        self.connections = connections
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        headers = Headers(scope=scope)
        if not is_allowed(headers, self.pipeline.services.settings.allowed_origins):
            told = format_errors([Forbidden("pages of this origin may not connect")], "")
            await JSONResponse({"errors": told}, 403)(scope, receive, send)
        elif transport_ws.PROTOCOL not in scope["subprotocols"]:
            await send({"type": "websocket.accept"})
            refusal = Dropped(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable")
            await send(_closing(refusal, self.metrics))
        else:
            await send({"type": "websocket.accept", "subprotocol": transport_ws.PROTOCOL})
            batched = EXTENSION in (scope.get("extensions") or {})
            await _Connection(self, headers, scope["state"]["request_id"], receive, send, batched=batched).run()


def _closing(dropped: Dropped, metrics: Metrics) -> Message:
    """The message that closes a connection; it is logged and counted with it."""
    log.info("closed", code=int(dropped.code), reason=dropped.label)
    metrics.dropped(dropped.label)
    reason = dropped.reason.encode()[:MAX_REASON].decode(errors="ignore")
    return {"type": "websocket.close", "code": int(dropped.code), "reason": reason}


@dataclass(slots=True)
class _Operation:
    """One operation of a connection. `key` is its id as JSON."""

    id: str
    key: bytes
    request_id: str
    metrics: Metrics
    started: float = field(default_factory=time.perf_counter)
    counted: bool = False

    def answered(self, outcome: str) -> None:
        """Counts it, once: a subscription with its first event."""
        if not self.counted:
            self.counted = True
            self.metrics.answered(outcome, time.perf_counter() - self.started)


class _Connection:
    """One connection, from its handshake to its end."""

    def __init__(
        self, endpoint: GraphQLOverWebSocket, headers: Headers, request_id: str, receive: Receive, send: Send, *,
        batched: bool,
    ) -> None:  # fmt: skip
        self._pipeline, self._connections = endpoint.pipeline, endpoint.connections
        self._metrics = endpoint.metrics
        self._settings = endpoint.pipeline.services.settings
        self._headers = headers
        self._request_id = request_id
        self._receive, self._send = receive, send
        self._batched = batched
        self._ending = Ending()
        self._out = Outgoing(send, self._ending, self._settings.slow_consumer_seconds)
        self._held = ExitStack()
        self._initialised = False
        self._heard = True
        self._admitted: tuple[Admission, Organization] | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0

    async def run(self) -> None:
        dropped: Dropped | None = None
        try:
            async with self._ending:
                timeout = Dropped(CloseCode.INITIALISATION_TIMEOUT, "Connection initialisation timeout")
                self._ending.after(self._settings.initialisation_timeout_seconds, timeout)
                async for message in self._messages():
                    await self._take(message)
        except Dropped as error:
            dropped = error
        except Gone:
            pass
        finally:
            self._held.close()
            self._out.close()
            for task in self._tasks:
                task.cancel()
        if dropped is not None:
            await self._close(dropped)
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _close(self, dropped: Dropped) -> None:
        closing = _closing(dropped, self._metrics)
        # Behind what is sent already, so it takes as long as that takes to be read. It may be closed by now.
        with suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(self._settings.slow_consumer_seconds):
                await self._send(closing)

    async def _messages(self) -> AsyncIterator[transport_ws.Incoming]:
        """What the client says until it leaves."""
        limit = self._settings.max_body_bytes
        while (event := await self._receive())["type"] == "websocket.receive":
            self._heard = True
            text = event.get("text")
            if text is not None and len(text) > limit:
                raise Dropped(CloseCode.MESSAGE_TOO_BIG, f"the message is larger than {limit:,} bytes")
            yield transport_ws.read(text)

    async def _take(self, message: transport_ws.Incoming) -> None:
        match message.kind:
            case "connection_init":
                await self._initialise(message)
            case "ping":
                await self._put(transport_ws.pong(message.payload))
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                operation = self._operations.pop(message.id, None)
                if operation is not None:
                    operation.cancel()

    async def _initialise(self, message: transport_ws.Incoming) -> None:
        if self._initialised:
            code = CloseCode.TOO_MANY_INITIALISATION_REQUESTS
            raise Dropped(code, "Too many initialisation requests")
        self._initialised = True
        self._ending.never()
        gate = self._pipeline.gate
        authorization, label = transport_ws.credentials(self._headers, message.payload)
        try:
            subject, organization = await gate.admit(authorization, label)
            self._held.enter_context(self._connections.entered("websocket", subject, self._ending))
        except BadInput as error:
            raise Dropped(CloseCode.BAD_REQUEST, error.message) from None
        except RateLimited as error:
            raise Dropped(CloseCode.TOO_MANY_CONNECTIONS, error.message) from None
        except FabricError as error:
            raise refused(error) from None
        admission = Admission(gate, authorization, label, subject)
        admission.end_at_expiry(self._ending)
        self._admitted = admission, organization
        self._start(self._keep_alive(admission))
        await self._put(transport_ws.ACKNOWLEDGED)

    async def _keep_alive(self, admission: Admission) -> None:
        """Looks after a connection on which nothing happens: whether the client is there, and still may be."""
        try:
            while True:
                await asyncio.sleep(self._settings.keep_alive_seconds)
                if not self._heard:
                    raise Dropped(CloseCode.SILENT_CLIENT, "a ping was not answered")
                self._heard = False
                await admission.renew()
                await self._put(transport_ws.PING)
        except Dropped as dropped:
            self._ending.now(dropped)
        except Gone:
            pass

    async def _subscribe(self, message: transport_ws.Incoming) -> None:
        if self._admitted is None:
            raise Dropped(CloseCode.UNAUTHORIZED, "Unauthorized")
        if message.id in self._operations:
            raise Dropped(CloseCode.SUBSCRIBER_ALREADY_EXISTS, f"Subscriber for {message.id} already exists")
        try:
            asked = Asked.read(message.payload)
        except BadInput as error:
            raise transport_ws.invalid(error.message) from None
        self._number += 1
        key = orjson.dumps(message.id)
        operation = _Operation(message.id, key, f"{self._request_id}-{self._number}", self._metrics)
        limit = self._settings.max_operations_per_connection
        # Tasks, not ids: an operation that was completed is there until it has cleaned up. One keeps the connection.
        if len(self._tasks) > limit:
            too_many = RateLimited(f"{limit} operations run over this connection already")
            await self._put(self._failed(operation, too_many))
        else:
            self._operations[operation.id] = self._start(self._operate(operation, asked, *self._admitted))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _operate(
        self, operation: _Operation, asked: Asked, admission: Admission, organization: Organization
    ) -> None:
        """Runs one operation to its end, unless the client completes it: then it is cancelled."""
        with request_scope(operation.request_id) as operation.request_id:
            try:
                await admission.check()
                await self._put(await self._answered(operation, asked, admission, organization))
            except Dropped as dropped:
                self._ending.now(dropped)
            except Gone:
                pass
            finally:
                if self._operations.get(operation.id) is asyncio.current_task():
                    del self._operations[operation.id]

    async def _answered(
        self, operation: _Operation, asked: Asked, admission: Admission, organization: Organization
    ) -> str:
        """Sends what the operation gives; the message that is left to end it."""
        subject, services = admission.subject, self._pipeline.services
        try:
            position = position_asked(organization, (), asked.at_least)
            prepared = await self._pipeline.prepare(asked, subject)
            context = prepared.context(services, subject, organization, operation.request_id, position)
            if prepared.operation.is_subscription:
                with self._connections.subscribed("websocket", subject):
                    async with aclosing(prepared.stream(context)) as payloads:
                        await self._forward(operation, payloads, admission)
            else:
                outcome = await prepared.run(context)
                told = format_errors(outcome.errors, operation.request_id)
                operation.answered(code_of(told))
                if outcome.data is None:
                    return transport_ws.error(operation.key.decode(), told)
                await self._put_all([transport_ws.next_(operation.key, body(outcome.data, told, outcome.warnings))])
        except (Dropped, Gone):
            raise
        except Exception as error:
            return self._failed(operation, error)
        return transport_ws.complete(operation.key.decode())

    async def _forward(
        self, operation: _Operation, stream: AsyncIterator[Sequence[bytes]], admission: Admission
    ) -> None:
        streamed = self._metrics.streamed("websocket")
        async for payloads in stream:
            for some in portions(payloads):
                await admission.check()
                await self._put_all([transport_ws.next_(operation.key, payload) for payload in some])
                operation.answered("OK")
                streamed(len(some))

    def _failed(self, operation: _Operation, error: Exception) -> str:
        told = format_errors([error], operation.request_id)
        operation.answered(code_of(told))
        return transport_ws.error(operation.key.decode(), told)

    async def _put(self, text: str) -> None:
        await self._out.put({"type": "websocket.send", "text": text})

    async def _put_all(self, texts: Sequence[bytes]) -> None:
        if self._batched:
            await self._out.put({"type": "websocket.send", "texts": texts})
        else:
            for text in texts:
                await self._put(text.decode())
