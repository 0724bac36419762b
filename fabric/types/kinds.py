"""Field kinds: what each accepts, and the one JSON form in which PostgreSQL keeps it (see docs/kinds.md).

Values come as decoded JSON: `None`, `bool`, `int`, `float`, `str`, `list` and `dict`, no subclasses of them. What is
canonical already comes back as it is. No message repeats a value, which may be secret, and no chained cause holds one.
"""

import json
import math
import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

JSONValue: TypeAlias = "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"

STRING_LENGTH = 10_000
TEXT_LENGTH = 1_000_000
URI_LENGTH = 2_048
JSON_LENGTH = 1_000_000
JSON_DEPTH = 64
LIST_LENGTH = 10_000
DECIMAL_DIGITS = 38
DECIMAL_EXPONENT = 38
ENUM_VALUES_NAMED = 20
"""Up to so many values a message lists; of more it only gives the number."""

_INT32 = 2**31
_INT64 = 2**63
_INTEGER_EXPECTED = f"an integer between {-_INT32} and {_INT32 - 1}"
_BIGINT_EXPECTED = f"an integer between {-_INT64} and {_INT64 - 1}, as a number or its digits in a string"


class Kind(StrEnum):
    STRING = "string"
    TEXT = "text"
    INTEGER = "integer"
    BIGINT = "bigint"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    DURATION = "duration"
    UUID = "uuid"
    URI = "uri"
    JSON = "json"
    ENUM = "enum"


class KindError(ValueError):
    """A value that is not of its kind. `index` is the place of the list item at fault, None where there is none."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


def canonical(kind: Kind, value: object, *, values: Collection[str] = ()) -> JSONValue:
    """`value` in the canonical form of `kind`; `values` are the enum's. KindError says what was expected."""
    if kind is Kind.ENUM:
        return _enum(value, values)
    return _CANONICAL[kind](value)


def canonical_list(kind: Kind, value: object, *, values: Collection[str] = ()) -> list[JSONValue]:
    """Each item in its canonical form, in the same order. KindError tells the index of the first that has none."""
    if type(value) is not list:
        raise _refused("a list", value)
    if len(value) > LIST_LENGTH:
        raise KindError(f"expected at most {LIST_LENGTH:,} items, got {len(value):,}")
    items = []
    for index, item in enumerate(value):
        try:
            items.append(canonical(kind, item, values=values))
        except KindError as error:
            error.index = index
            raise
    return items


_DESCRIPTIONS = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a floating-point number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


def _refused(expected: str, value: object) -> KindError:
    return KindError(f"expected {expected}, got {_DESCRIPTIONS.get(type(value), 'something that is not JSON')}")


def _matched(pattern: re.Pattern[str], value: object, expected: str) -> re.Match[str]:
    if type(value) is not str:
        raise _refused(expected, value)
    match = pattern.fullmatch(value)
    if match is None:
        raise KindError(f"expected {expected}, got other text")
    return match


def _storable(value: str) -> str:
    """The same text, if UTF-8 and PostgreSQL can hold it."""
    if "\0" in value:
        raise KindError("expected text without the character U+0000")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise KindError("expected Unicode text, got half of a surrogate pair") from None
    return value


def _string(limit: int) -> Callable[[object], str]:
    def of(value: object) -> str:
        if type(value) is not str:
            raise _refused("a string", value)
        if len(value) > limit:
            raise KindError(f"expected at most {limit:,} characters, got {len(value):,}")
        return _storable(value)

    return of


def _integer(value: object) -> int:
    if type(value) is not int:
        raise _refused(_INTEGER_EXPECTED, value)
    if not -_INT32 <= value < _INT32:
        raise KindError(f"expected {_INTEGER_EXPECTED}, got one beyond")
    return value


_BIGINT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")


