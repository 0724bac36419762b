"""Sends messages to receivers that nobody vouches for: to public addresses only, within bounds of time and size.

Redirects are not followed, and answers not read beyond a bound. Addresses are judged by fabric/outbound/guard.py.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self

import httpcore2 as httpcore

from fabric.outbound.addresses import Networks
from fabric.outbound.guard import FAILURES, Guarded, reason

LONGEST_ANSWER = 65_536
"""Bytes of an answer's body that are read, for the connection to be of use again; nothing is done with them."""

_KEPT_ALIVE = 30.0
_DRAINING = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt. `failure` is None where the receiver took the message.

    Otherwise it is the receiver's status, such as ``HTTP_503``, or ``TIMEOUT``, ``CONNECTION``, ``TLS``, ``ANSWER``
    (there was none, or it was not HTTP), or ``ADDRESS``: the host has none that may be reached, or none at all.
    """

    failure: str | None = None
    retry_after: float | None = None
    """Seconds that the receiver asks to be left alone."""

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more."""
        return self.failure == "HTTP_410"

    @property
    def kind(self) -> str:
        """One of few words, for metrics: ``DELIVERED``, ``HTTP_4XX``, ``TIMEOUT``…"""
        if self.failure is None:
            return "DELIVERED"
        return f"{self.failure[:6]}XX" if self.failure.startswith("HTTP_") else self.failure


class Client:
    """Use as an async context manager. `timeout` is the seconds of a whole attempt, `connections` those at once.

    OSError or ssl.SSLError for a file of certificate authorities that cannot be read.
    """

    def __init__(
        self, networks: Networks, *, timeout: float = 15.0, connections: int = 64, ca_file: Path | None = None
    ) -> None:
        context = httpcore.default_ssl_context()
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        self.networks = networks
        self._timeout = timeout
        self._pools = {
            plain: httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=connections,
                keepalive_expiry=_KEPT_ALIVE,
                network_backend=Guarded(networks, plain=plain),
            )
            for plain in (False, True)
        }
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for pool in self._pools.values():
            await self._stack.enter_async_context(pool)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """One attempt; it never raises but for being cancelled."""
        outcome = None
        try:
            async with asyncio.timeout(self._timeout) as limit, self._answer(url, headers, body) as response:
                outcome = _outcome(response)
                limit.reschedule(asyncio.get_running_loop().time() + _DRAINING)
                await _drain(response)
        except FAILURES as error:
            outcome = outcome or Outcome(reason(error))
        assert outcome is not None
        return outcome

    def _answer(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> AbstractAsyncContextManager[httpcore.Response]:  # fmt: skip
        target = self.networks.target(url)
        to = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        return self._pools[target.plain].stream("POST", to, headers=list(headers.items()), content=body)


async def _drain(response: httpcore.Response) -> None:
    size = 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > LONGEST_ANSWER:
            return


def _outcome(response: httpcore.Response) -> Outcome:
    if 200 <= response.status < 300:
        return Outcome()
    asked = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    return Outcome(f"HTTP_{response.status}", _seconds(asked.decode("latin-1")))


def _seconds(retry_after: str) -> float | None:
    """A Retry-After header, which is a number of seconds or a date."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    with suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(retry_after)
        return max(0.0, moment.timestamp() - time.time())
    return None
