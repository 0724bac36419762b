"""Selections: fragments, directives, merged fields, and each type's own meaning of a name."""

from typing import Any

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse

from compiler.ground import Ground
from compiler.house import IDS, MIDDLE, House
from fabric.errors import Forbidden
from fabric.writing.links import LinkChange
from fabric.writing.objects import Change
from graphql_api.documents.documents import Invalid
from graphql_api.documents.selection import Spreader


def _collected(text: str, variables: dict[str, Any] | None = None, types: str = "A Node") -> dict[str, int]:
    """Response keys with how many nodes ask for each, for an object to which these type conditions apply."""
    document = parse(text)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    [operation] = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    selected = Spreader(fragments, variables or {}).collect([operation.selection_set], types.split().__contains__)
    return {field.key: len(field.nodes) for field in selected}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("{ a b: c a }", {"a": 2, "b": 1}),
        ("{ ... { a } ... on A { b } ... on B { c } ... on Node { d } }", {"a": 1, "b": 1, "d": 1}),
        ("{ ...F a ...F } fragment F on A { b a }", {"b": 1, "a": 2}),
        ("{ ...F } fragment F on B { a }", {}),
        ("{ ...F } fragment F on A { ...G b } fragment G on Node { a }", {"a": 1, "b": 1}),
        ("{ a @skip(if: true) b @include(if: false) c @skip(if: false) @include(if: true) }", {"c": 1}),
        ("{ a @include(if: true) @skip(if: true) }", {}),
        ("{ ...F @skip(if: true) ... @include(if: false) { a } b } fragment F on A { c }", {"b": 1}),
        ("{ ...F @skip(if: true) ...F } fragment F on A { c }", {"c": 1}),
        ("{ a @skip(if: true) a }", {"a": 1}),
    ],
)
def test_fields_are_collected_in_the_order_in_which_their_keys_first_appear(text: str, keys: dict[str, int]) -> None:
    assert list(_collected(text).items()) == list(keys.items())


def test_directives_follow_the_variables() -> None:
    text = "query($x: Boolean!) { a @skip(if: $x) b @include(if: $x) }"
    assert _collected(text, {"x": True}) == {"b": 1}
    assert _collected(text, {"x": False}) == {"a": 1}


def test_fields_of_one_key_are_merged_with_what_each_selects(house: House) -> None:
    text = """
        { equipment(id: "%s") { site { code } ...F ... on Equipment { site { x: code } s: sensors { totalCount } } } }
        fragment F on Equipment { site { name } s: sensors { nodes { name } totalCount } }"""
    assert house.ask(text % IDS["valve"])["equipment"] == {
        "site": {"code": "N", "name": "North", "x": "N"},
        "s": {"totalCount": 2, "nodes": [{"name": "Hot"}, {"name": "Cold"}]},
    }


def test_a_name_means_what_each_type_declares(house: House) -> None:
    text = """query($ids: [ID!]!) { nodes(ids: $ids) {
        ... on Sensor { name equipment { totalCount } } ... on Equipment { e: name equipment: site { code } } } }"""
    ids = {"ids": [str(IDS["hot"]), str(IDS["valve"])]}
    # `equipment` cannot be a connection here and a site there under one key.
    with pytest.raises(Invalid, match="conflict"):
        house.ask(text, ids)
    assert house.ask(text.replace("equipment: site", "site"), ids)["nodes"] == [
        {"name": "Hot", "equipment": {"totalCount": 2}}, {"e": "Valve", "site": {"code": "N"}},
    ]  # fmt: skip


def test_of_several_links_the_highest_covers_the_lower(ground: Ground) -> None:
    labels = ["UNCLASSIFIED", "CONFIDENTIAL/ALPHA,BRAVO,CHARLIE", "SECRET/CHARLIE", "SECRET/ALPHA,BRAVO", "TOP_SECRET"]

    async def seen() -> dict[str, str]:
        organization = await ground.organization()
        subjects = {label: ground.subject(organization, label) for label in labels}
        fields = {"name": {"type": "string"}}
        links = {"to": {"relation": "to", "target": "Thing", "cardinality": "one"}}
        await ground.types.define(subjects[labels[0]], organization.lattice, [
            {"typeName": "Thing", "fields": fields, "links": links},
        ])  # fmt: skip
        changes = [Change("create", "Thing", {"name": label}) for label in ["from", *labels]]
        [start, *ends], _ = await ground.objects.write(subjects[labels[0]], organization, changes)
        for label, end in zip(labels, ends, strict=True):
            change = LinkChange("link", "to", start.object_id, end.object_id)
            await ground.links.write(subjects[label], organization, [change])
        found = {}
        for reader in [*labels, "SECRET/ALPHA,BRAVO,CHARLIE", "TOP_SECRET/ALPHA,BRAVO,CHARLIE"]:
            text = f'{{ thing(id: "{start.object_id}") {{ to {{ name }} }} }}'
            data = await ground.ask(organization, ground.subject(organization, reader), text)
            found[reader] = data["thing"]["to"]["name"]
        return found

    assert ground.run(seen()) == {
        **{label: label for label in labels},
        "SECRET/ALPHA,BRAVO,CHARLIE": "SECRET/ALPHA,BRAVO",
        "TOP_SECRET/ALPHA,BRAVO,CHARLIE": "TOP_SECRET",
    }


