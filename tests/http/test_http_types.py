"""Definitions over HTTP: the surface follows them at once, and shows to each label what it may see of them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query, print_schema
from http_server import TYPES, Answer, Tenant

HIGH, ALPHA, BRAVO = "SECRET", "SECRET/ALPHA", "SECRET/BRAVO"
DEFINE = "mutation ($d: JSON!) { defineType(definition: $d) { changed typeDefinitions { typeName fieldSchema } } }"
DEFINE_ALL = "mutation ($d: [JSON!]!) { defineTypes(definitions: $d) { changed } }"
RETIRE = "mutation ($n: String!) { retireType(typeName: $n) { typeName } }"

ASSET: dict[str, Any] = TYPES[1]
CODENAME: dict[str, Any] = {
    "typeName": "Codename",
    "fields": {"word": {"type": "string", "required": True}, "cover": {"type": "enum", "values": ["PLAIN", "DEEP"]}},
    "naturalKey": ["word"],
}
"""A type of which nobody below SECRET knows."""

HIDDEN_MEMBERS: dict[str, Any] = {
    **ASSET,
    "fields": {
        **ASSET["fields"],
        "alias": {"type": "string", "label": HIGH},
        "mood": {"type": "enum", "values": ["CALM", "TENSE"], "label": HIGH},
    },
    "links": {**ASSET["links"], "codenames": {"relation": "known_as", "target": "Codename", "label": HIGH}},
}
"""Fields and a link of Asset at SECRET."""

HIDDEN_WORDS = ("codename", "alias", "mood", "calm", "tense", "known_as", "deep")


@pytest.fixture
def layered(assets: Tenant) -> Tenant:
    """Assets with more to them for those at SECRET."""
    assets.define(CODENAME, HIDDEN_MEMBERS, label=HIGH)
    return assets


def sdl(tenant: Tenant, label: str = "UNCLASSIFIED") -> str:
    return print_schema(build_client_schema(tenant.data(get_introspection_query(), label=label)))


# What is hidden


def test_introspection_holds_nothing_above_the_session_label(layered: Tenant) -> None:
    low, high = sdl(layered).lower(), sdl(layered, HIGH).lower()
    assert [word for word in HIDDEN_WORDS if word in low] == []
    assert [word for word in HIDDEN_WORDS if word not in high] == ["known_as"]


def test_a_lowered_session_sees_the_lower_schema(layered: Tenant) -> None:
    query = get_introspection_query()
    low = layered.ask(query).content
    assert layered.ask(query, label=HIGH, session_label="UNCLASSIFIED").content == low
    assert layered.ask(query, label="TOP_SECRET/BRAVO", session_label="CONFIDENTIAL").content == low
    assert layered.ask(query, label=ALPHA).content == layered.ask(query, label=HIGH).content != low


def test_hidden_definitions_change_nothing_below(assets: Tenant) -> None:
    queries = (get_introspection_query(), "{ typeDefinitions { typeName label fieldSchema uiSchema } }", "{ nope }")
    before = [assets.ask(query).content for query in queries]
    assets.define(CODENAME, HIDDEN_MEMBERS, label=HIGH)
    assert [assets.ask(query).content for query in queries] == before
    assets.ask(RETIRE, {"n": "Codename"}, label=HIGH)
    assert [assets.ask(query).content for query in queries] == before


NAMES_A_HIDDEN_ONE: list[Callable[[str], str]] = [
    lambda n: f"{{ {n}sAggregate {{ count }} }}",
    lambda n: f"{{ {n}s {{ totalCount }} }}",
    lambda n: f'{{ {n}(id: "x") {{ id }} }}',
    lambda n: f'{{ {n}ByKey(word: "x") {{ id }} }}',
    lambda n: f'{{ __type(name: "{n.capitalize()}") {{ name kind }} }}',
    lambda n: f'{{ __type(name: "{n.capitalize()}Where") {{ name kind }} }}',
    lambda n: f'{{ __type(name: "{n.capitalize()}Cover") {{ enumValues {{ name }} }} }}',
    lambda n: f'{{ __type(name: "Asset{n.capitalize()}sConnection") {{ name }} }}',
    lambda n: f"{{ node(id: 1) {{ ... on {n.capitalize()} {{ id }} }} }}",
    lambda n: f"fragment F on {n.capitalize()} {{ id }} {{ __typename ...F }}",
    lambda n: f"query ($x: {n.capitalize()}Where) {{ __typename }}",
    lambda n: f"query ($x: [{n.capitalize()}CreateInput!]!) {{ __typename }}",
    lambda n: f"mutation {{ create{n.capitalize()}(input: {{}}) {{ changed }} }}",
    lambda n: f'mutation {{ delete{n.capitalize()}(id: "x") {{ id }} }}',
    lambda n: f'mutation {{ retireType(typeName: "{n.capitalize()}") {{ typeName }} }}',
    lambda n: f'{{ typeDefinition(typeName: "{n.capitalize()}") {{ label }} }}',
    lambda n: f'{{ typeDefinitions(names: ["Asset", "{n.capitalize()}"]) {{ typeName }} }}',
    lambda n: f"{{ assets {{ nodes {{ {n}s {{ totalCount }} }} }} }}",
    lambda n: f"{{ assets(where: {{{n}s: {{some: {{}}}}}}) {{ totalCount }} }}",
    lambda n: f'mutation {{ defineType(definition: {{typeName: "A", extends: "{n.capitalize()}"}}) {{ changed }} }}',
    lambda n: (
        'mutation { defineType(definition: {typeName: "A", links: {x: {relation: "r", target: "'
        + n.capitalize()
        + '"}}}) { changed } }'
    ),
]


@pytest.mark.parametrize("query", NAMES_A_HIDDEN_ONE)
def test_a_hidden_type_is_as_one_that_is_not_there(layered: Tenant, query: Callable[[str], str]) -> None:
    hidden, absent = (layered.ask(query(name)).content.decode() for name in ("codename", "nodename"))
    assert hidden.replace("codename", "nodename").replace("Codename", "Nodename") == absent


NAMES_A_HIDDEN_FIELD: list[Callable[[str], str]] = [
    lambda n: f"{{ assetsAggregate {{ fields {{ {n} {{ count }} }} }} }}",
    lambda n: f"{{ assetsAggregate(groupBy: [{{{n}: VALUE}}]) {{ count }} }}",
    lambda n: f"{{ assetsAggregate(having: {{fields: {{{n}: {{count: {{gt: 0}}}}}}}}) {{ count }} }}",
    lambda n: f"{{ assetsAggregate(groupBy: [{{name: VALUE}}]) {{ groups {{ key {{ {n} }} }} }} }}",
    lambda n: f"{{ assets {{ nodes {{ {n} }} }} }}",
    lambda n: f"{{ assets(where: {{{n}: {{eq: 1}}}}) {{ totalCount }} }}",
    lambda n: f"{{ assets(where: {{{n}: null}}) {{ totalCount }} }}",
    lambda n: f"{{ assets(orderBy: [{{{n}: ASC}}]) {{ totalCount }} }}",
    lambda n: f"{{ sensors(where: {{assets: {{some: {{{n}: {{isNull: false}}}}}}}}) {{ totalCount }} }}",
    lambda n: f"{{ sensors {{ nodes {{ assets(orderBy: {{{n}: ASC}}) {{ totalCount }} }} }} }}",
    lambda n: f'mutation {{ createAsset(input: {{name: "a", {n}: "x"}}) {{ changed }} }}',
    lambda n: f'mutation {{ updateAsset(id: "x", input: {{{n}: "x"}}) {{ changed }} }}',
    lambda n: f'mutation {{ upsertAssets(inputs: [{{name: "a", {n}: "x"}}]) {{ position }} }}',
    lambda n: f'{{ __type(name: "Asset{n.capitalize()}") {{ name }} }}',
]


@pytest.mark.parametrize("query", NAMES_A_HIDDEN_FIELD)
@pytest.mark.parametrize(("hidden", "absent"), [("alias", "elias"), ("mood", "food")])
def test_a_hidden_field_is_as_one_that_is_not_there(
    layered: Tenant, query: Callable[[str], str], hidden: str, absent: str
) -> None:
    of_hidden, of_absent = (layered.ask(query(name)).content.decode() for name in (hidden, absent))
    assert of_hidden.replace(hidden, absent).replace(hidden.capitalize(), absent.capitalize()) == of_absent


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("query ($v: AssetWhere) { assets(where: $v) { totalCount } }", lambda n: {n: {"eq": "x"}}),
        ("query ($v: AssetWhere) { assets(where: $v) { totalCount } }", lambda n: {"or": [{"not": {n: None}}]}),
        ("query ($v: [AssetOrderBy!]) { assets(orderBy: $v) { totalCount } }", lambda n: [{n: "ASC"}]),
        ("query ($v: SensorWhere) { sensors(where: $v) { totalCount } }", lambda n: {"assets": {"none": {n: {}}}}),
        ("mutation ($v: AssetCreateInput!) { createAsset(input: $v) { changed } }", lambda n: {"name": "a", n: "x"}),
        ("mutation ($v: AssetUpdateInput!) { updateAsset(id: 1, input: $v) { changed } }", lambda n: {n: None}),
    ],
)
def test_a_hidden_field_in_a_variable_is_as_one_that_is_not_there(
    layered: Tenant, query: str, value: Callable[[str], Any]
) -> None:
    hidden, absent = (layered.ask(query, {"v": value(name)}).refused(status=400) for name in ("alias", "elias"))
    assert hidden.content.replace(b"alias", b"elias") == absent.content


def test_a_hidden_relation_is_as_one_that_is_not_there(layered: Tenant) -> None:
    query = "mutation ($r: String!, $i: ID!) { link(input: {relation: $r, from: $i, to: $i}) { linkId } }"
    made = layered.data('mutation { createAsset(input: {name: "a"}) { asset { id } } }')
    id = made["createAsset"]["asset"]["id"]
    assert layered.ask(query, {"r": "known_as", "i": id}).content == layered.ask(query, {"r": "nope", "i": id}).content


def test_values_of_hidden_fields_are_kept_through_a_lower_change(layered: Tenant) -> None:
    """A lower change makes no version above; the higher one keeps all it has."""
    create = 'mutation { createAsset(input: {name: "a", rating: 1}) { asset { id } } }'
    id = layered.data(create)["createAsset"]["asset"]["id"]
    change = "mutation ($i: ID!, $d: AssetUpdateInput!) { updateAsset(id: $i, input: $d) { asset { label } } }"
    layered.data(change, {"i": id, "d": {"alias": "fox", "mood": "TENSE"}}, label=HIGH)
    layered.data(change, {"i": id, "d": {"rating": 2}})
    query = "{ assets { nodes { rating alias mood label } } }"
    assert layered.data(query, label=HIGH)["assets"]["nodes"] == [
        {"rating": 1, "alias": "fox", "mood": "TENSE", "label": HIGH}
    ]


def test_what_lower_readers_define_is_not_hindered_by_what_is_hidden(layered: Tenant) -> None:
    """The same names, and names that would clash, are free below."""
    layered.define({"typeName": "Codename", "fields": {"word": {"type": "integer"}}})
    layered.define({"typeName": "Mood", "plural": "Moods", "fields": {"x": {"type": "string"}}})
    alias = {**ASSET, "fields": {**ASSET["fields"], "alias": {"type": "integer"}}}
    layered.define(alias)
    layered.data("mutation { createCodename(input: {word: 1}) { changed } }")
    layered.data('mutation { createAsset(input: {name: "a", alias: 5}) { asset { alias } } }')
    assert layered.data("{ assets { nodes { alias } } codenames { nodes { word } } }") == {
        "assets": {"nodes": [{"alias": 5}]},
        "codenames": {"nodes": [{"word": 1}]},
    }
    assert layered.data("{ assets { nodes { name alias } } }", label=HIGH)["assets"]["nodes"] == [
        {"name": "a", "alias": None}
    ]


def test_types_of_labels_that_cannot_be_compared_are_each_for_their_own(assets: Tenant) -> None:
    assets.define({"typeName": "Thing", "fields": {"a": {"type": "string"}}}, label=ALPHA)
    assets.define({"typeName": "Thing", "fields": {"b": {"type": "integer"}}}, label=BRAVO)
    query = '{ __type(name: "ThingWhere") { inputFields { name } } }'

    def fields(label: str) -> set[str]:
        found = assets.data(query, label=label)["__type"]
        return {f["name"] for f in found["inputFields"]} & {"a", "b"} if found else set()

    assert [fields(label) for label in ("UNCLASSIFIED", ALPHA, BRAVO)] == [set(), {"a"}, {"b"}]
    assert fields("SECRET/ALPHA,BRAVO")
    assert assets.data("{ things { totalCount } }", label="SECRET/ALPHA,BRAVO") == {"things": {"totalCount": 0}}


def test_labels_that_see_the_same_share_a_surface_and_others_do_not(layered: Tenant) -> None:
    """Asked in turn, each gets its own, whoever was there before."""
    query = '{ __type(name: "Asset") { fields { name } } }'
    for _ in range(3):
        for label in ("UNCLASSIFIED", HIGH, "CONFIDENTIAL/ALPHA", ALPHA, "UNCLASSIFIED/BRAVO", "TOP_SECRET"):
            names = {f["name"] for f in layered.data(query, label=label)["__type"]["fields"]}
            assert ("alias" in names) is (label in (HIGH, ALPHA, "TOP_SECRET"))


# Defining


def test_a_definition_shows_at_once_without_a_restart(organization: Tenant) -> None:
    organization.ask("{ things { totalCount } }").refused(status=400)
    thing: dict[str, Any] = {"typeName": "Thing", "fields": {"size": {"type": "integer"}}}
    made = organization.data(DEFINE, {"d": thing})["defineType"]
    assert made["changed"] == ["Thing"]
    assert made["typeDefinitions"][0]["fieldSchema"]["fields"] == {"size": {"type": "integer"}}
    assert organization.data("{ things { totalCount } }") == {"things": {"totalCount": 0}}
    organization.data("mutation { createThing(input: {size: 1}) { changed } }")

    thing["fields"]["weight"] = {"type": "float"}
    organization.define(thing)
    assert organization.data("{ things { nodes { size weight } } }")["things"]["nodes"] == [{"size": 1, "weight": None}]
    assert organization.data(DEFINE, {"d": thing})["defineType"]["changed"] == []

    id = organization.data("{ things { nodes { id } } }")["things"]["nodes"][0]["id"]
    organization.ask(RETIRE, {"n": "Thing"}).refused("CONFLICT")
    organization.data("mutation ($i: ID!) { deleteThing(id: $i) { deletedId } }", {"i": id})
    assert organization.data(RETIRE, {"n": "Thing"}) == {"retireType": {"typeName": "Thing"}}
    organization.ask("{ things { totalCount } }").refused(status=400)
    organization.ask(RETIRE, {"n": "Thing"}).refused("NOT_FOUND", path=["typeName"])


def test_a_definition_is_what_was_defined(organization: Tenant) -> None:
    """`fieldSchema` is a document that `defineType` takes, and changes nothing."""
    ui = {"order": ["name"], "widgets": {"note": {"rows": 4, "hidden": False, "nothing": None}}}
    organization.define(*TYPES[:1], {**TYPES[1], "uiSchema": ui, "description": "What stands somewhere."}, TYPES[2])
    query = "{ typeDefinitions { typeName label domain description extends parents naturalKey fieldSchema uiSchema } }"
    found = organization.data(query)["typeDefinitions"]
    assert [d["typeName"] for d in found] == ["Asset", "Plant", "Sensor"]
    asset = found[0]
    assert (asset["label"], asset["domain"], asset["naturalKey"]) == ("UNCLASSIFIED", "object", ["name"])
    assert asset["description"] == "What stands somewhere."
    assert asset["uiSchema"] == asset["fieldSchema"]["uiSchema"] == ui
    assert asset["fieldSchema"]["fields"] == TYPES[1]["fields"]
    documents = [d["fieldSchema"] for d in found]
    assert organization.data(DEFINE_ALL, {"d": documents}) == {"defineTypes": {"changed": []}}
    as_literal = f"mutation {{ defineTypes(definitions: {literal(documents)}) {{ changed }} }}"
    assert organization.data(as_literal) == {"defineTypes": {"changed": []}}


def literal(value: Any) -> str:
    """A value as it stands in a document."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)