def _bigint(value: object) -> int:
    number = value if type(value) is int else int(_matched(_BIGINT, value, _BIGINT_EXPECTED)[0])
    if not -_INT64 <= number < _INT64:
        raise KindError(f"expected {_BIGINT_EXPECTED}, got one beyond")
    return number


def _float(value: object) -> float:
    if type(value) is not float and type(value) is not int:
        raise _refused("a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise KindError("expected a finite number within the range of a 64-bit float")
    return number + 0.0  # jsonb has no negative zero: this makes it 0.0


_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")


def _decimal(value: object) -> str:
    if type(value) is float:
        raise KindError(
            "expected a decimal number in a string, got a floating-point number, which binary rounding may have changed"
        )
    # Digits past the limits are refused below, before an integer of any length becomes text.
    if type(value) is int and abs(value) >= 10 ** (DECIMAL_EXPONENT + 1):
        raise _decimal_too_long()
    text = str(value) if type(value) is int else _matched(_DECIMAL, value, "a decimal number in a string")[0]
    number = Decimal(text)
    if not number:
        return "0"
    if abs(number.adjusted()) > DECIMAL_EXPONENT:
        raise _decimal_too_long()
    plain = format(number, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    if len(plain.lstrip("-").replace(".", "").strip("0")) > DECIMAL_DIGITS:
        raise _decimal_too_long()
    return plain


def _decimal_too_long() -> KindError:
    return KindError(
        f"expected a decimal number of at most {DECIMAL_DIGITS} significant digits"
        f" and an exponent from -{DECIMAL_EXPONENT} to {DECIMAL_EXPONENT}, got one beyond"
    )


def _boolean(value: object) -> bool:
    if type(value) is not bool:
        raise _refused("true or false", value)
    return value


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _date(value: object) -> str:
    text = _matched(_DATE, value, "a date as YYYY-MM-DD")[0]
    try:
        date.fromisoformat(text)
    except ValueError:
        raise _no_such_day() from None
    return text


def _no_such_day() -> KindError:
    return KindError("expected a day of the calendar in the years 0001 to 9999, got a date that does not exist")


# Stricter than datetime.fromisoformat, which also takes week dates, times without offset and offsets such as +05:99.
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?P<second>[0-5][0-9]|60)"
    r"(?:\.(?P<fraction>[0-9]+))?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


def _datetime(value: object) -> str:
    match = _matched(_DATETIME, value, "a date and time with its offset, as YYYY-MM-DDThh:mm:ssZ or …+hh:mm")
    second, fraction = match.groups()
    if second == "60":
        raise KindError("expected seconds from 00 to 59, got a leap second")
    _microseconds(fraction)
    try:
        moment = datetime.fromisoformat(match[0].upper())
    except ValueError:
        raise _no_such_day() from None
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise KindError("expected a moment in the years 0001 to 9999 of UTC, got one beyond") from None
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _microseconds(fraction: str | None) -> int:
    """The digits behind a second's point as microseconds; KindError if they are finer."""
    if not fraction:
        return 0
    if fraction[6:].strip("0"):
        raise KindError("expected at most six digits after the second's point (microseconds), got finer ones")
    return int(fraction[:6].ljust(6, "0"))


_DURATION = re.compile(
    r"(?P<sign>-?)P(?=[0-9T])(?:([0-9]{1,19})W)?(?:([0-9]{1,19})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,19})H)?(?:([0-9]{1,19})M)?(?:([0-9]{1,19})(?:\.([0-9]+))?S)?)?"
)
_CALENDAR_DURATION = re.compile(r"-?P[0-9WD]*[YM]")


def _duration(value: object) -> str:
    if type(value) is str and _CALENDAR_DURATION.match(value):
        raise KindError("expected weeks, days, hours, minutes and seconds: years and months have no fixed length")
    sign, *numbers, fraction = _matched(_DURATION, value, "an ISO 8601 duration such as P1DT2H30M").groups()
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in numbers)
    whole = (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds
    total = whole * 1_000_000 + _microseconds(fraction)
    if total >= _INT64:
        raise KindError("expected a duration whose microseconds fit 64 bits (292,000 years), got a longer one")
    return sign + _duration_text(total) if total else "PT0S"


def _duration_text(total: int) -> str:
    """The text of so many microseconds, more than none."""
    seconds, fraction = divmod(total, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    part = f".{fraction:06}".rstrip("0") if fraction else ""
    day = f"{days}D" if days else ""
    clock = f"{hours}H" if hours else ""
    clock += f"{minutes}M" if minutes else ""
    clock += f"{seconds}{part}S" if seconds or part else ""
    return f"P{day}T{clock}" if clock else f"P{day}"


_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _uuid(value: object) -> str:
    return _matched(_UUID, value, "a UUID as 8-4-4-4-12 hexadecimal digits")[0].lower()


# What no IRI can hold (RFC 3987), so that every value can also stand between the < > of RDF.
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):[^ <>\"{}|\\^`]+")
_ACTIVE_SCHEMES = frozenset({"javascript", "data"})


def _uri(value: object) -> str:
    if type(value) is str and len(value) > URI_LENGTH:
        raise KindError(f"expected at most {URI_LENGTH:,} characters, got {len(value):,}")
    match = _matched(_URI, value, "an absolute URI such as https://example.org/a, without spaces")
    if match[1].lower() in _ACTIVE_SCHEMES:
        raise KindError("expected a URI that is safe to follow, got a javascript: or data: one")
    if not match[0].isprintable():  # spaces, controls, bidirectional overrides, surrogates
        raise KindError("expected a URI of visible characters only; percent-encode the others")
    return match[0]


_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _json(value: object) -> JSONValue:
    if value is None:
        raise _refused("a JSON value other than null", value)
    result = _json_part(value, JSON_DEPTH)
    if len(_encoded(result)) > JSON_LENGTH:
        raise KindError(f"expected JSON of at most {JSON_LENGTH:,} characters, got more")
    return result


def _json_part(value: object, levels: int) -> JSONValue:
    """A copy in canonical form; `levels` of lists and objects may still open."""
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        return _storable(value)
    if type(value) is int:
        return _json_integer(value)
    if type(value) is float:
        return _float(value)
    if not levels and (type(value) is list or type(value) is dict):
        raise KindError(f"expected JSON of at most {JSON_DEPTH} levels, got more")
    if type(value) is list:
        return [_json_part(item, levels - 1) for item in value]
    if type(value) is dict:
        return {_json_key(key): _json_part(item, levels - 1) for key, item in value.items()}
    raise _refused("a JSON value", value)


def _json_key(key: object) -> str:
    if type(key) is not str:
        raise _refused("a string as an object's key", key)
    return _storable(key)


def _json_integer(value: int) -> int | float:
    """A 64-bit integer, or the float whose shortest form has these digits: PostgreSQL gives 1e22 back written out."""
    if -_INT64 <= value < _INT64:
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or Decimal(repr(number)) != value:
        raise KindError("expected integers of at most 64 bits, got a larger one")
    return number


def _enum(value: object, values: Collection[str]) -> str:
    if type(value) is str and value in values:
        return value
    few = len(values) <= ENUM_VALUES_NAMED
    expected = f"one of {', '.join(values)}" if few else f"one of the field's {len(values)} values"
    if type(value) is str:
        raise KindError(f"expected {expected}")
    raise _refused(expected, value)


_CANONICAL: dict[Kind, Callable[[object], JSONValue]] = {
    Kind.STRING: _string(STRING_LENGTH),
    Kind.TEXT: _string(TEXT_LENGTH),
    Kind.INTEGER: _integer,
    Kind.BIGINT: _bigint,
    Kind.FLOAT: _float,
    Kind.DECIMAL: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.DATETIME: _datetime,
    Kind.DURATION: _duration,
    Kind.UUID: _uuid,
    Kind.URI: _uri,
    Kind.JSON: _json,
}
