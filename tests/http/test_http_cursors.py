"""Cursors of every kind of list: nobody makes one up, whatever stands in it and whatever is asked of the page."""

import base64
from typing import Any

import orjson
import pytest
from http_exports import export
from http_server import TYPES, Tenant

SECRET = "SECRET"

LISTS = {
    "assets": "assets(ARGUMENTS) { SELECTION }",
    "assets in order": "assets(orderBy: [{rating: ASC}, {day: DESC_NULLS_LAST}] ARGUMENTS) { SELECTION }",
    "assets by their plant": "assets(orderBy: [{plant: {rank: ASC}}] ARGUMENTS) { SELECTION }",
    "sensors of an asset": "asset(id: $asset) { sensors(ARGUMENTS) { SELECTION } }",
    "sensors in order": "asset(id: $asset) { sensors(orderBy: [{kind: DESC}] ARGUMENTS) { SELECTION } }",
    "history": "asset(id: $asset) { history(ARGUMENTS) { SELECTION } }",
    "links": "links(ARGUMENTS) { SELECTION }",
    "events": "events(ARGUMENTS) { SELECTION }",
}
"""The list's place in a query; the asset has two sensors, and nothing has a value of what is ordered by."""

SELECTIONS = ["nodes { id: __typename }", "edges { cursor }", "pageInfo { hasNextPage hasPreviousPage }",
              "pageInfo { startCursor endCursor }", "__typename"]  # fmt: skip

KEYS: list[list[Any]] = [[None] * n for n in range(1, 7)] + [[], [None, ""], [1], [{}], [[None]]]


@pytest.fixture
def asset(assets: Tenant) -> str:
    """An asset with two sensors and a past."""
    made = assets.data(
        """mutation { createSensors(inputs: [{name: "hot"}, {name: "cold"}]) { position }
        createAsset(input: {name: "pump", link: {sensors: [{byKey: {name: "hot"}}, {byKey: {name: "cold"}}]}})
        { asset { id } } createAssets(inputs: [{name: "valve"}, {name: "gauge"}]) { position } }"""
    )
    id: str = made["createAsset"]["asset"]["id"]
    assets.data('mutation ($id: ID!) { updateAsset(id: $id, input: {note: "seen"}) { changed } }', {"id": id})
    return id


def ask(listed: str, selection: str) -> str:
    """A query for the list between the cursors `$a` and `$b`, of the asset `$asset` where the list is of one."""
    declared = "$a: String, $b: String" + (", $asset: ID!" if "$asset" in LISTS[listed] else "")
    place = LISTS[listed].replace("ARGUMENTS", " after: $a, before: $b").replace("SELECTION", selection)
    return f"query ({declared}) {{ {place} }}"


def given(listed: str, asset: str, **cursors: str) -> dict[str, str]:
    return cursors | ({"asset": asset} if "$asset" in LISTS[listed] else {})


def cursors(tenant: Tenant, listed: str, asset: str, label: str = "UNCLASSIFIED") -> list[str]:
    tenant.server.settle()  # what events are there
    data = tenant.data(ask(listed, "edges { cursor }"), given(listed, asset), label=label)
    inner = next(iter(data.values()))
    connection = inner if "edges" in inner else next(iter(inner.values()))
    return [edge["cursor"] for edge in connection["edges"]]


def made_up(keys: list[Any], seal: bytes = bytes(16)) -> str:
    return base64.b64encode(seal + orjson.dumps(keys)).decode()


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("listed", LISTS)
def test_made_up_keys_are_refused_whatever_is_asked_for(
    assets: Tenant, asset: str, listed: str, selection: str
) -> None:
    for keys in KEYS:
        for name, argument in (("a", "after"), ("b", "before")):
            answer = assets.ask(ask(listed, selection), given(listed, asset, **{name: made_up(keys)})).refused()
            assert answer.errors[0]["extensions"]["inputPath"][-1] == argument, keys


@pytest.mark.parametrize("listed", ["assets", "assets in order", "sensors of an asset", "sensors in order"])
def test_made_up_keys_are_refused_where_only_the_total_is_asked_for(assets: Tenant, asset: str, listed: str) -> None:
    for keys in KEYS:
        assets.ask(ask(listed, "totalCount"), given(listed, asset, a=made_up(keys))).refused()


@pytest.mark.parametrize("listed", LISTS)
def test_made_up_keys_in_the_document_itself_are_refused(assets: Tenant, asset: str, listed: str) -> None:
    query = ask(listed, "nodes { id: __typename }").replace("query ($a: String, $b: String, ", "query (")
    query = query.removeprefix("query ($a: String, $b: String) ")
    for keys in KEYS:
        written = query.replace("$a", f'"{made_up(keys)}"').replace("$b", "null")
        assets.ask(written, given(listed, asset)).refused()


