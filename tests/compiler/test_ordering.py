"""Orderings: nulls, ties, and what comes before what in each kind."""

from itertools import product
from typing import Any

import pytest

from compiler.house import IDS, LOW, MIDDLE, House
from fabric.errors import BadInput, FabricError
from graphql_api.documents.documents import Invalid


def _names(house: House, order: str, label: str = LOW) -> list[str]:
    data = house.ask(f"{{ equipmentList(orderBy: {order}) {{ nodes {{ name }} }} }}", label=label)
    return [node["name"] for node in data["equipmentList"]["nodes"]]


@pytest.mark.parametrize(
    ("direction", "names"),
    [
        ("ASC", ["Pump", "Valve", "Booster", "ÉCLAIR 100%"]),
        ("DESC", ["ÉCLAIR 100%", "Booster", "Valve", "Pump"]),
        ("ASC_NULLS_FIRST", ["ÉCLAIR 100%", "Pump", "Valve", "Booster"]),
        ("DESC_NULLS_LAST", ["Booster", "Valve", "Pump", "ÉCLAIR 100%"]),
    ],
)
def test_missing_values_come_last_up_and_first_down_unless_told_otherwise(
    house: House, direction: str, names: list[str]
) -> None:
    assert _names(house, f"{{rating: {direction}}}") == names


def test_ties_are_in_the_order_of_ids_in_the_direction_of_the_last_key(house: House) -> None:
    by_id = ["Valve", "Pump", "ÉCLAIR 100%", "Booster"]
    assert _names(house, "[]") == by_id
    assert _names(house, "null") == by_id
    assert _names(house, "{revision: ASC}") == by_id
    assert _names(house, "{revision: DESC}") == by_id[::-1]
    assert _names(house, "[{revision: DESC}, {revision: ASC}]") == by_id


def test_keys_count_in_the_order_in_which_they_are_listed(house: House) -> None:
    assert _names(house, "[{rating: DESC}, {name: ASC}]") == ["ÉCLAIR 100%", "Booster", "Valve", "Pump"]
    assert _names(house, "[{rating: DESC}, {name: DESC}]") == ["ÉCLAIR 100%", "Valve", "Booster", "Pump"]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("{name: ASC}", ["Booster", "Pump", "Valve", "ÉCLAIR 100%"]),  # by code point, not by any language
        ("{runtime: ASC}", ["ÉCLAIR 100%", "Pump", "Valve", "Booster"]),  # by length of time
        ("{serial: ASC}", ["Booster", "ÉCLAIR 100%", "Valve", "Pump"]),  # 9, 10, 2⁶³ − 1
        ("{status: ASC}", ["Pump", "Valve", "ÉCLAIR 100%", "Booster"]),
        ("{inspected: DESC_NULLS_LAST}", ["Valve", "Booster", "ÉCLAIR 100%", "Pump"]),
        ("{id: DESC}", ["Booster", "ÉCLAIR 100%", "Pump", "Valve"]),
    ],
)
def test_values_are_in_the_order_of_their_kind(house: House, order: str, names: list[str]) -> None:
    assert _names(house, order) == names


def test_decimals_are_in_numeric_order(house: House) -> None:
    sites = house.ask("{ sites(orderBy: {area: ASC}) { nodes { area } } }")["sites"]["nodes"]
    assert [s["area"] for s in sites] == ["9", "12.5"]


def test_an_ordering_by_variables_is_that_of_the_request(house: House) -> None:
    text = "query($o: [EquipmentOrderBy!], $d: OrderDirection) {{ {} }}".format(
        "a: equipmentList(orderBy: $o) { nodes { name } } b: equipmentList(orderBy: {name: $d}) { nodes { name } }"
    )
    for (key, by), down in product([("name", "name"), ("serial", "serial")], ["ASC", "DESC"]):
        data = house.ask(text, {"o": [{key: down}], "d": down})
        assert [n["name"] for n in data["a"]["nodes"]] == _names(house, f"{{{by}: {down}}}")
        assert [n["name"] for n in data["b"]["nodes"]] == _names(house, f"{{name: {down}}}")


def test_links_have_their_own_order_and_ties(house: House) -> None:
    text = "query($id: ID!) { equipment(id: $id) { sensors(orderBy: %s) { nodes { name } } } }"
    for order, names in (("{name: ASC}", ["Cold", "Hot"]), ("[]", ["Hot", "Cold"]), ("{unit: DESC}", ["Cold", "Hot"])):
        data: Any = house.ask(text % order, {"id": str(IDS["valve"])})
        assert [n["name"] for n in data["equipment"]["sensors"]["nodes"]] == names


