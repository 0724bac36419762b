"""Files of a connection: the same rows as in pages, in two forms, and every refusal before the first byte."""

from collections.abc import Iterator
from typing import Any

import pytest
from http_exports import CSV, NDJSON, export, items, table, transactions, wait_until
from http_server import GRAPHQL, TYPES, MakeServer, Server, Tenant
from hypothesis import given, settings
from hypothesis import strategies as st

FIELDS = (
    "id name note status rating count total price active day installedAt span uid site extra tags totals label revision"
)
AWKWARD: list[dict[str, Any]] = [
    {"name": 'quoted "a", b', "note": "two\nlines\r\nand\rmore", "rating": -0.5, "count": -7, "tags": ["x,y", 'z"']},
    {"name": " spaces ", "note": "", "total": "-9223372036854775808", "price": "1.50", "span": "-PT1.5S"},
    {"name": "=1+1", "note": "@cmd", "rating": 1.7976931348623157e308, "active": False, "totals": ["9007199254740993"]},
    {"name": "ünï 💧", "extra": {"big": 1e22, "deep": [1.5, None, "\u2028"]}, "active": True, "day": "0001-01-01"},
    {"name": "-5", "note": "\tx", "uid": "00000000-0000-0000-0000-000000000001", "site": "https://example.org/?a=b,c"},
    {"name": "plain", "status": "OK", "installedAt": "2024-01-01T00:00:00Z", "tags": [], "extra": "text"},
]


@pytest.fixture(scope="module")
def listed(server: Server) -> Tenant:
    """`AWKWARD` assets, the first two in a plant and with sensors; never changed here."""
    tenant = server.organization()
    tenant.define(*TYPES)
    made = tenant.data(
        "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { assets { id } }"
        ' createSensors(inputs: [{name: "s1", kind: HOT}, {name: "s2"}]) { sensors { id } }'
        ' createPlant(input: {title: "A, B"}) { plant { id } } }',
        {"i": AWKWARD},
    )
    assets, plant = [a["id"] for a in made["createAssets"]["assets"]], made["createPlant"]["plant"]["id"]
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    for sensor in made["createSensors"]["sensors"]:
        tenant.data(link, {"i": {"relation": "has_sensor", "from": assets[0], "to": sensor["id"], "weight": 0.5}})
    for asset in assets[:2]:
        tenant.data(link, {"i": {"relation": "contains", "from": plant, "to": asset}})
    return tenant


def nodes(tenant: Tenant, query: str, variables: Any = None, **who: Any) -> list[Any]:
    (found,) = tenant.data(query, variables, **who).values()
    listing: list[Any] = found["nodes"] if "nodes" in found else found["edges"]
    return listing


# The rows


SELECTIONS = [
    f"{{ assets {{ nodes {{ {FIELDS} }} }} }}",
    "{ assets(orderBy: [{name: DESC}]) { edges { cursor node { name plant { title } } __typename } } }",
    "{ all: assets { nodes { __typename n: name n2: name sensors(first: 1) { totalCount nodes { name } } } } }",
    '{ assets(where: {sensors: {some: {kind: {eq: HOT}}}}) { nodes { name sensors { edges { link { weight } } } } } }',
    "query ($s: Boolean = true) { assets { nodes { name note @skip(if: $s) ...F } } } fragment F on Asset { day }",
    "{ assets { nodes { sensorsAggregate { count } plant { assets { totalCount } id } } } }",
    "{ assets(first: 0) { nodes { name } } }",
    "{ assets(first: 2, orderBy: [{rating: DESC_NULLS_LAST}]) { nodes { name rating } } }",
]  # fmt: skip


@pytest.mark.parametrize("query", SELECTIONS)
def test_a_line_is_what_the_list_has_in_a_page(listed: Tenant, query: str) -> None:
    assert items(export(listed, query)) == nodes(listed, query)


def test_what_stands_beside_the_rows_is_left_out(listed: Tenant) -> None:
    query = "{ assets { __typename totalCount pageInfo { hasNextPage endCursor } nodes { name } } }"
    assert items(export(listed, query)) == nodes(listed, query)


def test_it_is_asked_for_by_get_too(listed: Tenant) -> None:
    query = "query A($w: AssetWhere) { assets(where: $w) { nodes { name } } } query B { viewer { subject } }"
    variables = {"w": {"name": {"eq": "plain"}}}
    asked = {"variables": variables, "operation": "A"}
    assert items(export(listed, query, **asked, method="GET")) == [{"name": "plain"}]
    assert items(export(listed, query, **asked)) == [{"name": "plain"}]


