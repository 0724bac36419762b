"""Inferred links as front-ends get them: in connections, filters, counts and lists, marked, and not to be changed."""

from itertools import pairwise
from typing import Any

from http_server import MakeServer, Tenant, eventually
from pyoxigraph import RdfFormat, parse

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
    update = "mutation ($id: ID!) { updateLink(id: $id, input: {weight: 2}) { linkId } }"
    for change in (unlink, update):
        refused = organization.ask(change, {"id": inferred["id"]}).refused("CONFLICT")
        assert "inferred" in refused.error["message"]
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


EXPLAINED = """query ($id: ID!, $first: Int! = 10) { link(id: $id) {
  why: explain(first: $first) {
    form relations premises { id relation from to inferred explain { premises { from to } } } } } }"""
EDGES = """query ($id: ID!) { ward(id: $id) { parts { edges { node { name } link { id inferred
  explain { form premises { from to } } } } } } }"""


def inferred_id(tenant: Tenant, source: str, target: str, label: str = "UNCLASSIFIED") -> str:
    found = tenant.data(LISTED, {"w": {"from": source, "to": target}}, label=label)["links"]["nodes"]
    [link] = [node for node in found if node["inferred"]]
    return str(link["id"])


def test_an_inferred_link_is_explained_by_the_links_it_follows_from(organization: Tenant) -> None:
    a, b, c = chain(organization)
    eventually(lambda: parts(organization, a) == {"b": False, "c": True})
    edges = organization.data(EDGES, {"id": a})["ward"]["parts"]["edges"]
    expected = {"form": "TRANSITIVE", "premises": [{"from": a, "to": b}, {"from": b, "to": c}]}
    assert {e["node"]["name"]: e["link"]["explain"] for e in edges} == {"b": None, "c": [expected]}
    [why] = organization.data(EXPLAINED, {"id": inferred_id(organization, a, c)})["link"]["why"]
    assert (why["form"], why["relations"]) == ("TRANSITIVE", ["ward_part", "ward_part"])
    assert [(p["from"], p["to"], p["inferred"], p["explain"]) for p in why["premises"]] == [
        (a, b, False, None), (b, c, False, None),
    ]  # fmt: skip
    asked = organization.ask(EXPLAINED, {"id": inferred_id(organization, a, c), "first": 101})
    assert asked.codes == {"BAD_USER_INPUT"}
    export = "{ wards { edges { node { parts { edges { link { explain { form } } } } } } } }"
    headers = organization.authorization()
    sent = organization.server.client.post("/export", json={"query": export}, headers=headers)
    assert (sent.status_code, "follow from" in sent.text) == (400, True), sent.text


def test_an_explanation_names_no_link_and_no_object_that_its_reader_does_not_see(organization: Tenant) -> None:
    a, b, c = chain(organization)
    create = "mutation ($n: String!) { createWard(input: {name: $n}) { ward { id } } }"
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    hidden = organization.data(create, {"n": "hidden"}, label="SECRET/ALPHA")["createWard"]["ward"]["id"]
    for source, target in ((a, hidden), (hidden, c)):
        given = {"relation": "ward_part", "from": source, "to": target}
        organization.data(link, {"i": given}, label="SECRET/ALPHA")
    eventually(lambda: parts(organization, a) == {"b": False, "c": True})
    id = inferred_id(organization, a, c)

    def between(label: str, id: str) -> set[str]:
        why = organization.data(EXPLAINED, {"id": id}, label=label)["link"]["why"]
        return {derivation["premises"][0]["to"] for derivation in why}

    assert between("UNCLASSIFIED", id) == {b}
    assert between("SECRET/ALPHA", id) == {b, hidden}
    assert between("SECRET/BRAVO", id) == {b}
    delete = "mutation ($id: ID!) { deleteWard(id: $id) { position } }"
    organization.data(delete, {"id": b}, label="SECRET/BRAVO")
    eventually(lambda: parts(organization, a, "SECRET/BRAVO") == {})
    assert between("UNCLASSIFIED", id) == {b}
    assert organization.data(EXPLAINED, {"id": id}, label="SECRET/BRAVO") == {"link": None}
    organization.data(delete, {"id": b})
    eventually(lambda: parts(organization, a) == {})
    assert organization.data(EXPLAINED, {"id": id}) == {"link": None}


