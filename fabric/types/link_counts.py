"""How many objects a link leads to, as definitions ask it; parallel links to one object count once, as in RDF.

See docs/decisions/0025-links-are-counted.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fabric.encryption.protection import AddFault

KEYS = frozenset({"minLinks", "maxLinks"})
"""Members of a link that are counts, as they are written."""
HIGHEST = 999_999_999


@dataclass(frozen=True, slots=True)
class LinkCounts:
    """Both included; no `most` where any number will do."""

    least: int = 0
    most: int | None = None

    def broken_by(self, number: int) -> str | None:
        """Which of the two, by its key, does not hold of the number."""
        if number < self.least:
            return "minLinks"
        return "maxLinks" if self.most is not None and number > self.most else None

    @property
    def allow_none(self) -> bool:
        """Whether there is no number that they allow."""
        return self.most is not None and self.least > self.most


NO_COUNTS = LinkCounts()


def read_counts(value: Mapping[str, Any], many: bool, fault: AddFault) -> LinkCounts:
    """Of a link as written; `fault` gets what is wrong, with paths from the link."""
    least, most = _read(value, "minLinks", 0, fault) or 0, _read(value, "maxLinks", 2, fault)
    if most is not None and not many:
        fault("where the cardinality is one there is one at most", "maxLinks")
    if LinkCounts(least, most if many else 1).allow_none:
        fault("more than the most there may be", "minLinks")
    return LinkCounts(least, most)


def _read(value: Mapping[str, Any], key: str, lowest: int, fault: AddFault) -> int | None:
    given = value.get(key)
    if given is None:
        return None
    if type(given) is not int or not lowest <= given <= HIGHEST:
        one = ", or the cardinality one" if lowest == 2 else ""
        fault(f"expected an integer from {lowest} to {HIGHEST:,}{one}", key)
        return None
    return given


def joined(one: LinkCounts, other: LinkCounts) -> LinkCounts:
    """What holds of the numbers that both allow."""
    mosts = [each.most for each in (one, other) if each.most is not None]
    return LinkCounts(max(one.least, other.least), min(mosts, default=None))


def counts_json(counts: LinkCounts) -> dict[str, int]:
    """As written, without what is not said."""
    said = {"minLinks": counts.least or None, "maxLinks": counts.most}
    return {key: number for key, number in said.items() if number is not None}


def counts_of(stored: Mapping[str, Any]) -> LinkCounts:
    """From a stored link."""
    return LinkCounts(stored.get("minLinks", 0), stored.get("maxLinks")) if KEYS & stored.keys() else NO_COUNTS
