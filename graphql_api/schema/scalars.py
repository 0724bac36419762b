"""The scalars of the surface. Their values are the canonical JSON of `fabric.kinds`: nothing is converted on the way.

Those that the fixed part of the schema uses are Strawberry's, with an annotation each (`SCALAR_MAP`); the generated
part takes these from the schema that Strawberry makes, so that both parts share them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, GraphQLScalarType, ValueNode, value_from_ast_untyped

from fabric.labels import Label as LabelValue
from fabric.types.kinds import Kind, KindError, canonical

DateTime = NewType("DateTime", str)
Json = NewType("Json", object)
Label = NewType("Label", str)


def _reads(kind: Kind) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        try:
            return canonical(kind, value)
        except KindError as error:
            raise GraphQLError(str(error)) from None

    return parse


def _reads_literal(read: Callable[[Any], Any]) -> Callable[..., Any]:
    def parse(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        try:
            return read(value_from_ast_untyped(node, variables))
        except GraphQLError as error:
            raise GraphQLError(error.message, node) from None  # so that the caller is told where it stands

    return parse


def _read_label(value: Any) -> str:
    try:
        return str(LabelValue.of(value))
    except ValueError as error:
        raise GraphQLError(str(error)) from None


_TIME = "A point in time, RFC 3339; output in UTC with microseconds."
_LABEL = "A security label: `LEVEL` or `LEVEL/COMPARTMENT,…`, such as `SECRET/ALPHA`."

def _strawberry(name: str, description: str, read: Callable[[Any], Any]) -> Any:
    return strawberry.scalar(name=name, description=description, parse_value=read, parse_literal=_reads_literal(read))


SCALAR_MAP: Mapping[object, Any] = {
    DateTime: _strawberry("DateTime", _TIME, _reads(Kind.DATETIME)),
    Json: _strawberry("JSON", "Any JSON value.", _reads(Kind.JSON)),
    Label: _strawberry("Label", _LABEL, _read_label),
}


def _scalar(name: str, kind: Kind, description: str) -> GraphQLScalarType:
    read = _reads(kind)
    return GraphQLScalarType(name, parse_value=read, parse_literal=_reads_literal(read), description=description)


GENERATED = (
    _scalar("BigInt", Kind.BIGINT, "A signed 64-bit integer; output as a string, input also as a number."),
    _scalar("Decimal", Kind.DECIMAL, "An exact decimal number, as a string in plain notation."),
    _scalar("Date", Kind.DATE, "A day: `2026-01-31`."),
    _scalar("Duration", Kind.DURATION, "An ISO 8601 duration of days, hours, minutes and seconds: `P1DT2H`."),
    _scalar("UUID", Kind.UUID, "A UUID."),
    _scalar("URI", Kind.URI, "An absolute URI."),
)
"""Those that only generated types use."""

NAMES: Mapping[Kind, str] = {
    Kind.STRING: "String",
    Kind.TEXT: "String",
    Kind.INTEGER: "Int",
    Kind.BIGINT: "BigInt",
    Kind.FLOAT: "Float",
    Kind.DECIMAL: "Decimal",
    Kind.BOOLEAN: "Boolean",
    Kind.DATE: "Date",
    Kind.DATETIME: "DateTime",
    Kind.DURATION: "Duration",
    Kind.UUID: "UUID",
    Kind.URI: "URI",
    Kind.JSON: "JSON",
}
"""The GraphQL name of each kind's scalar; an enum has one of its own for each field."""