def test_several_definitions_are_made_all_or_none(organization: Tenant) -> None:
    good = {"typeName": "Good", "fields": {"x": {"type": "string"}}}
    bad = {"typeName": "Bad", "fields": {"x": {"type": "nope"}, "id": {"type": "string"}}, "extends": "Nobody"}
    refused = organization.ask(DEFINE_ALL, {"d": [good, bad, 5]}).refused()
    paths = [error["extensions"]["inputPath"] for error in refused.errors]
    assert ["definitions", 1, "fields", "x", "type"] in paths
    assert ["definitions", 1, "fields", "id"] in paths
    assert ["definitions", 2] in paths
    assert organization.data("{ typeDefinitions { typeName } }") == {"typeDefinitions": []}


def test_a_definition_is_refused_with_all_that_stands_in_its_way(assets: Tenant) -> None:
    rows = [{"name": str(i), "rating": i, "status": "OK"} for i in range(3)] + [{"name": "bare"}]
    create = "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { position } }"
    assets.data(create, {"i": rows})
    fields = {k: v for k, v in ASSET["fields"].items() if k != "status"}
    changed = {
        **ASSET,
        "fields": {**fields, "rating": {"type": "string"}, "count": {"type": "integer", "required": True}},
    }
    refused = assets.ask(DEFINE, {"d": changed}).refused("CONFLICT")
    told = {tuple(e["extensions"]["inputPath"]): e["message"] for e in refused.errors}
    assert set(told) == {("definition", "fields", n) for n in ("status", "rating", "count")}
    assert all("4" in told[path] if path[-1] == "count" else "3" in told[path] for path in told)
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 4}}


