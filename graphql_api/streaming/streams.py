"""What streams of every transport have in common: how they are ended, and what is done with those who do not read."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from enum import IntEnum
from types import TracebackType
from typing import Self

from starlette.types import Message, Send


class CloseCode(IntEnum):
    """Why the server closes a WebSocket (see docs/integrators.md). Those from 4400 on that are not ours are of the
    protocol `graphql-transport-ws`."""

    MESSAGE_TOO_BIG = 1009
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INITIALISATION_TIMEOUT = 4408
    SUBSCRIBER_ALREADY_EXISTS = 4409
    SLOW_CONSUMER = 4410
    SILENT_CLIENT = 4411
    TOO_MANY_CONNECTIONS = 4412
    TOO_MANY_INITIALISATION_REQUESTS = 4429


class Dropped(Exception):
    """The server ends a connection. `reason` is told to the client."""

    def __init__(
        self, code: CloseCode = CloseCode.SLOW_CONSUMER, reason: str = "events were not read fast enough"
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    @property
    def label(self) -> str:
        """The code in words, for logs and metrics."""
        return self.code.name.lower()


class Gone(Exception):
    """The client has left."""


class Ending:
    """An async context whose work can be ended from outside, now or later: it then raises the Dropped that says why."""

    def __init__(self) -> None:
        self._timeout = asyncio.timeout(None)
        self._entered = False
        self._why: Dropped | None = None

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._entered = True
        if self._why is not None:
            self.now(self._why)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered = False
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            assert self._why is not None
            raise self._why from None

    def after(self, seconds: float, why: Dropped) -> None:
        """Ends the work after so many seconds, unless told otherwise meanwhile."""
        self._when(asyncio.get_running_loop().time() + max(0, seconds), why)

    def now(self, why: Dropped) -> None:
        """Ends the work. What ends it first says why."""
        self._when(-math.inf, why)

    def never(self) -> None:
        """Takes back what `after` has said."""
        self._when(None, None)

    def _when(self, moment: float | None, why: Dropped | None) -> None:
        if self._timeout.expired() or self._timeout.when() == -math.inf:
            return
        self._why = why
        if self._entered:
            self._timeout.reschedule(moment)


PORTION = 1 << 15
"""Bytes that are sent in one go: less than what a server keeps of a connection before it lets it wait."""


def portions(payloads: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The payloads in their order, as many together as make a portion; one that is larger comes alone."""
    some: list[bytes] = []
    size = 0
    for payload in payloads:
        size += len(payload)
        if some and size > PORTION:
            yield some
            some, size = [], len(payload)
        some.append(payload)
    if some:
        yield some


class Outgoing:
    """What is sent over one connection, waiting for as long as it is not read; nothing of it is kept here.

    So what a connection takes of memory is the server's own buffer of 64 KiB, and one message for each operation that
    waits. If nothing at all gets on its way for `patience` seconds, the connection is ended as a slow consumer's.
    """

    def __init__(self, send: Send, ending: Ending, patience: float) -> None:
        self._send = send
        self._ending = ending
        self._patience = patience
        self._time = asyncio.get_running_loop().time
        self._waiting = 0
        self._moved_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    async def put(self, message: Message) -> None:
        """Gone when there is nobody to send it to."""
        if self._waiting == 0:
            self._moved_at = self._time()
        if self._alarm is None:  # one for many messages: a timer for each would cost more than sending it
            self._set_alarm(self._patience)
        self._waiting += 1
        try:
            await self._send(message)
        except OSError:
            raise Gone from None
        finally:
            self._waiting -= 1
            self._moved_at = self._time()

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    def _set_alarm(self, seconds: float) -> None:
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._alarm = None
        if self._waiting:
            left = self._moved_at + self._patience - self._time()
            if left > 0:
                self._set_alarm(left)
            else:
                self._ending.now(Dropped())