WALKS = """query ($a: ID!, $c: ID!, $on: Boolean! = true, $relations: [String!]) {
  traverse(from: [$a], inferred: $on, relations: $relations) {
    nodes { depth node { id } path { links { inferred from to } } } }
  shortestPath(from: $a, to: $c, inferred: $on, relations: $relations, weighted: true) {
    length weight links { inferred } }
  neighborhood(of: $a, inferred: $on, relations: $relations) { nodes { id } links { inferred } }
  related(to: $a, inferred: $on, relations: $relations) { node { id } }
  linkDegree(of: $a, inferred: $on, relations: $relations)
  connectedComponent(of: $a, inferred: $on, relations: $relations) { size }
}"""


def walks(tenant: Tenant, a: str, c: str, label: str = "UNCLASSIFIED", **asked: Any) -> Any:
    return tenant.data(WALKS, {"a": a, "c": c} | asked, label=label)


def test_walks_follow_inferred_links_where_they_are_asked_to_and_tell_which_they_are(organization: Tenant) -> None:
    a, b, c = chain(organization)
    eventually(lambda: parts(organization, a) == {"b": False, "c": True})
    eventually(lambda: walks(organization, a, c, on=False)["connectedComponent"] == {"size": 3})
    without, found = walks(organization, a, c, on=False), walks(organization, a, c)
    assert [n["depth"] for n in without["traverse"]["nodes"]] == [1, 2]
    assert (without["linkDegree"], without["shortestPath"]["length"]) == (1, 2)
    paths = {n["node"]["id"]: n["path"]["links"] for n in found["traverse"]["nodes"]}
    assert paths == {b: [{"inferred": False, "from": a, "to": b}], c: [{"inferred": True, "from": a, "to": c}]}
    assert found["shortestPath"] == {"length": 1, "weight": 1.0, "links": [{"inferred": True}]}
    assert (found["linkDegree"], found["connectedComponent"]) == (2, {"size": 3})
    assert sorted(link["inferred"] for link in found["neighborhood"]["links"]) == [False, False, True]
    assert {node["node"]["id"] for node in found["related"]} == {b, c}
    nothing = walks(organization, a, c, relations=["other"])
    assert (nothing["linkDegree"], nothing["shortestPath"]) == (0, None)
    organization.data("mutation ($id: ID!) { deleteWard(id: $id) { position } }", {"id": b})
    eventually(lambda: walks(organization, a, c)["linkDegree"] == 0)


def test_a_walk_over_inferred_links_tells_nothing_of_premises_that_are_hidden(organization: Tenant) -> None:
    a, _, c = chain(organization)
    create = "mutation ($n: String!) { createWard(input: {name: $n}) { ward { id } } }"
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    far = organization.data(create, {"n": "far"})["createWard"]["ward"]["id"]
    given = {"relation": "ward_part", "from": c, "to": far}
    organization.data(link, {"i": given}, label="SECRET/ALPHA")
    eventually(lambda: walks(organization, a, far, "SECRET/ALPHA")["linkDegree"] == 3)
    assert walks(organization, a, far)["shortestPath"] is None
    assert walks(organization, a, far, "SECRET/BRAVO")["shortestPath"] is None
    assert walks(organization, a, far)["linkDegree"] == 2


def triples(sent: Any) -> list[Any]:
    assert sent.status_code == 200, sent.text
    return list(parse(sent.content, RdfFormat.TURTLE))


def said(quads: list[Any], predicate: str) -> int:
    return sum(quad.predicate.value.endswith(predicate) for quad in quads)


