"""Constraints on a field's values: what a definition says of them, and holding a written value against it.

Patterns are run by RE2, whose time grows with the text's length alone, so that no pattern makes a write hang. No
message repeats a value, which may be secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

import orjson
import re2

from fabric.encryption.protection import AddFault
from fabric.types.kinds import (
    ENUM_VALUES_NAMED,
    LIST_LENGTH,
    TEXT_LENGTH,
    JSONValue,
    Kind,
    KindError,
    canonical,
)

PATTERN_LENGTH = 1_000
MAX_PATTERNS = 5
"""Of one field as written; it can have more that it inherits."""
MAX_VALUES = 500
_VALUES_LENGTH = 50_000
"""Characters of all the values that a definition lists."""
_PATTERN_MEMORY = 1 << 20
"""Bytes that RE2 may take for one pattern, compiled and run."""
_PATTERN_SIZE = 2_500
"""Instructions of a compiled pattern. The time that a text takes grows by its length and, at worst, by these."""
MATCHED_LENGTH = 10_000
"""Characters of a text that a pattern is held against. Longer ones are refused: it is done while others wait."""

_TEXTS = frozenset({Kind.STRING, Kind.TEXT, Kind.URI})
_NUMBERS = frozenset({Kind.INTEGER, Kind.BIGINT, Kind.FLOAT, Kind.DECIMAL})
_BOUNDED = _NUMBERS | {Kind.DATE, Kind.DATETIME}


@dataclass(frozen=True, slots=True)
class Constraints:
    """What holds of each value, or of a list as a whole (`min_items` and on). Bounds and `values` are canonical.

    A text matches each pattern. `values` are all that there may be, and of no enum, whose values make its kind.
    """

    pattern: tuple[str, ...] | None = None
    values: tuple[JSONValue, ...] | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: JSONValue = None
    maximum: JSONValue = None
    exclusive_minimum: JSONValue = None
    exclusive_maximum: JSONValue = None
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool | None = None


NO_CONSTRAINTS = Constraints()


def _written(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


_FIELDS = fields(Constraints)
_NAMES = {_written(each.name): each.name for each in _FIELDS}
KEYS = frozenset(_NAMES)
"""Members of a field that are constraints, as they are written."""

_LENGTHS = {"minLength": TEXT_LENGTH, "maxLength": TEXT_LENGTH, "minItems": LIST_LENGTH, "maxItems": LIST_LENGTH}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_OF_KIND = frozenset({"minimum", "maximum", "exclusive_minimum", "exclusive_maximum"})
_OF_TEXT = ("pattern", "minLength", "maxLength")
_OF_LISTS = ("minItems", "maxItems", "uniqueItems")


def read_constraints(value: Mapping[str, Any], kind: Kind, many: bool, fault: AddFault) -> Constraints:
    """Of a field as written; `fault` gets what is wrong, with paths from the field."""
    read: dict[str, Any] = {}
    for key, name in _NAMES.items():
        given = value.get(key)
        if given is None or (key == "values" and kind is Kind.ENUM):
            continue
        try:
            check_place(key, kind, many)
            read[name] = _read_one(key, kind, given)
        except KindError as error:
            fault(str(error), key)
    made = Constraints(**read)
    contradictions(made, kind, fault)
    return made


def contradictions(made: Constraints, kind: Kind, fault: AddFault) -> None:
    """Tells of constraints that no value meets together, as far as that can be seen of them."""
    for key, low, high in (
        ("minLength", made.min_length, made.max_length),
        ("minItems", made.min_items, made.max_items),
    ):
        if low is not None and high is not None and low > high:
            fault("more than the most there may be", key)
    _check_bounds(made, kind, fault)
    if made.values is not None and not any(fits(made, kind, value) for value in made.values):
        fault("none of these values is as the other constraints say", "values")


def check_place(key: str, kind: Kind, many: bool) -> None:
    """KindError where a field of the kind cannot have the constraint."""
    if key in _OF_TEXT and kind not in _TEXTS:
        raise KindError("only string, text and uri fields have this")
    if key in _BOUNDS and kind not in _BOUNDED:
        raise KindError("only fields of numbers, dates and times have this")
    if key in _OF_LISTS and not many:
        raise KindError("only a list has this")
    if key == "values" and kind in (Kind.BOOLEAN, Kind.JSON):
        raise KindError("a boolean or json field does not list its values")


def _read_one(key: str, kind: Kind, given: object) -> object:
    if key == "pattern":
        return _read_patterns(given)
    if key == "values":
        return _read_values(kind, given)
    if key == "uniqueItems":
        return canonical(Kind.BOOLEAN, given) or None
    if key in _BOUNDS:
        return canonical(kind, given)
    most = _LENGTHS[key]
    if type(given) is not int or not 0 <= given <= most:
        raise KindError(f"expected an integer from 0 to {most:,}")
    return given


def _read_patterns(given: object) -> tuple[str, ...]:
    patterns = given if isinstance(given, list) else [given]
    if not 1 <= len(patterns) <= MAX_PATTERNS:
        raise KindError(f"expected a pattern, or a list of 1 to {MAX_PATTERNS}")
    return tuple(dict.fromkeys(map(_read_pattern, patterns)))


def _read_values(kind: Kind, given: object) -> tuple[JSONValue, ...]:
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_VALUES:
        raise KindError(f"expected a list of 1 to {MAX_VALUES} values")
    values = [canonical(kind, value) for value in given]
    if len(set(values)) < len(values):
        raise KindError("expected different values, got one for the second time")
    if sum(len(str(value)) for value in values) > _VALUES_LENGTH:
        raise KindError(f"expected values of at most {_VALUES_LENGTH:,} characters together")
    return tuple(values)


def _read_pattern(given: object) -> str:
    pattern = str(canonical(Kind.STRING, given))
    if len(pattern) > PATTERN_LENGTH:
        raise KindError(f"expected a pattern of at most {PATTERN_LENGTH:,} characters, got {len(pattern):,}")
    try:
        size = _compiled(pattern).programsize
    except re2.error:
        raise KindError("expected a regular expression of RE2, without look-around and back references") from None
    if size > _PATTERN_SIZE:
        raise KindError("the pattern is too large once its repetitions and classes are written out")
    return pattern


def _check_bounds(made: Constraints, kind: Kind, fault: AddFault) -> None:
    # Of two bounds at one value the one that leaves it out is the closer.
    lows = [(made.minimum, 0), (made.exclusive_minimum, 1)]
    highs = [(made.maximum, 1), (made.exclusive_maximum, 0)]
    low = max(((ordered(kind, bound), out) for bound, out in lows if bound is not None), default=None)
    high = min(((ordered(kind, bound), holds) for bound, holds in highs if bound is not None), default=None)
    if low and high and (low[0] > high[0] or (low[0] == high[0] and (low[1] or not high[1]))):
        fault("no value is between these bounds", "minimum" if made.minimum is not None else "exclusiveMinimum")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _PATTERN_MEMORY
    return re2.compile(pattern, options)


def check_constraints(constraints: Constraints, kind: Kind, value: JSONValue) -> None:
    """KindError where a canonical value, a list's items included, is not as the constraints say."""
    if constraints == NO_CONSTRAINTS:
        return
    if not isinstance(value, list):
        _check_item(constraints, kind, value)
        return
    if constraints.min_items is not None and len(value) < constraints.min_items:
        raise KindError(f"expected at least {constraints.min_items:,} items, got {len(value):,}")
    if constraints.max_items is not None and len(value) > constraints.max_items:
        raise KindError(f"expected at most {constraints.max_items:,} items, got {len(value):,}")
    seen: set[bytes] = set()
    for index, item in enumerate(value):
        try:
            _check_item(constraints, kind, item)
            if constraints.unique_items:
                _check_new(item, seen)
        except KindError as error:
            error.index = index
            raise


