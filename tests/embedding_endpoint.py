"""A local endpoint that speaks OpenAI's protocol for embeddings, and fails in whatever way a test wants."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from fabric.embedding.hashing import DIMENSIONS, _hashed


class Double:
    """What it answers with, and what it was asked. `url` is for the client."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.busy = 0
        """How many requests are answered with 429 before one is served."""
        self.delay = 0.0
        self.body: bytes | None = None
        self.vectors: Any = None
        """Instead of the texts' own, if given: called with the texts."""

    def texts(self) -> list[str]:
        return [text for request in self.asked for text in request["input"]]

    def answer(self, request: dict[str, Any]) -> tuple[int, bytes]:
        self.asked.append(request)
        time.sleep(self.delay)
        if self.busy:
            self.busy -= 1
            return 429, b'{"error": {"message": "too fast", "type": "rate_limit"}}'
        if self.status != 200:
            return self.status, b'{"error": {"message": "no"}}'
        if self.body is not None:
            return 200, self.body
        made = (self.vectors or _vectors)(request["input"])
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(made)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        # Not orjson: it has no word for what is no number.
        told = {"object": "list", "data": [], "model": request["model"], "usage": usage}
        text = orjson.dumps(told).decode().replace('"data":[]', f'"data":[{",".join(map(_json, data))}]')
        return 200, text.encode()


def _vectors(texts: list[str]) -> list[list[float]]:
    return [_hashed(text).tolist() for text in texts]


def _json(item: dict[str, Any]) -> str:
    vector = ",".join("NaN" if x != x else repr(x) for x in item["embedding"])
    return f'{{"object":"embedding","index":{item["index"]},"embedding":[{vector}]}}'


@contextmanager
def endpoint() -> Iterator[Double]:
    double = Double("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
            double.keys.append(self.headers["authorization"])
            status, body = double.answer(request)
            try:
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


__all__ = ["DIMENSIONS", "Double", "endpoint"]
