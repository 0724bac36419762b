"""Nodes that are of several classes at once: their type descends from the types of all of these.

It has an IRI that is made of theirs, so that whoever reads the same classes finds the same type.
"""

from collections.abc import Iterable, Set
from uuid import NAMESPACE_URL, uuid5

from fabric.types.definitions import MAX_PARENTS
from ontology.input.graph import Node
from ontology.iris import JOINED, Iris
from ontology.survey.fitting import Fitting
from ontology.survey.hierarchy import Hierarchy
from ontology.survey.terms import ClassTerm, Ontology
from ontology.vocabulary import ROOTS

MAX_JOINED = 500
"""That there are, made before or now: the same import again makes no others."""


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
        self._fitting = Fitting(ontology, iris)
        self._found: dict[frozenset[str], Set[str]] = {}
        self._number = sum(map(is_joined, iris.given))

    def of(self, classes: Set[str]) -> Set[str]:
        """The class that is added for nodes of all these, or that there is; these themselves if there is none."""
        key = frozenset(classes - ROOTS)
        if len(key) < 2:
            return classes
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
        if iri in self._hierarchy.parents:
            return {iri} if self._hierarchy.lineage(iri) >= lowest else classes
        if iri not in self._ontology.classes:
            if len(lowest) > MAX_PARENTS or self._number == MAX_JOINED or self._fitting.clash(lowest) is not None:
                return classes
            self._number += 1
            self._ontology.classes[iri] = ClassTerm(iri, parents=sorted(lowest))
        return {iri}
