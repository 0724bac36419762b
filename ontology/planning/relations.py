"""What the links of properties are called, and what follows from them, as definitions say it."""

from collections.abc import Set
from dataclasses import replace
from typing import Any

from fabric.inference.rules import REVERSED, Premise
from fabric.labels import dominates, join
from fabric.types.annotations import merged
from fabric.types.catalogue import Catalogue
from fabric.types.definitions import MAX_CHAINS
from ontology.iris import Iris
from ontology.survey.annotations import WITHOUT_EFFECT
from ontology.survey.terms import Ontology, PropertyTerm
from ontology.vocabulary import RDFS_NS


class Relations:
    """Of the ontology's properties. Those that are links already keep their relations."""

    def __init__(self, ontology: Ontology, catalogue: Catalogue) -> None:
        self._ontology, self._catalogue = ontology, catalogue
        self._links = Iris(catalogue).links
        self._names: dict[str, str] = {}
        self._new: list[tuple[str, int, dict[str, Any]]] = []

    def name(self, iri: str, name: str) -> None:
        """Says what the property's link field is called."""
        self._names[iri] = name

    def add(self, iri: str, label: int, link: dict[str, Any]) -> None:
        """A link field of the property that is new, with the code of its label."""
        self._new.append((iri, label, link))

    def of(self, iri: str) -> str:
        """The name that its link field has, if no other relation has it; the IRI otherwise."""
        known = self._links.get(iri)
        if known is not None:
            return known[0]
        name = self._names.get(iri, iri)
        return name if name not in self._catalogue.relations else iri

    def say_what_follows(self) -> None:
        """What follows from the links, said by the link fields that are new; the rest is told of.

        A link names no relation that not everybody sees who sees the link itself.
        """
        links = [(k.relation, k.label) for t in self._catalogue.types.values() for k in t.own_links.values()]
        links += [(link["relation"], code) for _, code, link in self._new]
        codes: dict[str, set[int]] = {iri: set() for iri in sorted(self._ontology.properties)}
        for iri, code, _ in self._new:
            codes[iri].add(code)
        top = join(code for _, code in links)
        seen = {c: {name for name, other in links if dominates(c, other)} for c in {top}.union(*codes.values())}
        said = {
            (iri, code): self._following(self._ontology.properties[iri], seen[code])
            for iri, wanted in codes.items()
            for code in sorted(wanted) or [top]
        }
        for iri, code, link in self._new:
            link |= said[iri, code]

    def _following(self, term: PropertyTerm, relations: Set[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in ("symmetric", "transitive"):
            if getattr(term, name) and term.classes:
                found[name] = True
            elif getattr(term, name):
                self._ontology.notice(term.iri, f"is {name}, and no link; this is left out")
        broader: list[str] = []
        for iri in term.broader:
            relation = self._broader(term, iri)
            if relation is not None and relation in relations and len(broader) < MAX_CHAINS:
                broader += [relation] if relation not in broader else []
            else:
                term.annotations = merged(term.annotations, {RDFS_NS + "subPropertyOf": [{"@id": iri}]})
                self._ontology.notice(term.iri, f"says rdfs:subPropertyOf {iri}; {WITHOUT_EFFECT}")
        chains = self._chains(term, relations)
        return (
            found | ({"subPropertyOf": broader} if broader else {}) | ({"inferredFrom": chains} if chains else {})
        )  # fmt: skip

    def _chains(self, term: PropertyTerm, relations: Set[str]) -> list[list[str]]:
        """As the relation has them, which may be read from the property's other end."""
        found: list[list[str]] = []
        for chain in term.chains:
            steps = [self._premise(iri, backward) for iri, backward in chain]
            if term.inverse is not None:
                steps = [step and replace(step, reversed=not step.reversed) for step in reversed(steps)]
            known = [str(step) for step in steps if step is not None and step.relation in relations]
            if len(known) < len(steps) or not term.classes or len(found) == MAX_CHAINS:
                named = " ".join(f"{REVERSED * backward}{iri}" for iri, backward in chain)
                self._ontology.notice(term.iri, f"says owl:propertyChainAxiom ({named}); this is left out")
            elif known not in found:
                found.append(known)
        return found

    def _premise(self, iri: str, backward: bool) -> Premise | None:
        """None for what is no link."""
        other = self._ontology.properties.get(iri)
        if other is None:
            relation, outgoing = self._links.get(iri, (None, True))
        else:
            relation = self.of(other.inverse or iri) if other.classes else None
            outgoing = other.inverse is None
        return None if relation is None else Premise(relation, backward is outgoing)

    def _broader(self, term: PropertyTerm, iri: str) -> str | None:
        """The relation of a property that the term says too, if both are links read from the same end."""
        other, backward = self._ontology.properties.get(iri), term.inverse is not None
        if not term.classes or (other is not None and not other.classes):
            return None
        if other is None:
            relation, outgoing = self._links.get(iri, (None, False))
            return relation if outgoing is not backward else None
        same_end = (other.inverse is not None) is backward
        return self.of(other.inverse or iri) if same_end else None