def test_exports_as_rdf_have_inferred_links_where_they_are_asked_for_and_mark_them(organization: Tenant) -> None:
    a, *_ = chain(organization)
    eventually(lambda: parts(organization, a) == {"b": False, "c": True})
    client, headers = organization.server.client, organization.authorization()
    for given, links, marked in (({}, 2, 0), ({"inferred": "false"}, 2, 0), ({"inferred": "true"}, 3, 1)):
        found = triples(client.get("/export/rdf", params={"format": "turtle", **given}, headers=headers))
        assert (said(found, "#ward_part"), said(found, "#inferred")) == (links, marked)
    refused = client.get("/export/rdf", params={"inferred": "perhaps"}, headers=headers)
    assert (refused.status_code, "inferred is true or false" in refused.text) == (400, True)
    query = {"query": "{ wards { nodes { name parts { nodes { name } } } } }"}
    found = triples(client.post("/export?format=turtle", json=query, headers=headers))
    assert (said(found, "#ward_part"), said(found, "#inferred")) == (3, 1)


def test_sparql_asks_inferred_links_where_they_are_asked_for(organization: Tenant) -> None:
    a, *_ = chain(organization)
    eventually(lambda: parts(organization, a) == {"b": False, "c": True})
    client, headers = organization.server.client, organization.authorization()
    parted = "select * { ?a <urn:semantic-fabric:relation#ward_part> ?b }"
    apart = "select * { graph <urn:semantic-fabric:inferred> { ?a ?p ?b } }"

    def rows(sent: Any) -> int:
        assert sent.status_code == 200, sent.text
        return len(sent.json()["results"]["bindings"])

    assert rows(client.get("/sparql", params={"query": parted}, headers=headers)) == 2
    assert rows(client.get("/sparql", params={"query": parted, "inferred": "true"}, headers=headers)) == 3
    assert rows(client.post("/sparql", data={"query": parted, "inferred": "true"}, headers=headers)) == 3
    assert rows(client.post("/sparql?inferred=true", data={"query": apart}, headers=headers)) == 1
    as_query = headers | {"content-type": "application/sparql-query"}
    assert rows(client.post("/sparql?inferred=true", content=apart, headers=as_query)) == 1
    assert rows(client.get("/sparql", params={"query": apart}, headers=headers)) == 0
    for wrong in ({"inferred": "yes"}, {"inferred": ["true", "false"]}):
        sent = client.get("/sparql", params={"query": parted, **wrong}, headers=headers)
        assert (sent.status_code, "inferred is true or false" in sent.text) == (400, True)
    assert client.get("/sparql?inferred=true", headers=headers).headers["content-type"] == "text/turtle"
    organization.data("mutation ($id: ID!) { deleteWard(id: $id) { position } }", {"id": a})
    asked = {"query": parted, "inferred": "true"}
    eventually(lambda: rows(client.get("/sparql", params=asked, headers=headers)) == 1)


STOPPED = "{ stoppedRules { form relations conclusion label limit stoppedAt } }"


def test_a_rule_that_was_stopped_is_told_to_designers_at_its_label(new_server: MakeServer) -> None:
    with new_server({"max_inferred_links": 2}) as server:
        tenant = server.organization()
        a, _, c = chain(tenant)
        assert tenant.data(STOPPED)["stoppedRules"] == []
        link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
        tenant.data(link, {"i": {"relation": "ward_part", "from": c, "to": a}}, label="SECRET/ALPHA")
        eventually(lambda: len(tenant.data(STOPPED, label="SECRET/ALPHA")["stoppedRules"]) == 1)
        [stopped] = tenant.data(STOPPED, label="SECRET/ALPHA")["stoppedRules"]
        assert stopped.pop("stoppedAt") > "2026"
        assert stopped == {
            "form": "TRANSITIVE", "relations": ["ward_part", "ward_part"], "conclusion": "ward_part",
            "label": "SECRET/ALPHA", "limit": 2,
        }  # fmt: skip
        assert tenant.data(STOPPED, label="SECRET/BRAVO")["stoppedRules"] == []
        assert tenant.data(STOPPED)["stoppedRules"] == []
        tenant.ask(STOPPED, roles=["reader"]).refused("FORBIDDEN")