def test_objects_that_are_hidden_stand_in_nobodys_way(layered: Tenant) -> None:
    """And are not told of."""
    create = 'mutation { createAsset(input: {name: "ghost", rating: 1}) { changed } }'
    layered.data(create, label=HIGH)
    without = {**ASSET, "fields": {k: v for k, v in ASSET["fields"].items() if k != "rating"}}
    assert layered.data(DEFINE, {"d": without})["defineType"]["changed"] == ["Asset"]


def test_only_a_session_at_their_label_changes_definitions_below(assets: Tenant) -> None:
    designer: dict[str, Any] = {"roles": ("designer", "reader"), "label": HIGH}
    changed = {**ASSET, "fields": {**ASSET["fields"], "extra2": {"type": "string", "label": "UNCLASSIFIED"}}}
    assets.ask(DEFINE, {"d": changed}, **designer).refused("FORBIDDEN")
    lowered = assets.ask(DEFINE, {"d": changed}, session_label="UNCLASSIFIED", **designer)
    assert lowered.data["defineType"]["changed"] == ["Asset"]


@pytest.mark.parametrize(
    "role_and_query",
    [("reader", DEFINE), ("writer", DEFINE), ("reader", RETIRE), ("clerk", "{ typeDefinitions { typeName } }")],
)
def test_defining_needs_its_permission(assets: Tenant, role_and_query: tuple[str, str]) -> None:
    role, query = role_and_query
    assets.ask(query, {"d": {"typeName": "A"}, "n": "Asset"}, roles=(role,)).refused("FORBIDDEN")


