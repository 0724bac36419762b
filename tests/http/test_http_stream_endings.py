"""How streams end that the server ends: tokens that expire or are revoked, clients that do not read, a stop."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt
import orjson
import pytest
from http_server import MakeServer, Server, Tenant, eventually
from subscription_source import Source, subscription_source
from websocket_client import SOON, frame, opened, raw

from fabric.errors import Internal
from fabric.identity import revocations
from fabric.identity.revocations import Revocations, revoke_subject, revoke_token
from fabric.identity.tokens import EXPIRED, NOT_ACCEPTED, issue_token
from fabric.labels import Label
from fabric.secrets import token_secret

PUBLISHED = "subscription { published }"


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with subscription_source() as source:
        yield source


@pytest.fixture(scope="module")
def server(new_server: MakeServer, source: Source) -> Iterator[Server]:
    """Of whose signs of life nobody hears while a test runs."""
    with new_server({"jwt_leeway_seconds": 0, "keep_alive_seconds": 1000.0}) as server:
        yield server


@pytest.fixture
def attentive(new_server: MakeServer, source: Source) -> Iterator[Server]:
    """Gives signs of life all the time, and has little patience."""
    changed = {"jwt_leeway_seconds": 0, "keep_alive_seconds": 0.3, "slow_consumer_seconds": 2.0}
    with new_server(changed) as server:
        yield server


def bearer(tenant: Tenant, lifetime: timedelta = timedelta(hours=1), name: str = "ann") -> dict[str, str]:
    """A token of its own, with an id."""
    settings = tenant.server.settings
    token = issue_token(
        token_secret(settings.data_dir, settings.jwt_secret_file), organization=tenant.name, subject=name,
        roles=["admin"], clearance=Label.parse("SECRET"), lifetime=lifetime, issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )  # fmt: skip
    return {"authorization": f"Bearer {token}"}


def claims(headers: dict[str, str]) -> Any:
    return jwt.decode(headers["authorization"].removeprefix("Bearer "), options={"verify_signature": False})


class Listener(Protocol):
    """A client of one subscription, over whichever transport."""

    def event(self) -> Any:
        """The data of the next event."""

    def ended(self) -> tuple[int, str]:
        """The close code (for events: what it would be) and the reason."""


class _WebSocket:
    def __init__(self, tenant: Tenant, headers: dict[str, str], query: str, held: ExitStack) -> None:
        self.socket = held.enter_context(opened(tenant.server))
        self.socket.initialise(headers)
        self.socket.subscribe(query)

    def event(self) -> Any:
        return self.socket.receive()["payload"]["data"]

    def ended(self) -> tuple[int, str]:
        return self.socket.closed()


class _Events:
    def __init__(self, tenant: Tenant, headers: dict[str, str], query: str, held: ExitStack) -> None:
        sent = headers | {"accept": "text/event-stream"}
        client = held.enter_context(httpx.Client(base_url=tenant.server.url, timeout=30))
        self.response = held.enter_context(client.stream("POST", "/graphql", json={"query": query}, headers=sent))
        assert self.response.status_code == 200
        self.lines = self.response.iter_lines()

    def _next(self) -> list[str]:
        found: list[str] = []
        deadline = time.monotonic() + SOON
        for line in self.lines:
            assert time.monotonic() < deadline, "nothing but signs of life"
            if line and line != ":":
                found.append(line)
            elif found:
                break
        return found

    def event(self) -> Any:
        name, data = self._next()
        assert name == "event: next"
        return json.loads(data.removeprefix("data:"))["data"]

    def ended(self) -> tuple[int, str]:
        last = self._next()
        if not last:
            return 1012, ""  # it just ended: come again
        assert last[0] == "event: next"
        (error,) = json.loads(last[1].removeprefix("data:"))["errors"]
        assert self._next() == ["event: complete", "data:"]
        assert self._next() == []
        return {"UNAUTHENTICATED": 4403, "RATE_LIMITED": 4410}[error["extensions"]["code"]], error["message"]


Listen = Callable[..., Any]


@pytest.fixture(params=[_WebSocket, _Events], ids=["websocket", "sse"])
def listen(request: pytest.FixtureRequest) -> Iterator[Listen]:
    """Subscribes: `listen(tenant, headers, query)`."""
    with ExitStack() as held:
        yield lambda tenant, headers, query=PUBLISHED: request.param(tenant, headers, query, held)


def sample(server: Server, name: str, **labels: str) -> float:
    return server.metrics.registry.get_sample_value(name, labels) or 0


# Expiry


def test_a_stream_ends_when_its_token_expires_though_nothing_happens(
    organization: Tenant, source: Source, listen: Listen
) -> None:
    headers = bearer(organization, timedelta(seconds=2))
    listener: Listener = listen(organization, headers)
    source.wait_for(1)
    assert listener.ended() == (4403, EXPIRED)
    assert time.time() >= claims(headers)["exp"] - 0.01  # a timer is as exact as its clock
    source.wait_for(0)


def test_no_event_passes_once_the_token_has_expired(
    organization: Tenant, source: Source, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the timer were late."""
    listener: Listener = listen(organization, bearer(organization))
    source.wait_for(1)
    source.publish("one")
    assert listener.event() == {"published": "one"}
    monkeypatch.setattr("fabric.identity.tokens.time.time", lambda: 4e9)
    source.publish("two")
    assert listener.ended() == (4403, EXPIRED)
    source.wait_for(0)


