"""A client of `graphql-sse`, in its mode of distinct connections."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
from http_server import Tenant

EVENTS = {"accept": "text/event-stream"}


@contextmanager
def streamed(
    tenant: Tenant, query: str, headers: Mapping[str, str] = EVENTS, method: str = "POST", **who: Any
) -> Iterator[httpx.Response]:
    sent = {"content-type": "application/json"} | tenant.authorization(**who) | dict(headers)
    as_get, as_post = {"params": {"query": query}}, {"content": orjson.dumps({"query": query})}
    asked: dict[str, Any] = as_get if method == "GET" else as_post
    with tenant.server.client.stream(method, "/graphql", headers=sent, **asked) as response:
        yield response


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """The events as they come; `complete` has no data, and a comment is an event without a name."""
    waiting = b""
    for chunk in response.iter_raw():
        *whole, waiting = (waiting + chunk).split(b"\n\n")
        for event in whole:
            fields = dict(line.split(b":", 1) for line in event.split(b"\n"))
            data = fields.pop(b"data", b"").strip()
            yield fields.get(b"event", b"").strip().decode(), orjson.loads(data) if data else None
