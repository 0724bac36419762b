"""Inferred links as front-ends get them: in connections, filters, counts and lists, marked, and not to be changed."""

from itertools import pairwise
from typing import Any

from http_server import Tenant, eventually

WARD: dict[str, Any] = {
    "typeName": "Ward",
    "fields": {"name": {"type": "string", "required": True}},
    "naturalKey": ["name"],
    "links": {
        "parts": {"relation": "ward_part", "target": "Ward", "transitive": True},
        "wholes": {"relation": "ward_part", "target": "Ward", "direction": "in"},
    },
}
PARTS = "query ($id: ID!) { ward(id: $id) { parts { totalCount edges { node { name } link { inferred revision } } } } }"
LISTED = "query ($w: LinksWhere) { links(where: $w) { nodes { id inferred label createdAt } totalCount } }"


def chain(tenant: Tenant) -> list[str]:
    tenant.define(WARD)
    create = "mutation ($n: String!) { createWard(input: {name: $n}) { ward { id } } }"
    ids = [str(tenant.data(create, {"n": name})["createWard"]["ward"]["id"]) for name in "abc"]
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    for source, target in pairwise(ids):
        tenant.data(link, {"i": {"relation": "ward_part", "from": source, "to": target}})
    return ids


def parts(tenant: Tenant, id: str, label: str = "UNCLASSIFIED") -> dict[str, bool]:
    found = tenant.data(PARTS, {"id": id}, label=label)["ward"]["parts"]
    assert found["totalCount"] == len(found["edges"])
    return {edge["node"]["name"]: edge["link"]["inferred"] for edge in found["edges"]}


def test_what_follows_is_found_beside_what_was_written_until_a_premise_goes(organization: Tenant) -> None:
    a, b, c = chain(organization)
    eventually(lambda: parts(organization, a) == {"b": False, "c": True})
    filtered = 'query { wards(where: {parts: {some: {name: {eq: "c"}}}}) { nodes { name } } }'
    assert {n["name"] for n in organization.data(filtered)["wards"]["nodes"]} == {"a", "b"}
    listed = organization.data(LISTED)["links"]
    assert listed["totalCount"] == 3
    [inferred] = [node for node in listed["nodes"] if node["inferred"]]
    assert (inferred["label"], inferred["createdAt"]) == ("UNCLASSIFIED", "1970-01-01T00:00:00.000000Z")
    assert organization.data(LISTED, {"w": {"inferred": False}})["links"]["totalCount"] == 2
    one = organization.data("query ($id: ID!) { link(id: $id) { from to inferred } }", {"id": inferred["id"]})["link"]
    assert one == {"from": a, "to": c, "inferred": True}
    unlink = "mutation ($id: ID!) { unlink(id: $id) { position } }"
    assert organization.ask(unlink, {"id": inferred["id"]}).codes == {"NOT_FOUND"}
    delete = "mutation ($id: ID!) { deleteWard(id: $id) { position } }"
    organization.data(delete, {"id": b})
    eventually(lambda: parts(organization, a) == {})


def test_who_does_not_see_a_premise_finds_nothing_that_rests_on_it(organization: Tenant) -> None:
    a, *_ = chain(organization)
    create = "mutation ($n: String!) { createWard(input: {name: $n}) { ward { id } } }"
    hidden = organization.data(create, {"n": "hidden"}, label="SECRET/ALPHA")["createWard"]["ward"]["id"]
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    given = {"relation": "ward_part", "from": a, "to": hidden}
    organization.data(link, {"i": given}, label="SECRET/ALPHA")
    organization.data(link, {"i": given | {"from": hidden, "to": a}}, label="SECRET/ALPHA")
    eventually(lambda: "c" in parts(organization, hidden, "SECRET/ALPHA"))
    eventually(lambda: parts(organization, a) == {"b": False, "c": True})
    assert parts(organization, a, "SECRET/ALPHA") == {"b": False, "c": True, "hidden": False}
