"""Nodes that are of several classes at once: their type descends from the types of all of these.

It has an IRI that is made of theirs, so that whoever reads the same classes finds the same type.
"""

from collections.abc import Iterable, Set
from uuid import NAMESPACE_URL, uuid5

from fabric.types.definitions import MAX_PARENTS
from ontology.input.graph import Node
from ontology.iris import JOINED, Iris
from ontology.survey.hierarchy import Hierarchy
from ontology.survey.terms import ClassTerm, Ontology

MAX_JOINED = 500
"""Made by one import."""


def joined_iri(classes: Iterable[str]) -> str:
    """Of the class whose members are of all these."""
    return f"{JOINED}{uuid5(NAMESPACE_URL, ' '.join(sorted(classes)))}"


def is_joined(iri: str) -> bool:
    return iri.startswith(JOINED)


def but_itself(node: Node, classes: Set[str]) -> Set[str]:
    """The classes that a node is of, without itself if there are others: of it that says nothing."""
    return classes - {node.value} or classes


class Joiner:
    """Adds to the ontology a class for each set of classes that nodes are of, where none of them descends from another.

    Where types that are there cannot have a common descendant, or there would be too many, there is none.
    """

    def __init__(self, ontology: Ontology, iris: Iris) -> None:
        self._ontology, self._iris = ontology, iris
        self._hierarchy = Hierarchy(ontology, iris.given, iris.catalogue)
        self._found: dict[frozenset[str], Set[str]] = {}
        self._made = 0

    def of(self, classes: Set[str]) -> Set[str]:
        """The class that is added for nodes of all these, or that there is; these themselves if there is none."""
        if len(classes) < 2:
            return classes
        key = frozenset(classes)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._joined(key)
        return found

    def _joined(self, classes: frozenset[str]) -> Set[str]:
        if not self._hierarchy.parents.keys() >= classes:
            return classes
        lowest = {c for c in classes if not any(c in self._hierarchy.lineage(o) for o in classes - {c})}
        iri = joined_iri(lowest)
        if len(lowest) < 2:
            return classes
        if iri in self._iris.types or iri in self._ontology.classes:
            return {iri}
        if len(lowest) > MAX_PARENTS or self._made == MAX_JOINED or not self._fit(lowest):
            return classes
        self._made += 1
        self._ontology.classes[iri] = ClassTerm(iri, parents=sorted(lowest))
        return {iri}

    def _fit(self, classes: Set[str]) -> bool:
        """Whether the types that there are for them have nothing of one name that is declared twice, and one key."""
        there = [self._iris.types[iri] for iri in sorted(classes) if iri in self._iris.types]
        declared: dict[str, str] = {}
        for t in there:
            for member, owner in self._iris.catalogue.declaring(t.name).items():
                if declared.setdefault(member, owner) != owner:
                    return False
        return len({t.key_type for t in there if t.natural_key}) < 2 and all(t.domain == "object" for t in there)
