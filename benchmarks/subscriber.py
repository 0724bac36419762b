"""A client of `graphql-transport-ws` that costs next to nothing: ten thousand of them are not what is measured."""

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable
from typing import Any, cast

_ACKNOWLEDGED, _PING, _PONG = b'{"type":"connection_ack"}', b'{"type":"ping"}', b'{"type":"pong"}'
_TEXT, _CLOSE, _PINGED = 0x81, 0x88, 0x89


class Subscriber(asyncio.Protocol):
    """One subscription over a connection of its own. `told` gets the time of whatever comes after READY."""

    def __init__(self, token: str, query: str, variables: dict[str, Any], told: Callable[[float], None]) -> None:
        self._token, self._told = token, told
        self._subscription = {"type": "subscribe", "id": "1", "payload": {"query": query, "variables": variables}}
        self._received = bytearray()
        self._upgraded = False
        self.closed = "the server closed the connection"
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._received += data
        if not self._upgraded:
            head, found, rest = bytes(self._received).partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head.partition(b"\r\n")[0], head
            self._upgraded, self._received = True, bytearray(rest)
            init = {"type": "connection_init", "payload": {"authorization": f"Bearer {self._token}"}}
            self._send(json.dumps(init).encode())
        start = 0
        while (end := self._end(start)) is not None:
            self._take(start, end, now)
            start = end
        del self._received[:start]

    def _end(self, start: int) -> int | None:
        """Where the frame that begins there ends; None where it is not all there."""
        received = self._received
        if len(received) < start + 10:  # no message of the server's is shorter
            return None
        size, body = received[start + 1], start + 2
        if size == 126:
            size, body = int.from_bytes(received[start + 2 : start + 4], "big"), start + 4
        elif size == 127:
            size, body = int.from_bytes(received[start + 2 : start + 10], "big"), start + 10
        return body + size if len(received) >= body + size else None

    def _take(self, start: int, end: int, now: float) -> None:
        first = self._received[start]
        if first == _TEXT and end - start > 100 and self.ready.done():
            self._told(now)
            return
        payload = self._received[start + 2 : end]
        if payload == _PING:
            self._send(_PONG)
        elif payload == _ACKNOWLEDGED:
            self._send(json.dumps(self._subscription).encode())
        elif first == _TEXT:
            assert b'"READY"' in payload, bytes(payload)
            self.ready.set_result(None)
        elif first == _PINGED:
            self._send(bytes(payload), 0x8A)
        else:
            assert first == _CLOSE, first
            self.closed = bytes(payload[2:]).decode()

    def _send(self, payload: bytes, first: int = _TEXT) -> None:
        """Masked with zeros, which changes nothing."""
        size = len(payload)
        head = bytes([first, 0x80 | size]) if size < 126 else bytes([first, 0x80 | 126]) + size.to_bytes(2, "big")
        self.transport.write(head + bytes(4) + payload)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(self.closed))


async def subscribed(
    port: int, token: str, query: str, variables: dict[str, Any], told: Callable[[float], None]
) -> Subscriber:
    """One that READY has come to."""
    loop = asyncio.get_running_loop()
    _, subscriber = await loop.create_connection(lambda: Subscriber(token, query, variables, told), "127.0.0.1", port)
    async with asyncio.timeout(60):
        await subscriber.ready
    return subscriber
