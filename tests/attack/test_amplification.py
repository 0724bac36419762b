"""Little that asks for much: short documents whose work multiplies, and short requests with long answers."""

from typing import Any

import pytest
from http_server import MakeServer, Tenant, nested
from overloads import aliased, names

MACHINES: list[dict[str, Any]] = [
    {
        "typeName": "Machine",
        "fields": {"serial": {"type": "string"}},
        "links": {
            "next": {"relation": "feeds", "target": "Machine", "cardinality": "one"},
            "parts": {"relation": "part_of", "target": "Machine", "direction": "in"},
        },
    },
    *({"typeName": f"Kind{i}", "extends": "Machine", "fields": {f"own{i}": {"type": "string"}}} for i in range(8)),
]  # fmt: skip
"""A type with eight children, each of which has a field of its own."""

CREATE_LINKED = "asset { sensors(first: 1000) { nodes { assets(first: 900) { totalCount nodes { id } } } } }"


@pytest.fixture
def machines(organization: Tenant) -> Tenant:
    organization.define(*MACHINES)
    return organization


# Documents


@pytest.mark.parametrize(
    "query",
    [
        "{ ...F } " * 1_000 + f"fragment F on Query {{ {names(4_900)} }}",
        " ".join(f"query Q{i} {{ ...F }}" for i in range(600)) + f" fragment F on Query {{ {names(4_900)} }}",
        " ".join(f"query Q{i} {{ ...F{i % 90} }}" for i in range(900))
        + " ".join(f"fragment F{i} on Query {{ ...F{i + 1} a{i} }}" for i in range(90))
        + f" fragment F90 on Query {{ {names(3_000)} }}",
    ],
    ids="anonymous named chained".split(),
)
def test_operations_that_share_large_fragments(assets: Tenant, query: str) -> None:
    """Only one of them would run, but all of them are validated."""
    assets.ask(query, operation="Q1").refused("QUERY_TOO_COMPLEX", status=400)


def test_operations_that_share_small_fragments_are_taken(assets: Tenant) -> None:
    document = " ".join(f"query Q{i} {{ ...F }}" for i in range(50))
    document += " fragment F on Query { assets { nodes { id name label } } }"
    assert assets.data(document, operation="Q7") == {"assets": {"nodes": []}}


@pytest.mark.parametrize("step", [("next { ", "} "), ("parts { nodes { ", "} } ")], ids="one many".split())
@pytest.mark.parametrize("depth", [4, 9, 13])
def test_types_that_differ_at_every_level(machines: Tenant, depth: int, step: tuple[str, str]) -> None:
    """Each of nine types is planned by itself, at each level for each of the nine above it."""
    own = " ".join(f"... on Kind{i} {{ own{i} }}" for i in range(8))
    query = f"{{ machines {{ nodes {{ {nested(step[0] + own + ' ', step[1], depth, 'id ')} }} }} }}"
    machines.ask(query).refused("QUERY_TOO_COMPLEX", status=400)


def test_types_that_differ_are_planned_for_some_levels(machines: Tenant) -> None:
    own = " ".join(f"... on Kind{i} {{ own{i} }}" for i in range(8))
    machines.data('mutation { createKind3(input: {own3: "x", serial: "s"}) { changed } }')
    found = machines.data(f"{{ machines {{ nodes {{ serial {own} next {{ {own} next {{ id }} }} }} }} }}")
    assert found["machines"]["nodes"] == [{"serial": "s", "own3": "x", "next": None}]


def test_mutations_whose_payloads_differ_by_type(machines: Tenant) -> None:
    own = " ".join(f"... on Kind{i} {{ own{i} }}" for i in range(8))
    payload = nested("next { " + own + " ", "} ", 9, "id ")
    query = f"mutation {{ createMachine(input: {{}}) {{ machine {{ {payload} }} }} }}"
    machines.ask(query).refused("QUERY_TOO_COMPLEX")
    assert machines.data("{ machines { totalCount } }") == {"machines": {"totalCount": 0}}


# Filters

COUNT = "query ($w: AssetWhere) { assets(where: $w) { totalCount } }"


@pytest.mark.parametrize("quantifier", ["some", "every", "none"])
def test_filters_over_very_many_links_side_by_side(assets: Tenant, quantifier: str) -> None:
    """PostgreSQL would look for the best of all orders in which it can join them."""
    followed = {"sensors": {quantifier: {"name": {"eq": "x"}}}}
    assets.ask(COUNT, {"w": {"and": [followed] * 101}}).refused("QUERY_TOO_COMPLEX", status=400)
    assert assets.data(COUNT, {"w": {"or": [followed] * 20}})
    query = f"query ($w: AssetWhere) {{ {aliased('assets(where: $w) { totalCount }', 6)} }}"
    assets.ask(query, {"w": {"and": [followed] * 20}}).refused("QUERY_TOO_COMPLEX", status=400)