# Inheritance


@pytest.fixture
def family(organization: Tenant) -> Tenant:
    """Equipment ← Machine ← Pump; Equipment ← Valve."""
    organization.define(
        {
            "typeName": "Equipment",
            "fields": {"tag": {"type": "string", "required": True}},
            "naturalKey": ["tag"],
            "links": {"feeds": {"relation": "feeds", "target": "Equipment"}},
        },
        {"typeName": "Machine", "extends": "Equipment", "fields": {"power": {"type": "float"}}},
        {"typeName": "Pump", "extends": "Machine", "fields": {"flow": {"type": "integer"}}},
        {"typeName": "Valve", "extends": "Equipment", "fields": {"open": {"type": "boolean"}}},
    )
    for query in (
        'mutation { createEquipment(input: {tag: "e"}) { changed } }',
        'mutation { createMachine(input: {tag: "m", power: 1.5}) { changed } }',
        'mutation { createPump(input: {tag: "p", power: 2.5, flow: 3}) { changed } }',
        'mutation { createValve(input: {tag: "v", open: true}) { changed } }',
    ):
        organization.data(query)
    return organization


def link_all(tenant: Tenant) -> dict[str, str]:
    """e → m → p → v → e; the ids by tag."""
    nodes = tenant.data("{ equipments { nodes { id tag } } }")["equipments"]["nodes"]
    ids = {node["tag"]: node["id"] for node in nodes}
    query = 'mutation ($f: ID!, $t: ID!) { link(input: {relation: "feeds", from: $f, to: $t}) { linkId } }'
    for source, target in ("em", "mp", "pv", "ve"):
        tenant.data(query, {"f": ids[source], "t": ids[target]})
    return ids


