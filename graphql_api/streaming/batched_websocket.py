"""uvicorn's WebSocket, which also sends many messages in one go.

ASGI has a server called once for each message, and each call goes through the whole protocol and to the system. A
hundred subscribers of the same events are sent hundreds of thousands of messages a second, so an application may send
many at once: as `texts` of a `websocket.send`, where the connection's scope has the extension.
"""

from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

EXTENSION = "websocket.send.texts"

_FINAL_TEXT = b"\x81"
_SHORT, _LONG = 126, 1 << 16


class BatchedWebSocket(WebSocketsSansIOProtocol):
    async def run_asgi(self) -> None:
        self.scope["extensions"] = {**(self.scope.get("extensions") or {}), EXTENSION: {}}
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        if "texts" not in message:
            await super().send(message)
            return
        await self.writable.wait()
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.write(b"".join([part for text in message["texts"] for part in (_head(len(text)), text)]))


def _head(length: int) -> bytes:
    """What stands before a message of so many bytes (RFC 6455, section 5.2): a server's is whole, and not masked."""
    if length < _SHORT:
        return _FINAL_TEXT + length.to_bytes(1, "big")
    if length < _LONG:
        return _FINAL_TEXT + b"\x7e" + length.to_bytes(2, "big")
    return _FINAL_TEXT + b"\x7f" + length.to_bytes(8, "big")
