"""Orderings and keysets in SQL: how rows are sorted, and which of them lie beyond a given one.

Throughout, `xs` are the SQL of the keys' values in a row and `values` that of the row to compare with, where None says
that the value is missing there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphql_api.compiler.plan import Key


def conjunction(conditions: Iterable[str]) -> str:
    return " and ".join(c for c in conditions if c != "true") or "true"


@dataclass(frozen=True, slots=True)
class Directed:
    """A key read in one direction."""

    key: Key
    descending: bool
    nulls_first: bool

    @property
    def is_native(self) -> bool:
        """Whether missing values stand where an index has them."""
        return not self.key.nullable or self.nulls_first == self.descending

    def order(self, x: str, *, decided: bool = False) -> str:
        """`decided`: it does not matter where missing values stand, since all are missing or none is."""
        nulls = "" if decided or self.is_native else " nulls first" if self.nulls_first else " nulls last"
        return f"{x}{' desc' if self.descending else ''}{nulls}"


@dataclass(frozen=True, slots=True)
class Range:
    """Rows of which the first `decided` keys are either all missing or all there."""

    condition: str
    decided: int


def order_by(keys: Sequence[Directed], xs: Sequence[str], *, decided: int = 0) -> str:
    return ", ".join(k.order(x, decided=i < decided) for i, (k, x) in enumerate(zip(keys, xs, strict=True)))


def beyond(
    keys: Sequence[Directed], xs: Sequence[str], values: Sequence[str | None], *, inclusive: bool = False
) -> str:
    """Rows after the one with these values in the order of `keys`, as one condition."""
    if is_row_comparison(keys, values):
        operator = ("<" if keys[0].descending else ">") + ("=" if inclusive else "")
        return f"({', '.join(xs)}) {operator} ({', '.join(v for v in values if v is not None)})"
    alternatives = [r.condition for r in ranges(keys, xs, values)]
    if inclusive:
        alternatives.append(conjunction(map(_equal, xs, values)))
    return f"({' or '.join(alternatives)})" if alternatives else "false"


def is_row_comparison(keys: Sequence[Directed], values: Sequence[str | None]) -> bool:
    """Whether one comparison of rows says it, which an index finds the beginning of."""
    uniform = len({k.descending for k in keys}) == 1 and not any(k.key.nullable for k in keys)
    return uniform and None not in values


def ranges(keys: Sequence[Directed], xs: Sequence[str], values: Sequence[str | None]) -> list[Range]:
    """The rows beyond in ranges that share no row and stand in order: each is one range of an index on the keys.

    First the rows equal in all keys but the last, then those equal in all but two, and so on; where a value can be
    missing, those that have one and those that have none are two ranges.
    """
    equal = list(map(_equal, xs, values))
    found: list[Range] = []
    for n in reversed(range(len(keys))):
        parts = _further(keys[n], xs[n], values[n])
        found += [Range(conjunction([*equal[:n], part]), n + 1) for part in parts]
    return found


def all_ranges(keys: Sequence[Directed], xs: Sequence[str]) -> list[Range]:
    """All rows in ranges of an index on the keys: two where missing values do not stand as it has them."""
    if keys[0].is_native:
        return [Range("true", 0)]
    null, value = Range(f"{xs[0]} is null", 1), Range(f"{xs[0]} is not null", 1)
    return [null, value] if keys[0].nulls_first else [value, null]


def _equal(x: str, value: str | None) -> str:
    return f"{x} is null" if value is None else f"{x} = {value}"


def _further(directed: Directed, x: str, value: str | None) -> list[str]:
    if value is None:
        return [f"{x} is not null"] if directed.nulls_first else []
    beyond = f"{x} {'<' if directed.descending else '>'} {value}"
    return [beyond, f"{x} is null"] if directed.key.nullable and not directed.nulls_first else [beyond]
