"""Server-sent events: how a subscription's payloads are sent as one response, and how that ends.

GraphQL comes by `graphql-sse` in its mode of distinct connections: one response for each operation. What could not
begin is told as the protocol wants it, in an event, where the client takes nothing else; see `http`. `event_source`
sends the same payloads in another form.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import ExitStack, aclosing, suppress
from typing import Any, Protocol

import structlog
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from fabric.errors import RateLimited, Unauthenticated
from fabric.settings import Settings
from fabric.tasks import ended
from graphql_api.http.responses import body, format_errors
from graphql_api.metrics import Metrics
from graphql_api.streaming.admission import Admission
from graphql_api.streaming.connections import Connections
from graphql_api.streaming.streams import CloseCode, Dropped, Ending, Gone, Outgoing, portions

EVENT_STREAM = "text/event-stream"

COMPLETE = b"event: complete\ndata:\n\n"
ALIVE = b":\n\n"

# What asks a proxy not to keep events back until it has many.
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

log = structlog.stdlib.get_logger(__name__)


def next_(payload: bytes) -> bytes:
    """An event of a finished GraphQL response. A line's end, which JSON has only between its values, would end it."""
    return b"event: next\ndata: " + payload.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\n"


class Form(Protocol):
    """What payloads, which are finished GraphQL responses, look like in a stream."""

    complete: bytes
    """What ends the stream, where it ends by itself."""

    def event(self, payload: bytes) -> bytes: ...

    def failure(self, told: bytes) -> bytes:
        """Why it ends; `told` is a GraphQL response with errors alone."""


class GraphQLForm:
    """That of `graphql-sse`."""

    complete = COMPLETE

    def event(self, payload: bytes) -> bytes:
        return next_(payload)

    def failure(self, told: bytes) -> bytes:
        return next_(told)


class EventStream(Response):
    """The response of one subscription. Made for an admitted subject, whose connection it holds until it ends.

    RateLimited when the actor has too many.
    """

    def __init__(
        self, payloads: AsyncGenerator[Sequence[bytes], None], admission: Admission, request_id: str,
        settings: Settings, connections: Connections, metrics: Metrics, form: Form | None = None,
    ) -> None:  # fmt: skip
        self.status_code = 200
        self.media_type = EVENT_STREAM
        self.background = None
        self.init_headers(HEADERS)
        self._form = form or GraphQLForm()
        self._payloads = payloads
        self._admission = admission
        self._request_id = request_id
        self._settings = settings
        self._metrics = metrics
        self._ending = Ending()
        with ExitStack() as held:
            held.enter_context(connections.entered("sse", admission.subject, self._ending))
            held.enter_context(connections.subscribed("sse", admission.subject))
            self._held = held.pop_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        out = Outgoing(send, self._ending, self._settings.slow_consumer_seconds)
        with self._held:
            try:
                async with self._ending, aclosing(self._payloads):
                    self._admission.end_at_expiry(self._ending)
                    start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                    await out.put(start)
                    await _first_of(self._forward(out), self._keep_alive(out), _departure(receive))
            except Dropped as dropped:
                await self._tell(dropped, send)
            finally:
                out.close()

    async def _forward(self, out: Outgoing) -> None:
        """Sends the payloads, and what ends them."""
        streamed = self._metrics.streamed("sse")
        try:
            async for payloads in self._payloads:
                for some in portions(payloads):
                    await self._admission.check()
                    await out.put(_part(b"".join(map(self._form.event, some))))
                    streamed(len(some))
            await out.put(_part(self._form.complete, more=False))
        except (Dropped, Gone):
            raise
        except Exception as error:
            await out.put(_part(self._failure(error) + self._form.complete, more=False))

    async def _keep_alive(self, out: Outgoing) -> None:
        while True:
            await asyncio.sleep(self._settings.keep_alive_seconds)
            await self._admission.renew()
            await out.put(_part(ALIVE))

    async def _tell(self, dropped: Dropped, send: Send) -> None:
        """Why the stream ends, where that is the client's affair. Else it ends without `complete`: come again."""
        log.info("closed", code=int(dropped.code), reason=dropped.label)
        self._metrics.dropped(dropped.label)
        told = b""
        if dropped.code == CloseCode.FORBIDDEN:
            told = self._failure(Unauthenticated(dropped.reason)) + self._form.complete
        elif dropped.code == CloseCode.SLOW_CONSUMER:
            told = self._failure(RateLimited(dropped.reason)) + self._form.complete
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(self._settings.slow_consumer_seconds):
                await send(_part(told, more=False))

    def _failure(self, error: Exception) -> bytes:
        return self._form.failure(body(None, format_errors([error], self._request_id)))


def _part(content: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def _departure(receive: Receive) -> None:
    """Waits until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Runs them until the first ends, and ends the others; raises what it raised, but for Gone."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await ended(*tasks)
    with suppress(Gone):
        for task in done:
            task.result()
