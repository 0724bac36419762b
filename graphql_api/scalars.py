"""The scalars of the surface. Their values are the canonical JSON of `fabric.kinds`: nothing is converted on the way.

Those that the fixed part of the schema uses are Strawberry's, with an annotation each (`SCALAR_MAP`); the generated
part takes these from the schema that Strawberry makes, so that both parts share them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, GraphQLScalarType

from fabric.kinds import Kind, KindError, canonical
from fabric.labels import Label as LabelValue

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


def _read_label(value: Any) -> str:
    try:
        return str(LabelValue.of(value))
    except ValueError as error:
        raise GraphQLError(str(error)) from None


_TIME = "A point in time, RFC 3339; output in UTC with microseconds."
_LABEL = "A security label: `LEVEL` or `LEVEL/COMPARTMENT,…`, such as `SECRET/ALPHA`."

SCALAR_MAP: Mapping[object, Any] = {
    DateTime: strawberry.scalar(name="DateTime", description=_TIME, parse_value=_reads(Kind.DATETIME)),
    Json: strawberry.scalar(name="JSON", description="Any JSON value.", parse_value=_reads(Kind.JSON)),
    Label: strawberry.scalar(name="Label", description=_LABEL, parse_value=_read_label),
}


def _scalar(name: str, kind: Kind, description: str) -> GraphQLScalarType:
    return GraphQLScalarType(name, parse_value=_reads(kind), description=description)


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
