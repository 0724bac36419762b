"""What callers are told once events have been pruned: never a gap, and states as they were."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from http_server import MakeServer, Server, Tenant, eventually
from test_http_events import settle
from websocket_client import opened

from fabric.seals.retention import Policy, prune
from fabric.seals.seal_keys import sealing_key, trusted_keys

LIST = """query ($a: String, $b: String, $f: Int, $l: Int, $w: EventWhere) {
  events(after: $a, before: $b, first: $f, last: $l, where: $w) {
    edges { cursor node { topic entityId } } pageInfo { hasPreviousPage hasNextPage }
  }
}"""
FOLLOW = "subscription ($a: String) { events(after: $a) { kind event { entityId } } }"
AS_OF = "query ($id: ID!, $p: String, $t: DateTime) { objectAsOf(id: $id, position: $p, time: $t) { data } }"
CREATE = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } position } }"
RATE = """mutation ($id: ID!, $r: Float) { updateAsset(id: $id, input: {rating: $r}) { position } }"""


@pytest.fixture(scope="module")
def server(new_server: MakeServer) -> Iterator[Server]:
    """Of its own, for all that is old in it goes."""
    with new_server() as server:
        yield server


def pruned(server: Server) -> None:
    """Prunes all that there is, once it is sealed."""
    eventually(lambda: not server.sql("select fabric.unsealed()"))
    key = sealing_key(server.settings.data_dir, None)
    later = datetime.now(UTC) + timedelta(days=1)
    policy = Policy.of_days(1, 1)
    gone, faults = asyncio.run(prune(server.admin_url, policy, key, trusted_keys(key, None), now=later))
    assert (gone["events"] > 0, faults) == (True, [])


def now() -> str:
    time.sleep(0.01)
    return datetime.now(UTC).isoformat()


class Past:
    """An asset rated 1, then 2, all of which is pruned, and then 3."""

    def __init__(self, tenant: Tenant) -> None:
        made = tenant.data(CREATE, {"i": {"name": "pump", "rating": 1}})["createAsset"]
        self.tenant, self.id = tenant, made["asset"]["id"]
        self.first, self.between = made["position"], now()
        self.second = tenant.data(RATE, {"id": self.id, "r": 2})["updateAsset"]["position"]
        settle(tenant)
        self.cursors = [edge["cursor"] for edge in self.listed()["edges"]]
        pruned(tenant.server)
        self.afterwards = now()

    def listed(self, **variables: Any) -> Any:
        eventually(lambda: not self.tenant.server.sql(
            "select from fabric.events where transaction_id >= fabric.oldest_transaction() limit 1"
        ))  # fmt: skip
        return self.tenant.data(LIST, variables)["events"]

    def rating(self, **when: Any) -> Any:
        return self.tenant.data(AS_OF, {"id": self.id, **when})["objectAsOf"]["data"]["rating"]


@pytest.fixture
def past(assets: Tenant) -> Past:
    return Past(assets)


def test_nothing_of_what_was_pruned_is_listed_and_no_page_skips_it(past: Past) -> None:
    assert past.listed() == {"edges": [], "pageInfo": {"hasPreviousPage": False, "hasNextPage": False}}
    past.tenant.data(RATE, {"id": past.id, "r": 3})
    page = past.listed(w={"entityId": past.id})
    assert [edge["node"]["topic"] for edge in page["edges"]] == ["object.updated"]
    assert page["pageInfo"] == {"hasPreviousPage": False, "hasNextPage": False}
    assert [edge["node"] for edge in past.listed(l=5)["edges"]] == [edge["node"] for edge in page["edges"]]
    last = page["edges"][0]["cursor"]
    assert past.listed(a=last)["pageInfo"] == {"hasPreviousPage": True, "hasNextPage": False}
    *old, newest = past.cursors
    assert [edge["cursor"] != "" for edge in past.listed(a=newest)["edges"]] == [True]
    for cursor in old:
        past.tenant.ask(LIST, {"a": cursor, "f": 5}).refused(path=["after"])
        past.tenant.ask(LIST, {"b": cursor, "l": 5}).refused(path=["before"])


def test_a_subscription_that_would_skip_what_was_pruned_does_not_begin(past: Past) -> None:
    past.tenant.data(RATE, {"id": past.id, "r": 3})
    with opened(past.tenant.server) as socket:
        socket.initialise(past.tenant.authorization())
        socket.subscribe(FOLLOW, variables={"a": past.cursors[0]})
        error = socket.error()
        assert error["message"] == "events after this place are no longer kept"
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "inputPath": ["after"]}
        socket.subscribe(FOLLOW, id="2", variables={"a": past.cursors[-1]})
        told = [socket.receive()["payload"]["data"]["events"] for _ in range(2)]
    assert told == [{"kind": "READY", "event": None}, {"kind": "EVENT", "event": {"entityId": past.id}}]


def test_an_object_is_told_as_it_was_or_not_at_all(past: Past) -> None:
    assert past.rating(p=past.second) == 2
    assert past.rating(t=past.afterwards) == 2
    past.tenant.ask(AS_OF, {"id": past.id, "p": past.first}).refused(path=["position"])
    past.tenant.ask(AS_OF, {"id": past.id, "t": past.between}).refused(path=["time"])
    third = past.tenant.data(RATE, {"id": past.id, "r": 3})["updateAsset"]["position"]
    assert (past.rating(p=past.second), past.rating(t=past.afterwards)) == (2, 2)
    assert (past.rating(p=third), past.rating(t=now())) == (3, 3)