def test_a_parents_list_holds_its_descendants(family: Tenant) -> None:
    query = (
        "{ equipments(orderBy: {tag: ASC}) { totalCount nodes { __typename tag"
        " ... on Machine { power } ... on Pump { flow } ... on Valve { open } } }"
        " machines(orderBy: {tag: ASC}) { nodes { __typename tag } } pumps { totalCount } }"
    )
    assert family.data(query) == {
        "equipments": {
            "totalCount": 4,
            "nodes": [
                {"__typename": "EquipmentObject", "tag": "e"},
                {"__typename": "MachineObject", "tag": "m", "power": 1.5},
                {"__typename": "Pump", "tag": "p", "power": 2.5, "flow": 3},
                {"__typename": "Valve", "tag": "v", "open": True},
            ],
        },
        "machines": {"nodes": [{"__typename": "MachineObject", "tag": "m"}, {"__typename": "Pump", "tag": "p"}]},
        "pumps": {"totalCount": 1},
    }


FRAGMENTS_IN_DEPTH = """
query ($i: ID!) {
  node(id: $i) {
    __typename
    ... on Equipment { ...E feeds(first: 5) { __typename nodes { ...E ... on Machine { feeds(first: 5) { nodes { ...E
      ... on Pump { flow feeds(last: 5) { edges { __typename node { ...E } } } } } } } } } }
  }
}
fragment E on Equipment { tag ... on Machine { power ... on Pump { flow } } ... on Valve { open } ... on Node { id } }
"""


