"""Orderings and keysets in SQL: how rows are sorted, and which of them lie beyond a given one."""

from collections.abc import Iterable
from dataclasses import dataclass

from fabric.access import Access
from graphql_api.plan import Key


def conjunction(conditions: Iterable[str]) -> str:
    return " and ".join(c for c in conditions if c != "true") or "true"


@dataclass(frozen=True, slots=True)
class Directed:
    """A key read in one direction."""

    key: Key
    descending: bool
    nulls_first: bool

    def order(self, t: str, link: str | None) -> str:
        value = reached(self.key.access, t, link)
        nulls = ""
        if self.key.nullable and self.nulls_first != self.descending:
            nulls = " nulls first" if self.nulls_first else " nulls last"
        return f"{value}{' desc' if self.descending else ''}{nulls}"


def reached(access: Access, t: str, link: str | None) -> str:
    return access.sql.format(o=t, l=link)


def beyond(
    keys: list[Directed], values: list[str | None], t: str, link: str | None, *, inclusive: bool = False
) -> str:
    """Rows after the one with these values in the order of `keys`."""
    xs = [reached(k.key.access, t, link) for k in keys]
    present = [v for v in values if v is not None]
    if len(present) == len(keys) and not any(k.key.nullable for k in keys) and len({k.descending for k in keys}) == 1:
        operator = ("<" if keys[0].descending else ">") + ("=" if inclusive else "")
        return f"({', '.join(xs)}) {operator} ({', '.join(present)})"
    alternatives: list[str] = []
    equal: list[str] = []
    for directed, x, value in zip(keys, xs, values, strict=True):
        alternatives.append(conjunction([*equal, _further(directed, x, value)]))
        equal.append(f"{x} is null" if value is None else f"{x} = {value}")
    if inclusive:
        alternatives.append(conjunction(equal))
    return f"({' or '.join(alternatives)})"


def _further(directed: Directed, x: str, value: str | None) -> str:
    if value is None:
        return f"{x} is not null" if directed.nulls_first else "false"
    beyond = f"{x} {'<' if directed.descending else '>'} {value}"
    return beyond if directed.nulls_first or not directed.key.nullable else f"({beyond} or {x} is null)"
