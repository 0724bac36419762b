"""Links listed by themselves: what a reader may ask, and what is the same as nothing."""

from typing import Any

import pytest
from http_server import Tenant

SECRET = "SECRET/ALPHA"
RANDOM = "0b0e7a52-6a4e-4b0e-9a53-0d6cf19cf7a4"
LINKS = """query ($w: LinksWhere, $f: Int, $a: String, $b: String) {
  links(where: $w, first: $f, after: $a, before: $b) {
    nodes { id relation weight properties validFrom validTo } pageInfo { hasNextPage endCursor } totalCount
  }
}"""
LINK = "query ($id: ID!) { link(id: $id) { id from to relation properties label } }"


def link(tenant: Tenant, source: str, target: str, label: str = "UNCLASSIFIED", **values: Any) -> str:
    query = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    given = {"relation": "has_sensor", "from": source, "to": target, **values}
    return str(tenant.data(query, {"i": given}, label=label)["link"]["linkId"])


def listed(tenant: Tenant, label: str = "UNCLASSIFIED", **where: Any) -> list[str]:
    found = tenant.data(LINKS, {"w": where}, label=label)["links"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["id"] for node in found["nodes"]]


def test_a_link_shows_what_was_said_of_it(assets: Tenant, pair: tuple[str, str]) -> None:
    id = link(assets, *pair, weight=2.5, properties={"note": "left"}, validFrom="2024-01-01T00:00:00Z")
    [node] = assets.data(LINKS)["links"]["nodes"]
    assert node == {
        "id": id, "relation": "has_sensor", "weight": 2.5, "properties": {"note": "left"},
        "validFrom": "2024-01-01T00:00:00.000000Z", "validTo": None,
    }  # fmt: skip
    shown = {"from": pair[0], "to": pair[1], "properties": {"note": "left"}, "label": "UNCLASSIFIED"}
    assert assets.data(LINK, {"id": id})["link"] == shown | {"id": id, "relation": "has_sensor"}


def test_properties_have_their_names_wherever_a_link_is_read(assets: Tenant, pair: tuple[str, str]) -> None:
    properties = {"note": "left", "channel": 3}
    id = link(assets, *pair, properties=properties)
    reading = """query ($from: ID!, $to: ID!, $id: ID!) {
      asset(id: $from) { sensors { edges { link { p: properties } } } }
      shortestPath(from: $from, to: $to) { links { p: properties } }
      link(id: $id) { p: properties }
    }"""
    data = assets.data(reading, {"from": pair[0], "to": pair[1], "id": id})
    [edge], [step] = data["asset"]["sensors"]["edges"], data["shortestPath"]["links"]
    assert [edge["link"], step, data["link"]] == [{"p": properties}] * 3


def test_links_are_sought_by_when_they_are_valid(assets: Tenant, pair: tuple[str, str]) -> None:
    id = link(assets, *pair, validFrom="2024-01-01T00:00:00Z", validTo="2025-01-01T00:00:00Z")
    always = link(assets, *pair, key="always")
    for moment, expected in [
        ("2023-12-31T23:59:59Z", {always}), ("2024-01-01T00:00:00Z", {id, always}), ("2025-01-01T00:00:00Z", {always})
    ]:  # fmt: skip
        assert set(listed(assets, validAt=moment)) == expected


def test_a_link_to_what_is_hidden_answers_like_none(assets: Tenant, pair: tuple[str, str]) -> None:
    made = assets.data('mutation { createSensor(input: {name: "s"}) { sensor { id } } }', label=SECRET)
    hidden = made["createSensor"]["sensor"]["id"]
    id = link(assets, pair[0], hidden, SECRET)
    assert listed(assets, SECRET) == listed(assets, SECRET, objectId=hidden) == [id]
    answers = [assets.ask(LINKS, {"w": {name: each}}) for name in ("to", "objectId") for each in (hidden, RANDOM, "?")]
    answers.append(assets.ask(LINKS))
    assert len({each.plain for each in answers}) == 1
    assert len({assets.ask(LINK, {"id": each}).plain for each in (id, RANDOM, "?")}) == 1


def test_a_deleted_end_takes_its_links_out_of_the_list(assets: Tenant, pair: tuple[str, str]) -> None:
    id = link(assets, *pair)
    assets.data("mutation ($id: ID!) { deleteSensor(id: $id) { deletedId } }", {"id": pair[1]})
    assert listed(assets) == []
    assert assets.data(LINK, {"id": id})["link"] is None


@pytest.fixture
def cursor(assets: Tenant, pair: tuple[str, str]) -> str:
    link(assets, *pair)
    return str(assets.data(LINKS, {"f": 1})["links"]["pageInfo"]["endCursor"])


def test_a_cursor_of_elsewhere_is_refused(
    assets: Tenant, other_organization: Tenant, pair: tuple[str, str], cursor: str
) -> None:
    for name, path in (("a", ["after"]), ("b", ["before"])):
        assets.ask(LINKS, {name: cursor}, label=SECRET).refused(path=path)
        other_organization.ask(LINKS, {name: cursor}).refused(path=path)
        assets.ask(LINKS, {name: cursor, "w": {"from": pair[0]}}).refused(path=path)
        assets.ask(LINKS, {name: cursor, "w": {"relations": ["has_sensor"]}}).refused(path=path)
        assets.ask(LINKS, {name: cursor[:-4]}).refused(path=path)
    assert assets.data(LINKS, {"a": cursor, "w": {"validAt": "2024-01-01T00:00:00Z"}})["links"]["nodes"] == []


def test_what_cannot_be_meant_is_refused(assets: Tenant, pair: tuple[str, str]) -> None:
    assets.ask(LINKS, {"w": {"objectId": pair[0], "from": pair[0]}}).refused(path=["where", "objectId"])
    assets.ask(LINKS, {"w": {"relations": ["r"] * 101}}).refused(path=["where", "relations"])
    assets.ask(LINKS, {"f": -1}).refused(path=["first"])
    assets.ask(LINKS, roles=["objects_only"]).refused("FORBIDDEN")
    assets.ask(LINK, {"id": RANDOM}, roles=["objects_only"]).refused("FORBIDDEN")