def test_fragments_on_interfaces_apply_three_levels_deep(family: Tenant) -> None:
    ids = link_all(family)
    found = family.data(FRAGMENTS_IN_DEPTH, {"i": ids["e"]})["node"]
    assert found == {
        "__typename": "EquipmentObject", "tag": "e", "id": ids["e"],
        "feeds": {"__typename": "EquipmentFeedsConnection", "nodes": [
            {"tag": "m", "power": 1.5, "id": ids["m"], "feeds": {"nodes": [
                {"tag": "p", "power": 2.5, "flow": 3, "id": ids["p"], "feeds": {"edges": [
                    {"__typename": "EquipmentFeedsEdge", "node": {"tag": "v", "open": True, "id": ids["v"]}},
                ]}},
            ]}},
        ]},
    }  # fmt: skip


def test_a_mutation_shows_interfaces_at_any_depth(family: Tenant) -> None:
    """Whether or not their types are asked for, and whatever `__typename` is an alias of."""
    ids = link_all(family)
    query = (
        "mutation ($i: ID!) { updateEquipment(id: $i, input: {}) { equipment { __typename: tag"
        " feeds { nodes { tag ... on Machine { power }"
        " feeds { edges { node { t: __typename ... on Pump { flow } } } } } } } } }"
    )
    assert family.data(query, {"i": ids["e"]})["updateEquipment"]["equipment"] == {
        "__typename": "e",
        "feeds": {"nodes": [
            {"tag": "m", "power": 1.5, "feeds": {"edges": [{"node": {"t": "Pump", "flow": 3}}]}},
        ]},
    }  # fmt: skip


def test_an_object_is_found_as_what_it_is_only(family: Tenant) -> None:
    ids = link_all(family)
    query = (
        "query ($i: ID!) { equipment(id: $i) { tag } machine(id: $i) { tag } pump(id: $i) { tag } valve(id: $i)"
        " { tag } }"
    )
    assert family.data(query, {"i": ids["p"]}) == {
        "equipment": {"tag": "p"}, "machine": {"tag": "p"}, "pump": {"tag": "p"}, "valve": None,
    }  # fmt: skip
    assert family.data('{ machineByKey(tag: "p") { tag } valveByKey(tag: "p") { tag } }') == {
        "machineByKey": {"tag": "p"}, "valveByKey": None,
    }  # fmt: skip


