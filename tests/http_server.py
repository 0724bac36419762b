"""The real application on a loopback port, and organizations of their own to ask it as."""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
from databases import COMPARTMENTS, run_sql, settled

from fabric.identity.organizations import establish
from fabric.identity.tokens import issue_token
from fabric.labels import Label
from fabric.secrets import token_secret
from fabric.settings import Settings
from graphql_api.app import create_app
from graphql_api.cli.serve import StoppingServer, configured, listening
from graphql_api.metrics import Metrics
from graphql_api.streaming.connections import Connections

GRAPHQL = "application/graphql-response+json"

SLOWEST = 5.0
"""Seconds within which every answer comes, refusals of the worst input included. A calm machine needs less than two."""

INSIDE = re.compile(
    rb"sqlstate|asyncpg|postgres|traceback|constraint|duplicate key|pg_|_pkey|fabric\.|\.py\b|python", re.IGNORECASE
)
"""What no error may tell: words of the database and of the code."""

TYPES: list[dict[str, Any]] = [
    {
        "typeName": "Sensor",
        "fields": {"name": {"type": "string", "required": True}, "kind": {"type": "enum", "values": ["HOT", "COLD"]}},
        "naturalKey": ["name"],
        "links": {"assets": {"relation": "has_sensor", "target": "Asset", "direction": "in"}},
    },
    {
        "typeName": "Asset",
        "fields": {
            "name": {"type": "string", "required": True},
            "note": {"type": "text"},
            "status": {"type": "enum", "values": ["OK", "DEGRADED", "FAILED"]},
            "rating": {"type": "float"},
            "count": {"type": "integer"},
            "total": {"type": "bigint"},
            "price": {"type": "decimal"},
            "active": {"type": "boolean"},
            "day": {"type": "date"},
            "installedAt": {"type": "datetime"},
            "span": {"type": "duration"},
            "uid": {"type": "uuid"},
            "site": {"type": "uri"},
            "extra": {"type": "json"},
            "tags": {"type": "string", "list": True},
            "totals": {"type": "bigint", "list": True},
        },
        "naturalKey": ["name"],
        "links": {
            "sensors": {
                "relation": "has_sensor",
                "target": "Sensor",
                "properties": {"note": {"type": "string"}, "channel": {"type": "integer"}},
            },
            "plant": {"relation": "contains", "target": "Plant", "direction": "in", "cardinality": "one"},
        },
    },
    {
        "typeName": "Plant",
        "fields": {"title": {"type": "string"}, "rank": {"type": "integer"}},
        "links": {"assets": {"relation": "contains", "target": "Asset"}},
    },
]
"""Assets with a field of each kind, named by their key; plants, named by their ids."""

_numbers = count(1)

VARYING = re.compile(
    rb'"(?:createdAt|updatedAt|position|requestId)":"[^"]*"|request [0-9a-f]{32}|"x-request-id":"[^"]*"'
)
"""What may differ between two answers that tell the same: times, sealed positions, the request's own id."""