def test_the_type_of_a_parents_own_objects_is_apart_from_the_interface(house: House) -> None:
    members = "name __typename ... on EquipmentObject { own: id } ... on PumpObject { p: id }"
    data = house.ask(f"{{ equipmentList {{ nodes {{ {members} }} }} }}")
    nodes = {n["name"]: n for n in data["equipmentList"]["nodes"]}
    assert [n for n in nodes if "own" in nodes[n]] == ["Valve"]
    assert [n for n in nodes if "p" in nodes[n]] == ["Pump", "ÉCLAIR 100%"]
    assert nodes["Booster"]["__typename"] == "Booster"
    assert nodes["Pump"]["__typename"] == "PumpObject"


def test_nothing_left_of_a_selection_is_an_empty_object(house: House) -> None:
    text = """query($no: Boolean!) { sites(where: {code: {eq: "N"}}) { nodes { code @include(if: $no) } }
        t: sites { totalCount @include(if: $no) } p: sites { pageInfo { hasNextPage @include(if: $no) } }
        e: sites(first: 1) { edges { cursor @include(if: $no) } } }"""
    assert house.ask(text, {"no": False}) == {
        "sites": {"nodes": [{}]}, "t": {}, "p": {"pageInfo": {}}, "e": {"edges": [{}]},
    }  # fmt: skip
    assert house.ask("query($no: Boolean!) { sites @include(if: $no) { totalCount } }", {"no": False}) == {}


def test_compiled_and_other_fields_come_in_the_order_of_the_document(house: House) -> None:
    data = house.ask("{ a: sites { totalCount } viewer { subject } t: __typename b: pumps { totalCount } }")
    assert list(data) == ["a", "viewer", "t", "b"]
    assert data["t"] == "Query"


def test_more_fields_than_postgresql_functions_take_arguments(house: House) -> None:
    fields = " ".join(f"f{i}: name g{i}: id" for i in range(120))
    [node] = house.ask(f'{{ sites(where: {{code: {{eq: "N"}}}}) {{ nodes {{ {fields} }} }} }}')["sites"]["nodes"]
    assert list(node) == [key for i in range(120) for key in (f"f{i}", f"g{i}")]
    assert {node[f"f{i}"] for i in range(120)} == {"North"}


def test_reading_needs_permission_and_so_do_links(house: House) -> None:
    plain, linked = "{ sites { totalCount } }", "{ sites { nodes { equipment { totalCount } } } }"
    assert house.outcome(plain, permissions={"object:read"}).data
    assert house.outcome(linked, permissions={"object:read", "link:read"}).data
    for text, permissions in ((plain, {"link:read"}), (linked, {"object:read"})):
        with pytest.raises(Forbidden):
            house.outcome(text, permissions=permissions)


_SHOWN = """{ __typename id name label revision ... on Pump { flow } k: serial when: createdAt site { code }
    sensors(first: 2) { totalCount edges { cursor node { name } link { weight } } pageInfo { endCursor } } }"""


def test_a_mutation_shows_its_object_as_a_query_does(ground: Ground, house: House) -> None:
    subject = ground.subject(house.organization, MIDDLE)

    async def shown() -> tuple[Any, Any]:
        created = await ground.ask(
            house.organization, subject,
            f'mutation {{ createPump(input: {{name: "New", serial: "7", flow: 1.5}}) {{ changed pump {_SHOWN} }} }}',
        )  # fmt: skip
        id = created["createPump"]["pump"]["id"]
        queried = await ground.ask(house.organization, subject, f'{{ pump(id: "{id}") {_SHOWN} }}')
        await ground.ask(house.organization, subject, f'mutation {{ deletePump(id: "{id}") {{ deletedId }} }}')
        return created["createPump"], queried

    created, queried = ground.run(shown())
    assert created == {"changed": True, "pump": queried["pump"]}
    assert created["pump"]["__typename"] == "PumpObject"
    assert created["pump"]["k"] == "7"