@pytest.mark.parametrize("listed", LISTS)
def test_a_seal_holds_for_no_other_keys(assets: Tenant, asset: str, listed: str) -> None:
    """A cursor that was given, with any of its keys taken away or all of them."""
    real = cursors(assets, listed, asset)[0]
    try:
        raw = base64.b64decode(real, validate=True)
        keys = orjson.loads(raw[16:])
    except ValueError:
        return  # events: nothing in it can be read
    for others in ([None] * len(keys), *([*keys[:i], None, *keys[i + 1 :]] for i in range(len(keys)))):
        if others != keys:
            assets.ask(ask(listed, "edges { cursor }"), given(listed, asset, a=made_up(others, raw[:16]))).refused()


@pytest.mark.parametrize("listed", LISTS)
def test_a_cursor_of_another_list_is_refused(assets: Tenant, asset: str, listed: str) -> None:
    for other in LISTS:
        if other != listed:
            answer = assets.ask(
                ask(listed, "nodes { id: __typename }"), given(listed, asset, a=cursors(assets, other, asset)[0])
            )
            answer.refused()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("assets(orderBy: {name: ASC} ", "assets(orderBy: {name: DESC} "),
        ("assets(orderBy: {rating: ASC} ", "assets(orderBy: {rating: ASC_NULLS_FIRST} "),
        ("assets(orderBy: {rating: DESC} ", "assets(orderBy: {rating: DESC_NULLS_LAST} "),
        ("assets(orderBy: [{name: ASC}, {rating: ASC}] ", "assets(orderBy: [{rating: ASC}, {name: ASC}] "),
        ("assets(orderBy: {createdAt: ASC} ", "assets(orderBy: {updatedAt: ASC} "),
        ("links(where: {relations: []} ", "links(where: {} "),
        ('links(where: {relations: ["has_sensor"]} ', "links(where: {} "),
    ],
)
def test_a_cursor_of_another_order_is_refused(assets: Tenant, asset: str, one: str, other: str) -> None:
    def query(listed: str) -> str:
        return f"query ($a: String) {{ list: {listed} after: $a) {{ edges {{ cursor }} }} }}"

    for mine, theirs in ((one, other), (other, one)):
        edges = assets.data(query(mine), {})["list"]["edges"]
        if edges:
            assets.ask(query(theirs), {"a": edges[0]["cursor"]}).refused()
            assert assets.data(query(mine), {"a": edges[0]["cursor"]})["list"]["edges"] == edges[1:]


@pytest.mark.parametrize("listed", LISTS)
def test_a_cursor_of_another_organization_or_label_is_refused(
    assets: Tenant, other_organization: Tenant, asset: str, listed: str
) -> None:
    other_organization.define(*TYPES)
    query, cursor = ask(listed, "edges { cursor }"), cursors(assets, listed, asset)[0]
    asked = given(listed, asset, a=cursor)
    other_organization.ask(query, asked).refused()
    assets.ask(query, asked, label=SECRET).refused()
    assert assets.ask(query, asked, label=SECRET, session_label="UNCLASSIFIED").data


@pytest.mark.parametrize("argument", ["after", "before"])
def test_an_export_refuses_made_up_keys(assets: Tenant, asset: str, argument: str) -> None:
    for order in ("{id: ASC}", "{rating: ASC}", "[{rating: ASC}, {day: ASC}]"):
        query = f"query ($c: String) {{ assets(orderBy: {order}, {argument}: $c) {{ nodes {{ name }} }} }}"
        for keys in KEYS:
            found = export(assets, query, {"c": made_up(keys)})
            assert found.status == 400, (order, keys)
            assert b'"BAD_USER_INPUT"' in found.content


@pytest.mark.parametrize("listed", ["sensors of an asset", "sensors in order", "history"])
def test_made_up_keys_in_what_a_mutation_gives_are_refused_before_it_writes(
    assets: Tenant, asset: str, listed: str
) -> None:
    inner = LISTS[listed].split("{", 1)[1].rsplit("}", 1)[0]
    inner = inner.replace("ARGUMENTS", " after: $a").replace("SELECTION", "__typename")
    query = f"""mutation ($a: String, $asset: ID!) {{
      updateAsset(id: $asset, input: {{note: "forged"}}) {{ asset {{ {inner} }} }} }}"""
    for keys in KEYS:
        assets.ask(query, {"a": made_up(keys), "asset": asset}).refused()
    assert assets.data("query ($i: ID!) { asset(id: $i) { note } }", {"i": asset})["asset"]["note"] == "seen"