def broken(constraints: Constraints, kind: Kind, value: JSONValue) -> list[str]:
    """Which constraints a stored value breaks, by their keys."""
    found = []
    for key, alone in _apart(constraints):
        try:
            check_constraints(alone, kind, value)
        except KindError:
            found.append(key)
    return found


@lru_cache(maxsize=1_024)
def _apart(constraints: Constraints) -> list[tuple[str, Constraints]]:
    said = ((key, name, getattr(constraints, name)) for key, name in _NAMES.items())
    return [(key, Constraints(**{name: value})) for key, name, value in said if value is not None]


def _check_new(item: JSONValue, seen: set[bytes]) -> None:
    form = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    if form in seen:
        raise KindError("expected different items, got one for the second time")
    seen.add(form)


def fits(constraints: Constraints, kind: Kind, value: JSONValue) -> bool:
    """Whether one canonical value, no list, is as the constraints say."""
    try:
        _check_item(constraints, kind, value)
    except KindError:
        return False
    return True


def _check_item(constraints: Constraints, kind: Kind, value: JSONValue) -> None:
    if constraints.values is not None and value not in constraints.values:
        named = ", ".join(map(str, constraints.values))
        few = len(constraints.values) <= ENUM_VALUES_NAMED and len(named) <= PATTERN_LENGTH
        raise KindError(f"expected one of {named}" if few else f"expected one of {len(constraints.values)} values")
    if isinstance(value, str) and kind in _TEXTS:
        _check_text(constraints, value)
    elif kind in _BOUNDED:
        _check_size(constraints, kind, value)


