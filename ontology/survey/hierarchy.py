"""How classes descend from each other, the ontology's and those that the organization has types for."""

from collections.abc import Iterable, Mapping

from fabric.types.catalogue import Catalogue
from ontology.survey.terms import Ontology
from ontology.vocabulary import ROOT, ROOTS


class Hierarchy:
    """Of classes by their IRIs; everything descends from ROOT. A type keeps the parents it has."""

    def __init__(self, ontology: Ontology, types: Mapping[str, str], catalogue: Catalogue) -> None:
        """`types` are those that there are already, by class."""
        classes = {name: iri for iri, name in types.items()}
        self.parents: dict[str, list[str]] = {iri: term.parents or [ROOT] for iri, term in ontology.classes.items()}
        for iri, name in types.items():
            # Not its parents alone: between them and those above may be types that are no classes.
            self.parents[iri] = [classes[a] for a in catalogue.types[name].ancestors if a in classes]
        self.parents.setdefault(ROOT, [])
        self._lineages: dict[str, frozenset[str]] = {}
        self._families: dict[str, set[str]] = {iri: set() for iri in self.parents}
        for iri in self.parents:
            for ancestor in self.lineage(iri):
                self._families[ancestor].add(iri)

    def lineage(self, iri: str) -> frozenset[str]:
        """The class and all that it descends from."""
        waiting = [iri]
        while waiting:
            each = waiting[-1]
            if each not in self._lineages:
                unknown = [p for p in self.parents[each] if p not in self._lineages]
                if unknown:
                    waiting += unknown
                    continue
                self._lineages[each] = frozenset([each]).union(*(self._lineages[p] for p in self.parents[each]))
            waiting.pop()
        return self._lineages[iri]

    def family(self, iri: str) -> set[str]:
        """The class and all that descend from it."""
        return self._families[iri]

    def clash(self, one: str, other: str) -> bool:
        """Whether something is or could be of both, so that they cannot each have a member of one name."""
        return not self._families[one].isdisjoint(self._families[other])

    def common(self, classes: Iterable[str]) -> str:
        """The nearest class that all of them descend from."""
        lineages = [self.lineage(iri) for iri in classes if iri in self.parents]
        shared = frozenset.intersection(*lineages) if lineages else frozenset[str]()
        return max(shared, key=lambda iri: (len(self.lineage(iri)), iri), default=ROOT)

    def owners(self, domains: Iterable[str]) -> list[str]:
        """The classes that declare a member of all the domains, so that none gets it twice."""
        found = {ROOT if iri in ROOTS else iri for iri in domains} & self.parents.keys() or {ROOT}
        found = {iri for iri in found if len(self.lineage(iri) & found) == 1}
        while (pair := self._clashing(found)) is not None:
            found = (found - set(pair)) | {self.common(pair)}
            found = {iri for iri in found if len(self.lineage(iri) & found) == 1}
        return sorted(found)

    def _clashing(self, classes: set[str]) -> tuple[str, str] | None:
        if sum(len(self._families[iri]) for iri in classes) == len(set().union(*map(self.family, classes))):
            return None
        ordered = sorted(classes)
        return next((a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :] if self.clash(a, b))
