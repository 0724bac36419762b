"""Connections over HTTP: pages in both directions make up the list, whatever the order, the ties and the gaps."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from http_server import TYPES, Server, Tenant
from hypothesis import given, settings
from hypothesis import strategies as st

DIRECTIONS = ("ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST")

ROWS: list[dict[str, Any]] = [
    {"name": "a", "rating": 1, "count": 1, "total": "9007199254740993", "price": "0.10", "day": "2024-01-01"},
    {"name": "b", "rating": 1, "count": 1, "total": "9007199254740992", "price": "0.1", "day": "2024-01-01"},
    {"name": "B", "rating": -0.0, "count": -1, "total": "-9223372036854775808", "price": "-1e38", "active": True},
    {"name": "ä", "rating": 1.7976931348623157e308, "status": "OK", "span": "PT24H"},
    {"name": "y", "installedAt": "2024-01-01T00:00:00Z", "price": "3"},
    {"name": "z", "rating": 5e-324, "status": "FAILED", "span": "P1D", "installedAt": "2024-01-01T02:00:00+02:00"},
    {"name": "💧", "rating": -1.7976931348623157e308, "status": "OK", "span": "-PT0.000001S", "active": False},
    {"name": "'\"\\%_", "count": 1, "note": "", "uid": "00000000-0000-0000-0000-000000000001", "active": True},
    {"name": "10", "price": "10", "note": " ", "site": "https://example.org/", "day": "0001-01-01"},
    {"name": "9", "price": "9", "note": "a\nb", "site": "urn:x", "day": "9999-12-31", "active": False},
    {"name": "", "total": "0", "span": "P106751991D", "uid": "ffffffff-ffff-4fff-bfff-ffffffffffff"},
    {"name": "é"},
]  # fmt: skip
"""Objects with ties, gaps and values at the ends of their kinds."""

ORDERABLE = [f for f, d in TYPES[1]["fields"].items() if not d.get("list") and d["type"] != "json"]
COLUMNS = ["id", "createdAt", "updatedAt", "revision"]


@pytest.fixture(scope="module")
def listed(server: Server) -> Tenant:
    """`ROWS`, made one after another in three goes; never changed here."""
    tenant = server.organization()
    tenant.define(*TYPES)
    query = "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { position } }"
    for i in range(0, len(ROWS), 4):
        tenant.data(query, {"i": ROWS[i : i + 4]})
    return tenant


PAGE = """query ($first: Int, $after: String, $last: Int, $before: String, $o: [AssetOrderBy!], $w: AssetWhere) {
  assets(first: $first, after: $after, last: $last, before: $before, orderBy: $o, where: $w) {
    totalCount nodes { name } edges { cursor node { name } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


def page(tenant: Tenant, **variables: Any) -> Any:
    found = tenant.data(PAGE, variables)["assets"]
    assert [e["node"] for e in found["edges"]] == found["nodes"]
    cursors = [e["cursor"] for e in found["edges"]]
    info = found["pageInfo"]
    assert (info["startCursor"], info["endCursor"]) == ((cursors[0], cursors[-1]) if cursors else (None, None))
    return found


def names(found: Any) -> list[str]:
    return [node["name"] for node in found["nodes"]]


def forwards(tenant: Tenant, size: int, **variables: Any) -> Iterator[str]:
    after, more, started = None, True, False
    while more:
        found = page(tenant, first=size, after=after, **variables)
        yield from names(found)
        info = found["pageInfo"]
        assert info["hasPreviousPage"] is started
        after, more, started = info["endCursor"], info["hasNextPage"], True


def backwards(tenant: Tenant, size: int, **variables: Any) -> list[str]:
    collected: list[str] = []
    before, more, started = None, True, False
    while more:
        found = page(tenant, last=size, before=before, **variables)
        collected[:0] = names(found)
        info = found["pageInfo"]
        assert info["hasNextPage"] is started
        before, more, started = info["startCursor"], info["hasPreviousPage"], True
    return collected


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("field", [*ORDERABLE, *COLUMNS])
def test_pages_in_both_directions_make_up_the_list(listed: Tenant, field: str, direction: str) -> None:
    order = [{field: direction}]
    whole = names(page(listed, first=100, o=order))
    assert sorted(whole) == sorted(row["name"] for row in ROWS)
    assert list(forwards(listed, 5, o=order)) == whole
    assert backwards(listed, 5, o=order) == whole


SECONDS = {"PT24H": 86_400, "P1D": 86_400, "-PT0.000001S": -1e-6, "P106751991D": 106751991 * 86_400}
MOMENT = "2024-01-01T00:00:00.000000Z"


def value(row: Mapping[str, Any], field: str) -> Any:
    """What an order compares, None where there is nothing."""
    given = row.get(field)
    if given is None:
        return None
    match field:
        case "name" | "note" | "status" | "site" | "uid":
            return str(given).encode()
        case "total" | "price":
            return float(given) if field == "price" else int(given)
        case "span":
            return SECONDS[given]
        case "installedAt":
            return MOMENT
        case _:
            return given


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("field", ORDERABLE)
def test_an_order_is_by_value_and_puts_what_is_missing_where_it_says(
    listed: Tenant, field: str, direction: str
) -> None:
    whole = names(page(listed, first=100, o=[{field: direction}]))
    rows = {row["name"]: value(row, field) for row in ROWS}
    present = [rows[name] for name in whole if rows[name] is not None]
    assert present == sorted(present, reverse=direction.startswith("DESC"))
    missing = [rows[name] is None for name in whole]
    assert missing == sorted(missing, reverse=direction in ("DESC", "ASC_NULLS_FIRST"))


ORDERS = st.lists(
    st.tuples(st.sampled_from([*ORDERABLE, *COLUMNS]), st.sampled_from(DIRECTIONS)),
    max_size=4,
    unique_by=lambda o: o[0],
)


@settings(max_examples=40, deadline=None)
@given(order=ORDERS, sizes=st.lists(st.integers(1, 13), min_size=1, max_size=8))
def test_pages_of_any_sizes_make_up_any_order(listed: Tenant, order: list[tuple[str, str]], sizes: list[int]) -> None:
    o = [{field: direction} for field, direction in order]
    whole = names(page(listed, first=100, o=o))
    collected: list[str] = []
    after, turn = None, 0
    while len(collected) < len(whole):
        found = page(listed, first=sizes[turn % len(sizes)], after=after, o=o)
        collected += names(found)
        assert found["totalCount"] == len(ROWS)
        assert found["pageInfo"]["hasNextPage"] is (len(collected) < len(whole))
        after, turn = found["pageInfo"]["endCursor"], turn + 1
    assert collected == whole


@settings(max_examples=30, deadline=None)
@given(order=ORDERS, start=st.integers(0, 11), end=st.integers(0, 11), size=st.integers(0, 13))
def test_a_page_between_two_cursors_is_that_part_of_the_list(
    listed: Tenant, order: list[tuple[str, str]], start: int, end: int, size: int
) -> None:
    o = [{field: direction} for field, direction in order]
    whole = page(listed, first=100, o=o)
    cursors = [edge["cursor"] for edge in whole["edges"]]
    between = names(whole)[start + 1 : end]
    bounds = {"after": cursors[start], "before": cursors[end], "o": o}
    assert names(page(listed, first=size, **bounds)) == between[:size]
    assert names(page(listed, last=size, **bounds)) == (between[-size:] if size else [])


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 1000])
def test_a_page_knows_whether_there_is_more(listed: Tenant, size: int) -> None:
    first, last = page(listed, first=size), page(listed, last=size)
    assert len(first["nodes"]) == len(last["nodes"]) == min(size, 12)
    assert first["pageInfo"]["hasNextPage"] is last["pageInfo"]["hasPreviousPage"] is (size < 12)
    assert first["pageInfo"]["hasPreviousPage"] is last["pageInfo"]["hasNextPage"] is False
    assert first["totalCount"] == last["totalCount"] == 12


def test_a_filtered_list_is_paged_and_counted_as_one(listed: Tenant) -> None:
    where = {"or": [{"rating": {"isNull": True}}, {"rating": {"lt": 1}}]}
    order = [{"rating": "DESC_NULLS_LAST"}, {"name": "ASC"}]
    whole = page(listed, first=100, w=where, o=order)
    assert whole["totalCount"] == len(whole["nodes"]) == 9
    assert names(whole)[:3] == ["z", "B", "💧"]
    assert list(forwards(listed, 2, w=where, o=order)) == backwards(listed, 2, w=where, o=order) == names(whole)


def test_a_cursor_holds_its_place_when_its_row_is_gone(server: Server) -> None:
    tenant = server.organization()
    tenant.define(*TYPES)
    create = "mutation ($i: [AssetCreateInput!]!) { createAssets(inputs: $i) { assets { id } } }"
    ids = tenant.data(create, {"i": [{"name": n} for n in "acdf"]})["createAssets"]["assets"]
    found = page(tenant, first=2, o=[{"name": "ASC"}])
    tenant.data("mutation ($i: ID!) { deleteAsset(id: $i) { deletedId } }", {"i": ids[1]["id"]})
    tenant.data(create, {"i": [{"name": n} for n in "be"]})
    assert names(page(tenant, first=9, after=found["pageInfo"]["endCursor"], o=[{"name": "ASC"}])) == ["d", "e", "f"]
    assert names(page(tenant, last=9, before=found["pageInfo"]["endCursor"], o=[{"name": "ASC"}])) == ["a", "b"]


# Variables in every position


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($w: AssetWhere) { assets(where: $w, orderBy: {name: ASC}) { nodes { name } } }",
         {"w": {"or": [{"name": {"in": ["a", "b"]}}, {"name": {"eq": "z"}}], "rating": {"gte": 0, "lt": 2}}}),
        ("query ($o: [AssetWhere!], $r: FloatWhere) {"
         " assets(where: {or: $o, rating: $r}, orderBy: {name: ASC}) { nodes { name } } }",
         {"o": [{"name": {"in": ["a", "b"]}}, {"name": {"eq": "z"}}], "r": {"gte": 0, "lt": 2}}),
        ("query ($i: [String!], $z: String, $g: Float = 0, $l: Float) {"
         " assets(where: {or: [{name: {in: $i}}, {name: {eq: $z}}],"
         " rating: {gte: $g, lt: $l}}, orderBy: {name: ASC}) { nodes { name } } }",
         {"i": ["a", "b"], "z": "z", "l": 2}),
        ("query ($a: String!, $b: String!) { assets(where: {or: [{name: {in: [$a, $b]}}, {name: {eq: \"z\"}}],"
         " rating: {gte: 0, lt: 2}}, orderBy: {name: ASC}) { nodes { name } } }", {"a": "a", "b": "b"}),
        ("query ($s: StringWhere!, $d: OrderDirection) { assets(where: {or: [{name: {in: [\"a\", \"b\"]}}, {name: $s}],"
         " rating: {gte: 0, lt: 2}}, orderBy: [{name: $d}]) { nodes { name } } }", {"s": {"eq": "z"}, "d": "ASC"}),
        ("query ($o: AssetOrderBy!, $n: Boolean!) {"
         " assets(where: {rating: {isNull: $n, gt: -0.5, lt: 2}, name: {ne: \"B\"}},"
         " orderBy: [$o]) { nodes { name } } }", {"o": {"name": "ASC"}, "n": False}),
    ],
)  # fmt: skip
def test_variables_stand_wherever_values_do(listed: Tenant, query: str, variables: dict[str, Any]) -> None:
    assert names(listed.data(query, variables)["assets"]) == ["a", "b", "z"]


