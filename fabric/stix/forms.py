"""Which kind of field holds all the values of a property: the narrowest that accepts each of them.

The candidates are a bit set: one bit for each kind, and the same bits once more, `_WIDTH` higher, for lists of it.
Every value narrows the set; `json` is never ruled out.
"""

from typing import Any

from fabric.types.kinds import LIST_LENGTH, Kind, KindError, canonical

STRING_LENGTH = 255
"""Longer strings, and those of several lines, make a property `text`."""

_NARROWEST_FIRST = (
    Kind.BOOLEAN,
    Kind.INTEGER,
    Kind.BIGINT,
    Kind.FLOAT,
    Kind.DATETIME,
    Kind.URI,
    Kind.STRING,
    Kind.TEXT,
    Kind.JSON,
)
_WIDTH = len(_NARROWEST_FIRST)
_BOOLEAN, _INTEGER, _BIGINT, _FLOAT, _DATETIME, _URI, _STRING, _TEXT, _JSON = (1 << i for i in range(_WIDTH))
_LISTS = (1 << _WIDTH) - 1 << _WIDTH

EVERY_FORM = (1 << _WIDTH) - 1 | _LISTS
"""What a property of which nothing is known could be."""

_EXACT_IN_FLOAT = 2**53


def narrow(candidates: int, value: object) -> int:
    """Those of the candidates that accept `value` as well; not for null, which is no value."""
    if type(value) is list:
        return candidates & (_accepting_all(value, candidates >> _WIDTH) << _WIDTH | _JSON)
    return candidates & _accepting(value, candidates)


def field_of(candidates: int) -> dict[str, Any]:
    """The field definition of the narrowest candidate: `{"type": "string", "list": True}`."""
    if candidates & _LISTS == _LISTS:
        return {"type": str(Kind.STRING), "list": True}  # only empty lists were seen
    for i, kind in enumerate(_NARROWEST_FIRST):
        if candidates >> i & 1 and kind is not Kind.JSON:
            return {"type": str(kind)}
        if candidates >> i + _WIDTH & 1:
            return {"type": str(kind), "list": True}
    return {"type": str(Kind.JSON)}


def _accepting_all(items: list[Any], candidates: int) -> int:
    if len(items) > LIST_LENGTH:
        return 0
    for item in items:
        candidates &= _accepting(item, candidates)
    return candidates


def _accepting(value: object, candidates: int) -> int:
    """The kinds that accept `value`. Costly ones are tried only while they are among the candidates."""
    if type(value) is str:
        return _accepting_text(value, candidates)
    if type(value) is bool:
        return _BOOLEAN | _JSON
    if type(value) is int:
        return _accepting_integer(value)
    if type(value) is float:
        return _FLOAT | _JSON
    return 0 if value is None else _JSON


def _accepting_text(value: str, candidates: int) -> int:
    kinds = _TEXT | _JSON
    if len(value) <= STRING_LENGTH and "\n" not in value:
        kinds |= _STRING
    if candidates & _DATETIME and value[:1].isdigit() and _is(Kind.DATETIME, value):
        kinds |= _DATETIME
    if candidates & _URI and value.startswith(("http://", "https://")) and _is(Kind.URI, value):
        kinds |= _URI
    return kinds


def _accepting_integer(value: int) -> int:
    kinds = _JSON
    if -(2**31) <= value < 2**31:
        kinds |= _INTEGER
    if -(2**63) <= value < 2**63:
        kinds |= _BIGINT
    if abs(value) <= _EXACT_IN_FLOAT:
        kinds |= _FLOAT
    return kinds


def _is(kind: Kind, value: str) -> bool:
    try:
        canonical(kind, value)
    except KindError:
        return False
    return True
