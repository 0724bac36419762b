"""Exports as a client asks for them, whole or piece by piece."""

import csv
import io
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from http_server import Answer, Server, Tenant, answer

NDJSON, CSV = "application/x-ndjson", "text/csv"

BEHIND = """select count(*) as n from pg_stat_activity
where datname = current_database() and usename = 'semantic_fabric_server' and xact_start is not null"""
"""How many of the server's transactions are open."""


def export(
    tenant: Tenant, query: str, variables: Mapping[str, Any] | None = None, *, form: str = NDJSON,
    label: str = "UNCLASSIFIED", session_label: str | None = None, operation: str | None = None, method: str = "POST",
    roles: tuple[str, ...] = ("admin",), parameters: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    """The whole file, or the refusal."""
    sent = tenant.authorization(label, roles) | {"accept": form}
    if session_label is not None:
        sent["fabric-session-label"] = session_label
    content: dict[str, Any] = {"query": query, "variables": dict(variables or {})}
    if operation is not None:
        content["operationName"] = operation
    client, given = tenant.server.client, dict(parameters or {})
    if method == "POST":
        return answer(lambda: client.post("/export", json=content, params=given, headers=sent))
    in_address = {k: orjson.dumps(v).decode() if k == "variables" else v for k, v in content.items()}
    return answer(lambda: client.request(method, "/export", params=given | in_address, headers=sent))


def items(found: Answer) -> list[Any]:
    """What is on the lines of an export in NDJSON."""
    assert found.status == 200, found.content
    assert found.headers["content-type"] == NDJSON
    assert found.content == b"" or found.content.endswith(b"\n")
    return [orjson.loads(line) for line in found.content.split(b"\n")[:-1]]


def table(found: Answer) -> list[list[str]]:
    """The rows of an export in CSV, its header the first."""
    assert found.status == 200, found.content
    assert found.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.reader(io.StringIO(found.content.decode(), newline=""), strict=True))


class Reader:
    """A client that reads only when it is told to, from a socket that holds little."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def take(self, number: int) -> bytes:
        """At least so many bytes, unless the response ends before."""
        taken = bytearray()
        while len(taken) < number and (piece := self._connection.recv(65_536)):
            taken += piece
        return bytes(taken)

    def rest(self) -> bytes:
        return self.take(1 << 40)

    def leave(self) -> None:
        self._connection.close()


@contextmanager
def reading(tenant: Tenant, query: str, form: str = NDJSON, label: str = "UNCLASSIFIED") -> Iterator[Reader]:
    """Sends the request and reads nothing yet."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(30)
    host, _, port = tenant.server.url.removeprefix("http://").partition(":")
    connection.connect((host, int(port)))
    body = orjson.dumps({"query": query})
    authorization = tenant.authorization(label)["authorization"]
    head = (
        f"POST /export HTTP/1.1\r\nhost: {host}\r\nauthorization: {authorization}\r\naccept: {form}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    with connection:
        yield Reader(connection)


def is_whole(response: bytes) -> bool:
    """Whether the chunked response came to its proper end."""
    return response.endswith(b"\r\n0\r\n\r\n")


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Fails unless it comes true meanwhile."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def transactions(server: Server) -> int:
    return int(server.sql(BEHIND)[0]["n"])


def multiply(tenant: Tenant, number: int) -> None:
    """Of each asset that is there, so many copies under other names."""
    tenant.server.sql(
        """insert into fabric.objects (organization_id, object_id, label, type_name, data, revision)
           select o.organization_id, gen_random_uuid(), o.label, o.type_name,
                  o.data || jsonb_build_object(k.key, (o.data->>k.key) || '-' || lpad(n::text, 6, '0')), 1
           from fabric.organizations t join fabric.objects o using (organization_id)
           cross join generate_series(1, $2::int) n
           cross join lateral (select key from jsonb_object_keys(o.data) key where key like '%name%') k
           where t.name = $1 and o.type_name = 'Asset'""",
        tenant.name, number,
    )  # fmt: skip
