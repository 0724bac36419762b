"""A receiver of webhooks on this machine, which does with each message what a test tells it to."""

import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

PATIENCE = 20.0
"""Seconds within which everything arrives; a calm machine needs a fraction of one."""


@dataclass(frozen=True)
class Received:
    """One request. `began` and `ended` are on the clock of `time.monotonic`."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    began: float

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def data(self) -> Any:
        return self.message["data"]


@dataclass(frozen=True)
class Reply:
    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Behaviour = Callable[[Received], Reply]


def takes(_: Received) -> Reply:
    return Reply()


@dataclass
class Receiver:
    """What came, in the order in which it did; `behaviour` says how the next requests are answered."""

    url: str
    port: int
    behaviour: Behaviour = takes
    requests: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    """Those that were answered with success, in the order of the answers."""
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._changed = threading.Condition()

    def told(self, ready: bool = False) -> list[Received]:
        """What was taken, without the first message of each webhook unless that is asked for too."""
        with self._changed:
            return [r for r in self.taken if ready or r.message["type"] != "webhook.ready"]

    def wait(self, condition: Callable[[], bool], what: str = "") -> None:
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                assert left > 0, f"{what}: {[r.message['type'] for r in self.requests]}"
                self._changed.wait(min(left, 0.2))

    def wait_for(self, number: int) -> list[Received]:
        """So many messages that were taken, `webhook.ready` not counted."""
        self.wait(lambda: len(self.told()) >= number, f"{number} messages")
        return self.told()

    def wait_ready(self, number: int = 1) -> None:
        """Until the first message of so many webhooks was taken."""
        self.wait(lambda: len(self.told(ready=True)) - len(self.told()) >= number, "ready")

    def by_entity(self) -> dict[str, list[str]]:
        """Ids of the messages of each object or link, in the order of their first success."""
        found: dict[str, list[str]] = defaultdict(list)
        for received in self.told():
            data = received.data
            entity = data["link"]["id"] if "link" in data else data.get("objectId") or data["event"]["entityId"]
            if received.id not in found[entity]:
                found[entity].append(received.id)
        return found

    def handle(self, request: Received) -> Reply:
        with self._changed:
            self.requests.append(request)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self._changed.notify_all()
        try:
            return self.behaviour(request)
        finally:
            with self._changed:
                self.at_once -= 1

    def answered(self, request: Received, reply: Reply) -> None:
        with self._changed:
            if 200 <= reply.status < 300:
                self.taken.append(request)
            self._changed.notify_all()


@contextmanager
def receiving(port: int = 0, context: SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver on loopback until the block ends; with `context`, over TLS."""

    connections: set[socket.socket] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.add(self.connection)

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # who sent it was ended in the middle
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.path, headers, body, time.monotonic())
            reply = receiver.handle(request)
            receiver.answered(request, reply)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 100

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who sends may hang up; that is what tests are about."""

    server = Quiet(("127.0.0.1", port), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    port = server.server_address[1]
    receiver = Receiver(f"http{'s' if context else ''}://127.0.0.1:{port}/hook", port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join(10)