def test_head_gives_the_headers_alone(listed: Tenant) -> None:
    found = export(listed, SELECTIONS[0], method="HEAD")
    assert (found.status, found.content, found.headers["content-type"]) == (200, b"", NDJSON)


def test_a_cursor_says_where_to_begin_and_where_to_end(listed: Tenant) -> None:
    query = "{ assets(orderBy: [{name: ASC}]) { edges { cursor node { name } } } }"
    whole = items(export(listed, query))
    between = (
        "query ($a: String, $b: String) { assets(orderBy: [{name: ASC}], after: $a, before: $b) { nodes { name } } }"
    )
    found = items(export(listed, between, {"a": whole[0]["cursor"], "b": whole[-1]["cursor"]}))
    assert found == [edge["node"] for edge in whole[1:-1]]


def test_interfaces_export_all_their_types(organization: Tenant) -> None:
    shape = {"typeName": "Place", "fields": {"name": {"type": "string"}}}
    town = {"typeName": "Town", "extends": "Place", "fields": {"people": {"type": "integer"}}}
    hill = {"typeName": "Hill", "extends": "Place", "fields": {"height": {"type": "float"}}}
    organization.define(shape, town, hill)
    organization.data(
        'mutation { createTown(input: {name: "T", people: 5}) { changed } createHill(input: {name: "H", height: 2.5})'
        ' { changed } createPlace(input: {name: "P"}) { changed } }'
    )
    query = (
        "{ places(orderBy: [{name: ASC}]) { nodes { __typename name ... on Town { people } ... on Hill { height } } } }"
    )
    assert items(export(organization, query)) == nodes(organization, query)
    assert table(export(organization, query, form=CSV)) == [
        ["__typename", "name", "height", "people"], ["Hill", "H", "2.5", ""], ["PlaceObject", "P", "", ""],
        ["Town", "T", "", "5"],
    ]  # fmt: skip


ORDERED = [f for f, d in TYPES[1]["fields"].items() if not d.get("list") and d["type"] != "json"]


@settings(max_examples=40)
@given(
    order=st.lists(
        st.tuples(st.sampled_from(ORDERED), st.sampled_from(["ASC", "DESC", "ASC_NULLS_FIRST"])), max_size=3
    ),
    where=st.sampled_from(
        [{}, {"rating": {"isNull": True}}, {"not": {"active": {"eq": True}}}, {"plant": {"none": {}}},
         {"or": [{"count": {"lt": 0}}, {"note": {"contains": ""}}]}]
    ),
    first=st.one_of(st.none(), st.integers(0, 8)),
    listing=st.sampled_from([f"nodes {{ {FIELDS} }}", "edges { cursor node { id name plant { title rank } } }"]),
)  # fmt: skip
def test_the_rows_exported_are_the_rows_queried(
    listed: Tenant, order: list[tuple[str, str]], where: Any, first: int | None, listing: str
) -> None:
    query = (
        "query ($o: [AssetOrderBy!], $w: AssetWhere, $n: Int)"
        f" {{ assets(orderBy: $o, where: $w, first: $n) {{ {listing} }} }}"
    )
    variables = {"o": [{field: direction} for field, direction in order], "w": where, "n": first}
    assert items(export(listed, query, variables)) == nodes(listed, query, variables)


# Labels


HIDDEN = """mutation { upsertAsset(input: {name: "plain", note: "hidden", rating: 9}) { changed }
  createAsset(input: {name: "unknown to all below"}) { changed } }"""
ALL = "{ assets(orderBy: [{name: ASC}]) { edges { cursor node { id name note rating label revision updatedAt } } } }"


def test_each_reader_has_the_versions_of_its_own_label(organization: Tenant) -> None:
    organization.define(*TYPES)
    organization.data("mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { position } }", {"i": AWKWARD})
    before = [export(organization, ALL, form=form).content for form in (NDJSON, CSV)]
    organization.data(HIDDEN, label="SECRET/ALPHA")
    assert [export(organization, ALL, form=form).content for form in (NDJSON, CSV)] == before
    assert [export(organization, ALL, label="SECRET/BRAVO").content.count(b"\n")] == [len(AWKWARD)]
    above = {edge["node"]["name"]: edge["node"] for edge in items(export(organization, ALL, label="SECRET/ALPHA"))}
    assert len(above) == len(AWKWARD) + 1
    assert (above["plain"]["note"], above["plain"]["label"]) == ("hidden", "SECRET/ALPHA")
    lowered = export(organization, ALL, label="SECRET/ALPHA", session_label="UNCLASSIFIED")
    assert lowered.content == before[0]


