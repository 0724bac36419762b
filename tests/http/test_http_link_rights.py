"""Roles whose permissions on links are for some relations only, or not for far walks."""

from typing import Any

import pytest
from http_server import Tenant, eventually
from test_http_graph import FIGURES, NEAR, PATH, RANDOM, STOP, TRAVERSE, Network

LINK = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
UPDATE = "mutation ($id: ID!) { updateLink(id: $id, input: {weight: 2}) { linkId } }"
UNLINK = "mutation ($id: ID!) { unlink(id: $id) { linkId } }"
NESTED = "mutation ($id: ID!, $i: StopUpdateInput!) { updateStop(id: $id, input: $i) { changed } }"
WALKER, LINKER = ["near_walker"], ["reader", "near_linker"]


@pytest.fixture
def network(organization: Tenant) -> Network:
    """a → b → c → d by one relation, a → c → e → f by the other."""
    organization.define(STOP)
    network = Network(organization)
    network.stops("abcdef")
    network.lead("ab bc cd")
    network.lead("ac ce ef", relation="near")
    return network


def ask(network: Network, query: str, roles: list[str], label: str = "UNCLASSIFIED", **variables: Any) -> Any:
    return network.tenant.ask(query, {"least": network.least} | variables, roles=roles, label=label)


def reached(network: Network, roles: list[str], **variables: Any) -> set[str]:
    answer = ask(network, TRAVERSE, roles, **{"from": [network.ids["a"]]} | variables)
    return {node["node"]["name"] for node in answer.data["traverse"]["nodes"]}


def test_walks_follow_the_relations_that_roles_are_for(network: Network) -> None:
    a, b = network.ids["a"], network.ids["b"]
    assert reached(network, WALKER) == {"c", "e"}
    assert reached(network, [*WALKER, "reader"]) == set("bcdef")
    assert ask(network, PATH, WALKER, **{"from": a, "to": b}).data["shortestPath"] is None
    near = ask(network, NEAR, WALKER, of=a).data["neighborhood"]
    assert [link["to"] for link in near["links"]] == [network.ids["c"]]
    figures = ask(network, FIGURES, WALKER, of=a).data
    assert figures["linkDegree"] == 1
    assert figures["connectedComponent"]["size"] == 4
    assert [c["size"] for c in figures["connectedComponents"]] == [4, 1, 1]
    assert {r["node"]["id"] for r in figures["related"]} == {network.ids[x] for x in "cef"}


def test_walks_follow_inferred_links_of_these_relations_alone(network: Network) -> None:
    links = {name: {**link, "transitive": True} for name, link in STOP["links"].items()}  # type: ignore[attr-defined]
    network.tenant.define(STOP | {"links": links})
    query = "query ($from: [ID!]!) { traverse(from: $from, inferred: true, maxDepth: 1) { nodes { node { id } } } }"

    def led_to(roles: list[str]) -> set[str]:
        answer = ask(network, query, roles, **{"from": [network.ids["a"]]})
        return {node["node"]["id"] for node in answer.data["traverse"]["nodes"]}

    eventually(lambda: led_to(["reader"]) == {network.ids[x] for x in "bcdef"})
    assert led_to(WALKER) == {network.ids[x] for x in "cef"}


def test_a_relation_that_roles_are_not_for_is_like_one_that_does_not_exist(network: Network) -> None:
    asked = {"from": [network.ids["a"]], "relations": ["leads_to"]}
    assert reached(network, WALKER, relations=["near", "leads_to"]) == {"c", "e"}
    one = ask(network, TRAVERSE, WALKER, **asked)
    other = ask(network, TRAVERSE, WALKER, **asked | {"relations": ["nothing"]})
    assert one.data["traverse"]["nodes"] == []
    assert one.content == other.content


def test_walks_go_as_deep_as_roles_allow(network: Network) -> None:
    asked = {"from": [network.ids["a"]], "depth": 3}
    answer = ask(network, TRAVERSE, WALKER, **asked)
    assert (answer.code, answer.error["message"]) == ("BAD_USER_INPUT", "at most 2 links deep")
    assert ask(network, NEAR, WALKER, of=network.ids["a"], radius=3).code == "BAD_USER_INPUT"
    assert reached(network, [*WALKER, "short_walker", "reader"], depth=3) == set("bcdef")


def test_walks_look_at_as_many_links_as_roles_allow(network: Network) -> None:
    asked = {"from": [network.ids["a"]]}
    assert ask(network, TRAVERSE, ["short_walker"], **asked).code == "QUERY_TOO_COMPLEX"
    assert ask(network, TRAVERSE, ["short_walker"], **asked, depth=1).data["traverse"]["nodes"]


def test_links_are_written_by_the_relations_that_roles_are_for(network: Network) -> None:
    ends = {"from": network.ids["a"], "to": network.ids["f"]}
    id = ask(network, LINK, LINKER, i={"relation": "near"} | ends).data["link"]["linkId"]
    assert ask(network, UPDATE, LINKER, id=id).data
    assert ask(network, UNLINK, LINKER, id=id).data
    assert ask(network, NESTED, LINKER, id=network.ids["a"], i={"link": {"near": [{"id": network.ids["f"]}]}}).data


def test_other_relations_are_forbidden_whatever_they_are(network: Network) -> None:
    high = {"typeName": "Vault", "fields": {}, "links": {"next": {"relation": "secret_way", "target": "Stop"}}}
    network.tenant.define(high, label="SECRET")
    ends = {"from": network.ids["a"], "to": network.ids["f"]}
    answers = [
        ask(network, LINK, LINKER, i={"relation": relation} | others)
        for relation in ("leads_to", "nothing", "secret_way")
        for others in (ends, ends | {"to": RANDOM})
    ]
    assert {answer.code for answer in answers} == {"FORBIDDEN"}
    assert len({answer.content for answer in answers}) == 1
    # A role beside it that is for all of them lifts this.
    assert ask(network, LINK, [*LINKER, "writer"], i={"relation": "leads_to"} | ends).data


def test_a_link_that_is_seen_is_forbidden_and_one_that_is_hidden_is_not_found(network: Network) -> None:
    seen, hidden = network.lead("ad"), network.lead("ae", "SECRET")
    for query in (UPDATE, UNLINK):
        assert ask(network, query, LINKER, id=seen).code == "FORBIDDEN"
        assert ask(network, query, LINKER, id=hidden).code == "NOT_FOUND"
        assert ask(network, query, LINKER, id=hidden).content == ask(network, query, LINKER, id=RANDOM).content
        assert ask(network, query, LINKER, "SECRET", id=hidden).code == "FORBIDDEN"


def test_a_forbidden_link_in_an_input_has_nothing_written(network: Network) -> None:
    to = [{"id": network.ids["f"]}]
    wish = {"zone": 7, "link": {"near": to, "next": to}}
    answer = ask(network, NESTED, LINKER, id=network.ids["a"], i=wish)
    assert answer.code == "FORBIDDEN"
    assert answer.error["extensions"]["inputPath"] == ["input", "link", "next", 0]
    assert network.tenant.data("query ($id: ID!) { stop(id: $id) { zone } }", {"id": network.ids["a"]}) == {
        "stop": {"zone": None}
    }
    assert "f" not in network.reached("a", relations=["near"], depth=1)
