"""From the stored form of one kind to that of another, where nothing is lost by it.

Whether a value converts can depend on the value: text that is a number becomes one. No message repeats a value.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from fabric.types.definitions import Field
from fabric.types.kinds import JSONValue, Kind, KindError
from fabric.types.values import read_value

Conversion: TypeAlias = Callable[[Any], JSONValue]
"""KindError for a value that the other kind has no form of."""

_TEXTS = frozenset({Kind.STRING, Kind.TEXT})
_WORDS = _TEXTS | {Kind.URI, Kind.UUID, Kind.ENUM}
_NUMBERS = frozenset({Kind.INTEGER, Kind.BIGINT, Kind.FLOAT, Kind.DECIMAL})
_MIDNIGHT = "T00:00:00.000000Z"
_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "false": False}


def conversion(source: Field, target: Field) -> Conversion | None:
    """How values of one field become values of the other; None where there is no rule for their kinds."""
    one = _of_kinds(source.kind, target.kind)
    if one is None:
        return None

    def convert(value: Any) -> JSONValue:
        items = [one(item) for item in (value if source.many else [value])]
        if target.many:
            return read_value(target, items)
        if len(items) != 1:
            raise KindError(f"expected a list of one item, got {len(items):,}")
        return read_value(target, items[0])

    return convert


def _of_kinds(source: Kind, target: Kind) -> Conversion | None:
    """To what the target's kind reads."""
    if source == target or target is Kind.JSON or (source in _WORDS and target in _WORDS):
        return _same
    if source is Kind.JSON:
        return None
    if target in _TEXTS:
        return _text
    if target in _NUMBERS and source in _NUMBERS | _TEXTS:
        return lambda value: _number(target, _decimal(value))
    if source in _TEXTS:
        return _boolean if target is Kind.BOOLEAN else _same
    return _BETWEEN_TIMES.get((source, target))


def _same(value: Any) -> JSONValue:
    result: JSONValue = value
    return result


def _text(value: Any) -> JSONValue:
    if type(value) is bool:
        return "true" if value else "false"
    return value if type(value) is str else repr(value)


def _boolean(value: Any) -> JSONValue:
    if value not in _BOOLEANS:
        raise KindError("expected true or false, got other text")
    return _BOOLEANS[value]


def _decimal(value: Any) -> Decimal:
    text = value if type(value) is str else repr(value)
    if not _NUMBER.fullmatch(text):
        raise KindError("expected a number, got other text")
    return Decimal(text)


def _number(kind: Kind, number: Decimal) -> JSONValue:
    if kind is Kind.DECIMAL:
        return str(number)
    if kind is Kind.FLOAT:
        if Decimal(repr(float(number))) != number:
            raise KindError("expected a number that a float has all digits of, got more of them")
        return float(number)
    if number != number.to_integral_value():
        raise KindError("expected a whole number, got a fraction")
    return int(number)


def _day(value: Any) -> JSONValue:
    day, midnight, rest = str(value).partition(_MIDNIGHT)
    if not midnight or rest:
        raise KindError("expected midnight of UTC, got another time of the day")
    return day


_BETWEEN_TIMES: dict[tuple[Kind, Kind], Conversion] = {
    (Kind.DATE, Kind.DATETIME): lambda value: f"{value}{_MIDNIGHT}",
    (Kind.DATETIME, Kind.DATE): _day,
}
