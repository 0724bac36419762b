"""Values, texts and names that are made to confuse: huge, deep, odd; refused, or kept exactly as they are."""

import json
from typing import Any

import pytest
from http_server import Tenant, nested

COUNT = "query ($w: AssetWhere) { assets(where: $w) { totalCount } }"
CREATE = "mutation ($i: AssetCreateInput!) { createAsset(input: $i) { asset { name extra tags } } }"
MANY = 60_000


# Variables that are huge


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (COUNT, {"w": {"and": [{}] * MANY}}),
        (COUNT, {"w": {"name": {"in": ["a"] * MANY}}}),
        (COUNT, {"w": {"extra": {"eq": [1] * MANY}}}),
        (COUNT, {"w": {f"k{i}": 1 for i in range(MANY)}}),
        ("{ __typename }", {"nobody": [[]] * MANY}),
        ("{ __typename }", {f"v{i}": None for i in range(MANY)}),
        ("mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { position } }", {"i": [{}] * MANY}),
    ],
    ids="conditions list json keys undeclared names inputs".split(),
)
def test_variables_hold_so_many_values_at_most(assets: Tenant, query: str, variables: dict[str, Any]) -> None:
    assets.ask(query, variables).refused("QUERY_TOO_COMPLEX", status=400)


def test_variables_of_many_values_are_taken(assets: Tenant) -> None:
    made = assets.data(CREATE, {"i": {"name": "a", "tags": ["x"] * 9_000, "extra": [1] * 40_000}})
    assert len(made["createAsset"]["asset"]["extra"]) == 40_000


@pytest.mark.parametrize(
    "value", [{f"k{i}": 1 for i in range(40_000)}, {"name": "a"} | {f"k{i}": 1 for i in range(40_000)}]
)
def test_each_unknown_field_is_not_told_with_all_the_others(assets: Tenant, value: dict[str, int]) -> None:
    """The message about one shows the whole value; for all of them that would take hours."""
    assert len(assets.ask(COUNT, {"w": value}).refused(status=400).errors) <= 10
    assert len(assets.ask(CREATE, {"i": value}).refused(status=400).errors) <= 10


# Depth


@pytest.mark.parametrize("times", [100, 300, 1_000])
@pytest.mark.parametrize(
    ("query", "opening", "closing", "middle"),
    [
        ("{{ assets(where: {0}) {{ totalCount }} }}", "{not: ", "}", "{}"),
        ("{{ assets(where: {0}) {{ totalCount }} }}", "{and: [{or: [", "]}]}", ""),
        ("{{ assetsAggregate(having: {0}) {{ count }} }}", "{not: ", "}", "{}"),
        ("{{ assets(orderBy: {0}) {{ totalCount }} }}", "[", "]", ""),
        ("{{ assets(where: {{extra: {{eq: {0}}}}}) {{ totalCount }} }}", "{a: ", "}", "1"),
        ("query ($w: AssetWhere = {0}) {{ assets(where: $w) {{ totalCount }} }}", "{not: ", "}", "{}"),
        ('mutation {{ createAsset(input: {{name: "a", extra: {0}}}) {{ changed }} }}', "[", "]", ""),
    ],
    ids="where lists having order json default input".split(),
)
def test_literals_nested_without_end(
    assets: Tenant, query: str, opening: str, closing: str, middle: str, times: int
) -> None:
    answer = assets.ask(query.format(nested(opening, closing, times, middle)))
    assert answer.status in ({200, 400} if times == 100 else {400})
    if "errors" in answer.body:
        answer.refused_with(
            *[
                "QUERY_TOO_COMPLEX" if c == "QUERY_TOO_COMPLEX" else "BAD_USER_INPUT"
                for c in [error["extensions"]["code"] for error in answer.errors]
            ]
        )


@pytest.mark.parametrize("times", [100, 500, 900])
@pytest.mark.parametrize(
    ("query", "opening", "closing", "middle"),
    [
        ("query ($x: AssetHaving) { assetsAggregate(having: $x) { count } }", '{"not":', "}", "{}"),
        ("query ($x: [AssetOrderBy!]) { assets(orderBy: $x) { totalCount } }", "[", "]", ""),
        ("mutation ($x: JSON!) { defineType(definition: $x) { changed } }", '{"fields":', "}", "{}"),
        ("query ($x: Int) { assets(first: $x) { totalCount } }", "[", "]", "1"),
    ],
    ids="having order definition scalar".split(),
)
def test_variables_nested_without_end(
    assets: Tenant, query: str, opening: str, closing: str, middle: str, times: int
) -> None:
    answer = assets.ask_text(query, '{"x":' + nested(opening, closing, times, middle) + "}")
    if "errors" in answer.body:
        answer.refused("QUERY_TOO_COMPLEX" if answer.codes == {"QUERY_TOO_COMPLEX"} else "BAD_USER_INPUT")
    else:
        assert times == 100


# Numbers