@pytest.mark.parametrize("empty", [{}, {"name": {}}, {"name": {"eq": None}}, {"not": {}}, {"and": []}])
@pytest.mark.parametrize("operator", ["and", "or"])
def test_filters_of_very_many_conditions_without_values(assets: Tenant, operator: str, empty: dict[str, Any]) -> None:
    assets.ask(COUNT, {"w": {operator: [empty] * 6_000}}).refused("QUERY_TOO_COMPLEX", status=400)
    assert assets.data(COUNT, {"w": {"and": [{operator: [empty] * 100}]}})


def test_conditions_on_groups_without_values(assets: Tenant) -> None:
    query = "query ($h: AssetHaving) { assetsAggregate(groupBy: [{status: VALUE}], having: $h) { groups { count } } }"
    assets.ask(query, {"h": {"or": [{}] * 6_000}}).refused("QUERY_TOO_COMPLEX", status=400)


# What a request may read in all


PAGES = (
    "assets(first: {0}) {{ nodes {{ sensors(first: {0}) {{ nodes {{ assets(first: {0}) {{ nodes {{ id }} }} }} }} }} }}"
)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (f"{{ {PAGES.format(200)} }}", None),
        (f"query ($n: Int) {{ {PAGES.format('$n')} }}", {"n": 200}),
        (f"query ($n: Int = 200) {{ {PAGES.format('$n')} }}", None),
        (f"{{ ...A }} fragment A on Query {{ {PAGES.format(200)} }}", None),
        ("{ assets(first: 200) { ...A } } fragment A on AssetConnection { nodes { ...B } } fragment B on Asset"
         " { sensors(first: 200) { edges { node { ...C } } } } fragment C on Sensor"
         " { assets(last: 200) { nodes { id } } }", None),
        ("{ assets { nodes { sensors { nodes { assets { nodes { sensors { nodes { id } } } } } } } } }", None),
        (f"{{ {aliased('assets(first: 1000) { nodes { sensors(first: 11) { nodes { id } } } }', 95)} }}", None),
        ("query ($i: [ID!]!) { nodes(ids: $i) { ... on Asset { sensors(first: 1000) { nodes { assets(first: 2)"
         " { nodes { id } } } } } } }", {"i": ["x"] * 600}),
    ],
    ids="literals variable default fragment fragments by-default aliases ids".split(),
)  # fmt: skip
def test_page_sizes_multiply_wherever_they_stand(assets: Tenant, query: str, variables: dict[str, Any] | None) -> None:
    assets.ask(query, variables).refused("QUERY_TOO_COMPLEX", status=400)


def test_mutations_of_one_request_share_what_it_may_read(assets: Tenant) -> None:
    """Each by itself may read nine tenths of it."""
    one = 'createAsset(input: {{name: "{0}"}}) {{ {1} }}'
    answer = assets.ask(f"mutation {{ a: {one.format('a', CREATE_LINKED)} b: {one.format('b', CREATE_LINKED)} }}")
    assert [error["path"] for error in answer.errors] == [["b"]]
    assert answer.codes == {"QUERY_TOO_COMPLEX"}
    assert assets.data("{ assets { nodes { name } } }") == {"assets": {"nodes": [{"name": "a"}]}}


@pytest.mark.parametrize(
    "field",
    [
        "events(first: 100) { nodes { topic } }", "events(last: 100, where: {topics: [\"x\"]}) { nodes { topic } }",
        "links(first: 100) { nodes { id } }", "connectedComponents(first: 100) { size }",
        'related(to: "ID", first: 100) { score }', 'traverse(from: ["ID"], first: 100) { hasMore }',
        'neighborhood(of: "ID", first: 100) { hasMore }',
    ],
)  # fmt: skip
def test_lists_that_are_not_compiled_count_too(new_server: MakeServer, field: str) -> None:
    with new_server({"max_cost": 1_000}) as server:
        tenant = server.organization()
        tenant.define({"typeName": "Hub", "links": {"next": {"relation": "next", "target": "Hub"}}})
        hub = tenant.data("mutation { createHub(input: {}) { hub { id } } }")["createHub"]["hub"]["id"]
        one = field.replace("ID", hub)
        assert tenant.data(f"{{ {aliased(one, 10)} }}")
        answer = tenant.ask(f"{{ {aliased(one, 11)} }}")
        assert answer.codes == {"QUERY_TOO_COMPLEX"}


