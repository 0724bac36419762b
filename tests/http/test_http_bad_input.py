"""Values that cannot be meant: each is refused with a message, a code and its place, and nothing of it is stored."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from http_server import Tenant, nested

COUNT = "query ($w: AssetWhere) { assets(where: $w) { totalCount } }"
CREATE = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { id } } }"
LINK = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
DEFINE = "mutation ($d: JSON!) { defineType(definition: $d) { changed } }"


# Values


def test_a_filter_on_a_list_names_the_item_at_fault(assets: Tenant) -> None:
    where = {"tags": {"containsAny": ["a", "\0"]}}
    assets.ask(COUNT, {"w": where}).refused(status=400, path=["assets", "where", "tags", "containsAny", 1])


@pytest.mark.parametrize(
    "where",
    [
        {"name": {"eq": "a\0"}}, {"name": {"ne": "\0"}}, {"name": {"in": ["a", "\0"]}}, {"name": {"icontains": "\0"}},
        {"note": {"startsWith": "\0"}},
        {"sensors": {"some": {"name": {"eq": "\0"}}}}, {"not": {"or": [{"name": {"eq": "\0"}}]}},
    ],
)  # fmt: skip
def test_a_filter_on_the_null_character_names_its_place(assets: Tenant, where: dict[str, Any]) -> None:
    path: list[str | int] = ["assets", "where"]
    step: Any = where
    while isinstance(step, dict):
        path.append(next(iter(step)))
        step = step[path[-1]]
        if isinstance(step, list) and isinstance(step[0], dict):
            path.append(0)
            step = step[0]
    assets.ask(COUNT, {"w": where}).refused(status=400, path=path)


@pytest.mark.parametrize(
    "value", ["\0", {"a": "\0"}, {"\0": 1}, ["\0"], json.loads(nested("[", "]", 65))], ids=lambda v: repr(v)[:20]
)
def test_a_filter_on_json_takes_what_a_json_field_takes(assets: Tenant, value: Any) -> None:
    assets.ask_text(COUNT, json.dumps({"w": {"extra": {"eq": value}}})).refused(status=400)


@pytest.mark.parametrize(
    "where",
    [
        "extra: {eq: 1e400}", f"extra: {{eq: {10**400}}}", "extra: {eq: [-1e400]}",
        f"extra: {{contains: {'1' * 5000}}}",
        "rating: {eq: 1e400}", "rating: {in: [1, -1e999]}", f"rating: {{gt: {10**400}}}",
        f"rating: {{gt: {'1' * 5000}}}",
        f"count: {{eq: {10**10}}}", f"count: {{eq: {'1' * 5000}}}", "count: {eq: 1.5}", f"total: {{eq: {2**63}}}",
        f"total: {{eq: {'1' * 5000}}}", "price: {eq: 1.5}", f'price: {{eq: "{"1" * 40}"}}',
        f"price: {{eq: {'1' * 5000}}}",
        'day: {eq: "2024-02-30"}', 'installedAt: {eq: "2024-01-01"}', 'span: {eq: "P1Y"}', 'uid: {eq: "1"}',
        'site: {eq: "javascript:alert(1)"}', 'name: {eq: "\\u0000"}', 'active: {eq: "true"}', "name: {eq: 1}",
        "tags: {eq: [null]}", "name: {in: [null]}", "revision: {eq: 99999999999}", 'createdAt: {gt: "now"}',
        "name: {in: null}", "name: {lt: null}", "name: {isNull: null}", "tags: {containsAny: null}",
    ],
    ids=lambda where: where[:40],
)  # fmt: skip
def test_a_literal_that_cannot_be_meant_is_refused(assets: Tenant, where: str) -> None:
    assets.ask(f"{{ assets(where: {{{where}}}) {{ totalCount }} }}").refused(status=400)


@pytest.mark.parametrize(
    "input",
    [
        {"name": "a\0"}, {"name": "a" * 10_001}, {"name": None}, {"name": 5}, {"name": ["a"]}, {"name": {}}, {},
        {"name": "a", "rating": "1"}, {"name": "a", "rating": True}, {"name": "a", "count": 1.5},
        {"name": "a", "count": 2**31},
        {"name": "a", "total": 2**63}, {"name": "a", "total": "1.0"}, {"name": "a", "price": 0.1},
        {"name": "a", "active": 1},
        {"name": "a", "day": "today"}, {"name": "a", "installedAt": "2024-01-01T00:00:00"},
        {"name": "a", "span": "1 day"},
        {"name": "a", "uid": "x"}, {"name": "a", "site": "data:text/html,x"}, {"name": "a", "extra": {"b": "\0"}},
        {"name": "a", "tags": ["\0"]}, {"name": "a", "tags": [None]}, {"name": "a", "tags": ["x"] * 10_001},
        {"name": "a", "totals": [1, "9" * 19]}, {"name": "a", "status": "ok"}, {"name": "a", "nope": 1},
        {"name": "a", "id": "x"},
        {"name": "a", "label": "SECRET"}, {"name": "a", "note": "n" * 900_000 + "\0"},
    ],
    ids=lambda input: repr(input)[:50],
)  # fmt: skip
def test_what_does_not_fit_its_kind_is_not_stored(assets: Tenant, input: dict[str, Any]) -> None:
    assets.ask(CREATE, {"i": input}).refused()
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 0}}


def test_json_nested_deeply_is_not_stored(assets: Tenant) -> None:
    for times in (65, 300, 900):
        assets.ask_text(CREATE, '{"i":{"name":"a","extra":' + nested("[", "]", times) + "}}").refused()
    text = f'mutation {{ createAsset(input: {{name: "a", extra: {nested("[", "]", 65)}}}) {{ changed }} }}'
    assets.ask(text).refused()
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 0}}


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"i": {"name": "a", "rating": "x"}}, ["i", "rating"]),
        ({"i": {"name": "a", "nope": 1}}, ["i"]),
        ({"i": {"name": "a", "totals": [1, "x"]}}, ["i", "totals", 1]),
        ({"i": {}}, ["i"]),
        ({"i": None}, ["i"]),
        ({"i": 5}, ["i"]),
        ({}, ["i"]),
        (None, ["i"]),
        ({"j": {"name": "a"}}, ["i"]),
    ],
)
def test_a_variable_that_does_not_fit_is_named_with_its_path(
    assets: Tenant, variables: dict[str, Any] | None, path: list[str | int]
) -> None:
    assets.ask(CREATE, variables).refused(status=400, path=path)


def test_a_variable_nobody_declared_is_passed_over(assets: Tenant) -> None:
    assert assets.data("{ assets { totalCount } }", {"x": "\0"}) == {"assets": {"totalCount": 0}}


@pytest.mark.parametrize(
    "arguments",
    [
        "first: -1",
        "first: 2147483647",
        "first: 1001",
        "last: -1",
        "last: 1001",
        "first: 1, last: 1",
        "first: 0, last: 0",
    ],
)
def test_a_page_that_cannot_be_is_refused(assets: Tenant, arguments: str) -> None:
    refused = assets.ask(f"{{ assets({arguments}) {{ totalCount }} }}").refused(status=400)
    assert refused.error["extensions"]["inputPath"][0] == "assets"


@pytest.mark.parametrize(
    "order", [[{"name": "ASC", "rating": "ASC"}], [{}], [{"name": None}], {"name": "ASC", "id": "ASC"}]
)
def test_each_item_of_an_ordering_names_one_field(assets: Tenant, order: Any) -> None:
    query = "query ($o: [AssetOrderBy!]) { assets(orderBy: $o) { totalCount } }"
    assets.ask(query, {"o": order}).refused(status=400, path=["assets", "orderBy", 0])


def test_an_empty_or_lets_nothing_pass_and_an_empty_and_everything(assets: Tenant, pair: tuple[str, str]) -> None:
    def count(where: dict[str, Any]) -> int:
        found: int = assets.data(COUNT, {"w": where})["assets"]["totalCount"]
        return found

    filters: list[dict[str, Any]] = [{}, {"and": []}, {"or": []}, {"not": {}}, {"not": {"or": []}}]
    assert [count(where) for where in filters] == [1, 1, 0, 0, 1]


# Ids


@pytest.mark.parametrize(
    "bad", ["", "x", "\0", "null", "1" * 100_000, "../../x", "'; drop table fabric.objects; --", "💥"]
)
def test_what_is_no_id_names_nothing(assets: Tenant, pair: tuple[str, str], bad: str) -> None:
    asset, sensor = pair
    reads = "query ($i: ID!) { node(id: $i) { id } nodes(ids: [$i]) { id } asset(id: $i) { id } plant(id: $i) { id } }"
    assert assets.data(reads, {"i": bad}) == {"node": None, "nodes": [None], "asset": None, "plant": None}
    assert assets.data(COUNT, {"w": {"id": {"eq": bad}}}) == {"assets": {"totalCount": 0}}
    for query in (
        "mutation ($i: ID!) { updateAsset(id: $i, input: {rating: 1}) { changed } }",
        "mutation ($i: ID!) { deleteAsset(id: $i) { deletedId } }",
        "mutation ($i: ID!) { unlink(id: $i) { linkId } }",
        'mutation ($i: ID!) { regradeObject(id: $i, label: "SECRET", reason: "x") { objectId } }',
        "mutation ($i: ID!) { updateLink(id: $i, input: {weight: 1}) { linkId } }",
    ):
        assets.ask(query, {"i": bad}).refused("NOT_FOUND", path=["id"])
    assets.ask(LINK, {"i": {"relation": "has_sensor", "from": asset, "to": bad}}).refused(
        "NOT_FOUND", path=["input", "to"]
    )
    assets.ask(LINK, {"i": {"relation": "has_sensor", "from": bad, "to": sensor}}).refused(
        "NOT_FOUND", path=["input", "from"]
    )


def test_an_object_cannot_be_created_under_what_is_no_id(assets: Tenant) -> None:
    query = "mutation ($i: {}!) {{ {}(input: $i) {{ changed }} }}"
    for input, field in (("PlantCreateInput", "createPlant"), ("PlantUpsertInput", "upsertPlant")):
        assets.ask(query.format(input, field), {"i": {"id": "x"}}).refused(path=["input", "id"])
    bulk = "mutation ($i: [PlantCreateInput!]!) { createPlants(inputs: $i) { position } }"
    assets.ask(bulk, {"i": [{"title": "a"}, {"id": "x"}]}).refused(path=["inputs", 1, "id"])
    assert assets.data("{ plants { totalCount } }") == {"plants": {"totalCount": 0}}


# Links


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"key": "\0"}, ["key"]),
        ({"key": "k" * 10_001}, ["key"]),
        ({"semanticNamespace": "\0"}, ["semanticNamespace"]),
        ({"semanticPredicate": "\0"}, ["semanticPredicate"]),
        ({"properties": 5}, ["properties"]),
        ({"properties": ["note"]}, ["properties"]),
        ({"properties": "note"}, ["properties"]),
        ({"properties": {"nope": 1}}, ["properties", "nope"]),
        ({"properties": {"note": "\0"}}, None),
        ({"properties": {"channel": "x"}}, ["properties", "channel"]),
        ({"validFrom": "2024-01-02T00:00:00Z", "validTo": "2024-01-01T00:00:00Z"}, ["validTo"]),
        ({"relation": "nope"}, ["relation"]),
        ({"relation": "contains"}, ["relation"]),
    ],
)
def test_a_link_that_cannot_be_stored_names_what_is_wrong(
    assets: Tenant, pair: tuple[str, str], values: dict[str, Any], path: list[str] | None
) -> None:
    input = {"relation": "has_sensor", "from": pair[0], "to": pair[1], **values}
    assets.ask(LINK, {"i": input}).refused(path=path and ["input", *path])
    assert assets.data("{ assets { nodes { sensors { totalCount } } } }")["assets"]["nodes"][0]["sensors"] == {
        "totalCount": 0
    }


@pytest.mark.parametrize("weight", ["1e400", "-1e400", str(10**400)])
def test_a_weight_is_finite(assets: Tenant, pair: tuple[str, str], weight: str) -> None:
    input = f'relation: "has_sensor", from: "{pair[0]}", to: "{pair[1]}", weight: {weight}'
    assets.ask(f"mutation {{ link(input: {{{input}}}) {{ linkId }} }}").refused()


def test_a_cardinality_of_one_is_kept(assets: Tenant, pair: tuple[str, str]) -> None:
    create = 'mutation { createPlants(inputs: [{title: "a"}, {title: "b"}]) { plants { id } } }'
    first, second = (p["id"] for p in assets.data(create)["createPlants"]["plants"])
    assets.data(LINK, {"i": {"relation": "contains", "from": first, "to": pair[0]}})
    assets.ask(LINK, {"i": {"relation": "contains", "from": second, "to": pair[0]}}).refused("CONFLICT", path=["input"])


def test_the_most_links_of_a_kind_are_kept_and_forms_are_told(assets: Tenant) -> None:
    crew = {"relation": "has_crew", "target": "Crew", "minLinks": 1, "maxLinks": 2}
    assets.data(DEFINE, {"d": {"typeName": "Crew", "links": {"crew": crew}}})
    told = assets.data('{ typeDefinition(typeName: "Crew") { fieldSchema } }')["typeDefinition"]["fieldSchema"]
    assert told["links"]["crew"] == crew
    create = "mutation { createCrews(inputs: [{}, {}, {}, {}]) { crews { id } } }"
    first, *others = (c["id"] for c in assets.data(create)["createCrews"]["crews"])
    links = [{"i": {"relation": "has_crew", "from": first, "to": other}} for other in others]
    for link in links[:2]:
        assets.data(LINK, link)
    assets.ask(LINK, links[2]).refused("CONFLICT", path=["input"])


# Definitions


@pytest.mark.parametrize(
    "definition",
    [
        5, [], "x", {}, {"typeName": 5}, {"typeName": "lower"}, {"typeName": "Query"}, {"typeName": "A__b"},
        {"typeName": "A", "nope": 1}, {"typeName": "A", "fields": {"a": 5}},
        {"typeName": "A", "fields": {"a": {"type": "nope"}}}, {"typeName": "A", "fields": {"id": {"type": "string"}}},
        {"typeName": "A", "fields": {"a b": {"type": "string"}}},
        {"typeName": "A", "fields": {"__a": {"type": "string"}}},
        {"typeName": "A", "uiSchema": {"a": "\0"}}, {"typeName": "A", "uiSchema": {"\0": 1}},
        {"typeName": "A", "uiSchema": []},
        {"typeName": "A", "description": "\0"}, {"typeName": "A", "description": "x" * 10_001},
        {"typeName": "A", "label": "HIGH"}, {"typeName": "A", "label": "SECRET"}, {"typeName": "A", "extends": "Nope"},
        {"typeName": "A", "extends": "A"}, {"typeName": "A", "domain": []}, {"typeName": "A", "domain": {}},
        {"typeName": "A", "naturalKey": ["nope"]},
        {"typeName": "A", "links": {"b": {"relation": "r", "target": "Nope"}}},
        {"typeName": "A", "links": {"b": {"relation": "\0", "target": "A"}}}, {"typeName": "A", "plural": "Asset"},
        {"typeName": "A", "fields": {"e": {"type": "enum", "values": []}}}, {"typeName": "A", "embedding": 5},
        {"typeName": "A", "fields": {"e": {"type": "enum", "values": ["a", "a"]}}},
        {"typeName": "A", "fields": {f"f{i}": {"type": "string"} for i in range(501)}},
        {"typeName": "A", "links": {"b": {"relation": "r", "target": "A", "direction": ["out"]}}},
    ],
    ids=lambda definition: repr(definition)[:60],
)  # fmt: skip
def test_a_definition_that_cannot_be_is_refused(assets: Tenant, definition: Any) -> None:
    refused = assets.ask(DEFINE, {"d": definition}).refused()
    assert all(
        e["extensions"]["inputPath"][0] == "definition" for e in refused.errors if "locations" in e and "path" in e
    )
    assert assets.data('{ typeDefinition(typeName: "A") { typeName } }') == {"typeDefinition": None}


def test_one_type_cannot_be_defined_twice_at_once(organization: Tenant) -> None:
    query = "mutation ($d: [JSON!]!) { defineTypes(definitions: $d) { changed } }"
    twice = [{"typeName": "A", "fields": {name: {"type": "string"}}} for name in ("x", "y")]
    organization.ask(query, {"d": twice}).refused(path=["definitions", 1, "typeName"])


def test_a_ui_schema_nested_deeply_is_refused(organization: Tenant) -> None:
    deep = '{"d":{"typeName":"A","uiSchema":{"a":' + nested("[", "]", 300) + "}}}"
    organization.ask_text(DEFINE, deep).refused()


@pytest.mark.parametrize("number", ["1e400", str(10**400)])
def test_a_ui_schema_holds_numbers_that_json_can_hold(organization: Tenant, number: str) -> None:
    organization.ask(
        f'mutation {{ defineType(definition: {{typeName: "A", uiSchema: {{a: {number}}}}}) {{ changed }} }}'
    ).refused()


@pytest.mark.parametrize(
    ("field", "literal"),
    [
        ("day", '"2025-02-30"'), ("installedAt", '"2025-01-01T00:00:00"'), ("span", '"P1Y"'), ("uid", '"1"'),
        ("site", '"/there"'), ("price", "0.1"), ("total", "9223372036854775808"), ("extra", '[1, "\\u0000"]'),
        ("status", "OKK"), ("rating", '"1"'), ("count", "2147483648"), ("active", "1"), ("name", "5"),
    ],
)  # fmt: skip
def test_a_bad_value_in_the_document_is_told_with_its_place(assets: Tenant, field: str, literal: str) -> None:
    query = f"{{ assets(where: {{{field}: {{eq: {literal}}}}}) {{ totalCount }} }}"
    refused = assets.ask(query).refused(status=400)
    assert refused.error["locations"] == [{"line": 1, "column": query.index(literal) + 1}]
    mutation = f"mutation {{ createAsset(input: {{{field}: {literal}}}) {{ changed }} }}"
    told = [e.get("locations") for e in assets.ask(mutation).refused(status=400).errors]
    assert [{"line": 1, "column": mutation.index(literal) + 1}] in told


# Cursors


@pytest.fixture
def cursor(assets: Tenant) -> str:
    """The cursor of the first of three assets, in the default order."""
    assets.data('mutation { createAssets(inputs: [{name: "a"}, {name: "b"}, {name: "c"}]) { position } }')
    found: str = assets.data("{ assets(first: 1) { pageInfo { endCursor } } }")["assets"]["pageInfo"]["endCursor"]
    return found


AFTER = "query ($c: String) { assets(after: $c) { nodes { name } } }"


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: "", lambda c: "x", lambda c: "\0", lambda c: c[:-4], lambda c: c[:-1], lambda c: c[4:],
        lambda c: c + "A", lambda c: c + "=",
        lambda c: c + "\n", lambda c: " " + c, lambda c: c.lower(), lambda c: c[::-1], lambda c: c * 2,
        lambda c: ("A" if c[0] != "A" else "B") + c[1:], lambda c: c[:30] + ("A" if c[30] != "A" else "B") + c[31:],
        lambda c: "AAAAAAAAAAAAAAAAAAAAAA" + c[22:], lambda c: "bnVsbA==", lambda c: "é" * 40, lambda c: "1" * 900_000,
    ],
)  # fmt: skip
def test_a_damaged_cursor_is_refused(assets: Tenant, cursor: str, damage: Callable[[str], str]) -> None:
    assets.ask(AFTER, {"c": damage(cursor)}).refused(status=400, path=["assets", "after"])


def test_every_bit_of_a_cursor_counts(assets: Tenant, cursor: str) -> None:
    for i in range(0, len(cursor), 5):
        other = "A" if cursor[i] != "A" else "B"
        assets.ask(AFTER, {"c": cursor[:i] + other + cursor[i + 1 :]}).refused(status=400, path=["assets", "after"])


def test_a_made_up_cursor_is_refused_after_one_that_was_null(assets: Tenant, cursor: str) -> None:
    """The plan for no cursor must not serve for what is no cursor."""
    assert len(assets.data(AFTER, {"c": None})["assets"]["nodes"]) == 3
    assets.ask(AFTER, {"c": "made up"}).refused(status=400, path=["assets", "after"])
    assets.ask(AFTER, {"c": ""}).refused(status=400, path=["assets", "after"])
    assert len(assets.data(AFTER, {"c": cursor})["assets"]["nodes"]) == 2


def test_a_cursor_of_another_list_or_order_is_refused(assets: Tenant, cursor: str) -> None:
    for query in (
        "query ($c: String) { sensors(after: $c) { totalCount nodes { id } } }",
        "query ($c: String) { assets(after: $c, orderBy: {name: ASC}) { nodes { id } } }",
        "query ($c: String) { assets(after: $c, orderBy: {id: ASC}) { nodes { id } } }",
        "query ($c: String) { assets { nodes { sensors(after: $c) { nodes { id } } } } }",
    ):
        refused = assets.ask(query, {"c": cursor}).refused(status=400)
        assert refused.error["message"] == "not a cursor of this list"


def test_a_cursor_of_a_field_that_has_another_kind_by_now_is_refused(organization: Tenant) -> None:
    def define(kind: str) -> None:
        organization.define({"typeName": "Thing", "fields": {"size": {"type": kind}}})

    define("float")
    id = organization.data("mutation { createThing(input: {size: 1.5}) { thing { id } } }")["createThing"]["thing"][
        "id"
    ]
    listed = "query ($c: String) { things(orderBy: {size: ASC}, after: $c) { pageInfo { endCursor } } }"
    cursor = organization.data(listed)["things"]["pageInfo"]["endCursor"]
    organization.data("mutation ($i: ID!) { deleteThing(id: $i) { deletedId } }", {"i": id})
    define("string")
    organization.ask(listed, {"c": cursor}).refused(status=400, path=["things", "after"])
