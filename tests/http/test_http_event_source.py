"""`/events`: plain server-sent events, resumed by `Last-Event-ID` without a loss."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from http_server import MakeServer, Server, Tenant, answer, eventually
from test_http_events import EVENTS, SECRET, create, settle, update

from fabric.identity.revocations import revoke_subject

LIST = 'query { events(where: {topics: "object.*"}) { nodes { %s } } }'
TOLD = "topic transactionId occurredAt actor label entityId entityType from to data"


class Stream:
    """One response; `ready` is its first event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.iter_raw()
        self._waiting = b""
        self.comments = 0

    def raw(self) -> dict[str, str]:
        """The fields of the next event; none at the end."""
        began = time.monotonic()
        while True:
            assert time.monotonic() - began < 15, "only signs of life"
            while b"\n\n" not in self._waiting:
                chunk = next(self._chunks, None)
                if chunk is None:
                    return {}
                self._waiting += chunk
            event, self._waiting = self._waiting.split(b"\n\n", 1)
            if event != b":":
                return dict(line.split(": ", 1) for line in event.decode().split("\n"))
            self.comments += 1

    def next(self, name: str) -> Any:
        """The data of the next event, which has this name; `last` is its id."""
        fields = self.raw()
        assert fields["event"] == name
        self.last = fields.get("id")
        return orjson.loads(fields["data"])


@contextmanager
def streamed(
    tenant: Tenant, last: str | None = None, headers: dict[str, str] | None = None, label: str = "UNCLASSIFIED",
    session_label: str | None = None, roles: tuple[str, ...] = ("admin",), **parameters: Any,
) -> Iterator[Stream]:  # fmt: skip
    sent = tenant.authorization(label, roles) | (headers or {})
    sent |= {"last-event-id": last} if last else {}
    sent |= {"fabric-session-label": session_label} if session_label else {}
    with tenant.server.client.stream("GET", "/events", headers=sent, params=parameters) as response:
        stream = Stream(response)
        if response.status_code == 200:
            assert stream.next("ready") == {}
        yield stream


def refusal(tenant: Tenant, headers: dict[str, str] | None = None, **parameters: Any) -> Any:
    sent = tenant.authorization() | (headers or {})
    return answer(lambda: tenant.server.client.get("/events", headers=sent, params=parameters))


def test_each_event_comes_by_the_name_of_its_topic_as_graphql_tells_it(assets: Tenant) -> None:
    with streamed(assets, topics="object.*") as stream:
        headers = stream.response.headers
        assert headers["content-type"].split(";")[0] == "text/event-stream"
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        id, _ = create(assets, "one")
        update(assets, id, rating=2.5)
        told = [stream.next("object.created"), stream.next("object.updated")]
    settle(assets)
    assert assets.data(LIST % TOLD)["events"]["nodes"] == told


def test_only_what_is_asked_for_and_dominated_comes(assets: Tenant) -> None:
    with (
        streamed(assets, topics=["object.updated, link.*", "link.created"]) as some,
        streamed(assets, types="Sensor") as sensors,
        streamed(assets, label=SECRET, topics="object.*") as high,
        streamed(assets, label=SECRET, session_label="UNCLASSIFIED", topics="object.*") as lowered,
    ):
        create(assets, "hidden", SECRET)
        id, _ = create(assets, "seen")
        update(assets, id, rating=1.0)
        assets.data('mutation { createSensor(input: {name: "s"}) { sensor { id } } }')
        assert some.next("object.updated")["entityId"] == id
        assert sensors.next("object.created")["entityType"] == "Sensor"
        assert high.next("object.created")["label"] == SECRET
        assert lowered.next("object.created")["entityId"] == id


