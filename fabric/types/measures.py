"""How values are aggregated in SQL: what each function makes of each kind, exactly, and in which form it comes out.

Sums and averages are made of numerics, also those of floats, whose decimal digits jsonb holds. So they do not depend on
the order of the rows, and none overflows on the way. `{o}` is the row's alias.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fabric.types.access import CREATED, TEXT_KINDS, UPDATED, literal, value_of
from fabric.types.definitions import Field
from fabric.types.kinds import Kind


@dataclass(frozen=True, slots=True)
class Form:
    """`cast` makes a parameter comparable with a value, `json` is the text of its JSON (`{v}` is the value)."""

    cast: str
    json: str


@dataclass(frozen=True, slots=True)
class Measure:
    """What of an object can be aggregated. `time` is its time of the clock in UTC, where it has one."""

    kind: Kind
    sql: str
    form: Form
    time: str | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """An aggregate of many rows: its SQL, the kind of its value, and the value's form."""

    sql: str
    kind: Kind
    form: Form


_TEXT = Form("{}::text", "to_json({v})::text")
_MOMENT = Form("{}::text::timestamptz", "'\"' || fabric.time_text({v}) || '\"'")
_FORMS: Mapping[Kind, Form] = {
    Kind.INTEGER: Form("{}::bigint", "{v}::text"),
    Kind.BIGINT: Form("{}::bigint", "'\"' || {v} || '\"'"),
    Kind.FLOAT: Form("{}::double precision", "{v}::text"),
    Kind.DECIMAL: Form("{}::text::numeric", "'\"' || trim_scale({v}) || '\"'"),
    Kind.BOOLEAN: Form("{}::boolean", "{v}::text"),
    Kind.DURATION: Form(
        "extract(epoch from fabric.duration({}::text))", "'\"' || fabric.duration_text({v}) || '\"'"
    ),
}  # fmt: skip

ORDERED = TEXT_KINDS | {
    Kind.INTEGER, Kind.BIGINT, Kind.FLOAT, Kind.DECIMAL, Kind.DATE, Kind.DATETIME, Kind.DURATION,
}  # fmt: skip
_AVERAGED: Mapping[Kind, Kind] = {
    Kind.INTEGER: Kind.FLOAT,
    Kind.BIGINT: Kind.FLOAT,
    Kind.FLOAT: Kind.FLOAT,
    Kind.DECIMAL: Kind.DECIMAL,
    Kind.DURATION: Kind.DURATION,
}
COUNTS = ("count", "countDistinct")
RESULTS: Mapping[str, Mapping[Kind, Kind]] = {
    **{function: {kind: Kind.INTEGER for kind in Kind if kind is not Kind.JSON} for function in COUNTS},
    "min": {kind: kind for kind in ORDERED},
    "max": {kind: kind for kind in ORDERED},
    # The sum of 64-bit integers need not be one.
    "sum": {**_AVERAGED, Kind.INTEGER: Kind.BIGINT, Kind.BIGINT: Kind.DECIMAL},
    "avg": _AVERAGED,
}
"""Of each function: the kinds it takes, and what it makes of them."""

_QUOTIENT_DIGITS: Mapping[Kind, int] = {Kind.FLOAT: 400, Kind.DECIMAL: 40, Kind.DURATION: 6}
"""After the point; the smallest float begins at the 324th."""

COUNT = Figure("count(*)", Kind.INTEGER, _FORMS[Kind.INTEGER])

TRUNCATIONS = ("YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR")
"""From the coarsest; weeks begin on Mondays."""


_COLUMNS = {"createdAt": CREATED, "updatedAt": UPDATED}


def measured(fields: Mapping[str, Field]) -> dict[str, Kind]:
    """The kinds of what can be aggregated of objects with these fields, by name: two columns, and single values."""
    columns = dict.fromkeys(_COLUMNS, Kind.DATETIME)
    return columns | {name: f.kind for name, f in fields.items() if _aggregated(f)}


def _aggregated(field: Field) -> bool:
    return not field.many and field.kind is not Kind.JSON and field.protection is None


def measure(fields: Mapping[str, Field], name: str) -> Measure:
    """One of those that `measured` names."""
    if name in _COLUMNS:
        column = _COLUMNS[name].sql
        return Measure(Kind.DATETIME, column, _MOMENT, f"{column} at time zone 'UTC'")
    field = fields[name]
    sql = value_of(field).sql
    match field.kind:
        case Kind.FLOAT:
            key = literal(field.key).replace("{", "{{").replace("}", "}}")
            sql = f"fabric.field({{o}}.data, {key})::numeric"
        case Kind.DURATION:
            sql = f"extract(epoch from {sql})"
        case Kind.DATE | Kind.DATETIME:
            # The canonical text of a moment is UTC's; the cast passes over its "Z".
            return Measure(field.kind, sql, _TEXT, f"{sql}::timestamp")
    return Measure(field.kind, sql, _FORMS.get(field.kind, _TEXT))


def figure(function: str, measure: Measure) -> Figure:
    """The aggregate by a function that takes the measure's kind. Missing values do not count; of none there is none."""
    kind, x = RESULTS[function][measure.kind], measure.sql
    match function:
        case "count":
            sql = f"count({x})"
        case "countDistinct":
            sql = f"count(distinct {x})"
        case "avg":
            digits = _QUOTIENT_DIGITS[kind]
            sql = f"round(round(sum({x}), {digits}) / count({x}), {digits})"
        case _:
            sql = f"{function}({x})"
    if kind is Kind.FLOAT:
        sql = f"fabric.nearest_float({sql})"
    return Figure(sql, kind, measure.form if kind is measure.kind else _FORMS[kind])


def truncated(measure: Measure, truncation: str) -> Measure:
    """The start of the year, quarter… that a date or a time lies in."""
    mask = "YYYY-MM-DD" if measure.kind is Kind.DATE else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    sql = f"date_trunc('{truncation.lower()}', {measure.time})"
    return Measure(measure.kind, sql, Form("", f"to_json(to_char({{v}}, '{mask}'))::text"))