def test_fields_above_the_label_are_no_fields(organization: Tenant) -> None:
    code = {"type": "string", "label": "SECRET"}
    note = {"typeName": "Note", "label": "UNCLASSIFIED", "fields": {"text": {"type": "string"}, "code": code}}
    organization.define(note, label="SECRET")
    organization.data('mutation { createNote(input: {text: "t", code: "c"}) { changed } }', label="SECRET")
    query = "{ notes { nodes { text code } } }"
    assert items(export(organization, query, label="SECRET")) == [{"text": "t", "code": "c"}]
    assert export(organization, query).refused(status=400).plain == organization.ask(query).plain
    assert export(organization, "{ notes { nodes { text } } }").content == b""


def test_other_organizations_have_no_part_in_it(listed: Tenant, other_organization: Tenant) -> None:
    other_organization.define(*TYPES)
    other_organization.data('mutation { createAsset(input: {name: "theirs"}) { changed } }')
    assert items(export(other_organization, "{ assets { nodes { name } } }")) == [{"name": "theirs"}]
    assert "theirs" not in export(listed, "{ assets { nodes { name } } }").content.decode()


# CSV


def test_csv_has_each_value_as_it_is(listed: Tenant) -> None:
    query = f"{{ assets {{ nodes {{ {FIELDS} plant {{ title rank }} sensors {{ nodes {{ name }} }} }} }} }}"
    header, *rows = table(export(listed, query, form=CSV))
    assert header == [*FIELDS.split(), "plant.title", "plant.rank", "sensors"]
    exact = items(export(listed, query))
    assert len(rows) == len(exact) == len(AWKWARD)
    for row, item in zip(rows, exact, strict=True):
        cells = dict(zip(header, row, strict=True))
        for name in ("name", "note", "total", "price", "day", "span", "uid", "site", "label", "installedAt"):
            assert cells[name] == (item[name] if item[name] is not None else "")
        assert cells["active"] == {True: "true", False: "false", None: ""}[item["active"]]
        assert (float(cells["rating"]) if cells["rating"] else None) == item["rating"]
        assert cells["plant.title"] == ((item["plant"] or {}).get("title") or "")


def test_csv_has_lists_and_json_as_json_with_all_digits(listed: Tenant) -> None:
    query = "{ assets(orderBy: [{name: ASC}]) { nodes { name tags totals extra rating } } }"
    cells = {row[0]: row[1:] for row in table(export(listed, query, form=CSV))}
    assert cells['quoted "a", b'] == ['["x,y","z\\""]', "", "", "-0.5"]
    assert cells["ünï 💧"][2] == '{"big":10000000000000000000000,"deep":[1.5,null,"\u2028"]}'
    assert cells["=1+1"][1] == '["9007199254740993"]'
    assert cells["=1+1"][3].isdigit()
    assert len(cells["=1+1"][3]) == 309
    assert cells["plain"] == ["[]", "", "text", ""]


def test_csv_tells_null_from_empty_text(listed: Tenant) -> None:
    some = '{name: {in: [" spaces ", "plain"]}}'
    query = f"{{ assets(where: {some}, orderBy: [{{name: ASC}}]) {{ nodes {{ name note count }} }} }}"
    assert export(listed, query, form=CSV).content == b'name,note,count\r\n spaces ,"",\r\nplain,,\r\n'


def test_a_csv_of_nothing_has_its_header(listed: Tenant) -> None:
    query = '{ assets(where: {name: {eq: "none"}}) { edges { node { name plant { title } } cursor } } }'
    assert export(listed, query, form=CSV).content == b"node.name,node.plant.title,cursor\r\n"
    assert export(listed, query).content == b""


def test_a_row_of_one_empty_cell_is_still_a_row(listed: Tenant) -> None:
    rows = table(export(listed, "{ assets { nodes { status } } }", form=CSV))
    assert sorted(rows[1:]) == [[""]] * 5 + [["OK"]]


def test_data_are_exact_unless_they_are_for_a_spreadsheet(listed: Tenant) -> None:
    query = "{ assets(orderBy: [{name: ASC}]) { nodes { name note span rating total } } }"
    plain, guarded = (
        export(listed, query, form=CSV, parameters=given) for given in ({}, {"spreadsheet": "true"})
    )  # fmt: skip
    assert guarded.content.startswith(b"\xef\xbb\xbfname,")
    assert not plain.content.startswith(b"\xef\xbb\xbf")
    before = table(plain)
    after = table(guarded)
    after[0][0] = after[0][0].removeprefix("\ufeff")
    assert len(before) == len(after)
    changed = {(a, b) for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True) if a != b}
    assert changed == {("=1+1", "'=1+1"), ("@cmd", "'@cmd"), ("\tx", "'\tx"), ("-PT1.5S", "'-PT1.5S")}


