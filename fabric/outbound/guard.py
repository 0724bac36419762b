"""Connections to public addresses only, whatever a name resolves to.

A name is resolved here, each address judged, and the connection made to the very address that was found fit; the name
stays what the certificate is checked against, and the request's Host. So a name cannot be resolved once for the check
and again for the connection. Proxies of the environment are not used.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Iterator

import httpcore2 as httpcore

from fabric.errors import BadInput
from fabric.outbound.addresses import Networks

_TRIED = 3
"""Addresses of one name that are tried."""


class NoAddress(Exception):
    """The host has no address that may be connected to, or none at all."""


FAILURES = (
    NoAddress, BadInput, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.NetworkError, OSError,
)  # fmt: skip
"""What an attempt can end with; `TimeoutError` and `ssl.SSLError` are of `OSError`."""


class Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses that the networks permit, and to no other."""

    def __init__(self, networks: Networks, *, plain: bool) -> None:
        self._networks = networks
        self._plain = plain
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,  # noqa: ASYNC109
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:  # fmt: skip
        failure: Exception = NoAddress()
        for address in await self._addresses(host, port):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.NetworkError as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return []
        addresses = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)
        return [each for each in addresses if self._networks.permit(each, plain=self._plain)][:_TRIED]


def reason(error: Exception) -> str:
    """Which of FAILURES it is, in one word: ``ADDRESS``, ``TIMEOUT``, ``ANSWER``, ``TLS`` or ``CONNECTION``."""
    match error:
        case NoAddress() | BadInput():
            return "ADDRESS"
        case TimeoutError() | httpcore.TimeoutException():
            return "TIMEOUT"
        case httpcore.ProtocolError():
            return "ANSWER"
        case _:
            return "TLS" if any(isinstance(each, ssl.SSLError) for each in _origins(error)) else "CONNECTION"


def _origins(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