def test_a_descendant_that_is_hidden_is_not_in_its_parents_list(family: Tenant) -> None:
    family.define({"typeName": "Probe", "extends": "Machine", "fields": {"range": {"type": "float"}}}, label=HIGH)
    family.data('mutation { createProbe(input: {tag: "x", range: 1}) { changed } }', label=HIGH)
    query = "{ equipments { totalCount } machines { totalCount nodes { tag } } }"
    assert family.data(query)["equipments"] == {"totalCount": 4}
    assert family.data(query, label=HIGH)["equipments"] == {"totalCount": 5}
    hidden, absent = (family.ask(f"{{ machines {{ nodes {{ ... on {n} {{ id }} }} }} }}") for n in ("Probe", "Prope"))
    assert hidden.content.replace(b"Probe", b"Prope") == absent.content
    possible = '{ __type(name: "Machine") { possibleTypes { name } } }'
    assert "Probe" not in str(family.data(possible))
    assert "Probe" in str(family.data(possible, label=HIGH))


def tags(answer: Answer) -> list[str]:
    return [node["tag"] for node in answer.data["equipments"]["nodes"]]


def test_an_ordering_over_an_interface_goes_on_across_its_types(family: Tenant) -> None:
    query = (
        "query ($c: String) { equipments(first: 1, after: $c, orderBy: {tag: DESC}) { nodes { tag } pageInfo {"
        " endCursor } } }"
    )
    found: list[str] = []
    cursor = None
    for _ in range(4):
        answer = family.ask(query, {"c": cursor})
        found += tags(answer)
        cursor = answer.data["equipments"]["pageInfo"]["endCursor"]
    assert found == ["v", "p", "m", "e"]


def test_an_object_of_several_parents_is_found_by_each_of_them(organization: Tenant) -> None:
    organization.define(
        {"typeName": "Spot", "fields": {"name": {"type": "string", "required": True}}, "naturalKey": ["name"]},
        {"typeName": "Firm", "extends": "Spot", "fields": {"staff": {"type": "integer"}}},
        {"typeName": "Ground", "extends": "Spot", "links": {"near": {"relation": "near", "target": "Ground"}}},
        {"typeName": "Shop", "extends": ["Firm", "Ground"], "fields": {"sells": {"type": "string"}}},
    )
    create = """mutation { createShop(input: {name: "a", staff: 2, sells: "tea"}) { shop { id } }
        createGround(input: {name: "b", link: {near: [{byKey: {name: "a"}}]}}) { position } }"""
    organization.data(create)
    found = organization.data(
        """{ spots(orderBy: [{name: ASC}]) { nodes { name __typename } } firms { nodes { staff ... on Shop { sells } } }
             grounds(where: {near: {some: {name: {eq: "a"}}}}) {
               nodes { near { nodes { name ... on Firm { staff } } } }
             }
             shopByKey(name: "a") { name } typeDefinition(typeName: "Shop") { extends parents } }"""
    )
    assert found == {
        "spots": {"nodes": [{"name": "a", "__typename": "Shop"}, {"name": "b", "__typename": "GroundObject"}]},
        "firms": {"nodes": [{"staff": 2, "sells": "tea"}]},
        "grounds": {"nodes": [{"near": {"nodes": [{"name": "a", "staff": 2}]}}]},
        "shopByKey": {"name": "a"},
        "typeDefinition": {"extends": "Firm", "parents": ["Firm", "Ground"]},
    }


def test_a_plan_is_told_and_not_carried_out(assets: Tenant) -> None:
    shown = "changes { typeName field change was objects } obstacles"
    plan = f"query ($d: [JSON!]!) {{ planTypes(definitions: $d) {{ {shown} }} }}"
    extended = {**ASSET, "fields": {**ASSET["fields"], "brandNew": {"type": "string"}}}
    answer = assets.data(plan, {"d": [extended]})["planTypes"]
    added = {"typeName": "Asset", "field": "brandNew", "change": "ADDED", "was": None, "objects": 0}
    assert answer == {"changes": [added], "obstacles": []}
    stored = assets.data('{ typeDefinition(typeName: "Asset") { fieldSchema } }')["typeDefinition"]
    assert "brandNew" not in stored["fieldSchema"]["fields"]
    wrong = assets.ask(plan, {"d": [{"typeName": "Asset", "fields": {"a": {"type": "strange"}}}]})
    assert wrong.code == "BAD_USER_INPUT"