def test_an_absent_variable_is_as_an_absent_argument(listed: Tenant) -> None:
    query = (
        "query ($n: Int, $w: AssetWhere, $o: [AssetOrderBy!], $c: String, $e: String) { assets(first: $n, where:"
        " $w, orderBy: $o, after: $c) { totalCount } sensors(where: {name: {eq: $e}}) { totalCount } }"
    )
    every = listed.data(query)
    assert every == {"assets": {"totalCount": 12}, "sensors": {"totalCount": 0}}
    assert listed.data(query, {"n": None, "w": None, "o": None, "c": None, "e": None}) == every


def test_null_in_a_filter_asks_for_what_is_missing(listed: Tenant) -> None:
    query = "query ($v: Float) { assets(where: {rating: {eq: $v}}) { totalCount } }"
    assert listed.data(query, {"v": None}) == {"assets": {"totalCount": 6}}
    assert listed.data(query, {"v": 1}) == {"assets": {"totalCount": 2}}
    assert listed.data(query) == {"assets": {"totalCount": 12}}
    assert listed.data("{ assets(where: {rating: {ne: null}}) { totalCount } }") == {"assets": {"totalCount": 6}}


def test_skip_and_include_decide_by_variables(listed: Tenant) -> None:
    query = """query ($s: Boolean!, $i: Boolean = true) {
      assets(first: 1, orderBy: {name: ASC}) @skip(if: $s) {
        totalCount @include(if: $i) ...N nodes @skip(if: true) { id } }
      viewer @include(if: $i) { subject organization @skip(if: $s) }
      ... @include(if: $s) { only: __typename } ...Q @skip(if: $i)
    }
    fragment N on AssetConnection { nodes @include(if: $i) { name } }
    fragment Q on Query { fragment: __typename }"""
    me = {"subject": "ann"}
    assert listed.data(query, {"s": False}) == {
        "assets": {"totalCount": 12, "nodes": [{"name": ""}]},
        "viewer": {**me, "organization": listed.name},
    }
    assert listed.data(query, {"s": True}) == {"viewer": me, "only": "Query"}
    assert listed.data(query, {"s": False, "i": False}) == {"assets": {}, "fragment": "Query"}
    assert listed.data(query, {"s": True, "i": False}) == {"only": "Query", "fragment": "Query"}


