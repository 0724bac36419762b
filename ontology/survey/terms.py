"""What an ontology says of classes and properties, as far as definitions are made of it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from fabric.types.annotations import Annotations
from ontology.survey.facets import Facet

LEFT_OUT = "this is left out"
"""In notices of what is said, and has no counterpart."""


class Notice(NamedTuple):
    """What of the ontology has no counterpart, or became something else than it says."""

    iri: str
    message: str


@dataclass(slots=True)
class ClassTerm:
    iri: str
    description: str | None = None
    parents: list[str] = field(default_factory=list)
    """Without those that everything has; cycles are broken."""
    annotations: Annotations = field(default_factory=dict)


@dataclass(slots=True)
class PropertyTerm:
    """`…_in` are the classes of which it is said; the empty set of domains means all."""

    iri: str
    description: str | None = None
    domains: set[str] = field(default_factory=set)
    datatypes: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    functional: bool = False
    single_in: set[str] = field(default_factory=set)
    required_in: set[str] = field(default_factory=set)
    values_in: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """All that there are, as texts."""
    values: tuple[str, ...] = ()
    """Those that its datatype has."""
    classes_in: dict[str, set[str]] = field(default_factory=dict)
    """The classes that it leads to from one, each of them for all that is led to."""
    facets: list[Facet] = field(default_factory=list)
    """What its datatype asks of values, whatever they are of."""
    facets_in: dict[str, list[Facet]] = field(default_factory=dict)
    inverse: str | None = None
    """The property that says the same from the other end, if that is the one declared by this."""
    inverse_functional: bool = False
    symmetric: bool = False
    transitive: bool = False
    broader: list[str] = field(default_factory=list)
    """The properties that each statement with this one makes too."""
    chains: list[tuple[tuple[str, bool], ...]] = field(default_factory=list)
    """Properties, each read backwards or not, that lead together to what this one leads to."""
    languages: set[str] = field(default_factory=set)
    """Those that have fields of their own: tags."""
    in_no_language: bool = False
    """Whether there are values beside those that the datatypes tell of, in none of these languages."""
    one_each: bool = False
    """Whether it has one value in each language at most."""
    one_each_in: set[str] = field(default_factory=set)
    annotations: Annotations = field(default_factory=dict)


@dataclass(slots=True)
class Ontology:
    classes: dict[str, ClassTerm] = field(default_factory=dict)
    properties: dict[str, PropertyTerm] = field(default_factory=dict)
    definitions: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    """Those that the fabric wrote itself, with the IRIs of their classes."""
    left_out: list[str] = field(default_factory=list)
    """Properties that become nothing."""
    about: dict[str, Annotations] = field(default_factory=dict)
    """Annotations, by IRI, of the ontology itself and of what else in it is neither class nor property here."""
    notices: list[Notice] = field(default_factory=list)

    def notice(self, iri: str, message: str) -> None:
        self.notices.append(Notice(iri, message))
