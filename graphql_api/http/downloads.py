"""Files that are sent while they are read.

What goes wrong before the first byte is told as `/graphql` tells it. After that nothing can be told any more, so the
connection is broken off without a proper end, by which the reader knows that something is missing.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from fabric.errors import FabricError, Internal, RateLimited, TimedOut
from fabric.log import Outline
from graphql_api.http.http_messages import GRAPHQL_JSON, refused
from graphql_api.http.presence import Left, while_connected
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Pipeline

PIECE_BYTES = 64 * 1024
"""What the reader must take within the time that a stall may last."""

MAX_NAME = 100
"""Letters of a file's name."""

log = structlog.stdlib.get_logger(__name__)


class BrokenOff(Exception):
    """An export failed in its middle. The server closes the connection of who raises."""


@dataclass(frozen=True, slots=True)
class File:
    """`name` and `extension` are letters, digits and `_` only. The first chunk comes once nothing is to be refused."""

    name: str
    extension: str
    media_type: str
    chunks: AsyncGenerator[bytes]


class Places:
    """For the files that are sent at once."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most
        self._metrics = metrics
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """RateLimited if all are taken."""
        if self._taken >= self._most:
            raise RateLimited("too many exports run at the moment; try again later")
        self._taken += 1
        self._metrics.exporting.set(self._taken)
        try:
            yield
        finally:
            self._taken -= 1
            self._metrics.exporting.set(self._taken)


class Downloads(ABC):
    """An endpoint that answers with files, an ASGI application."""

    def __init__(self, pipeline: Pipeline, metrics: Metrics, places: Places) -> None:
        self._pipeline = pipeline
        self._metrics = metrics
        self._places = places

    @abstractmethod
    async def file(self, request: Request) -> File:
        """What is asked for, by whoever may ask. Raises what is wrong with it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        download = Download(send, self._pipeline.services.settings.export_stall_seconds, request.method == "HEAD")
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

    async def _served(self, request: Request, download: "Download") -> bool:
        """Whether the reader stayed to the end."""
        file = await self.file(request)
        with self._places.one():
            try:
                async with asyncio.timeout(self._pipeline.services.settings.export_seconds):
                    await while_connected(request.receive, download.send(file))
            except TimeoutError:
                raise TimedOut("the export took too long") from None
            except Left:
                return False
        await download.end()  # not before the place is free, or the reader's next export could find it taken
        return True


class Download:
    """The response of one export."""

    def __init__(self, send: Send, patience: float, head_only: bool) -> None:
        self._send = send
        self._patience = patience
        self._head_only = head_only
        self.begun = False

    async def send(self, file: File) -> None:
        """All but the end. TimedOut for a reader who takes nothing; else raises as the file's chunks do."""
        async with aclosing(file.chunks) as chunks:
            first = await anext(chunks, b"")
            self.begun = True
            await self._say({"type": "http.response.start", "status": 200, "headers": _headers(file)})
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


def _broken_off(error: Exception) -> str:
    """Logs why an export ended in its middle, and tells its code."""
    code = error.code if isinstance(error, FabricError) else Internal.code
    log.error("export broken off", code=code, outline=Outline.of(error.__cause__ or error))
    return code


def _headers(file: File) -> list[tuple[bytes, bytes]]:
    name = f"{file.name[:MAX_NAME]}.{file.extension}"  # a GraphQL name: letters, digits and _ only
    headers = {
        "content-type": file.media_type,
        "content-disposition": f'attachment; filename="{name}"',
        # What one label sees must not come out of a cache for another.
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return [(key.encode(), value.encode()) for key, value in headers.items()]
