"""Arguments as trees: the structure that decides a statement's text, with leaves whose values come with each request.

A where-filter may stand in the document, in a variable, or partly in both. Either way it becomes the same tree:
mappings and lists of what decides the plan, and `Leaf`s that fetch a value when the plan is bound. Two requests of one
document share a plan when the shapes of their variables are equal (`shape`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    GraphQLField,
    GraphQLInputType,
    GraphQLList,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_input_object_type,
    is_non_null_type,
)
from graphql.language import FieldNode
from graphql.utilities import value_from_ast

from fabric.errors import BadInput
from graphql_api.cursors import shape as cursor_shape

Variables: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value, known only when a request is bound. `now` is what it is in the request that made the plan."""

    get: Callable[[Variables], Any]
    now: Any


Tree: TypeAlias = "Leaf | dict[str, Tree] | list[Tree] | None"

ABSENT: Any = object()


def read_arguments(field: GraphQLField, node: FieldNode, variables: Variables) -> dict[str, Tree]:
    """The arguments given to a field, without those whose variable is absent. BadInput for null where none can be."""
    given = {argument.name.value: argument.value for argument in node.arguments or ()}
    trees: dict[str, Tree] = {}
    for name, definition in field.args.items():
        if name in given:
            tree = _read(given[name], definition.type, variables)
            if tree is not ABSENT:
                trees[name] = tree
    return trees


def _read(node: ValueNode, type_: GraphQLInputType, variables: Variables) -> Any:
    if isinstance(node, VariableNode):
        name = node.name.value
        if name not in variables:
            return ABSENT
        # A variable that has a default may stand where null may not, and still be given as null.
        if variables[name] is None and is_non_null_type(type_):
            raise BadInput("null cannot stand where this variable is used", (name,))
        return _wrap(variables[name], type_, (name,))
    if isinstance(node, NullValueNode):
        return None
    bare = get_nullable_type(type_)
    if is_input_object_type(get_named_type(type_)):
        if isinstance(bare, GraphQLList):
            nodes = node.values if isinstance(node, ListValueNode) else [node]
            return [tree for n in nodes if (tree := _read(n, bare.of_type, variables)) is not ABSENT]
        assert isinstance(node, ObjectValueNode)
        trees = {f.name.value: _read(f.value, bare.fields[f.name.value].type, variables) for f in node.fields}  # type: ignore[union-attr]
        return {name: tree for name, tree in trees.items() if tree is not ABSENT}
    return _leaf(node, type_, variables)


def _leaf(node: ValueNode, type_: GraphQLInputType, variables: Variables) -> Leaf:
    bare = get_nullable_type(type_)
    if isinstance(bare, GraphQLList) and isinstance(node, ListValueNode) and _holds_variable(node):
        items = [_read(n, bare.of_type, variables) for n in node.values]
        items = [i for i in items if i is not ABSENT]
        return Leaf(lambda v: [i.get(v) for i in items], [i.now for i in items])
    # A JSON literal may hold variables inside; anything else here is constant, and the same function reads both.
    value = value_from_ast(node, type_, dict(variables))
    if _holds_variable(node):
        return Leaf(lambda v: value_from_ast(node, type_, dict(v)), value)
    return Leaf(_constant(value), value)


def _holds_variable(node: ValueNode) -> bool:
    match node:
        case VariableNode():
            return True
        case ListValueNode():
            return any(map(_holds_variable, node.values))
        case ObjectValueNode():
            return any(_holds_variable(f.value) for f in node.fields)
        case _:
            return False


def _constant(value: Any) -> Callable[[Variables], Any]:
    return lambda _: value


def tree_of(value: Any, type_: GraphQLInputType) -> Tree:
    """The tree of a value that is at hand, coerced already; its leaves need no variables."""
    return _constants(_wrap(value, type_, ()))


def _constants(tree: Tree) -> Tree:
    match tree:
        case Leaf():
            return Leaf(_constant(tree.now), tree.now)
        case dict():
            return {name: _constants(sub) for name, sub in tree.items()}
        case list():
            return [_constants(sub) for sub in tree]
        case _:
            return None


def _wrap(value: Any, type_: GraphQLInputType, path: tuple[str | int, ...]) -> Tree:
    """The tree of a variable's coerced value."""
    if value is None:
        return None
    bare = get_nullable_type(type_)
    if is_input_object_type(get_named_type(type_)):
        if isinstance(bare, GraphQLList):
            values = value if isinstance(value, list) else [value]
            at = (lambda i: (*path, i)) if isinstance(value, list) else (lambda i: path)
            return [_wrap(v, bare.of_type, at(i)) for i, v in enumerate(values)]
        fields = bare.fields  # type: ignore[union-attr]
        return {name: _wrap(v, fields[name].type, (*path, name)) for name, v in value.items()}
    return Leaf(_follow(path), value)


def _follow(path: tuple[str | int, ...]) -> Callable[[Variables], Any]:
    if len(path) == 1:
        name = path[0]
        return lambda variables: variables[name]  # type: ignore[index]

    def get(variables: Variables) -> Any:
        value: Any = variables
        for step in path:
            value = value[step]
        return value

    return get


def shape(variables: Variables, deciding: frozenset[str], cursors: frozenset[str]) -> tuple[Any, ...]:
    """What of the variables decides the plan: which are there, which are null, the outline of input objects, the values
    of those in `@skip`, `@include`, orderings and groupings (`deciding`), and which keys of a cursor are null."""
    return tuple(
        (name, repr(value) if name in deciding else _cursor(value) if name in cursors else _outline(value))
        for name, value in variables.items()
    )


def _cursor(value: Any) -> Any:
    """What is no cursor must not share the plan of a page without one."""
    return None if value is None else (_outline(value), cursor_shape(value))


def _outline(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        return tuple((name, _outline(v)) for name, v in value.items())
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return tuple(_outline(v) for v in value)
    return True