def _check_text(constraints: Constraints, text: str) -> None:
    if constraints.min_length is not None and len(text) < constraints.min_length:
        raise KindError(f"expected at least {constraints.min_length:,} characters, got {len(text):,}")
    if constraints.max_length is not None and len(text) > constraints.max_length:
        raise KindError(f"expected at most {constraints.max_length:,} characters, got {len(text):,}")
    if constraints.pattern is not None:
        if len(text) > MATCHED_LENGTH:
            raise KindError(f"expected at most {MATCHED_LENGTH:,} characters, to be held against a pattern")
        for pattern in constraints.pattern:
            if not _compiled(pattern).search(text):
                raise KindError(f"expected text that matches {pattern}")


def _check_size(constraints: Constraints, kind: Kind, value: JSONValue) -> None:
    size = ordered(kind, value)
    if constraints.minimum is not None and size < ordered(kind, constraints.minimum):
        raise KindError(f"expected {constraints.minimum} or more, got less")
    if constraints.maximum is not None and size > ordered(kind, constraints.maximum):
        raise KindError(f"expected {constraints.maximum} or less, got more")
    if constraints.exclusive_minimum is not None and size <= ordered(kind, constraints.exclusive_minimum):
        raise KindError(f"expected more than {constraints.exclusive_minimum}")
    if constraints.exclusive_maximum is not None and size >= ordered(kind, constraints.exclusive_maximum):
        raise KindError(f"expected less than {constraints.exclusive_maximum}")


def ordered(kind: Kind, value: JSONValue) -> Any:
    """What compares as the values do: the canonical texts of dates and times already do."""
    return Decimal(str(value)) if kind is Kind.DECIMAL else value


_LOWEST_HOLDS = frozenset({"maximum", "exclusive_maximum", "max_length", "max_items"})
"""Of two of these both hold where the lower one does; of the other numbers where the higher does."""


def joined(kind: Kind, one: Constraints, other: Constraints) -> Constraints:
    """What holds of the values that are as both say."""
    if NO_CONSTRAINTS in (one, other):
        return other if one == NO_CONSTRAINTS else one
    both = {each.name: _both(kind, each.name, getattr(one, each.name), getattr(other, each.name)) for each in _FIELDS}
    return Constraints(**both)


def _both(kind: Kind, name: str, one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if name == "unique_items":
        return True
    if name == "pattern":
        return tuple(dict.fromkeys((*one, *other)))
    if name == "values":
        return tuple(value for value in one if value in other)
    choose = min if name in _LOWEST_HOLDS else max
    return choose(one, other, key=partial(ordered, kind if name in _OF_KIND else Kind.INTEGER))


def constraints_json(constraints: Constraints) -> dict[str, JSONValue]:
    """As written, without what is not said."""
    said = {key: getattr(constraints, name) for key, name in _NAMES.items()}
    return {key: _written_value(key, value) for key, value in said.items() if value is not None}


def _written_value(key: str, value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    return value[0] if key == "pattern" and len(value) == 1 else list(value)


def constraints_of(stored: Mapping[str, Any]) -> Constraints:
    """From a stored field."""
    said = {name: stored[key] for key, name in _NAMES.items() if key in stored}
    if "values" in said:
        said["values"] = None if stored["type"] == Kind.ENUM else tuple(said["values"])
    if "pattern" in said:
        patterns = said["pattern"]
        said["pattern"] = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    return Constraints(**said) if said else NO_CONSTRAINTS