@pytest.mark.parametrize("digits", [400, 5_000, 900_000])
@pytest.mark.parametrize(
    "query",
    [
        "{ assets(first: %) { totalCount } }", "{ assets(last: -%) { totalCount } }",
        "{ assets(where: {rating: {eq: %}}) { totalCount } }", "{ assets(where: {total: {eq: %}}) { totalCount } }",
        "{ assets(where: {extra: {eq: %}}) { totalCount } }", "{ assets(where: {rating: {eq: %.5e%}}) { totalCount } }",
        "{ node(id: %) { id } }", "query ($x: Int = %) { assets(first: $x) { totalCount } }",
        "mutation { updateLink(id: 1, input: {weight: %}) { linkId } }",
    ],
)  # fmt: skip
def test_numbers_without_end(assets: Tenant, query: str, digits: int) -> None:
    answer = assets.ask(query.replace("%", "9" * (digits // query.count("%")))[:999_000])
    answer.refused("BAD_USER_INPUT", status=400)


# Pages and cursors


@pytest.mark.parametrize("size", [-1, -(2**31), 2**31 - 1, 1_001, 2**31, 2**63, 1.5, "10", True, [5]])
@pytest.mark.parametrize("argument", ["first", "last"])
def test_pages_of_impossible_sizes(assets: Tenant, argument: str, size: Any) -> None:
    query = "query ($n: Int) { assets(ARGUMENT: $n) { nodes { sensors(ARGUMENT: $n) { nodes { id } } } } }"
    assets.ask(query.replace("ARGUMENT", argument), {"n": size}).refused(status=400)
    below = "query ($n: Int) { assets { nodes { sensors(ARGUMENT: $n) { totalCount } } } }"
    assets.ask(below.replace("ARGUMENT", argument), {"n": size}).refused(status=400)


@pytest.mark.parametrize("argument", ["first", "last"])
def test_pages_of_nothing(assets: Tenant, pair: tuple[str, str], argument: str) -> None:
    query = f"{{ assets({argument}: 0) {{ totalCount nodes {{ id }} pageInfo {{ hasNextPage endCursor }} }} }}"
    assert assets.data(query)["assets"]["nodes"] == []


def test_a_cursor_of_another_reader_is_forged(assets: Tenant, other_organization: Tenant) -> None:
    query = "query ($c: String) { assets(first: 1, after: $c) { pageInfo { endCursor } } }"
    other_organization.define({"typeName": "Asset", "fields": {"name": {"type": "string"}}})
    create = 'mutation { createAsset(input: {name: "a"}) { changed } }'
    assets.data(create)
    other_organization.data(create)
    mine = assets.data(query)["assets"]["pageInfo"]["endCursor"]
    other_organization.ask(query, {"c": mine}).refused(status=400, path=["assets", "after"])
    assets.ask(query, {"c": mine}, label="SECRET").refused(status=400, path=["assets", "after"])
    assert assets.ask(query, {"c": mine}, label="SECRET", session_label="UNCLASSIFIED").data


# Names and texts


@pytest.mark.parametrize(
    "query",
    [
        "{ аssets { totalCount } }",  # a Cyrillic letter
        "{ assets\u200b { totalCount } }", "{ as\u00adsets { totalCount } }", "{\u2028__typename }",
        "{ __typename \u202e}",
        "{ ａssets { totalCount } }", "{ assets { totalCount } }\ufffe", "{ ____typename }", "{ __typename\u0300 }",
        "query \u0430 { __typename }", "{ a\u2060: __typename }", "{ \U0001d4ea: __typename }",
    ],
)  # fmt: skip
def test_names_that_only_look_alike(assets: Tenant, query: str) -> None:
    assets.ask(query).refused(status=400)


def test_a_byte_order_mark_before_a_document_is_passed_over(assets: Tenant) -> None:
    """As GraphQL says; before the JSON around it, it is not JSON."""
    assert assets.data("\ufeff{ __typename }") == {"__typename": "Query"}
    assets.post(b'\xef\xbb\xbf{"query":"{ __typename }"}').refused(status=400)


@pytest.mark.parametrize(
    "query",
    [
        '{ assetByKey(name: "a) { id } }', '{ assetByKey(name: "a\n") { id } }', '{ assetByKey(name: """a) { id } }',
        '{ assetByKey(name: "\\x") { id } }', '{ assetByKey(name: "\\u12") { id } }',
        '{ assetByKey(name: "\\u{110000}") { id } }',
        '{ assetByKey(name: "\\u{}") { id } }', '{ assetByKey(name: "\\ud83d") { id } }',
        "{ assetByKey(name: 'a') { id } }",
        '{ assetByKey(name: "a" "b") { id } }',
        "# { __typename }", "{ __typename # }", "\0", "{ a\0b }",
    ],
)  # fmt: skip
def test_texts_that_do_not_end_or_begin_as_they_should(assets: Tenant, query: str) -> None:
    assets.ask(query).refused(status=400)


@pytest.mark.parametrize(
    "name", ["__proto__", "constructor", "prototype", "__class__", "hasOwnProperty", "$where", "@type"]
)
def test_names_that_mean_something_elsewhere(assets: Tenant, name: str) -> None:
    """Nothing here, so JSON keeps them; as names of fields, types and variables nobody knows them."""
    text = (
        f'{{"i":{{"name":"a","extra":{{"{name}":{{"isAdmin":true}},"polluted":[{{"{name}":1}}]}}}},"{name}":{{"x":1}}}}'
    )
    extra = assets.ask_text(CREATE, text).data["createAsset"]["asset"]["extra"]
    assert extra == {name: {"isAdmin": True}, "polluted": [{name: 1}]}
    assets.ask(CREATE, {"i": {"name": "a", name: {}}}).refused(status=400)
    assets.ask(COUNT, {"w": {name: {}}}).refused(status=400)
    assert assets.post(json.dumps({"query": "{ __typename }", name: {"query": "{ nope }"}})).data
    assert assets.ask(f"{{ {name} {{ id }} }}").status == 400


def test_of_repeated_keys_the_last_counts_everywhere(assets: Tenant) -> None:
    """Nobody before the server can be made to see other values than the server, as long as it does the same."""
    query = "query ($w: AssetWhere, $n: Int) { assets(where: $w, first: $n) { totalCount } }"
    assert assets.ask_text(query, '{"n":-1,"n":1,"w":{"name":{"nope":1},"name":{"eq":"a"}}}').data
    body = b'{"operationName":"B","query":"query A { a: __typename } query B { b: __typename }","operationName":"A"}'
    assert assets.post(body).data == {"a": "Query"}
    assets.ask("{ assets(first: 1, first: 2) { totalCount } }").refused(status=400)
    assets.ask("{ assets(where: {name: {}, name: {}}) { totalCount } }").refused(status=400)


@pytest.mark.parametrize("text", ["\u202egnp.exe", "\ufeffa", "\ud7ff\ue000\U0010ffff", "\x7f\x80\x9f", "e\u0301",
                                  "\u2028\u2029", "<script>", "' or 1=1 --", "$1", "%s{o}{p}", "\\"])  # fmt: skip
def test_odd_texts_come_back_as_they_were(assets: Tenant, text: str) -> None:
    made = assets.data(CREATE, {"i": {"name": text, "tags": [text], "extra": {text: text}}})["createAsset"]["asset"]
    assert made == {"name": text, "tags": [text], "extra": {text: text}}
    for operator in ("eq", "contains", "startsWith", "endsWith", "ieq", "icontains"):
        assert assets.data(COUNT, {"w": {"name": {operator: text}}}) == {"assets": {"totalCount": 1}}
    literal = json.dumps(text, ensure_ascii=False)
    assert assets.data(f"{{ assets(where: {{name: {{eq: {literal}}}}}) {{ totalCount }} }}") == {
        "assets": {"totalCount": 1}
    }


# Conditions on fields


@pytest.mark.parametrize("decided", [True, False])
def test_skip_and_include_on_everything(assets: Tenant, pair: tuple[str, str], decided: bool) -> None:
    query = """query A($x: Boolean!, $y: Boolean = false) {
      assets @include(if: $x) { nodes { name @skip(if: $y) ...F @include(if: $x) ... @skip(if: $x) { rating } } }
      viewer @include(if: $x) { subject @skip(if: $x) }
      typeDefinitions @skip(if: $y) { typeName @include(if: $x) }
      __schema @include(if: $x) { queryType @include(if: $y) { name } }
      __typename @skip(if: $x) @include(if: true)
    } fragment F on Asset { id @skip(if: true) rating @include(if: $x) sensors @include(if: $y) { totalCount } }"""
    found = assets.data(query, {"x": decided})
    definitions = [{"typeName": name} if decided else {} for name in ("Asset", "Plant", "Sensor")]
    if decided:
        assert found == {
            "assets": {"nodes": [{"name": "pump", "rating": 1.5}]}, "viewer": {}, "typeDefinitions": definitions,
            "__schema": {},
        }  # fmt: skip
    else:
        assert found == {"typeDefinitions": definitions, "__typename": "Query"}
    for given in ({"x": None}, {"x": "true"}, {"x": 1}, {}, {"x": True, "y": None}):
        assets.ask(query, given).refused(status=400)


def test_all_of_a_mutation_can_be_skipped(assets: Tenant) -> None:
    skipped = 'mutation ($x: Boolean!) { createAsset(input: {name: "a"}) @skip(if: $x) { changed } }'
    assert assets.data(skipped, {"x": True}) == {}
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 0}}


def test_the_operation_is_the_one_that_is_named(assets: Tenant) -> None:
    document = (
        'query A { a: __typename } query B { b: __typename } mutation C { createAsset(input: {name: "a"}) { changed } }'
    )
    for name in ("a", "A ", "", "D", "__proto__", "A\0", "\u0410"):
        assets.ask(document, operation=name).refused(status=400)
    assets.get({"query": document, "operationName": "C"}).refused(status=405)
    assets.get({"query": document, "operationName": ""}).refused(status=400)
    assets.ask("{ a: __typename }", operation="A").refused(status=400)
    assert assets.data("{ assets { totalCount } }") == {"assets": {"totalCount": 0}}
