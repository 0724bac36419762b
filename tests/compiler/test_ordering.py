"""Orderings: nulls, ties, and what comes before what in each kind."""

from itertools import product
from typing import Any

import pytest

from compiler.house import IDS, LOW, House
from fabric.errors import BadInput


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