def test_columns_of_objects_of_several_types_are_merged(organization: Tenant) -> None:
    organization.define(
        {"typeName": "Thing", "fields": {"name": {"type": "string"}}},
        {"typeName": "Box", "extends": "Thing", "plural": "Boxen", "fields": {}, "links": {
            "lid": {"relation": "lid", "target": "Thing", "cardinality": "one"}}},
        {"typeName": "Bag", "extends": "Thing", "fields": {}, "links": {
            "owner": {"relation": "owner", "target": "Thing", "cardinality": "one"}}},
    )  # fmt: skip
    made = organization.data(
        'mutation { a: createThing(input: {name: "a"}) { thing { id } } b: createBox(input: {name: "b"}) { box { id } }'
        ' c: createBag(input: {name: "c"}) { bag { id } } }'
    )
    ids = {key: next(iter(value.values()))["id"] for key, value in made.items()}
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    organization.data(link, {"i": {"relation": "lid", "from": ids["b"], "to": ids["a"]}})
    organization.data(link, {"i": {"relation": "owner", "from": ids["c"], "to": ids["b"]}})
    query = (
        "{ things(orderBy: [{name: ASC}]) { nodes { name ... on Box { with: lid { name id } }"
        " ... on Bag { with: owner { name revision } } } } }"
    )
    assert sorted(zip(*table(export(organization, query, form=CSV)), strict=True)) == [
        ("name", "a", "b", "c"), ("with.id", "", ids["a"], ""), ("with.name", "", "a", "b"),
        ("with.revision", "", "", "1"),
    ]  # fmt: skip


# What it says of itself


def test_it_is_an_attachment_that_no_cache_keeps(listed: Tenant) -> None:
    found = export(listed, "{ assets { nodes { name } } }")
    assert found.headers["content-disposition"] == 'attachment; filename="assets.ndjson"'
    assert found.headers["cache-control"] == "no-store"
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["x-request-id"]
    aliased = export(listed, "{ %s: assets { nodes { name } } }" % ("a_9" * 60), form=CSV)
    assert aliased.headers["content-disposition"] == f'attachment; filename="{("a_9" * 60)[:100]}.csv"'


@pytest.mark.parametrize(
    ("accept", "parameters", "expected"),
    [
        ("*/*", {}, NDJSON), (NDJSON, {}, NDJSON), (CSV, {}, CSV), ("text/*", {}, CSV), ("application/*", {}, NDJSON),
        ("text/html, text/csv;q=0.5, application/x-ndjson;q=0.4", {}, CSV), ("TEXT/CSV", {}, CSV),
        ("text/csv;q=0.1, */*;q=0.2", {}, NDJSON),
        (NDJSON, {"format": "csv"}, CSV), ("application/json", {"format": "csv"}, CSV),
        (CSV, {"format": "ndjson"}, NDJSON), (CSV, {"spreadsheet": "true"}, CSV),
        ("*/*", {"spreadsheet": "true", "format": "csv"}, CSV),
        ("*/*", {"spreadsheet": "false"}, NDJSON),
    ],
)  # fmt: skip
def test_the_form_is_negotiated(listed: Tenant, accept: str, parameters: dict[str, str], expected: str) -> None:
    found = export(listed, "{ assets(first: 1) { nodes { name } } }", form=accept, parameters=parameters)
    assert found.status == 200
    assert found.headers["content-type"].partition(";")[0] == expected


@pytest.mark.parametrize("accept", ["application/json", GRAPHQL, "text/html", "text/csv;q=0", "image/png, x"])
def test_another_form_is_not_acceptable(listed: Tenant, accept: str) -> None:
    refused = export(listed, "{ assets { nodes { name } } }", form=accept).refused(status=406)
    assert NDJSON in refused.error["message"]


@pytest.mark.parametrize(
    "parameters", [{"format": "xml"}, {"format": ""}, {"spreadsheet": "1"}, {"format": "ndjson", "spreadsheet": "true"}]
)
def test_an_unknown_parameter_value_is_refused(listed: Tenant, parameters: dict[str, str]) -> None:
    export(listed, "{ assets { nodes { name } } }", parameters=parameters).refused(status=400)