def test_who_comes_back_misses_nothing(assets: Tenant) -> None:
    """By the header, as browsers do it, from whatever event; or first by a parameter, which the header overrules."""
    with streamed(assets, topics="object.*") as stream:
        ready = stream.last
        ids = [create(assets, f"a{i}")[0] for i in range(3)]
        assert stream.next("object.created")["entityId"] == ids[0]
        last = stream.last
    ids += [create(assets, f"b{i}")[0] for i in range(3)]
    for after, missed in [({"last": last}, ids[1:]), ({"after": last}, ids[1:]), ({"last": ready}, ids),
                          ({"last": last, "after": ready}, ids[1:])]:  # fmt: skip
        with streamed(assets, topics="object.*", **after) as again:
            assert [again.next("object.created")["entityId"] for _ in missed] == missed


def test_its_cursors_are_those_of_the_list(assets: Tenant) -> None:
    create(assets, "one")
    settle(assets)
    page = assets.data(EVENTS, {"f": 1, "w": {"topics": ["object.*"]}})["events"]["pageInfo"]["endCursor"]
    second, _ = create(assets, "two")
    with streamed(assets, last=page, topics="object.*") as stream:
        assert stream.next("object.created")["entityId"] == second
        last = stream.last
    assert assets.data(EVENTS, {"a": last})["events"]["nodes"] == []


# What is refused


def test_a_cursor_of_elsewhere_is_refused(assets: Tenant, other_organization: Tenant) -> None:
    with streamed(assets) as stream:
        cursor = stream.last
    assert cursor
    for tenant, headers in [
        (assets, assets.authorization(SECRET)), (other_organization, {}), (assets, {"last-event-id": cursor[:-2]})
    ]:  # fmt: skip
        refusal(tenant, {"last-event-id": cursor} | headers).refused(status=400, path=["after"])
    refusal(assets, after="x").refused(status=400, path=["after"])


def test_who_may_not_read_gets_a_status(assets: Tenant) -> None:
    unknown = refusal(assets, {"authorization": "Bearer x"})
    unknown.refused("UNAUTHENTICATED", status=401)
    assert unknown.headers["www-authenticate"] == "Bearer"
    refusal(assets, assets.authorization(roles=["objects_only"])).refused("FORBIDDEN", status=403)
    refusal(assets, {"fabric-session-label": "SECRET"}).refused(status=400, path=["Fabric-Session-Label"])


def test_what_is_no_request_for_events_is_refused(assets: Tenant) -> None:
    refusal(assets, topic="object.*").refused(status=400, path=["topic"])
    refusal(assets, {"accept": "application/json"}).refused(status=406)
    client, headers = assets.server.client, assets.authorization()
    head = client.head("/events", headers=headers)
    assert (head.status_code, head.headers["allow"]) == (405, "GET")
    assert client.post("/events", headers=headers).status_code == 405


# How it ends, and what it may take


@pytest.fixture(scope="module")
def small(new_server: MakeServer) -> Iterator[Server]:
    with new_server({"max_connections_per_actor": 1, "keep_alive_seconds": 0.1, "documents": "registered"}) as server:
        yield server


def test_it_is_counted_like_any_stream_and_gives_signs_of_life(small: Server) -> None:
    """Where only registered documents run, too: it has none of the caller's."""
    tenant = small.organization()
    with streamed(tenant) as stream:
        refusal(tenant).refused("RATE_LIMITED", status=429)
        time.sleep(0.5)
        asyncio.run(revoke_subject(small.admin_url, tenant.name, "ann", datetime.now(UTC), "moved", actor="operator"))
        fields = stream.raw()
        assert stream.comments
        assert fields["event"] == "failed"
        assert "id" not in fields
        assert orjson.loads(fields["data"])["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert stream.raw() == {}


def test_a_client_that_leaves_makes_room_for_another(small: Server) -> None:
    tenant = small.organization()
    with streamed(tenant):
        pass
    eventually(lambda: _opens(tenant))


def _opens(tenant: Tenant) -> bool:
    with streamed(tenant) as stream:
        return stream.response.status_code == 200