def test_null_for_a_condition_is_refused_everywhere(listed: Tenant) -> None:
    for field in (
        "assets @include(if: $i) { totalCount }",
        "assets { totalCount @skip(if: $i) }",
        "viewer @skip(if: $i) { subject }",
    ):
        answer = listed.ask(f"query ($i: Boolean = true) {{ {field} }}", {"i": None})
        answer.refused()


# Links at three levels


@pytest.fixture(scope="module")
def network(server: Server) -> Tenant:
    """Plants p0 to p2; p_i contains assets a_i0 to a_i3; a_ij has sensors s_0 to s_j with weights that fall."""
    tenant = server.organization()
    tenant.define(*TYPES)
    made = tenant.data(
        "mutation ($p: [PlantCreateInput!]!, $a: [AssetCreateInput!]!, $s: [SensorCreateInput!]!) {"
        " createPlants(inputs: $p) { plants { id } } createAssets(inputs: $a) { assets { id } }"
        " createSensors(inputs: $s) { sensors { id } } }",
        {
            "p": [{"title": f"p{i}", "rank": i % 2} for i in range(3)],
            "a": [{"name": f"a{i}{j}", "rating": j % 2, "count": i} for i in range(3) for j in range(4)],
            "s": [{"name": f"s{k}", "kind": "HOT" if k % 2 else "COLD"} for k in range(4)],
        },
    )  # fmt: skip
    plants, assets, sensors = (
        [node["id"] for node in made[f"create{kind}s"][f"{kind.lower()}s"]] for kind in ("Plant", "Asset", "Sensor")
    )
    link = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    for n, asset in enumerate(assets):
        tenant.data(link, {"i": {"relation": "contains", "from": plants[n // 4], "to": asset}})
        for k in range(n % 4 + 1):
            given = {
                "relation": "has_sensor",
                "from": asset,
                "to": sensors[k],
                "weight": k / 4,
                "properties": {"channel": k},
            }
            tenant.data(link, {"i": given})
    return tenant


def test_each_level_has_its_own_filter_order_and_page(network: Tenant) -> None:
    query = """query ($w: AssetWhere, $n: Int) {
      plants(orderBy: [{rank: DESC}, {title: ASC}], first: 2) { totalCount nodes { title
        assets(where: $w, orderBy: {name: DESC}, first: $n) { totalCount pageInfo { hasNextPage } nodes { name
          sensors(where: {kind: {eq: HOT}}, orderBy: {name: DESC}, last: 1) {
            totalCount edges { link { weight properties } node { name kind } } }
        } }
      } }
    }"""
    hot1 = {"link": {"weight": 0.25, "properties": {"channel": 1}}, "node": {"name": "s1", "kind": "HOT"}}

    def plant(i: int) -> dict[str, Any]:
        return {"title": f"p{i}", "assets": {"totalCount": 2, "pageInfo": {"hasNextPage": True}, "nodes": [
            {"name": f"a{i}3", "sensors": {"totalCount": 2, "edges": [hot1]}},
        ]}}  # fmt: skip

    found = network.data(query, {"w": {"rating": {"eq": 1}}, "n": 1})
    assert found == {"plants": {"totalCount": 3, "nodes": [plant(1), plant(0)]}}


def test_one_connection_is_asked_for_in_several_ways(network: Tenant) -> None:
    query = """{ plants(orderBy: {title: ASC}, first: 1) { nodes {
      low: assets(where: {rating: {eq: 0}}, orderBy: {name: ASC}) { nodes { name } }
      high: assets(where: {rating: {eq: 1}}, orderBy: {name: DESC}) { nodes { name } totalCount }
      none: assets(first: 0) { nodes { name } totalCount }
      assets(last: 1, orderBy: {name: ASC}) { edges { node { n: name m: name } } }
    } } again: plants { totalCount } }"""
    assert network.data(query) == {
        "plants": {"nodes": [{
            "low": {"nodes": [{"name": "a00"}, {"name": "a02"}]},
            "high": {"nodes": [{"name": "a03"}, {"name": "a01"}], "totalCount": 2},
            "none": {"nodes": [], "totalCount": 4},
            "assets": {"edges": [{"node": {"n": "a03", "m": "a03"}}]},
        }]},
        "again": {"totalCount": 3},
    }  # fmt: skip


def test_nested_pages_go_on_by_their_own_cursors(network: Tenant) -> None:
    query = """query ($c: String, $b: String) { plants(orderBy: {title: ASC}) { nodes { title
      assets(first: 3, after: $c, before: $b, orderBy: {count: ASC}) {
        totalCount nodes { name } pageInfo { endCursor startCursor hasNextPage hasPreviousPage } }
    } } }"""
    first = network.data(query)["plants"]["nodes"]
    for i, plant in enumerate(first):
        info = plant["assets"]["pageInfo"]
        assert (info["hasNextPage"], info["hasPreviousPage"], plant["assets"]["totalCount"]) == (True, False, 4)
        rest = network.data(query, {"c": info["endCursor"]})["plants"]["nodes"][i]["assets"]
        assert len(rest["nodes"]) == 1
        assert sorted(names(plant["assets"]) + names(rest)) == [f"a{i}{j}" for j in range(4)]
        assert rest["pageInfo"]["hasNextPage"] is False
        assert rest["pageInfo"]["hasPreviousPage"] is True


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"sensors": {"some": {"name": {"eq": "s3"}}}}, ["a03", "a13", "a23"]),
        ({"sensors": {"every": {"kind": {"eq": "COLD"}}}}, ["a00", "a10", "a20"]),
        ({"sensors": {"none": {"kind": {"eq": "HOT"}}}, "count": {"gt": 0}}, ["a10", "a20"]),
        ({"plant": {"some": {"rank": {"eq": 1}}}, "rating": {"eq": 1}}, ["a11", "a13"]),
        ({"plant": {"none": {}}}, []),
        ({"plant": {"some": {"assets": {"some": {"name": {"eq": "a21"}}}}}}, ["a20", "a21", "a22", "a23"]),
        ({"not": {"sensors": {"some": {"name": {"in": ["s1", "s2"]}}}}}, ["a00", "a10", "a20"]),
    ],
)
def test_filters_follow_links(network: Tenant, where: dict[str, Any], expected: list[str]) -> None:
    query = "query ($w: AssetWhere) { assets(where: $w, orderBy: {name: ASC}) { totalCount nodes { name } } }"
    found = network.data(query, {"w": where})["assets"]
    assert (names(found), found["totalCount"]) == (expected, len(expected))


