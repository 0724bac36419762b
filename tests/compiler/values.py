"""What stored values are equal to, come before, and hold: by kind, for the interpreter."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fabric.types.kinds import Kind

Row = Mapping[str, Any]
"""One row of `fabric.objects` or `fabric.links`, by column."""

TEXT_OPERATORS = ("contains", "startsWith", "endsWith", "icontains", "istartsWith", "iendsWith", "ieq")


def moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def comparable(kind: Kind, value: Any) -> Any:
    """What the order of canonical values of the kind is the order of."""
    match kind:
        case Kind.DECIMAL:
            return Decimal(value)
        case Kind.DURATION:
            return microseconds(value)
        case Kind.FLOAT:
            return float(value)
    return value


def microseconds(duration: str) -> int:
    """The length of a canonical duration."""
    total, number = 0, ""
    factors = {"D": 86_400_000_000, "H": 3_600_000_000, "M": 60_000_000, "S": 1_000_000}
    for c in duration.lstrip("-P"):
        if c in factors:
            total += int(Decimal(number) * factors[c])
            number = ""
        elif c != "T":
            number += c
    return -total if duration.startswith("-") else total


def folded(text: str) -> str:
    """Lower case by Unicode's simple mapping: one character for one, wherever it stands."""
    return "".join("i" if c == "İ" else c.lower() for c in text)


def json_equal(a: Any, b: Any) -> bool:
    """Equality of JSON: numbers by value, true and false apart from numbers, objects without order."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(json_equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(json_equal, a, b))
    return bool(a == b)


def json_contains(whole: Any, part: Any, *, top: bool = True) -> bool:
    """Containment as PostgreSQL defines it: members of objects, items of lists in any order and number."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(k in whole and json_contains(whole[k], v, top=False) for k, v in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return all(any(json_contains(w, p, top=False) for w in whole) for p in part)
    if isinstance(whole, list) and top and not isinstance(part, dict):
        return any(json_equal(w, part) for w in whole)
    return json_equal(whole, part) if not isinstance(whole, (dict, list)) else False


def holds(kind: Kind, op: str, stored: Any, given: Any) -> bool:
    if kind is Kind.JSON:
        return json_equal(stored, given) if op == "eq" else json_contains(stored, given)
    if op in ("ieq", "icontains", "istartsWith", "iendsWith"):
        stored, given = folded(stored), folded(given)
        op = {"ieq": "eq", "icontains": "contains", "istartsWith": "startsWith", "iendsWith": "endsWith"}[op]
    match op:
        case "eq":
            return equal(kind, stored, given)
        case "contains":
            return given in stored
        case "startsWith":
            return bool(stored.startswith(given))
        case "endsWith":
            return bool(stored.endswith(given))
    x, y = comparable(kind, stored), comparable(kind, given)
    return bool({"lt": x < y, "lte": x <= y, "gt": x > y, "gte": x >= y}[op])


def equal(kind: Kind, stored: Any, given: Any) -> bool:
    return given is not None and comparable(kind, stored) == comparable(kind, given)


def listed(value: Any) -> list[Any]:
    """GraphQL takes one item for a list of one."""
    return value if isinstance(value, list) else [value]
