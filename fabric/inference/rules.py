"""Rules of inference: what a link follows from.

``A first B, B second C → A conclusion C`` is the general one. A premise may be read from its other end (`^`), and there
may be one alone. All that RDFS and OWL say of relations comes to such rules: see `of_relation`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

REVERSED = "^"
MAX_PREMISES = 2


@dataclass(frozen=True, slots=True, order=True)
class Premise:
    """A relation, read from source to target or the other way round."""

    relation: str
    reversed: bool = False

    @classmethod
    def parse(cls, text: str) -> "Premise":
        return cls(text.removeprefix(REVERSED), text.startswith(REVERSED))

    def __str__(self) -> str:
        return REVERSED * self.reversed + self.relation


class Form(StrEnum):
    """What a rule says, in the words of definitions."""

    SYMMETRIC = "SYMMETRIC"
    TRANSITIVE = "TRANSITIVE"
    INVERSE = "INVERSE"
    SUB_PROPERTY = "SUB_PROPERTY"
    CHAIN = "CHAIN"


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """The `conclusion` leads from where the first premise begins to where the last one ends."""

    premises: tuple[Premise, ...]
    conclusion: str

    @property
    def relations(self) -> frozenset[str]:
        return frozenset({self.conclusion, *(premise.relation for premise in self.premises)})

    @property
    def form(self) -> Form:
        first, own = self.premises[0], Premise(self.conclusion)
        if len(self.premises) > 1:
            return Form.TRANSITIVE if set(self.premises) == {own} else Form.CHAIN
        if not first.reversed:
            return Form.SUB_PROPERTY
        return Form.SYMMETRIC if first.relation == self.conclusion else Form.INVERSE

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.premises))} → {self.conclusion}"


@dataclass(frozen=True, slots=True)
class Axioms:
    """What a definition says of a relation: by which links of it, or of others, it is there or makes others be."""

    symmetric: bool = False
    transitive: bool = False
    inverse: str | None = None
    sub_property_of: tuple[str, ...] = ()
    chains: tuple[tuple[str, ...], ...] = ()
    """Premises as they are written, each one or two that the relation follows from."""

    @property
    def relations(self) -> frozenset[str]:
        """All that are named."""
        named = {Premise.parse(text).relation for chain in self.chains for text in chain}
        return frozenset(named | set(self.sub_property_of) | ({self.inverse} if self.inverse else set()))


NO_AXIOMS = Axioms()


def of_relation(relation: str, axioms: Axioms) -> Iterable[Rule]:
    """The rules that the axioms of a relation come to."""
    if axioms.symmetric:
        yield _rule([f"{REVERSED}{relation}"], relation)
    if axioms.transitive:
        yield _rule([relation, relation], relation)
    if axioms.inverse is not None:
        yield _rule([f"{REVERSED}{axioms.inverse}"], relation)
        yield _rule([f"{REVERSED}{relation}"], axioms.inverse)
    for broader in axioms.sub_property_of:
        yield _rule([relation], broader)
    for chain in axioms.chains:
        yield _rule(chain, relation)


def _rule(premises: Sequence[str], conclusion: str) -> Rule:
    return Rule(tuple(map(Premise.parse, premises)), conclusion)