def test_definitions_count_among_what_a_request_may_read(organization: Tenant) -> None:
    wide = {f"field{i}": {"type": "string"} for i in range(500)}
    organization.define(*({"typeName": f"Wide{i}", "fields": wide} for i in range(5)))
    one = "typeDefinitions { typeName fieldSchema uiSchema }"
    assert len(organization.data(f"{{ {one} }}")["typeDefinitions"]) == 5
    assert organization.ask(f"{{ {aliased(one, 90)} }}").codes == {"QUERY_TOO_COMPLEX"}


def test_walks_of_one_request_share_what_they_may_look_at(new_server: MakeServer) -> None:
    with new_server({"max_graph_links": 10}) as server:
        tenant = server.organization()
        tenant.define({"typeName": "Hub", "links": {"next": {"relation": "next", "target": "Hub"}}})
        made = tenant.data("mutation { createHubs(inputs: [{}, {}, {}, {}]) { hubs { id } } }")
        hub, *others = (each["id"] for each in made["createHubs"]["hubs"])
        link = 'mutation ($a: ID!, $b: ID!) { link(input: {relation: "next", from: $a, to: $b}) { position } }'
        for other in others:
            position = tenant.data(link, {"a": hub, "b": other})["link"]["position"]
        degree = "linkDegree(of: $of, atLeast: $position)"
        query = "query ($of: ID!, $position: String) { FIELDS }"
        asked = {"of": hub, "position": position}
        found = tenant.data(query.replace("FIELDS", aliased(degree, 3)), asked)
        assert found == {"a0": 3, "a1": 3, "a2": 3}
        assert tenant.ask(query.replace("FIELDS", aliased(degree, 4)), asked).codes == {"QUERY_TOO_COMPLEX"}


# Answers


def test_a_long_alias_is_not_repeated_for_each_row(assets: Tenant) -> None:
    assets.ask(f"{{ assets {{ nodes {{ {'a' * 10_000}: id }} }} }}").refused("QUERY_TOO_COMPLEX", status=400)
    alias = "a" * 200
    assert assets.data(f"{{ {alias}: __typename }}") == {alias: "Query"}


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ " + "a" * 900_000 + " }", None),
        ("{ " + " ".join(f"{'a' * 90_000}{i}" for i in range(10)) + " }", None),
        ("{ assets(where: {" + " ".join(f"{'a' * 500}{i}: 1" for i in range(800)) + "}) { totalCount } }", None),
        ("{ assets(" + "first: 1 " * 3_000 + ") { totalCount } }", None),
        ("query (" + "$v: Int " * 2_400 + ") { __typename }", None),
        ("{ __typename " + "}" * 900_000, None),
        (COUNT, {"w": {f"{'k' * 80_000}{i}": 1 for i in range(10)}}),
        (COUNT, {"w": {"status": {"eq": "x" * 900_000}}}),
        (COUNT, {"w": {"name": {"eq": ["x" * 900_000]}}}),
        ("mutation ($d: JSON!) { defineType(definition: $d) { changed } }",
         {"d": {"typeName": "A", **{f"k{i}": 1 for i in range(40_000)}}}),
        ("mutation ($d: JSON!) { defineType(definition: $d) { changed } }",
         {"d": {"typeName": "A", "fields": {"k" * 400_000: {f"x{i}": 1 for i in range(10_000)}}}}),
        ("mutation ($d: [JSON!]!) { defineTypes(definitions: $d) { changed } }", {"d": [1] * 40_000}),
        ("mutation ($d: [JSON!]!) { defineTypes(definitions: $d) { changed } }", {"d": [{}] * 900}),
        ("mutation ($i: [AssetUpsertInput!]!) { upsertAssets(inputs: $i) { position } }",
         {"i": [{"name": "\0", "tags": ["\0"], "extra": {"\0": 1}, "site": "x"}] * 1_000}),
    ],
)  # fmt: skip
def test_a_refusal_is_no_longer_than_what_it_refuses(
    assets: Tenant, query: str, variables: dict[str, Any] | None
) -> None:
    refused = assets.ask(query, variables).refused()
    assert len(refused.content) < 400_000
    assert len(refused.errors) <= 1_000
    assert all(len(error["message"]) <= 1_000 for error in refused.errors)
