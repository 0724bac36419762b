"""The history of objects: in pages, wherever objects are selected, by cursors that tell nothing."""

import base64
from typing import Any

import pytest
from http_server import Tenant
from test_http_events import create, delete, settle, update
from websocket_client import opened

SECRET = "SECRET/ALPHA"
TOLD = "topic entityId entityType label actor from to data transactionId occurredAt"
HISTORY = """query ($id: ID!, $f: Int, $a: String, $l: Int, $b: String) {
  asset(id: $id) { history(first: $f, after: $a, last: $l, before: $b) {
    nodes { data } edges { cursor node { topic } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}"""


@pytest.fixture
def asset(assets: Tenant) -> str:
    """The id of one that has five versions' events, two of them secret."""
    id, _ = create(assets, "pump", rating=0.5)
    for i in range(4):
        update(assets, id, SECRET if i % 2 else "UNCLASSIFIED", rating=float(i))
    return id


def history(tenant: Tenant, id: str, label: str = "UNCLASSIFIED", **part: Any) -> Any:
    return tenant.data(HISTORY, {"id": id, **part}, label=label)["asset"]["history"]


def ratings(page: Any) -> list[float]:
    return [node["data"]["after"]["rating"] for node in page["nodes"]]


def test_a_history_has_the_events_that_the_session_dominates(assets: Tenant, asset: str) -> None:
    assert ratings(history(assets, asset)) == [0.5, 0.0, 2.0]
    assert ratings(history(assets, asset, SECRET)) == [0.5, 0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("backward", [False, True])
def test_pages_add_up_to_the_whole(assets: Tenant, asset: str, size: int, *, backward: bool) -> None:
    found: list[float] = []
    cursor = None
    for _ in range(7):
        part = {"l": size, "b": cursor} if backward else {"f": size, "a": cursor}
        page = history(assets, asset, SECRET, **part)
        here, info = ratings(page), page["pageInfo"]
        assert [info["startCursor"], info["endCursor"]] == [page["edges"][i]["cursor"] for i in (0, -1)]
        found = here + found if backward else found + here
        cursor = info["startCursor" if backward else "endCursor"]
        assert info["hasNextPage" if backward else "hasPreviousPage"] == (len(found) > len(here))
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            break
    assert found == [0.5, 0.0, 1.0, 2.0, 3.0]


def test_a_page_lies_between_its_cursors(assets: Tenant, asset: str) -> None:
    cursors = [edge["cursor"] for edge in history(assets, asset, SECRET)["edges"]]
    assert ratings(history(assets, asset, SECRET, a=cursors[0], b=cursors[4])) == [0.0, 1.0, 2.0]
    assert ratings(history(assets, asset, SECRET, a=cursors[0], b=cursors[4], l=1)) == [2.0]


def test_every_way_to_an_event_tells_the_same_of_it(assets: Tenant, asset: str) -> None:
    settle(assets)
    told = f"nodes {{ {TOLD} }}"
    data = assets.data(
        f"""query ($id: ID!) {{
          events(where: {{entityId: $id}}) {{ {told} }}
          asset(id: $id) {{ history {{ {told} }} }}
          node(id: $id) {{ ... on FabricObject {{ h: history(last: 1) {{ {told} }} }} }}
        }}""",
        {"id": asset},
    )
    assert len(data["events"]["nodes"]) == 3
    assert data["asset"]["history"] == data["events"]
    assert data["node"]["h"]["nodes"] == data["events"]["nodes"][-1:]


def test_a_mutation_and_a_subscription_tell_the_history_of_what_they_changed(assets: Tenant) -> None:
    with opened(assets.server) as socket:
        socket.initialise(assets.authorization())
        socket.subscribe(
            'subscription { changes(type: "Asset") { kind node { h: history { n: nodes { t: topic } } } } }'
        )
        assert socket.receive()["payload"]["data"]["changes"]["kind"] == "READY"
        made = assets.data(
            """mutation { createAsset(input: {name: "one"}) { asset { id h: history { __typename e: edges { c: cursor
            node { __typename t: topic } } } } } }"""
        )["createAsset"]["asset"]
        [edge] = made["h"]["e"]
        assert made["h"]["__typename"] == "EventConnection"
        assert edge["node"] == {"__typename": "Event", "t": "object.created"}
        told = socket.receive()["payload"]["data"]["changes"]["node"]
    assert told == {"h": {"n": [{"t": "object.created"}]}}


def test_a_cursor_of_elsewhere_is_refused(assets: Tenant, other_organization: Tenant, asset: str) -> None:
    cursor = history(assets, asset, f=1)["pageInfo"]["endCursor"]
    listed = assets.data("{ assets { pageInfo { endCursor } } }")["assets"]["pageInfo"]["endCursor"]
    forged = base64.b64encode(bytes(16) + b"[null]").decode()
    for name, path in (("a", "after"), ("b", "before")):
        assets.ask(HISTORY, {"id": asset, name: cursor}, label=SECRET).refused(path=["history", path])
        for bad in (listed, forged, cursor[:-4], "x"):
            assets.ask(HISTORY, {"id": asset, name: bad}).refused()
    assets.ask(HISTORY, {"id": asset, "f": 1, "l": 1}).refused()
    assets.ask(HISTORY, {"id": asset, "f": -1}).refused()


def test_a_cursor_is_the_same_whatever_hidden_hands_did_before(assets: Tenant, asset: str) -> None:
    """It holds nothing but a seal, of one length, which is the event's own."""
    before = history(assets, asset)["edges"]
    for i in range(3):
        update(assets, asset, SECRET, rating=float(10 + i))
    assert history(assets, asset)["edges"] == before
    contents = [base64.b64decode(edge["cursor"])[16:] for edge in before]
    assert {len(content) for content in contents} == {len(b'[""]') + 16}


def test_histories_of_what_is_hidden_or_gone_are_not_there(assets: Tenant, asset: str) -> None:
    delete(assets, asset)
    assert assets.data(HISTORY, {"id": asset})["asset"] is None
    assert assets.data(HISTORY, {"id": asset}, label=SECRET)["asset"] is not None


def test_pages_of_histories_count_for_the_cost(assets: Tenant) -> None:
    query = "query ($n: Int) { assets(first: $n) { nodes { history(first: $n) { nodes { topic } } } } }"
    assert assets.data(query, {"n": 10}) == {"assets": {"nodes": []}}
    assets.ask(query, {"n": 1000}).refused("QUERY_TOO_COMPLEX")
