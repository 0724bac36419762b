"""Reading the audit log: who may, what of it, page by page, and that the reading is on the record."""

from typing import Any

import pytest
from http_server import Tenant, eventually

SECRET = "SECRET/ALPHA"
AUDITOR = ("auditor",)
LOG = """query ($w: AuditWhere, $o: AuditOrder! = NEWEST_FIRST, $f: Int, $a: String, $l: Int, $b: String) {
  auditLog(where: $w, order: $o, first: $f, after: $a, last: $l, before: $b) {
    nodes { action outcome actor label entityId reason requestId detail occurredAt sealed }
    edges { cursor node { of: entityId } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""
CREATED = {"actions": ["object.created"]}


def create(tenant: Tenant, name: str, label: str = "UNCLASSIFIED", actor: str = "ann") -> str:
    query = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } } }"
    return str(tenant.data(query, {"i": {"name": name}}, label=label, name=actor)["createAsset"]["asset"]["id"])


def log(tenant: Tenant, label: str = "UNCLASSIFIED", **variables: Any) -> Any:
    """What an auditor reads once nothing holds back what has been committed."""
    held_back = "select from fabric.audit_log where transaction_id >= pg_snapshot_xmin(pg_current_snapshot()) limit 1"
    eventually(lambda: not tenant.server.sql(held_back))
    return tenant.data(LOG, variables, label=label, roles=AUDITOR, name="eve")["auditLog"]


@pytest.fixture
def six(assets: Tenant) -> list[str]:
    """The ids of six assets, made one after another; every second one is secret."""
    return [create(assets, f"a{i}", SECRET if i % 2 else "UNCLASSIFIED") for i in range(6)]


def test_records_are_those_that_the_session_dominates_newest_first(assets: Tenant, six: list[str]) -> None:
    assert [r["entityId"] for r in log(assets, SECRET, w=CREATED)["nodes"]] == six[::-1]
    assert [r["entityId"] for r in log(assets, SECRET, w=CREATED, o="OLDEST_FIRST")["nodes"]] == six
    low = log(assets, w=CREATED)["nodes"]
    assert [r["entityId"] for r in low] == six[::2][::-1]
    assert {(r["actor"], r["outcome"], r["label"], r["detail"]["type"]) for r in low} == {
        ("ann", "done", "UNCLASSIFIED", "Asset")
    }
    assert all(r["requestId"] and r["occurredAt"].endswith("Z") for r in low)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("order", ["NEWEST_FIRST", "OLDEST_FIRST"])
@pytest.mark.parametrize("backward", [False, True])
def test_pages_add_up_to_the_whole(assets: Tenant, six: list[str], size: int, order: str, *, backward: bool) -> None:
    expected = six if order == "OLDEST_FIRST" else six[::-1]
    found: list[str] = []
    cursor = None
    for page_number in range(7):
        asked = {"l": size, "b": cursor} if backward else {"f": size, "a": cursor}
        page = log(assets, SECRET, w=CREATED, o=order, **asked)
        ids = [edge["node"]["of"] for edge in page["edges"]]
        found = ids + found if backward else found + ids
        info = page["pageInfo"]
        assert info["hasNextPage" if backward else "hasPreviousPage"] is (page_number > 0)
        cursor = info["startCursor" if backward else "endCursor"]
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            break
    assert found == expected


def test_filters_narrow_it(assets: Tenant, six: list[str]) -> None:
    other = create(assets, "other", actor="bob")
    assert [r["entityId"] for r in log(assets, w={"actor": "bob"})["nodes"]] == [other]
    assert [r["entityId"] for r in log(assets, w={"entityId": six[0]})["nodes"]] == [six[0]]
    assert log(assets, w={"entityId": six[1]})["nodes"] == []
    assert log(assets, w={"actions": ["link.*"]})["nodes"] == []
    assert len(log(assets, w={"actions": ["object.*"]})["nodes"]) == 4
    assert log(assets, w={"outcomes": ["denied"]})["nodes"] == []
    moment = next(r["occurredAt"] for r in log(assets, w=CREATED)["nodes"])
    assert [r["entityId"] for r in log(assets, w=CREATED | {"since": moment})["nodes"]] == [other]
    assert other not in [r["entityId"] for r in log(assets, w=CREATED | {"until": moment})["nodes"]]


def test_reading_it_is_on_the_record(assets: Tenant, six: list[str]) -> None:
    log(assets, SECRET, w=CREATED | {"actor": "ann"}, f=2)
    record = log(assets, SECRET, w={"actions": ["audit.read"]})["nodes"][0]
    assert (record["actor"], record["label"]) == ("eve", SECRET)
    assert record["detail"] == {"where": CREATED | {"actor": "ann"}, "records": 2}
    assert log(assets, w={"actions": ["audit.read"]})["nodes"] == []  # the one above was read higher


def test_each_alias_is_a_reading(assets: Tenant) -> None:
    aliases = " ".join(f"a{i}: auditLog(first: 0) {{ pageInfo {{ hasNextPage }} }}" for i in range(3))
    assets.data(f"{{ {aliases} }}", roles=AUDITOR)
    assert len(log(assets, w={"actions": ["audit.read"]})["nodes"]) == 3


def test_it_says_what_is_sealed(assets: Tenant, six: list[str]) -> None:
    server = assets.server
    eventually(lambda: not server.sql("select fabric.unsealed()"))
    assert {r["sealed"] for r in log(assets, SECRET, w=CREATED)["nodes"]} == {True}
    server.sql("delete from fabric.seals where log = 'audit_log' and label <> 0")
    nodes = log(assets, SECRET, w=CREATED)["nodes"]
    assert [r["sealed"] for r in nodes] == [r["label"] == "UNCLASSIFIED" for r in nodes]


def test_it_needs_the_permission(assets: Tenant) -> None:
    refused = assets.ask(LOG, roles=["writer"]).refused("FORBIDDEN")
    assert "audit:read" in refused.error["message"]


def test_a_cursor_of_another_label_or_organization_is_refused(assets: Tenant, other_organization: Tenant) -> None:
    create(assets, "one")
    cursor = log(assets, w=CREATED)["pageInfo"]["endCursor"]
    other_organization.ask(LOG, {"a": cursor}, roles=AUDITOR).refused(path=["after"])
    assets.ask(LOG, {"b": cursor}, roles=AUDITOR, label=SECRET).refused(path=["before"])
    assert log(other_organization, SECRET)["nodes"] == []


@pytest.mark.parametrize(
    "where", [{"actor": "x" * 256}, {"actions": ["x"] * 101}, {"outcomes": ["a\0b"]}, {"actor": "a\nb"}]
)
def test_words_of_a_filter_are_short_and_few(assets: Tenant, where: Any) -> None:
    assets.ask(LOG, {"w": where}, roles=AUDITOR).refused(path=["where", *where])