@dataclass(frozen=True)
class Answer:
    """One response. `content` is its bytes as they came."""

    status: int
    content: bytes
    headers: httpx.Headers
    seconds: float

    def refused(
        self, code: str = "BAD_USER_INPUT", *, status: int | None = None, path: Sequence[str | int] | None = None
    ) -> "Answer":
        """Holds that this is a proper refusal: nothing done, nothing told of the inside, in time, with this code.

        `path` is the input's, of the first error; the status is 400 or, where the operation had begun, 200.
        """
        assert self.seconds < SLOWEST, f"took {self.seconds:.1f} s"
        assert not (self.body.get("data") and any(self.body["data"].values())), self.body["data"]
        assert self.codes == {code}, self.errors
        assert all(error["message"] for error in self.errors)
        assert not INSIDE.search(self.content), self.content
        assert b"id you mean" not in self.content
        assert self.status == (status or (200 if "data" in self.body else 400)), self.content
        if path is not None:
            assert self.errors[0]["extensions"]["inputPath"] == list(path)
        return self

    def refused_with(self, *codes: str) -> "Answer":
        """The same of a refusal with several codes."""
        assert [error["extensions"]["code"] for error in self.errors] == list(codes)
        assert not INSIDE.search(self.content), self.content
        return self

    @property
    def body(self) -> Any:
        return orjson.loads(self.content)

    @property
    def data(self) -> Any:
        """The data of an answer without errors."""
        body = self.body
        assert "errors" not in body, body["errors"]
        assert self.status == 200
        return body["data"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.body["errors"]
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The only error."""
        assert len(self.errors) == 1, self.errors
        return self.errors[0]

    @property
    def code(self) -> str:
        return str(self.error["extensions"]["code"])

    @property
    def codes(self) -> set[str]:
        return {error["extensions"]["code"] for error in self.errors}

    @property
    def plain(self) -> bytes:
        """The body without what may differ between two answers that tell the same."""
        return VARYING.sub(b'"varying"', self.content)


@dataclass
class Server:
    """A running server, and its database as the role that serves and as a superuser."""

    url: str
    database_url: str
    admin_url: str
    settings: Settings
    client: httpx.Client
    metrics: Metrics

    def token(self, organization: str, label: str, roles: Sequence[str], name: str) -> str:
        return _token(self.settings, organization, label, tuple(roles), name)

    def organization(self, name: str | None = None, compartments: Sequence[str] = COMPARTMENTS) -> "Tenant":
        name = name or f"organization-{next(_numbers)}"
        asyncio.run(establish(self.admin_url, name, compartments))
        return Tenant(self, name)

    def sql(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """As a superuser, whom row security does not hold."""
        return asyncio.run(run_sql(self.admin_url, statement, *args))

    def settle(self) -> None:
        """Waits until all that is committed is complete, so that who follows from now on is told of nothing before."""
        asyncio.run(settled(self.admin_url))

    def is_alive(self) -> bool:
        return self.client.get("/readyz").status_code == 200


@lru_cache(1000)
def _token(settings: Settings, organization: str, label: str, roles: tuple[str, ...], name: str) -> str:
    return issue_token(
        token_secret(settings.data_dir, settings.jwt_secret_file),
        organization=organization,
        subject=name,
        roles=roles,
        clearance=Label.parse(label),
        lifetime=timedelta(hours=1),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )


MakeServer = Callable[..., AbstractContextManager[Server]]
"""Starts a server over a database of its own; takes the settings that differ, and what the database is cloned from."""


@dataclass
class Tenant:
    """An organization of a server, asked over HTTP."""

    server: Server
    name: str
    headers: dict[str, str] = field(default_factory=dict)

    def authorization(
        self, label: str = "UNCLASSIFIED", roles: Sequence[str] = ("admin",), name: str = "ann"
    ) -> dict[str, str]:
        return {"authorization": f"Bearer {self.server.token(self.name, label, roles, name)}"}

    def ask(
        self, query: str, variables: Mapping[str, Any] | None = None, *, label: str = "UNCLASSIFIED",
        roles: Sequence[str] = ("admin",), session_label: str | None = None, name: str = "ann",
        operation: str | None = None,
    ) -> Answer:  # fmt: skip
        """Posts the document; `label` is the clearance."""
        content: dict[str, Any] = {"query": query}
        if variables is not None:
            content["variables"] = variables
        if operation is not None:
            content["operationName"] = operation
        headers = {"fabric-session-label": session_label} if session_label is not None else {}
        return self.post(orjson.dumps(content), self.authorization(label, roles, name) | headers)

    def ask_text(self, query: str, variables: str) -> Answer:
        """Posts variables as JSON text, which may be what no JSON library would write."""
        return self.post(b'{"query":' + orjson.dumps(query) + b',"variables":' + variables.encode() + b"}")

    def data(self, query: str, variables: Mapping[str, Any] | None = None, **who: Any) -> Any:
        """The data of an answer that must be without errors."""
        return self.ask(query, variables, **who).data

    def post(self, content: Any, headers: Mapping[str, str] | None = None, method: str = "POST") -> Answer:
        """Sends these bytes as they are, by default as the administrator at the lowest label."""
        sent = {"content-type": "application/json", "accept": GRAPHQL} | self.authorization() | dict(headers or {})
        return answer(lambda: self.server.client.request(method, "/graphql", content=content, headers=sent))

    def get(self, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        sent = {"accept": GRAPHQL} | self.authorization() | dict(headers or {})
        return answer(lambda: self.server.client.get("/graphql", params=dict(parameters), headers=sent))

    def define(self, *documents: Mapping[str, Any], **who: Any) -> None:
        """Defines the types, all at once."""
        query = "mutation ($d: [JSON!]!) { defineTypes(definitions: $d) { changed } }"
        self.data(query, {"d": list(documents)}, **who)


def nested(opening: str, closing: str, times: int, middle: str = "") -> str:
    return opening * times + middle + closing * times


def answer(request: Callable[[], httpx.Response]) -> Answer:
    began = time.perf_counter()
    response = request()
    return Answer(response.status_code, response.content, response.headers, time.perf_counter() - began)


def eventually(holds: Callable[[], bool]) -> None:
    """Waits until it holds."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class _Quiet(StoppingServer):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test runner's."""
        yield


@contextmanager
def serving(
    database_url: str, admin_url: str, folder: Path, policy: str | None = None, changed: Mapping[str, Any] | None = None
) -> Iterator[Server]:
    """The application over this database, in a thread of its own, until the block ends; with `changed` settings."""
    policy_file = None
    if policy is not None:
        policy_file = folder / "policy.toml"
        policy_file.write_text(policy)
    given = {
        "data_dir": folder, "policy_file": policy_file, "log_format": "json", "port": 0, "embeddings": "hashing"
    } | dict(changed or {})  # fmt: skip
    settings = Settings(**given)
    metrics = Metrics()
    connections = Connections(settings, metrics)
    config = configured(create_app(settings, database_url, None, metrics, connections), settings)
    server = _Quiet(config, connections.stop)
    thread = threading.Thread(target=server.run, args=([listening(settings)],), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server did not start in time"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=30) as client:
            yield Server(url, database_url, admin_url, settings, client, metrics)
    finally:
        server.should_exit = True
        thread.join(15)
