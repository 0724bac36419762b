"""Labels: a level plus a set of compartments, ordered by dominance (Bell and LaPadula's lattice).

Two forms, one meaning. `Label` is what people write and read: ``SECRET/ALPHA,BRAVO``. Everything that decides works on
its *code*, one 63-bit integer: the level in thermometer code (0, 1, 3, 7) above one bit for each compartment of the
organization. In that form "a dominates b" is ``b & ~a == 0`` and the join is ``a | b``, in Python as in SQL; the
property tests hold the two against each other.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

COMPARTMENT_BITS = 60
"""How many compartments one organization can have: what a signed 64-bit integer leaves beside three level bits."""

COMPARTMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}\Z")
_COMPARTMENTS_MASK = (1 << COMPARTMENT_BITS) - 1


class Level(IntEnum):
    UNCLASSIFIED = 0
    CONFIDENTIAL = 1
    SECRET = 2
    TOP_SECRET = 3


@dataclass(frozen=True, slots=True)
class Label:
    """A level and compartments by name, as written in tokens, headers and files."""

    level: Level = Level.UNCLASSIFIED
    compartments: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """`LEVEL` or `LEVEL/COMPARTMENT,COMPARTMENT`; ValueError says what is wrong with anything else."""
        level, slash, rest = text.strip().partition("/")
        return cls._of_names(level, [name.strip() for name in rest.split(",")] if slash else [])

    @classmethod
    def _of_names(cls, level: str, compartments: list[str]) -> Self:
        if level not in Level.__members__:
            raise ValueError(f"no such level; the levels are {', '.join(Level.__members__)}")
        if not all(COMPARTMENT_NAME.match(name) for name in compartments):
            raise ValueError("a compartment's name is an upper-case letter, then upper-case letters, digits or _")
        return cls(Level[level], frozenset(compartments))

    @classmethod
    def of(cls, value: object) -> Self:
        """A label from JSON: the text form, or ``{"level": …, "compartments": […]}``. ValueError otherwise."""
        if isinstance(value, str):
            return cls.parse(value)
        if not isinstance(value, Mapping) or not set(value) <= {"level", "compartments"}:
            raise ValueError('a label is "LEVEL/COMPARTMENT,…" or {"level": …, "compartments": […]}')
        level, names = value.get("level", "UNCLASSIFIED"), value.get("compartments") or []
        if not isinstance(level, str) or not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise ValueError('a label is {"level": "SECRET", "compartments": ["ALPHA"]}')
        return cls._of_names(level, names)

    def __str__(self) -> str:
        names = ",".join(sorted(self.compartments))
        return f"{self.level.name}/{names}" if names else self.level.name


@dataclass(frozen=True, slots=True)
class Lattice:
    """An organization's compartments in the order of their bits; turns labels into codes and back."""

    compartments: tuple[str, ...] = ()

    def encode(self, label: Label) -> int:
        """The label's code. LookupError names compartments that the organization does not have."""
        unknown = label.compartments - set(self.compartments)
        if unknown:
            raise LookupError(f"unknown compartment: {', '.join(sorted(unknown))}")
        bits = sum(1 << i for i, name in enumerate(self.compartments) if name in label.compartments)
        return code(label.level, bits)

    def decode(self, value: int) -> Label:
        bits = value & _COMPARTMENTS_MASK
        return Label(level_of(value), frozenset(name for i, name in enumerate(self.compartments) if bits >> i & 1))


def code(level: Level, compartment_bits: int) -> int:
    """The integer form of a label."""
    return ((1 << level) - 1) << COMPARTMENT_BITS | compartment_bits


def level_of(value: int) -> Level:
    return Level((value >> COMPARTMENT_BITS).bit_count())


def dominates(a: int, b: int) -> bool:
    """Whether a reader at `a` may see what is labelled `b`."""
    return b & ~a == 0


def join(codes: Iterable[int]) -> int:
    """The least upper bound; of nothing, the bottom of the lattice."""
    result = 0
    for value in codes:
        result |= value
    return result


def rank(value: int) -> tuple[int, int, int]:
    """Sort key by which the winning version is the largest: level, number of compartments, then their ordinals.

    A linear extension of dominance: whatever dominates ranks higher, and labels that cannot be compared still have one
    fixed order. Of two equally many compartments the larger bit set has the higher ordinals.
    """
    bits = value & _COMPARTMENTS_MASK
    return value >> COMPARTMENT_BITS, bits.bit_count(), bits


def winner(codes: Iterable[int], clearance: int) -> int | None:
    """Which of an object's versions a reader gets: the highest-ranking one it dominates."""
    return max((c for c in codes if dominates(clearance, c)), key=rank, default=None)
