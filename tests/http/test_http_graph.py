"""Walking the link graph over HTTP: what each reader sees, as if nothing else were there."""

from typing import Any

import pytest
from http_server import Tenant

TRAVERSE = """query (
  $from: [ID!]!, $way: LinkDirection! = OUT, $depth: Int, $types: [String!], $where: JSON, $first: Int,
  $relations: [String!], $at: DateTime, $least: String
) {
  traverse(from: $from, direction: $way, maxDepth: $depth, types: $types, where: $where, first: $first,
           relations: $relations, asOf: $at, atLeast: $least) {
    hasMore nodes { depth node { id label ... on Stop { name } } path { length nodes { id } links { id from to } } }
  }
}"""
PATH = """query (
  $from: ID!, $to: ID!, $way: LinkDirection! = OUT, $depth: Int, $weighted: Boolean! = false, $at: DateTime,
  $least: String
) {
  shortestPath(from: $from, to: $to, direction: $way, maxDepth: $depth, weighted: $weighted, asOf: $at,
               atLeast: $least) { length weight nodes { ... on Stop { name } } links { weight } }
}"""
NEAR = """query ($of: ID!, $radius: Int! = 1, $first: Int, $least: String) {
  neighborhood(of: $of, radius: $radius, first: $first, atLeast: $least) { nodes { id } links { from to } hasMore }
}"""
FIGURES = """query ($of: ID!, $least: String) {
  related(to: $of, atLeast: $least) { score node { id } }
  linkDegree(of: $of, atLeast: $least) connectedComponent(of: $of, atLeast: $least) { size lowestId }
  connectedComponents(atLeast: $least) { size }
}"""
STOP = {
    "typeName": "Stop",
    "fields": {"name": {"type": "string", "required": True}, "zone": {"type": "integer"}},
    "naturalKey": ["name"],
    "links": {
        "next": {"relation": "leads_to", "target": "Stop"},
        "near": {"relation": "near", "target": "Stop"},
    },
}
RANDOM = "0b0e7a52-6a4e-4b0e-9a53-0d6cf19cf7a4"