def test_no_operation_starts_once_the_token_has_expired(organization: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(organization.server) as socket:
        socket.initialise(bearer(organization))
        monkeypatch.setattr("fabric.identity.tokens.time.time", lambda: 4e9)
        socket.subscribe("{ __typename }")
        assert socket.closed() == (4403, EXPIRED)


# Revocation


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked again by itself, so what is noticed was told."""
    monkeypatch.setattr(revocations, "FRESH_SECONDS", 1e9)


def revoke(tenant: Tenant, headers: dict[str, str]) -> None:
    asyncio.run(revoke_token(tenant.server.admin_url, tenant.name, claims(headers)["jti"], "lost", actor="operator"))


def revoke_all(tenant: Tenant, name: str = "ann") -> None:
    moment = datetime.now(UTC)
    asyncio.run(revoke_subject(tenant.server.admin_url, tenant.name, name, moment, "moved", actor="operator"))


@pytest.mark.usefixtures("unhurried")
def test_a_revoked_token_ends_its_streams_at_once_and_no_other(
    organization: Tenant, source: Source, listen: Listen
) -> None:
    lost, kept = bearer(organization), bearer(organization)
    listener, other = listen(organization, lost), listen(organization, kept)
    source.wait_for(2)
    revoke(organization, lost)
    assert listener.ended() == (4403, NOT_ACCEPTED)
    source.wait_for(1)
    source.publish("still here")
    assert other.event() == {"published": "still here"}


@pytest.mark.usefixtures("unhurried")
def test_a_revoked_subject_loses_all_streams_and_others_keep_theirs(
    organization: Tenant, other_organization: Tenant, source: Source, listen: Listen
) -> None:
    listeners = [listen(organization, bearer(organization)) for _ in range(3)]
    others = [
        listen(organization, bearer(organization, name="bea")), listen(other_organization, bearer(other_organization))
    ]  # fmt: skip
    source.wait_for(5)
    revoke_all(organization)
    for listener in listeners:
        assert listener.ended() == (4403, NOT_ACCEPTED)
    source.wait_for(2)
    source.publish("still here")
    for other in others:
        assert other.event() == {"published": "still here"}


def test_no_event_passes_after_a_revocation_of_which_nobody_was_told(
    organization: Tenant, source: Source, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(organization)
    listener: Listener = listen(organization, headers)
    source.wait_for(1)
    with unheard(organization):
        revoke(organization, headers)
        monkeypatch.setattr(revocations, "FRESH_SECONDS", 0)
        source.publish("too late")
        assert listener.ended() == (4403, NOT_ACCEPTED)


def test_an_idle_stream_ends_after_a_revocation_of_which_nobody_was_told(
    attentive: Server, source: Source, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = attentive.organization()
    monkeypatch.setattr(revocations, "FRESH_SECONDS", 0)
    headers = bearer(organization)
    listener: Listener = listen(organization, headers)
    source.wait_for(1)
    with unheard(organization):
        revoke(organization, headers)
        assert listener.ended() == (4403, NOT_ACCEPTED)


@contextmanager
def unheard(tenant: Tenant) -> Iterator[None]:
    """PostgreSQL tells nobody of revocations."""
    tenant.server.sql("alter table fabric.revocations disable trigger change_revocations")
    yield
    tenant.server.sql("alter table fabric.revocations enable trigger change_revocations")


def test_no_event_passes_while_revocations_cannot_be_read(
    organization: Tenant, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(organization.server) as socket:
        socket.initialise(bearer(organization))
        socket.subscribe(PUBLISHED)
        source.wait_for(1)
        _lose_revocations(monkeypatch)
        source.publish("secret")
        assert socket.closed() == (1013, "tokens cannot be checked at the moment")


def test_an_idle_stream_outlives_a_database_that_does_not_answer(
    attentive: Server, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = attentive.organization()
    with opened(attentive) as socket:
        socket.initialise(bearer(organization))
        socket.subscribe(PUBLISHED)
        source.wait_for(1)
        with monkeypatch.context() as lost:
            _lose_revocations(lost)
            for _ in range(3):
                assert orjson.loads(socket.connection.recv(10)) == {"type": "ping"}
                socket.send(type="pong")
        source.publish("news")
        assert socket.receive()["payload"] == {"data": {"published": "news"}}


def _lose_revocations(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> Any:
        raise Internal("the database could not answer")

    monkeypatch.setattr(revocations, "FRESH_SECONDS", 0)
    monkeypatch.setattr(Revocations, "_load", fail)


# Signs of life


def test_a_client_that_answers_no_ping_is_dropped(attentive: Server) -> None:
    organization = attentive.organization()
    with opened(attentive) as socket:
        socket.initialise(bearer(organization))
        assert orjson.loads(socket.connection.recv(10)) == {"type": "ping"}
        assert socket.closed() == (4411, "a ping was not answered")


def test_a_client_that_says_anything_is_there(attentive: Server) -> None:
    organization = attentive.organization()
    with opened(attentive) as socket:
        socket.initialise(bearer(organization))
        for _ in range(5):
            assert orjson.loads(socket.connection.recv(10)) == {"type": "ping"}
            socket.send(type="complete", id="nothing")


def test_an_idle_stream_of_events_gives_signs_of_life(attentive: Server, source: Source) -> None:
    organization = attentive.organization()
    headers = bearer(organization) | {"accept": "text/event-stream"}
    with attentive.client.stream("POST", "/graphql", json={"query": PUBLISHED}, headers=headers) as response:
        source.wait_for(1)
        lines = response.iter_lines()
        assert [next(lines) for _ in range(4)] == [":", "", ":", ""]


# Clients that do not read

MUCH = "subscription { text(to: 100000, size: 10000) }"
"""A gigabyte."""


@contextmanager
def flooded_websocket(tenant: Tenant) -> Iterator[socket.socket]:
    with raw(tenant.server) as connection:
        connection.sendall(frame(orjson.dumps({"type": "connection_init", "payload": bearer(tenant)}).decode()))
        connection.sendall(frame(orjson.dumps({"type": "subscribe", "id": "1", "payload": {"query": MUCH}}).decode()))
        yield connection


@contextmanager
def flooded_events(tenant: Tenant) -> Iterator[socket.socket]:
    host, port = tenant.server.url.removeprefix("http://").split(":")
    content = orjson.dumps({"query": MUCH})
    headers = bearer(tenant) | {
        "host": f"{host}:{port}", "accept": "text/event-stream", "content-type": "application/json",
        "content-length": str(len(content)),
    }  # fmt: skip
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect((host, int(port)))
        lines = ["POST /graphql HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        connection.sendall("\r\n".join(lines).encode() + content)
        yield connection


@pytest.mark.parametrize(
    ("flooded", "transport"), [(flooded_websocket, "websocket"), (flooded_events, "sse")], ids=["websocket", "sse"]
)
def test_who_does_not_read_is_dropped_and_keeps_nothing(attentive: Server, flooded: Any, transport: str) -> None:
    organization = attentive.organization()
    with flooded(organization) as connection:
        eventually(lambda: sample(attentive, "fabric_stream_drops_total", reason="slow_consumer") == 1)
        eventually(lambda: sample(attentive, "fabric_subscriptions", transport=transport) == 0)
        eventually(lambda: sample(attentive, "fabric_stream_connections", transport=transport) == 0)
        # What the two ends of the connection hold back in the kernel is all that was made of the gigabyte.
        assert sample(attentive, "fabric_stream_events_total", transport=transport) < 2_000
        eventually(lambda: not established(connection))


def established(connection: socket.socket) -> bool:
    """Whether the server's end of the connection is still open, as the kernel says."""
    mine = f"{connection.getsockname()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(remote.endswith(f":{mine}") and state == "01" for _, _, remote, state, *_ in rows)


@pytest.mark.parametrize("flooded", [flooded_websocket, flooded_events], ids=["websocket", "sse"])
def test_who_reads_again_in_time_is_told(attentive: Server, flooded: Any) -> None:
    organization = attentive.organization()
    with flooded(organization) as connection:
        eventually(lambda: sample(attentive, "fabric_stream_drops_total", reason="slow_consumer") == 1)
        last = b""
        while received := connection.recv(1 << 20):
            last = (last + received)[-1000:]
            if b"\x88" in last[-60:] or b"event: complete" in last:
                break
    if flooded is flooded_websocket:
        assert last[last.index(b"\x88", -60) :][2:].startswith((4410).to_bytes(2, "big"))
    else:
        assert b'"code":"RATE_LIMITED"' in last
        assert b"event: complete" in last


def test_a_client_that_floods_with_pings_and_does_not_read_is_dropped(attentive: Server) -> None:
    organization = attentive.organization()
    ping = frame(orjson.dumps({"type": "ping", "payload": {"a": "x" * 10_000}}).decode())
    with raw(attentive) as connection:
        connection.sendall(frame(orjson.dumps({"type": "connection_init", "payload": bearer(organization)}).decode()))
        with suppress(OSError):  # it is not taken any more, or nobody is there to take it
            for _ in range(100_000):
                connection.sendall(ping)
        eventually(lambda: sample(attentive, "fabric_stream_drops_total", reason="slow_consumer") == 1)
        eventually(lambda: sample(attentive, "fabric_stream_connections", transport="websocket") == 0)


# The server stops


def test_a_server_that_stops_ends_all_streams(new_server: MakeServer, source: Source, listen: Listen) -> None:
    """And need not be waited for, however long requests may take."""
    with ExitStack() as running:
        server = running.enter_context(new_server({"shutdown_grace_seconds": 1000.0}))
        organization = server.organization()
        listener: Listener = listen(organization, bearer(organization))
        source.wait_for(1)
        began = time.monotonic()
        running.close()
        assert time.monotonic() - began < 14  # after 15 the fixture gives up waiting
        assert listener.ended()[0] == 1012
    source.wait_for(0)


# What is told of it


def test_the_log_tells_why_in_one_line(organization: Tenant, capfd: pytest.CaptureFixture[str]) -> None:
    with opened(organization.server, headers={"x-request-id": "mine"}) as socket:
        socket.send(type="connection_init", payload={"authorization": "Bearer secret-token"})
        assert socket.closed()[0] == 4403
    with opened(organization.server) as socket:
        socket.initialise(bearer(organization))
        socket.subscribe(PUBLISHED, "my-secret-id")
        socket.subscribe(PUBLISHED, "my-secret-id")
        assert socket.closed()[0] == 4409
    eventually(lambda: sample(organization.server, "fabric_stream_drops_total", reason="forbidden") >= 1)
    out, err = capfd.readouterr()
    lines = [line for line in (out + err).splitlines() if "closed" in line]
    assert len(lines) == 2
    assert "code=4403" in lines[0]
    assert "reason=forbidden" in lines[0]
    assert "request_id=mine" in lines[0]
    assert "secret" not in out + err


def test_an_end_by_the_client_is_no_drop(organization: Tenant, source: Source) -> None:
    def drops() -> float:
        family = next(m for m in organization.server.metrics.registry.collect() if m.name == "fabric_stream_drops")
        return sum(s.value for s in family.samples if s.name.endswith("_total"))

    before = drops()
    with opened(organization.server) as socket:
        socket.initialise(bearer(organization))
        socket.subscribe(PUBLISHED)
        source.wait_for(1)
        assert sample(organization.server, "fabric_subscriptions", transport="websocket") == 1
    source.wait_for(0)
    eventually(lambda: sample(organization.server, "fabric_stream_connections", transport="websocket") == 0)
    assert drops() == before


def test_operations_are_counted_as_requests_are(organization: Tenant) -> None:
    def counts() -> tuple[float, ...]:
        outcomes = ("OK", "BAD_USER_INPUT", "FORBIDDEN")
        return tuple(sample(organization.server, "fabric_requests_total", outcome=outcome) for outcome in outcomes)

    before = counts()
    with opened(organization.server) as socket:
        socket.initialise(bearer(organization))
        socket.subscribe("{ __typename }")
        assert socket.results()
        socket.subscribe("subscription { count(to: 5) }")
        assert len(socket.results()) == 5
        socket.subscribe("{ nothing }")
        socket.error()
        socket.subscribe("subscription { forbidden }")
        socket.error()
    assert tuple(now - then for now, then in zip(counts(), before, strict=True)) == (2, 1, 1)


