"""Random queries over a generated schema: selections, filters, orderings and pages, by literal and by variable.

`random` is anything with the methods of `random.Random`; Hypothesis offers one that it can shrink.
"""

from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Any

import orjson
from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
    get_nullable_type,
)

from compiler.worlds import LABELS, POOL
from fabric.types.kinds import Kind
from graphql_api.schema.schema import Surface

_SCALARS = {
    "String": Kind.STRING, "Int": Kind.INTEGER, "BigInt": Kind.BIGINT, "Float": Kind.FLOAT, "Decimal": Kind.DECIMAL,
    "Boolean": Kind.BOOLEAN, "Date": Kind.DATE, "DateTime": Kind.DATETIME, "Duration": Kind.DURATION, "UUID": Kind.UUID,
    "URI": Kind.URI, "JSON": Kind.JSON,
}  # fmt: skip
_COMPOSITE = (GraphQLObjectType, GraphQLInterfaceType)
_NESTING = ("and", "or", "not", "some", "every", "none")
_ANSWERED_ELSEWHERE = ("similar", "explain")
"""Fields that resolvers answer, from what statements of their own read: the interpreter knows none of it."""


class Name(str):
    """An enum's value: bare in a document, a string among variables."""


class Values:
    """Makes values of input types, as literals or as variables; `declared` and `variables` are those it made."""

    def __init__(self, random: Random, ids: Sequence[str]) -> None:
        self._random = random
        self._ids = [*ids, "zz"]
        self._numbers = count(1)
        self.declared: list[str] = []
        self.variables: dict[str, Any] = {}

    def _chance(self, chance: float) -> bool:
        return self._random.random() < chance

    def _fresh(self, letter: str) -> str:
        return f"{letter}{next(self._numbers)}"

    def value(self, type_: Any, depth: int) -> str:
        """A value of an input type, as text."""
        if not isinstance(type_, GraphQLNonNull) and self._chance(0.03):
            return self._said(None, type_)
        return self._said(self.made(get_nullable_type(type_), depth), type_)

    def _said(self, value: Any, type_: Any) -> str:
        """The value as a literal or as a variable."""
        if not self._chance(0.3):
            return _literal(value)
        name = self._fresh("v")
        if isinstance(type_, GraphQLNonNull) or self._chance(0.8):
            self.variables[name] = orjson.loads(orjson.dumps(value))  # where a `Name` is a string like others
            self.declared.append(f"${name}: {type_}")
        else:
            self.declared.append(f"${name}: {type_} = {_literal(value)}")
        return f"${name}"

    def made(self, type_: Any, depth: int = 1) -> Any:
        """A value of an input type that is not null, as data."""
        if isinstance(type_, GraphQLList):
            if isinstance(named := get_named_type(type_), GraphQLInputObjectType) and named.name.endswith("GroupBy"):
                return self._grouping(named)
            items = [self.made(get_nullable_type(type_.of_type), depth) for _ in range(self._random.randint(0, 3))]
            return items[0] if len(items) == 1 and items[0] != [] and self._chance(0.3) else items
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_, depth)
        if isinstance(type_, GraphQLEnumType):
            return Name(self._random.choice(list(type_.values)))
        assert isinstance(type_, GraphQLScalarType)
        match type_.name:
            case "ID":
                return self._random.choice(self._ids)
            case "Label":
                return self._random.choice(LABELS)
        return self._random.choice(POOL[_SCALARS[type_.name]])

    def _grouping(self, type_: GraphQLInputObjectType) -> list[dict[str, Any]]:
        names = self._random.sample(list(type_.fields), self._random.choice([0, 1, 1, 1, 2, 3]))
        return [{name: self.made(get_nullable_type(type_.fields[name].type), 0)} for name in names]

    def _object(self, type_: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
        names = list(type_.fields)
        if type_.name.endswith("OrderBy"):
            names = [self._random.choice([n for n in names if depth > 0 or not _is_order(type_, n)])]
        elif depth <= 0 and "and" in names:
            names = [n for n in names if n not in ("and", "or", "not") and not _is_link(type_, n)]
        chosen = self._random.sample(names, min(len(names), self._random.choice([0, 1, 1, 1, 2, 3])))
        if type_.name.endswith("OrderBy"):
            chosen = names
        made: dict[str, Any] = {}
        for name in chosen:
            inner = type_.fields[name].type
            nullable = name in ("eq", "ne", *_NESTING)
            if nullable and self._chance(0.1):
                made[name] = None
            else:
                made[name] = self.made(get_nullable_type(inner), depth - (name in _NESTING or _is_order(type_, name)))
        return made


class Question(Values):
    """One query, made step by step. `text` and `variables` are what a client would send."""

    def __init__(self, random: Random, surface: Surface, ids: Sequence[str], keys: Sequence[str]) -> None:
        super().__init__(random, ids)
        self._surface = surface
        self._keys = keys or ["a"]
        self._fragments: list[str] = []
        body = self._roots()
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        self.text = "\n".join([f"query{declared} {{ {body} }}", *self._fragments])

    # Selections

    def _roots(self) -> str:
        query = self._surface.schema.query_type
        assert query is not None
        listed = [name for name, root in self._surface.roots.items() if root.kind == "list"]
        names = self._random.choices([*self._surface.roots, *listed * 2], k=self._random.randint(1, 2))
        fields = [self._field(name, query.fields[name], 3, alias=True) for name in names]
        if self._chance(0.1):
            fields.append("__typename")
        return " ".join(fields)

    def _field(self, name: str, field: GraphQLField, depth: int, *, alias: bool) -> str:
        named = get_named_type(field.type)
        head = f"{self._fresh('f')}: {name}" if alias else name
        arguments = self._arguments(name, field)
        selection = self._selection(named, depth) if isinstance(named, _COMPOSITE) else ""
        return f"{head}{arguments}{self._directive()}{selection}"

    def _directive(self) -> str:
        if not self._chance(0.07):
            return ""
        name = self._random.choice(["skip", "include"])
        return f" @{name}(if: {self._said(self._random.choice([True, False]), GraphQLNonNull(GraphQLBoolean))})"

    def _selection(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        if type_.name == "EncryptedField":
            return " { hint locked unlockPermission purpose }"
        parts = [self._one(type_, depth) for _ in range(self._random.randint(1, 4))]
        return " { " + " ".join(parts) + " }"

    def _one(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        if self._chance(0.08):
            return f"{self._fresh('t')}: __typename"
        if self._chance(0.25) and depth and "cursor" not in type_.fields:
            return self._fragment(type_, depth)
        fields = {n: f for n, f in type_.fields.items() if n not in _ANSWERED_ELSEWHERE}
        secret = [n for n, f in fields.items() if get_named_type(f.type).name == "EncryptedField"]
        if depth <= 0 and "revision" in fields:
            plain = {n: f for n, f in fields.items() if not isinstance(get_named_type(f.type), _COMPOSITE)}
            fields = plain | {n: fields[n] for n in secret}
        flat = ("Connection", "Edge", "PageInfo", "Link")
        deep = [n for n, f in fields.items() if f.args or n in ("nodes", "edges", "node", "pageInfo")]
        names = secret if secret and self._chance(0.25) else deep if deep and self._chance(0.4) else list(fields)
        name = self._random.choice(names)
        field = fields[name]
        composite = isinstance(get_named_type(field.type), _COMPOSITE)
        going = depth - 1 if not type_.name.endswith(flat) or name in ("nodes", "node") else depth
        return self._field(name, field, going, alias=composite or self._chance(0.3))

    def _fragment(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> str:
        schema = self._surface.schema
        possible: list[GraphQLNamedType] = [type_]
        if isinstance(type_, GraphQLInterfaceType):
            possible += schema.get_possible_types(type_)
        possible += type_.interfaces
        condition: Any = self._random.choice(possible)
        inner = self._selection(condition, depth - 1)
        if self._chance(0.4):
            name = self._fresh("F")
            self._fragments.append(f"fragment {name} on {condition.name}{inner}")
            return f"...{name}{self._directive()}"
        on = f" on {condition.name}" if condition is not type_ or self._chance(0.5) else ""
        return f"...{on}{self._directive()}{inner}"

    # Arguments

    def _arguments(self, name: str, field: GraphQLField) -> str:
        if not field.args:
            return ""
        given = [f"{n}: {self._argument(name, n, a)}" for n, a in field.args.items() if self._gives(n, a, field)]
        return f"({', '.join(given)})" if given else ""

    def _gives(self, name: str, argument: GraphQLArgument, field: GraphQLField) -> bool:
        if isinstance(argument.type, GraphQLNonNull):
            return True
        match name:
            case "after" | "before" | "last":
                return False
            case "first":
                return self._chance(0.3)
        return self._chance(0.5)

    def _argument(self, field: str, name: str, argument: GraphQLArgument) -> str:
        if name == "first":
            return self._said(self._random.choice([None, 0, 1, 2, 3, 50]), argument.type)
        if field.endswith("ByKey") and str(argument.type) == "String!":
            return self._said(self._random.choice(self._keys), argument.type)
        return self.value(argument.type, 2)


def _is_order(type_: GraphQLInputObjectType, name: str) -> bool:
    """Whether the member orders by what a link leads to."""
    return str(get_named_type(type_.fields[name].type)).endswith("OrderBy")


def _is_link(type_: GraphQLInputObjectType, name: str) -> bool:
    return str(get_named_type(type_.fields[name].type)).endswith("LinkWhere")


def _literal(value: Any) -> str:
    match value:
        case Name():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{k}: {_literal(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_literal, value)) + "]"
    return orjson.dumps(value).decode()