# Refusals before the first byte


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { subject } }", "{ __typename }", "{ asset(id: \"x\") { name } }", "{ nodes(ids: []) { id } }",
        "{ assetsAggregate { count } }", "{ assets { nodes { name } } sensors { nodes { name } } }",
        "{ assets { nodes { name } } viewer { subject } }", "{ assets { nodes { name } } __typename }",
        "{ a: assets { nodes { name } } b: assets { nodes { name } } }", "{ __schema { types { name } } }",
        "{ assets { totalCount } }", "{ assets { pageInfo { endCursor } } }", "{ }",
        "{ assets { nodes { name } edges { cursor } } }", "{ assets { nodes { name } more: nodes { name } } }",
        "{ assets(last: 3) { nodes { name } } }", "{ assets(first: -1) { nodes { name } } }",
        "{ assets(after: \"x\") { nodes { name } } }", "{ assets { nodes { name } } @skip(if: true) }",
        "{ assets @skip(if: true) { nodes { name } } }",
        'mutation { createAsset(input: {name: "x"}) { asset { name } } }',
        "{ assets { nodes { nothing } } }", "{ assets { nodes { name } }",
        "query A { assets { nodes { name } } } query B { __typename }",
        "subscription { assets { nodes { name } } }",
        "{ assets { nodes { sensors(first: 1001) { nodes { name } } } } }",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_is_no_query_of_one_connection_is_refused(listed: Tenant, query: str, method: str) -> None:
    refused = export(listed, query, method=method).refused(status=400)
    assert refused.headers["content-type"].startswith(GRAPHQL)
    assert refused.headers["cache-control"] == "no-store"


def test_the_place_of_a_fault_is_told(listed: Tenant) -> None:
    export(listed, "{ z: assets(last: 1) { nodes { name } } }").refused(path=["z", "last"])
    export(listed, "{ z: assets(first: -1) { nodes { name } } }").refused(path=["z", "first"])
    export(listed, "{ z: assets { totalCount } }").refused(path=["z"])
    query = "query ($w: AssetWhere) { assets(where: $w) { nodes { name } } }"
    export(listed, query, {"w": {"rating": {"eq": "x"}}}).refused(path=["w", "rating", "eq"])


def test_who_asks_is_known_before_anything_is_read(listed: Tenant) -> None:
    for sent in ({}, {"authorization": "Bearer x"}):
        found = listed.server.client.post("/export", content=b"{", headers=sent)
        assert found.status_code == 401
        assert found.headers["www-authenticate"] == "Bearer"
        assert found.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_permissions_are_those_of_the_query(listed: Tenant) -> None:
    query = "{ assets { nodes { name plant { title } } } }"
    export(listed, query, roles=()).refused("FORBIDDEN", status=400)
    assert "link:read" in export(listed, query, roles=("objects_only",)).refused("FORBIDDEN").error["message"]
    assert items(export(listed, "{ assets { nodes { name } } }", roles=("objects_only",)))


def test_a_session_label_beyond_the_clearance_is_refused(listed: Tenant) -> None:
    export(listed, "{ assets { nodes { name } } }", session_label="SECRET").refused(status=400)


def test_the_cost_is_that_of_a_page(listed: Tenant) -> None:
    within = "{ assets { nodes { sensors(first: 1000) { nodes { name } } } } }"
    assert len(items(export(listed, within))) == len(AWKWARD)
    beyond = "{ assets { nodes { sensors(first: 1000) { nodes { assets(first: 100) { nodes { name } } } } } } }"
    export(listed, beyond).refused("QUERY_TOO_COMPLEX")
    assert items(export(listed, beyond.replace("assets {", "assets(first: 1) {", 1)))


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400), (b"[]", "application/json", 400), (b'{"query": 1}', "application/json", 400),
        (b"{}", "application/json", 400), (b"{}", "text/plain", 415), (b"{}", "application/json; charset=latin-1", 415),
        (b'{"query":"' + b" " * 1_000_001 + b'"}', "application/json", 413),
    ],
)  # fmt: skip
def test_what_is_no_graphql_request_is_refused(listed: Tenant, content: bytes, content_type: str, status: int) -> None:
    sent = listed.authorization() | {"content-type": content_type}
    found = listed.server.client.post("/export", content=content, headers=sent)
    assert found.status_code == status
    assert found.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_other_methods_are_not_there(listed: Tenant) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert listed.server.client.request(method, "/export", headers=listed.authorization()).status_code == 405


def test_exports_can_be_switched_off(new_server: MakeServer) -> None:
    with new_server({"max_exports": 0}) as server:
        tenant = server.organization()
        tenant.define(*TYPES)
        export(tenant, "{ assets { nodes { name } } }").refused("RATE_LIMITED", status=429)


@pytest.fixture(autouse=True)
def _nothing_stays_open(server: Server) -> Iterator[None]:
    yield
    wait_until(lambda: transactions(server) == 0)
