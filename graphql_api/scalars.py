"""The scalars of the surface. Their values are the canonical JSON of `fabric.kinds`, so nothing is converted on the way.

They are Strawberry scalars, which the fixed part of the schema uses as annotations; the generated part takes them from
the schema that Strawberry makes (`graphql_api.schema`), so that both parts share them.
"""

from collections.abc import Callable, Mapping
from typing import Any, NewType

import strawberry
from graphql import GraphQLError

from fabric.kinds import Kind, KindError, canonical
from fabric.labels import Label as LabelValue


def _reads(kind: Kind) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        try:
            return canonical(kind, value)
        except KindError as error:
            raise GraphQLError(str(error)) from None

    return parse


def _scalar(name: str, kind: Kind, description: str) -> Any:
    return strawberry.scalar(NewType(name, object), name=name, description=description, parse_value=_reads(kind))


def _read_label(value: Any) -> str:
    try:
        return str(LabelValue.of(value))
    except ValueError as error:
        raise GraphQLError(str(error)) from None


def _same(value: Any) -> Any:
    return value


BigInt = _scalar("BigInt", Kind.BIGINT, "A signed 64-bit integer; output as a string, input also as a number.")
Decimal = _scalar("Decimal", Kind.DECIMAL, "An exact decimal number, as a string in plain notation.")
Date = _scalar("Date", Kind.DATE, "A day: `2026-01-31`.")
DateTime = _scalar("DateTime", Kind.DATETIME, "A point in time, RFC 3339; output in UTC with microseconds.")
Duration = _scalar("Duration", Kind.DURATION, "An ISO 8601 duration of days, hours, minutes and seconds: `P1DT2H`.")
Uuid = _scalar("UUID", Kind.UUID, "A UUID.")
Uri = _scalar("URI", Kind.URI, "An absolute URI.")
Json = strawberry.scalar(NewType("JSON", object), name="JSON", description="Any JSON value.", parse_value=_same)
Label = strawberry.scalar(
    NewType("Label", str),
    name="Label",
    description="A security label: `LEVEL` or `LEVEL/COMPARTMENT,…`, such as `SECRET/ALPHA`.",
    parse_value=_read_label,
)

ALL = (BigInt, Decimal, Date, DateTime, Duration, Uuid, Uri, Json, Label)

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
