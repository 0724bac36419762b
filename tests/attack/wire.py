"""Bytes as no HTTP library would send them."""

import select
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from http_server import GRAPHQL, Tenant

QUERY = b'{"query":"{ __typename }"}'


@dataclass(frozen=True)
class Reply:
    """What came back, until the server closed the connection or sent nothing more."""

    content: bytes
    closed: bool

    @property
    def status(self) -> int:
        """Of the first answer; 0 where there was none."""
        return int(self.content.split(b" ", 2)[1]) if self.content.startswith(b"HTTP/") else 0

    @property
    def answers(self) -> int:
        return self.content.count(b"HTTP/1.1 ")


def connect(tenant: Tenant) -> socket.socket:
    address = urlsplit(tenant.server.url)
    return socket.create_connection((address.hostname, address.port), timeout=10)


def post(
    tenant: Tenant, *headers: str, body: bytes = QUERY, length: object = None, method: str = "POST",
    target: str = "/graphql", version: str = "HTTP/1.1",
) -> bytes:  # fmt: skip
    """A request's bytes. `length` is what Content-Length says, by default what is so; the empty text leaves it out."""
    said = len(body) if length is None else length
    lines = [f"{method} {target} {version}", "Host: x", f"Accept: {GRAPHQL}", "Content-Type: application/json"]
    lines.append(f"Authorization: {tenant.authorization()['authorization']}")
    lines += [f"Content-Length: {said}"] if said != "" else []
    lines += headers
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def exchange(
    tenant: Tenant, parts: Iterable[bytes], *, pause: float = 0, quiet: float = 0.3, ending: bool = False
) -> Reply:
    """Sends the parts one after another, `pause` seconds apart, and takes what comes back until it has been quiet for
    `quiet` seconds. Once something comes back, nothing more is sent.

    `ending` says with the last part that nothing more will come.
    """
    with connect(tenant) as connection:
        content = b""
        try:
            for part in parts:
                connection.sendall(part)
                if pause and select.select([connection], [], [], pause)[0]:
                    break
            if ending:
                connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65_536):
                content += received
                connection.settimeout(quiet)
        except TimeoutError:
            return Reply(content, closed=False)
        except ConnectionError:
            pass
        return Reply(content, closed=True)
