"""Values mean the same by literal and by variable; variables of one shape share a plan, others do not."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
    OperationDefinitionNode,
    parse,
)
from graphql.language import FieldNode

from compiler.house import House
from fabric.errors import BadInput
from graphql_api.documents.arguments import Leaf, read_arguments, shape

_WHERE: GraphQLInputObjectType = GraphQLInputObjectType(
    "Where",
    lambda: {
        "and": GraphQLInputField(GraphQLList(GraphQLNonNull(_WHERE))),
        "name": GraphQLInputField(GraphQLString),
        "sizes": GraphQLInputField(GraphQLList(GraphQLNonNull(GraphQLInt))),
        "any": GraphQLInputField(GraphQLScalarType("Any")),
    },
)
_FIELD = GraphQLField(
    GraphQLString, {"where": GraphQLArgument(_WHERE), "id": GraphQLArgument(GraphQLNonNull(GraphQLString))}
)


def _read(arguments: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    [operation] = parse(f"{{ field({arguments}) }}").definitions
    assert isinstance(operation, OperationDefinitionNode)
    [node] = operation.selection_set.selections
    assert isinstance(node, FieldNode)
    return dict(read_arguments(_FIELD, node, variables))


def _values(tree: Any, variables: Mapping[str, Any]) -> Any:
    match tree:
        case Leaf():
            return tree.get(variables)
        case dict():
            return {k: _values(v, variables) for k, v in tree.items()}
        case list():
            return [_values(v, variables) for v in tree]
    return tree


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        ('where: {name: "a", and: [{sizes: [1, 2]}, {name: null}]}', {}),
        ("where: $w", {"w": {"name": "a", "and": [{"sizes": [1, 2]}, {"name": None}]}}),
        ("where: {name: $n, and: $a}", {"n": "a", "a": [{"sizes": [1, 2]}, {"name": None}]}),
        ("where: {name: $n, and: [$first, {name: $none}]}", {"n": "a", "first": {"sizes": [1, 2]}, "none": None}),
        ('where: {name: "a", and: [{sizes: [1, $two]}, {name: $none}]}', {"two": 2, "none": None}),
        ('where: {name: "a", sizes: $absent, and: [{sizes: $s}, {name: null}]}', {"s": [1, 2]}),
    ],
)
def test_literals_and_variables_give_the_same_tree(arguments: str, variables: dict[str, Any]) -> None:
    expected = {"where": {"name": "a", "and": [{"sizes": [1, 2]}, {"name": None}]}}
    assert _values(_read(arguments, variables), variables) == expected


def test_one_item_stands_for_a_list_of_one() -> None:
    assert _values(_read("where: {and: {sizes: 3}}", {}), {}) == {"where": {"and": [{"sizes": [3]}]}}


def test_a_tree_takes_its_values_from_the_request_that_binds_it() -> None:
    tree = _read("where: {name: $n, sizes: [1, $s], any: {a: [$n]}}", {"n": "old", "s": 1})
    assert _values(tree, {"n": "new", "s": 2}) == {"where": {"name": "new", "sizes": [1, 2], "any": {"a": ["new"]}}}


def test_an_argument_whose_variable_is_absent_is_absent() -> None:
    assert _read("where: $w", {}) == {}
    assert _read("where: $w", {"w": None}) == {"where": None}


_NULLS = [
    'query($v: ID = "x") { pump(id: $v) { id } }',
    "query($v: [ID!] = []) { nodes(ids: $v) { id } }",
    'query($v: ID = "x") { nodes(ids: [$v]) { id } }',
    'query($v: String = "x") { siteByKey(code: $v) { id } }',
    'query($v: String = "x") { sites(where: {code: {in: [$v]}}) { totalCount } }',
    "query($v: SiteWhere = {}) { sites(where: {or: [$v]}) { totalCount } }",
    "query($v: SiteOrderBy = {code: ASC}) { sites(orderBy: [$v]) { totalCount } }",
    "query($v: Boolean = true) { sites @include(if: $v) { totalCount } }",
    "query($v: Boolean = true) { sites { totalCount @skip(if: $v) } }",
]


@pytest.mark.parametrize("text", _NULLS)
def test_null_is_refused_where_only_a_default_made_the_variable_fit(house: House, text: str) -> None:
    house.ask(text)
    with pytest.raises(BadInput) as caught:
        house.ask(text, {"v": None})
    assert caught.value.path == ("v",)


_SHAPES: list[dict[str, Any]] = [
    {}, {"w": None}, {"w": {}}, {"w": {"a": None}}, {"w": {"a": {}}}, {"w": {"a": {"eq": None}}},
    {"w": {"a": {"eq": 1}}}, {"w": {"a": {"ne": 1}}}, {"w": {"a": {"eq": 1, "ne": 1}}},
    {"w": {"b": {"eq": 1}}}, {"w": {"and": []}},
    {"w": {"and": [{}]}}, {"w": {"and": [{}, {}]}}, {"w": {"and": [{"a": {"eq": 1}}]}},
    {"w": {"or": [{"a": {"eq": 1}}]}},
    {"x": {}}, {"w": {}, "x": None},
]  # fmt: skip


def test_what_decides_a_plan_has_a_shape_of_its_own() -> None:
    shapes = [shape(v, frozenset(), frozenset()) for v in _SHAPES]
    assert len(set(shapes)) == len(_SHAPES)


def test_what_only_binds_a_plan_does_not_change_the_shape() -> None:
    for a, b in [(1, 2), ("", "x"), ([1], [2, 3]), (True, False), ({"eq": [1]}, {"eq": []})]:
        assert shape({"v": a}, frozenset(), frozenset()) == shape({"v": b}, frozenset(), frozenset())


def test_variables_of_directives_and_orderings_are_shaped_by_their_values() -> None:
    deciding = frozenset({"v"})
    for a, b in [(True, False), ([{"name": "ASC"}], [{"name": "DESC"}]), ("ASC", "DESC"), ([], None)]:
        assert shape({"v": a}, deciding, frozenset()) != shape({"v": b}, deciding, frozenset())


def test_a_json_value_can_change_its_form_between_requests(house: House) -> None:
    text = "query($v: JSON) { equipmentList(where: {meta: {contains: $v}}) { totalCount } }"
    values: list[Any] = [{"a": 1}, {"a": 2}, {"b": [True]}, [1], [{"a": 1}], "x", 1, True, {}, {"a": {"b": 1}}]
    random = Random(1)
    for value in values + random.sample(values, len(values)):
        count = house.ask(text, {"v": value})["equipmentList"]["totalCount"]
        assert count == (value in ({"a": 1}, {"b": [True]}, {}) and not isinstance(value, bool))
