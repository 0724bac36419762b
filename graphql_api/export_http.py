"""`/export`: what a query with one connection lists, as a file that is written while it is read.

What goes wrong before the first byte is told as `/graphql` tells it. After that nothing can be told any more, so the
connection is broken off without a proper end, by which the reader knows that something is missing.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from fabric.errors import BadInput, FabricError, Internal, RateLimited, TimedOut
from fabric.log import Outline
from graphql_api.compiler import Items
from graphql_api.context import Context
from graphql_api.csv_form import Csv
from graphql_api.exports import Form, Ndjson, export
from graphql_api.http_messages import GRAPHQL_JSON, NotGraphQL, admitted, asked_by, negotiated, refused
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Pipeline

NDJSON, CSV = "application/x-ndjson", "text/csv"

PIECE_BYTES = 64 * 1024
"""What the reader must take within the time that a stall may last."""

MAX_NAME = 100
"""Letters of a file's name."""

_OFFERS = {NDJSON: NDJSON, CSV: CSV, "application/*": NDJSON, "text/*": CSV, "*/*": NDJSON}
_FORMATS = {"ndjson": NDJSON, "csv": CSV}
_YES_NO = {"true": True, "false": False}

log = structlog.stdlib.get_logger(__name__)


class BrokenOff(Exception):
    """An export failed in its middle. The server closes the connection of who raises."""


class ExportOverHTTP:
    """The endpoint, an ASGI application."""

    def __init__(self, pipeline: Pipeline, metrics: Metrics) -> None:
        self._pipeline = pipeline
        self._metrics = metrics
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        download = _Download(send, self._pipeline.services.settings.export_stall_seconds, request.method == "HEAD")
        try:
            outcome = "OK" if await self._served(request, download) else "GONE"
        except Exception as error:
            if download.begun:
                self._metrics.exported(_broken_off(error))
                raise BrokenOff from error
            answer = refused(error, request.state.request_id, GRAPHQL_JSON)
            outcome = answer.outcome
            await answer.response(scope, receive, send)
        self._metrics.exported(outcome)

    async def _served(self, request: Request, download: "_Download") -> bool:
        """Whether the reader stayed to the end."""
        media_type, spreadsheet = _wanted(request)
        subject, organization = await admitted(self._pipeline.gate, request)
        services = self._pipeline.services
        asked = await asked_by(request, services.settings)
        prepared = await self._pipeline.prepare(asked, subject)
        context = prepared.context(services, subject, organization, request.state.request_id)
        items = prepared.items(context)
        form = Csv(items.listing, spreadsheet=spreadsheet) if media_type == CSV else Ndjson()
        with self._place():
            try:
                async with asyncio.timeout(services.settings.export_seconds):
                    stayed = await _while_connected(request.receive, download.send(context, items, form))
            except TimeoutError:
                raise TimedOut("the export took too long") from None
        if stayed:  # and not before the place is free, or the reader's next export could find it taken
            await download.end()
        return stayed

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the exports that run at once."""
        if self._running >= self._pipeline.services.settings.max_exports:
            raise RateLimited("too many exports run at the moment; try again later")
        self._running += 1
        self._metrics.exporting.set(self._running)
        try:
            yield
        finally:
            self._running -= 1
            self._metrics.exporting.set(self._running)


class _Download:
    """The response of one export."""

    def __init__(self, send: Send, patience: float, head_only: bool) -> None:
        self._send = send
        self._patience = patience
        self._head_only = head_only
        self.begun = False

    async def send(self, context: Context, items: Items, form: Form) -> None:
        """All but the end. TimedOut for a reader who takes nothing; else raises as `export` does."""
        async with aclosing(export(context, items, form)) as chunks:
            first = await anext(chunks, b"")
            self.begun = True
            await self._say({"type": "http.response.start", "status": 200, "headers": _headers(items.name, form)})
            if not self._head_only:
                await self._body(first)
                async for chunk in chunks:
                    await self._body(chunk)

    async def end(self) -> None:
        await self._say({"type": "http.response.body"})

    async def _body(self, chunk: bytes) -> None:
        for start in range(0, len(chunk), PIECE_BYTES):
            piece = chunk[start : start + PIECE_BYTES]
            await self._say({"type": "http.response.body", "body": piece, "more_body": True})

    async def _say(self, message: dict[str, Any]) -> None:
        """Waits for the reader to have taken what was said before."""
        try:
            async with asyncio.timeout(self._patience):
                await self._send(message)
        except TimeoutError:
            raise TimedOut("the reader took nothing for too long") from None


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> bool:
    """Does the work, and ends it at once when the client goes. Whether it was done."""
    working, listening = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, listening), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        listening.cancel()
        await asyncio.wait((working, listening))
    if working.cancelled():
        return False
    working.result()
    return True


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _broken_off(error: Exception) -> str:
    """Logs why an export ended in its middle, and tells its code."""
    code = error.code if isinstance(error, FabricError) else Internal.code
    log.error("export broken off", code=code, outline=Outline.of(error.__cause__ or error))
    return code


def _wanted(request: Request) -> tuple[str, bool]:
    """The media type, and whether it is for a spreadsheet. Parameters of the address win over `Accept`."""
    parameters = request.query_params
    spreadsheet = _choice(parameters, "spreadsheet", _YES_NO) or False
    media_type = _choice(parameters, "format", _FORMATS)
    if media_type is None:
        media_type = negotiated(request.headers.get("accept"), _OFFERS, NDJSON)
    if spreadsheet and media_type != CSV:
        raise NotGraphQL(400, BadInput("only CSV is for spreadsheets", ("spreadsheet",)))
    return media_type, spreadsheet


def _choice(parameters: Mapping[str, str], name: str, choices: Mapping[str, Any]) -> Any:
    given = parameters.get(name)
    if given is not None and given not in choices:
        raise NotGraphQL(400, BadInput(f"{name} is {' or '.join(choices)}", (name,)))
    return choices[given] if given is not None else None


def _headers(name: str, form: Form) -> list[tuple[bytes, bytes]]:
    file = f"{name[:MAX_NAME]}.{form.extension}"  # a GraphQL name: letters, digits and _ only
    headers = {
        "content-type": form.media_type,
        "content-disposition": f'attachment; filename="{file}"',
        # What one label sees must not come out of a cache for another.
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return [(key.encode(), value.encode()) for key, value in headers.items()]
