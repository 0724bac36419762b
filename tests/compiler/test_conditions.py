"""Filters, operator by operator; what they have in common with the interpreter is tested there."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compiler.house import HIGH, IDS, LOW, MIDDLE, House
from fabric.errors import BadInput, Forbidden
from graphql_api.compiler.conditions import beyond_prefix
from graphql_api.documents.documents import Invalid

# Few characters, so that one text often begins with another; the greatest, and those beside the surrogates.
_TEXTS = st.text(st.sampled_from("aby\ud7ff\ue000\U0010ffff"), max_size=4)

ALL = {"Valve", "Pump", "ÉCLAIR 100%", "Booster"}


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("{}", ALL),
        ("null", ALL),
        ("{and: []}", ALL),
        ("{or: []}", set()),
        ("{or: null, not: null, name: null}", ALL),
        ("{not: {}}", set()),
        ("{rating: {eq: 4.5}}", {"Valve", "Booster"}),
        ("{rating: {ne: 4.5}}", {"Pump", "ÉCLAIR 100%"}),
        ("{rating: {eq: null}}", {"ÉCLAIR 100%"}),
        ("{rating: {ne: null}}", ALL - {"ÉCLAIR 100%"}),
        ("{rating: {lt: 5}}", ALL - {"ÉCLAIR 100%"}),
        ("{not: {rating: {lt: 5}}}", {"ÉCLAIR 100%"}),
        ("{rating: {gte: -1, lt: 4.5}}", {"Pump"}),
        ("{rating: {in: []}}", set()),
        ("{rating: {notIn: []}}", ALL),
        ("{rating: {in: -1}}", {"Pump"}),
        ("{rating: {isNull: true}}", {"ÉCLAIR 100%"}),
        ("{rating: {isNull: false}}", ALL - {"ÉCLAIR 100%"}),
        ("{status: {in: [OK, DEGRADED]}}", {"Valve"}),
        ('{serial: {gt: "9"}}', {"Valve", "ÉCLAIR 100%"}),
        ("{serial: {eq: 9223372036854775807}}", {"Valve"}),
        ('{runtime: {gt: "P1D"}}', {"Valve"}),
        ('{runtime: {lt: "PT0S"}}', {"ÉCLAIR 100%"}),
        ('{runtime: {in: ["PT24H", "P1DT12H"]}}', {"Valve", "Pump"}),
        ('{runtime: {notIn: ["PT24H"]}}', ALL - {"Pump"}),
        ('{installedAt: {eq: "2024-05-01T08:00:00Z"}}', {"Valve"}),
        ('{name: {contains: "%"}}', {"ÉCLAIR 100%"}),
        ('{name: {contains: "_"}}', set()),
        ('{name: {icontains: "éclair"}}', {"ÉCLAIR 100%"}),
        ('{name: {ieq: "PUMP"}}', {"Pump"}),
        ('{name: {istartsWith: "b", iendsWith: "TER"}}', {"Booster"}),
        ('{name: {endsWith: ""}}', ALL),
        ('{name: {startsWith: ""}}', ALL),
        ('{name: {startsWith: "P"}}', {"Pump"}),
        ('{name: {startsWith: "Pumps"}}', set()),
        ('{name: {startsWith: "É"}}', {"ÉCLAIR 100%"}),
        ('{not: {name: {startsWith: "B"}}}', ALL - {"Booster"}),
        ('{manual: {startsWith: "http"}}', {"Valve"}),
        ('{tags: {eq: ["b", "a"]}}', set()),
        ('{tags: {containsAll: ["b", "a", "b"]}}', {"Valve"}),
        ('{tags: {containsAny: ["b", "z"]}}', {"Valve", "Booster"}),
        ("{tags: {containsAll: []}}", ALL - {"ÉCLAIR 100%"}),
        ("{tags: {containsAny: []}}", set()),
        ("{tags: {isEmpty: true}}", {"Pump"}),
        ("{tags: {isEmpty: false}}", {"Valve", "Booster"}),
        ("{tags: {isNull: true}}", {"ÉCLAIR 100%"}),
        ("{tags: {eq: null}}", {"ÉCLAIR 100%"}),
        ('{readings: {containsAny: ["9007199254740993"]}}', {"Valve"}),
        ("{readings: {containsAny: [9007199254740992]}}", set()),
        ("{meta: {eq: {b: [true, \"x\"], a: 1}}}", {"Valve"}),
        ("{meta: {contains: {a: 1}}}", {"Valve"}),
        ("{inspected: {ne: true}}", ALL - {"Valve"}),
        (f'{{id: {{eq: "{IDS["pump"]}"}}}}', {"Pump"}),
        (f'{{id: {{notIn: ["{IDS["pump"]}", "nonsense"]}}}}', ALL - {"Pump"}),
        ('{id: {eq: "nonsense"}}', set()),
        ("{id: {eq: null}}", set()),
        ('{label: {eq: "UNCLASSIFIED"}}', ALL),
        ('{label: {ne: "SECRET/NOWHERE"}}', ALL),
        ('{label: {in: ["SECRET/NOWHERE"]}}', set()),
        ("{sensors: {some: {}}}", {"Valve", "Booster"}),
        ("{sensors: {none: {}}}", {"Pump", "ÉCLAIR 100%"}),
        ('{sensors: {every: {name: {eq: "Hot"}}}}', ALL - {"Valve"}),
        ('{sensors: {some: {name: {eq: "Cold"}}}, site: {some: {code: {eq: "N"}}}}', {"Valve"}),
        ('{site: {some: {equipment: {some: {name: {eq: "Pump"}}}}}}', {"Valve", "Pump"}),
    ],
)
def test_a_filter_lets_pass(house: House, where: str, names: set[str]) -> None:
    assert house.named(where) == names


def test_a_filter_sees_only_winning_versions(house: House) -> None:
    assert house.named("{status: {eq: FAILED}}", label=LOW) == {"Pump"}
    assert house.named("{status: {eq: FAILED}}", label=MIDDLE) == set()
    assert house.named('{name: {eq: "Booster"}}', label=HIGH) == set()


def test_a_null_quantifier_is_as_if_it_were_not_given(house: House) -> None:
    assert house.named("{sensors: {some: null, every: null, none: null}}") == ALL


def test_members_of_a_json_list_are_compared_whole(house: House) -> None:
    assert house.named("{history_: {containsAny: [{a: 1}]}}") == set()
    assert house.named("{history_: {containsAny: [{a: 1, b: 2, c: 3}, [2, 1]]}}") == set()
    assert house.named("{history_: {containsAll: [[1]]}}") == set()
    assert house.named("{history_: {containsAll: [[1, 2], {b: 2, a: 1}]}}") == {"Valve"}


def test_part_of_a_uri_need_not_be_one(house: House) -> None:
    assert house.named('{manual: {endsWith: ".pdf", contains: "example", istartsWith: "HTTPS:"}}') == {"Valve"}


@pytest.mark.parametrize("op", ["lt", "in", "contains", "isNull"])
def test_only_equality_takes_null(house: House, op: str) -> None:
    with pytest.raises(BadInput) as caught:
        house.named(f"{{name: {{{op}: null}}}}")
    assert caught.value.path == ("equipmentList", "where", "name", op)


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ('{name: {eq: "a\\u0000"}}', ("name", "eq")),
        ('{name: {icontains: "a\\u0000"}}', ("name", "icontains")),
        ('{tags: {containsAny: ["a", "\\u0000"]}}', ("tags", "containsAny", 1)),
    ],
)
def test_a_value_that_no_field_can_hold_is_refused_where_it_stands(
    house: House, where: str, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(BadInput) as caught:
        house.named(where)
    assert caught.value.path == ("equipmentList", "where", *path)


@pytest.mark.parametrize("value", ['{a: "\\u0000"}', "99999999999999999999"])
def test_json_that_no_field_can_hold_is_no_value_of_its_scalar(house: House, value: str) -> None:
    with pytest.raises(Invalid):
        house.named(f"{{meta: {{contains: {value}}}}}")


def test_to_filter_by_links_is_to_read_them(house: House) -> None:
    for where in ("{sensors: {some: {}}}", "{not: {or: [{site: {none: {}}}]}}"):
        with pytest.raises(Forbidden, match="link:read"):
            house.outcome(f"{{ equipmentList(where: {where}) {{ totalCount }} }}", permissions={"object:read"})


@given(_TEXTS, _TEXTS)
@example("", "\U0010ffff" * 4)
@example("a\U0010ffff", "b")
def test_what_begins_with_a_prefix_is_a_range(prefix: str, text: str) -> None:
    end = beyond_prefix(prefix, 4)
    assert end.encode()
    assert (prefix <= text < end) == text.startswith(prefix)