def test_typename_is_everywhere(network: Tenant) -> None:
    query = """{ __typename viewer { __typename } plants(first: 1) { __typename nodes { __typename
      assets(first: 1) { __typename edges { __typename cursor link { __typename } node { __typename } }
        pageInfo { __typename } } } } }"""
    found = network.data(query)
    cursor = found["plants"]["nodes"][0]["assets"]["edges"][0].pop("cursor")
    assert len(cursor) > 20
    assert found == {
        "__typename": "Query", "viewer": {"__typename": "Viewer"},
        "plants": {"__typename": "PlantConnection", "nodes": [{"__typename": "Plant", "assets": {
            "__typename": "PlantAssetsConnection", "pageInfo": {"__typename": "PageInfo"},
            "edges": [{
                "__typename": "PlantAssetsEdge", "link": {"__typename": "Link"},
                "node": {"__typename": "Asset"},
            }],
        }}]},
    }  # fmt: skip


def test_fields_asked_for_in_parts_are_one(network: Tenant) -> None:
    query = """{ plants(first: 1, orderBy: {title: ASC}) { nodes { title } }
      ...P ... on Query { plants(first: 1, orderBy: {title: ASC}) { nodes {
        assets(first: 1, orderBy: {name: ASC}) { nodes { rating } } } } } }
    fragment P on Query { plants(first: 1, orderBy: {title: ASC}) { totalCount nodes { rank
      ... on Plant { assets(first: 1, orderBy: {name: ASC}) { nodes { name } totalCount } } } } }"""
    assert network.data(query) == {"plants": {"totalCount": 3, "nodes": [
        {"title": "p0", "rank": 0, "assets": {"totalCount": 4, "nodes": [{"name": "a00", "rating": 0.0}]}},
    ]}}  # fmt: skip


def test_numbers_come_back_as_they_are(listed: Tenant) -> None:
    """Also where the executor puts parts together and the JSON is read once more on the way."""
    fields = "nodes { name rating total price }"
    order = "first: 20, orderBy: {name: ASC}"
    direct = listed.data(f"{{ assets({order}) {{ {fields} }} }}")["assets"]
    joined = listed.data(f"{{ assets({order}) {{ {fields} }} viewer {{ subject }} }}")["assets"]
    assert direct == joined
    ratings = {node["name"]: node["rating"] for node in direct["nodes"]}
    assert ratings["ä"] == 1.7976931348623157e308
    assert ratings["z"] == 5e-324
    assert math.copysign(1, ratings["B"]) == 1
