"""A client of `graphql-transport-ws` that says what a test wants, right or wrong."""

import base64
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from http_server import Server
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PROTOCOL = "graphql-transport-ws"
SOON = 10.0
"""Seconds within which everything comes that comes at all."""


class Socket:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, **message: Any) -> None:
        self.connection.send(orjson.dumps(message).decode())

    def receive(self) -> dict[str, Any]:
        """The next message but for pings, which are answered."""
        deadline = time.monotonic() + SOON
        while (message := orjson.loads(self.connection.recv(SOON)))["type"] == "ping":
            assert time.monotonic() < deadline, "nothing but pings"
            self.send(type="pong")
        return dict(message)

    def initialise(self, headers: Mapping[str, Any]) -> None:
        """As whom the headers of an HTTP request would ask."""
        self.send(type="connection_init", payload=dict(headers))
        assert self.receive() == {"type": "connection_ack"}

    def subscribe(self, query: str, id: str = "1", **payload: Any) -> None:
        self.send(type="subscribe", id=id, payload={"query": query, **payload})

    def results(self, id: str = "1") -> list[dict[str, Any]]:
        """What an operation gives until it completes."""
        found = []
        while (message := self.receive())["type"] == "next":
            assert message["id"] == id
            found.append(message["payload"])
        assert message == {"id": id, "type": "complete"}
        return found

    def error(self, id: str = "1") -> dict[str, Any]:
        """The one error of an operation that did not succeed."""
        message = self.receive()
        assert (message["type"], message["id"]) == ("error", id), message
        (error,) = message["payload"]
        return dict(error)

    def closed(self) -> tuple[int, str]:
        """The code and reason with which the server closes, next."""
        with pytest.raises(ConnectionClosed) as closed:
            self.receive()
        frame = closed.value.rcvd
        assert frame is not None, "the connection was cut"
        return frame.code, frame.reason


@contextmanager
def opened(
    server: Server, protocol: str | None = PROTOCOL, headers: Mapping[str, str] | None = None, origin: str | None = None
) -> Iterator[Socket]:
    connection = connect(
        address(server), subprotocols=[protocol] if protocol else None, additional_headers=headers, origin=origin,
        ping_interval=None, compression=None, max_size=None, close_timeout=0.2, proxy=None,
    )  # fmt: skip
    with connection:
        yield Socket(connection)


def address(server: Server) -> str:
    return server.url.replace("http:", "ws:") + "/graphql"


@contextmanager
def raw(server: Server, receive_buffer: int = 4096) -> Iterator[socket.socket]:
    """A connection whose handshake is done, and of which nothing is read unless the test does."""
    host, port = server.url.removeprefix("http://").split(":")
    key = base64.b64encode(b"0" * 16).decode()
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        opened.settimeout(SOON)
        opened.connect((host, int(port)))
        wanted = {
            "Host": f"{host}:{port}", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key, "Sec-WebSocket-Protocol": PROTOCOL,
        }  # fmt: skip
        lines = ["GET /graphql HTTP/1.1", *(f"{name}: {value}" for name, value in wanted.items()), "", ""]
        opened.sendall("\r\n".join(lines).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += opened.recv(1)
        assert answer.startswith(b"HTTP/1.1 101")
        yield opened


def frame(text: str) -> bytes:
    """A client's frame of text, masked with zeros."""
    content = text.encode()
    size = len(content)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + b"\0\0\0\0" + content
