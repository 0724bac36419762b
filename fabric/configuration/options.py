"""What an organization can choose: options by name, each with its default and what it may be. docs/search.md has them.

All of them hold at every label, so none may tell of what is above the lowest (see `configurations`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from fabric.errors import BadInput
from fabric.settings import LANGUAGES

T = TypeVar("T")


@dataclass(frozen=True)
class Option(ABC, Generic[T]):
    name: str
    default: T
    meaning: str

    @abstractmethod
    def read(self, value: object) -> T:
        """The value in its one form. BadInput, saying what is allowed, for one that cannot be."""


@dataclass(frozen=True)
class Choice(Option[str]):
    choices: tuple[str, ...]

    def read(self, value: object) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        raise BadInput(f"{self.name} is one of {', '.join(self.choices)}")


@dataclass(frozen=True)
class Number(Option[float]):
    """From `least` to `most`, both included."""

    least: float
    most: float

    def read(self, value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and self.least <= value <= self.most:
            return float(value)
        raise BadInput(f"{self.name} is a number from {self.least:g} to {self.most:g}")


LANGUAGE = Choice("search.language", "english", "language of the words that are searched", LANGUAGES)


def _weight(ranking: str, default: float, what: str) -> Number:
    return Number(f"search.weights.{ranking}", default, f"what {what} counts in a ranking made of several", 0, 10)


WEIGHTS: Mapping[str, Number] = MappingProxyType(
    {
        "text": _weight("text", 1.0, "a hit's rank by words"),
        "vector": _weight("vector", 1.0, "a hit's rank by meaning"),
        "graph": _weight("graph", 0.5, "being linked to the best hits"),
        "links": _weight("links", 0.5, "standing at a link that says what is asked for"),
    }
)
"""By the name of the ranking."""

DAMPING = Number("search.damping", 60.0, "how little the first ranks of a ranking differ", 1, 1000)

_ALL: tuple[Option[Any], ...] = (LANGUAGE, *WEIGHTS.values(), DAMPING)

OPTIONS: Mapping[str, Option[Any]] = MappingProxyType({option.name: option for option in _ALL})