class Network:
    """Stops and links between them, by their names. `least` is the last change's position."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.ids: dict[str, str] = {}
        self.least: str | None = None

    def stops(self, names: str, label: str = "UNCLASSIFIED", **data: Any) -> None:
        query = "mutation ($i: [StopCreateInput!]!) { createStops(inputs: $i) { stops { id name } position } }"
        made = self.tenant.data(query, {"i": [{"name": n, **data} for n in names]}, label=label)["createStops"]
        self.ids |= {stop["name"]: stop["id"] for stop in made["stops"]}
        self.least = made["position"]

    def lead(self, pairs: str, label: str = "UNCLASSIFIED", relation: str = "leads_to", **values: Any) -> str:
        """`ab bc`: from a to b, from b to c. The id of the last link."""
        query = "mutation ($i: LinkInput!) { link(input: $i) { linkId position } }"
        for pair in pairs.split():
            wanted = {"relation": relation, "from": self.ids[pair[0]], "to": self.ids[pair[1]], **values}
            made = self.tenant.data(query, {"i": wanted}, label=label)["link"]
            self.least = made["position"]
        return str(made["linkId"])

    def ask(self, query: str, label: str = "UNCLASSIFIED", **variables: Any) -> Any:
        return self.tenant.ask(query, {"least": self.least} | variables, label=label)

    def reached(self, start: str, label: str = "UNCLASSIFIED", **variables: Any) -> dict[str, int]:
        """Depths by name."""
        answer = self.ask(TRAVERSE, label, **{"from": [self.ids[x] for x in start]} | variables)
        return {n["node"]["name"]: n["depth"] for n in answer.data["traverse"]["nodes"]}

    def path(self, ends: str, label: str = "UNCLASSIFIED", **variables: Any) -> str | None:
        """The names along it."""
        answer = self.ask(PATH, label, **{"from": self.ids[ends[0]], "to": self.ids[ends[1]]} | variables)
        found = answer.data["shortestPath"]
        return found and "".join(node["name"] for node in found["nodes"])


@pytest.fixture
def network(organization: Tenant) -> Network:
    """a → b → c → d, and e apart."""
    organization.define(STOP)
    network = Network(organization)
    network.stops("abcde")
    network.lead("ab bc cd")
    return network


def test_what_can_be_reached_comes_nearest_first_with_its_path(network: Network) -> None:
    ids = network.ids
    found = network.ask(TRAVERSE, **{"from": [ids["a"]]}).data["traverse"]
    assert [(n["node"]["name"], n["depth"]) for n in found["nodes"]] == [("b", 1), ("c", 2), ("d", 3)]
    last = found["nodes"][-1]["path"]
    assert [n["id"] for n in last["nodes"]] == [ids[x] for x in "abcd"]
    assert [(x["from"], x["to"]) for x in last["links"]] == [(ids[x], ids[y]) for x, y in ("ab", "bc", "cd")]
    assert found["hasMore"] is False


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"depth": 1}, "b"),
        ({"depth": 0}, ""),
        ({"first": 2}, "bc"),
        ({"relations": ["near"]}, ""),
        ({"relations": ["nothing"]}, ""),
        ({"types": ["Nobody"]}, ""),
        ({"types": ["Stop"], "where": {"name": {"gt": "b"}}}, "cd"),
        ({"types": ["Stop"], "where": {"name": {"gt": "b"}}, "first": 1}, "c"),
        ({"types": ["Stop"], "where": {"next": {"some": {"name": {"eq": "d"}}}}}, "c"),
    ],
)
def test_a_traversal_gives_what_is_asked_for(network: Network, asked: dict[str, Any], expected: str) -> None:
    assert list(network.reached("a", **asked)) == list(expected)


def test_directions(network: Network) -> None:
    assert network.reached("b", way="OUT") == {"c": 1, "d": 2}
    assert network.reached("b", way="IN") == {"a": 1}
    assert network.reached("b", way="BOTH") == {"a": 1, "c": 1, "d": 2}
    assert network.path("da", way="IN") == "dcba"
    assert network.path("da") is None


def test_paths_by_number_and_by_weight(network: Network) -> None:
    network.lead("ad", weight=10)
    assert network.path("ad") == "ad"
    assert network.path("ad", weighted=True) == "abcd"
    assert network.path("ad", weighted=True, depth=2) == "ad"
    asked = {"from": network.ids["a"], "to": network.ids["d"], "weighted": True}
    found = network.ask(PATH, **asked).data["shortestPath"]
    assert (found["length"], found["weight"]) == (3, 3.0)


def test_links_that_are_not_valid_yet_or_any_more_do_not_lead(network: Network) -> None:
    network.lead("de", validFrom="2026-01-01T00:00:00Z", validTo="2027-01-01T00:00:00Z")
    for day, reached in (("2025-12-31", False), ("2026-01-01", True), ("2026-12-31", True), ("2027-01-01", False)):
        assert ("e" in network.reached("a", at=f"{day}T00:00:00Z")) is reached
    assert "e" in network.reached("a")


def test_figures(network: Network) -> None:
    found = network.ask(FIGURES, of=network.ids["b"]).data
    assert found["linkDegree"] == 2
    assert found["connectedComponent"] == {"size": 4, "lowestId": min(network.ids[x] for x in "abcd")}
    assert [c["size"] for c in found["connectedComponents"]] == [4, 1]
    related = {r["node"]["id"]: r["score"] for r in found["related"]}
    assert set(related) == {network.ids[x] for x in "acd"}
    assert related[network.ids["c"]] > related[network.ids["d"]]
    near = network.ask(NEAR, of=network.ids["b"]).data["neighborhood"]
    assert {n["id"] for n in near["nodes"]} == {network.ids[x] for x in "abc"}
    assert len(near["links"]) == 2
    few = network.ask(NEAR, of=network.ids["b"], first=2).data["neighborhood"]
    assert (len(few["nodes"]), few["hasMore"]) == (2, True)


def test_a_change_of_ones_own_is_seen(network: Network) -> None:
    for n in range(20):
        name = chr(ord("A") + n)
        network.stops(name)
        network.lead(f"d{name}")
        assert name in network.reached("a")


# What is hidden


def test_what_is_hidden_neither_shows_nor_leads_anywhere(network: Network) -> None:
    network.stops("x", "SECRET")
    network.lead("ax xe", "SECRET")
    network.lead("de", "SECRET/ALPHA")
    assert network.reached("a") == {"b": 1, "c": 2, "d": 3}
    assert network.reached("a", "SECRET") == {"b": 1, "x": 1, "c": 2, "e": 2, "d": 3}
    assert network.path("ae") is None
    assert network.path("ae", "SECRET") == "axe"
    assert network.path("ce", "SECRET") is None
    assert network.path("ce", "SECRET/ALPHA") == "cde"
    assert network.ask(FIGURES, of=network.ids["a"]).data["linkDegree"] == 1
    assert network.ask(FIGURES, "SECRET", of=network.ids["a"]).data["linkDegree"] == 2


def test_an_object_that_is_deleted_above_leads_nowhere_there(network: Network) -> None:
    query = "mutation ($id: ID!) { deleteStop(id: $id) { position } }"
    network.least = network.tenant.data(query, {"id": network.ids["b"]}, label="SECRET")["deleteStop"]["position"]
    assert network.reached("a", "SECRET") == {}
    assert network.reached("a") == {"b": 1, "c": 2, "d": 3}


def test_a_cover_shows_its_own_type_and_values(network: Network) -> None:
    query = "mutation ($id: ID!) { updateStop(id: $id, input: {zone: 7}) { position } }"
    network.least = network.tenant.data(query, {"id": network.ids["c"]}, label="SECRET")["updateStop"]["position"]
    where = {"types": ["Stop"], "where": {"zone": {"eq": 7}}}
    assert network.reached("a", **where) == {}
    assert network.reached("a", "SECRET", **where) == {"c": 2}


@pytest.mark.parametrize(
    ("query", "names"),
    [(TRAVERSE, ("from",)), (PATH, ("from", "to")), (PATH, ("to", "from")), (NEAR, ("of",)), (FIGURES, ("of",))],
)
def test_a_hidden_object_and_one_that_does_not_exist_are_the_same(
    network: Network, query: str, names: tuple[str, ...]
) -> None:
    network.stops("x", "SECRET")
    network.lead("ax", "SECRET")

    def ask(id: str) -> bytes:
        values = [id, network.ids["a"]]
        given = {name: [value] if query == TRAVERSE else value for name, value in zip(names, values, strict=False)}
        answer = network.ask(query, **given)
        assert answer.codes == {"NOT_FOUND"}
        return answer.content

    assert ask(network.ids["x"]) == ask(RANDOM) == ask("not an id")


def test_two_organizations_that_differ_in_what_is_hidden_answer_alike(
    network: Network, other_organization: Tenant
) -> None:
    """All but ids, which are keyed by organization: by names and depths, in one order."""
    other_organization.define(STOP)
    twin = Network(other_organization)
    twin.stops("abcde")
    twin.lead("ab bc cd")
    twin.stops("xyz", "SECRET")
    twin.lead("ax xb by ye ez", "SECRET")
    twin.lead("ae", "CONFIDENTIAL")
    for start in "abcd":
        assert twin.reached(start, way="BOTH") == network.reached(start, way="BOTH")
        mine, theirs = (n.ask(FIGURES, of=n.ids[start]).data for n in (network, twin))
        for field in ("linkDegree", "connectedComponents"):
            assert mine[field] == theirs[field]
        assert sorted(r["score"] for r in mine["related"]) == sorted(r["score"] for r in theirs["related"])


def test_an_id_of_another_organization_is_not_found(network: Network, other_organization: Tenant) -> None:
    other_organization.define(STOP)
    Network(other_organization).stops("a")
    answer = other_organization.ask(TRAVERSE, {"from": [network.ids["a"]]})
    assert answer.codes == {"NOT_FOUND"}


# What is too much, or means nothing


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"depth": 11}, ["maxDepth"]),
        ({"depth": -1}, ["maxDepth"]),
        ({"first": 1_001}, ["first"]),
        ({"first": -1}, ["first"]),
        ({"where": {"name": {"eq": "a"}}}, ["types"]),
        ({"types": ["Nobody"], "where": {}}, ["types"]),
        ({"types": ["Stop"], "where": {"nothing": 1}}, ["where"]),
        ({"least": "x"}, ["atLeast"]),
    ],
)
def test_a_walk_that_cannot_be_is_refused(network: Network, asked: dict[str, Any], path: list[str]) -> None:
    answer = network.ask(TRAVERSE, **{"from": [network.ids["a"]]} | asked)
    assert answer.code == "BAD_USER_INPUT"
    assert answer.error["extensions"]["inputPath"] == path


def test_a_position_of_another_organization_is_refused(network: Network, other_organization: Tenant) -> None:
    other_organization.define(STOP)
    other = Network(other_organization)
    other.stops("a")
    answer = network.ask(TRAVERSE, **{"from": [network.ids["a"]], "least": other.least})
    assert answer.error["extensions"] == {"code": "BAD_USER_INPUT", "inputPath": ["atLeast"]}


def test_a_negative_weight_is_no_length(network: Network) -> None:
    network.lead("ae", weight=-1)
    asked = {"from": network.ids["a"], "to": network.ids["d"]}
    assert network.ask(PATH, **asked, weighted=True).code == "BAD_USER_INPUT"
    assert network.path("ae") == "ae"


def test_walking_needs_permission_to_read_links(network: Network) -> None:
    answer = network.tenant.ask(TRAVERSE, {"from": [network.ids["a"]]}, roles=["objects_only"])
    assert answer.codes == {"FORBIDDEN"}
