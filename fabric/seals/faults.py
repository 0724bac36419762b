"""What can be wrong with a log, and which rows of a seal are at fault."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum


class Kind(StrEnum):
    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    MOVED = "moved"
    UNCOVERED = "under no seal"
    BEYOND = "beyond the present"
    MISSING = "seals missing"
    FORGED = "seal forged"
    FOREIGN = "seal of another key"
    BROKEN = "seal that does not follow"
    CUT = "cut"
    REPLACED = "replaced"
    PRUNED = "pruned wrongly"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, at the label of this code. `text` says where and what, for people."""

    kind: Kind
    label: int
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows that differ from those that were sealed. `rows` are indexes of those that are there now."""

    kind: Kind
    number: int
    rows: Sequence[int]


def compare(sealed: Sequence[bytes], found: Sequence[bytes]) -> list[Difference]:
    """What was done to rows, by their marks. Where those are alike, in one order, places differ: it is open, whose."""
    if sorted(sealed) == sorted(found):
        moved = [i for i, (a, b) in enumerate(zip(sealed, found, strict=True)) if a != b]
        return [Difference(Kind.MOVED, len(moved), moved)]
    differences = []
    for tag, a, b, c, d in SequenceMatcher(None, sealed, found, autojunk=False).get_opcodes():
        both = min(b - a, d - c)
        if tag == "replace":
            differences.append(Difference(Kind.CHANGED, both, range(c, c + both)))
        if tag != "equal" and d - c > both:
            differences.append(Difference(Kind.INSERTED, d - c - both, range(c + both, d)))
        if tag != "equal" and b - a > both:
            differences.append(Difference(Kind.REMOVED, b - a - both, ()))
    return differences