@pytest.mark.parametrize("order", ["[{}]", "[{name: ASC, rating: ASC}]", "[{name: null}]", "[{name: ASC}, {}]"])
def test_an_item_that_does_not_name_one_field_is_refused(house: House, order: str) -> None:
    with pytest.raises(BadInput) as caught:
        _names(house, order)
    assert caught.value.path == ("equipmentList", "orderBy", order.count("ASC}, {}"))


def test_an_ordering_has_a_bounded_number_of_keys(house: House) -> None:
    with pytest.raises(BadInput):
        _names(house, f"[{', '.join(['{name: ASC}'] * 200)}]")


# Over links


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("[{site: {name: ASC}}, {name: ASC}]", ["Pump", "Valve", "Booster", "ÉCLAIR 100%"]),
        ("[{site: {name: DESC}}, {name: ASC}]", ["Booster", "ÉCLAIR 100%", "Pump", "Valve"]),
        ("[{site: {area: ASC_NULLS_FIRST}}, {name: DESC}]", ["ÉCLAIR 100%", "Booster", "Valve", "Pump"]),
        ("[{site: {code: DESC_NULLS_LAST}}, {site: {id: ASC}}]", ["Valve", "Pump", "ÉCLAIR 100%", "Booster"]),
    ],
)
def test_objects_are_in_the_order_of_what_their_one_link_leads_to(house: House, order: str, names: list[str]) -> None:
    assert _names(house, order) == names


def test_the_link_that_covers_the_others_decides_the_order(house: House) -> None:
    order = "[{site: {name: DESC_NULLS_LAST}}, {name: ASC}]"
    assert _names(house, order) == ["Pump", "Valve", "Booster", "ÉCLAIR 100%"]
    assert _names(house, order, MIDDLE) == ["Pump", "Valve", "Booster", "ÉCLAIR 100%"]  # South before North
    assert _names(house, "[{site: {name: ASC}}, {name: ASC}]", MIDDLE)[:2] == ["Valve", "Pump"]


def test_a_link_or_type_above_the_reader_orders_nothing(house: House) -> None:
    """What is hidden is not in the schema; what a visible link leads to and is hidden counts as missing."""
    text = "{ equipmentList(orderBy: [{site: {keeper: {name: ASC}}}]) { nodes { id } } }"
    with pytest.raises(Invalid):
        house.ask(text)
    assert len(house.ask(text, label=MIDDLE)["equipmentList"]["nodes"]) == 4


@pytest.mark.parametrize("direction", ["ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST"])
def test_pages_in_the_order_of_a_link_follow_each_other(house: House, direction: str) -> None:
    order = f"[{{site: {{name: {direction}}}}}]"
    text = """query($a: String, $b: String, $f: Int, $l: Int) {
        equipmentList(orderBy: %s, after: $a, before: $b, first: $f, last: $l) {
            nodes { name } pageInfo { endCursor } } }"""
    found: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        page = house.ask(text % order, {"a": cursor, "f": 1})["equipmentList"]
        found += [node["name"] for node in page["nodes"]]
        cursor = page["pageInfo"]["endCursor"]
    assert found == _names(house, order)
    page = house.ask(text % order, {"b": cursor, "l": 3})["equipmentList"]
    assert [node["name"] for node in page["nodes"]] == found[:3]


def test_a_cursor_of_another_ordering_over_links_is_refused(house: House) -> None:
    text = "query($c: String) { equipmentList(orderBy: [{%s}], after: $c) { pageInfo { endCursor } } }"
    cursor = house.ask(text % "site: {name: ASC}", {"c": None})["equipmentList"]["pageInfo"]["endCursor"]
    for other in ("name: ASC", "site: {name: DESC}", "site: {code: ASC}"):
        with pytest.raises(BadInput):
            house.ask(text % other, {"c": cursor})


@pytest.mark.parametrize("order", ["{site: {}}", "{site: {name: ASC, code: ASC}}", "{site: null}"])
def test_an_item_leads_to_one_field(house: House, order: str) -> None:
    with pytest.raises(BadInput) as caught:
        _names(house, f"[{order}]")
    assert caught.value.path[:3] == ("equipmentList", "orderBy", 0)


def test_ordering_over_a_link_takes_the_permission_to_read_links(house: House) -> None:
    text = "{ equipmentList(orderBy: [{site: {name: ASC}}]) { nodes { id } } }"
    with pytest.raises(FabricError) as caught:
        house.outcome(text, permissions={"object:read"})
    assert caught.value.code == "FORBIDDEN"
