"""What classes ask of members that they inherit, as their types' definitions say it: by shapes, or by restrictions."""

from collections.abc import Mapping
from typing import Any

from fabric.types.catalogue import Catalogue
from fabric.types.constraints import NO_CONSTRAINTS, Constraints, contradictions, joined, read_constraints
from fabric.types.kinds import Kind
from fabric.types.link_counts import NO_COUNTS
from fabric.types.link_counts import joined as joined_counts
from ontology.planning.asked import Asked
from ontology.planning.labelling import Labelling
from ontology.planning.link_counts import asked_counts, counting, counts_of
from ontology.survey.hierarchy import Hierarchy
from ontology.survey.terms import Ontology, PropertyTerm

Documents = Mapping[str, dict[str, Any]]
"""By the IRI of the class."""


class Narrowings:
    """Adds to the documents of heirs; what they do not get is told of."""

    def __init__(
        self, ontology: Ontology, hierarchy: Hierarchy, catalogue: Catalogue, types: Mapping[str, str],
        labels: Labelling, asked: Asked,
    ) -> None:  # fmt: skip
        """`types` are those of classes, the new ones too."""
        self._ontology, self._hierarchy, self._catalogue = ontology, hierarchy, catalogue
        self._types, self._labels, self._asked = types, labels, asked

    def add(self, documents: Documents, term: PropertyTerm, group: str, name: str, owners: list[str]) -> None:
        """To the classes that ask something of the member `name`, and do not declare it themselves."""
        for heir in sorted(_asking(term, group) - set(owners)):
            owner = next((o for o in owners if o in self._hierarchy.lineage(heir)), None)
            if owner is None or name not in documents.get(owner, {}).get(group, {}):
                self._ontology.notice(heir, f"restricts {term.iri}, which it does not have; this is left out")
                continue
            inherited = documents[owner][group][name]
            said = self._of(term, group, heir, inherited)
            if not said or heir not in documents:
                continue
            label = self._label(group, heir, owner, name, said.get("target"))
            there = documents[heir][group].get(name)
            if there is None:
                documents[heir][group][name] = said | label
            elif others := sorted(key for key, value in said.items() if there.get(key) != value):
                self._ontology.notice(heir, f"has {name} already, with another {', '.join(others)}; it stays so")

    def _of(self, term: PropertyTerm, group: str, heir: str, inherited: Mapping[str, Any]) -> dict[str, Any]:
        if group == "links":
            return self._of_link(term, heir, inherited)
        said = self._asked.narrowing(term, heir, inherited)
        if not said:
            return {}
        kept = {key: inherited[key] for key in ("type", "list", "values") if key in inherited}
        if inherited["type"] != Kind.ENUM:
            kept.pop("values", None)
        return kept | said

    def _of_link(self, term: PropertyTerm, heir: str, inherited: Mapping[str, Any]) -> dict[str, Any]:
        said: dict[str, Any] = {}
        if heir in term.single_in and inherited.get("cardinality") != "one":
            said["cardinality"] = "one"
        if (classes := term.classes_in.get(heir)) is not None:
            target = self._target(heir, term, classes, inherited["target"])
            if target is not None and target != inherited["target"]:
                said["target"] = target
        one = "one" in (said.get("cardinality"), inherited.get("cardinality"))
        counts = asked_counts(self._ontology, term, heir, one=one)
        said |= {key: number for key, number in counts.items() if inherited.get(key) != number}
        kept = ("relation", "target", "direction", "cardinality")
        return {key: inherited[key] for key in kept if key in inherited} | said if said else {}

    def _target(self, heir: str, term: PropertyTerm, classes: set[str], inherited: str) -> str | None:
        common = self._hierarchy.common(classes)
        above = {self._types[iri] for iri in self._hierarchy.lineage(common)}
        if inherited in above:
            return self._types[common]
        self._ontology.notice(heir, f"leads by {term.iri} to what does not descend from {inherited}; this is left out")
        return None

    def _label(self, group: str, heir: str, owner: str, name: str, target: str | None) -> dict[str, str]:
        """Where the inherited member or what it leads to is not for everybody, what is said of it is not either."""
        known = self._catalogue.types.get(self._types[owner])
        there = (known.own_fields if group == "fields" else known.own_links) if known else {}
        inherited = there[name].label if name in there else 0
        return self._labels.beside(heir, inherited, self._labels.of_type(target) if target is not None else 0)

    def without_contradictions(self, documents: Documents) -> None:
        """Takes away what leaves no value together with what other classes of a lineage ask."""
        for group, check in (("fields", self._check_field), ("links", self._check_link)):
            narrowed: dict[str, set[str]] = {}
            for iri, document in documents.items():
                for name in document[group]:
                    narrowed.setdefault(name, set()).add(iri)
            several = {name: classes for name, classes in narrowed.items() if len(classes) > 1}
            for iri in sorted(documents, key=lambda iri: (len(self._hierarchy.lineage(iri)), iri)):
                lineage = sorted(self._hierarchy.lineage(iri), key=lambda i: (len(self._hierarchy.lineage(i)), i))
                for name in sorted(several):
                    said = [each for each in lineage if each in several[name] and name in documents[each][group]]
                    if len(said) > 1:
                        check(documents, name, said)

    def _check_link(self, documents: Documents, name: str, said: list[str]) -> None:
        held = NO_COUNTS
        for iri in said:
            both = joined_counts(held, counts_of(documents[iri]["links"][name]))
            if both.allow_none:
                del documents[iri]["links"][name]
                self._tell_of_ruled_out(iri, name)
            else:
                held = both

    def _check_field(self, documents: Documents, name: str, said: list[str]) -> None:
        held, values = NO_CONSTRAINTS, list(documents[said[0]]["fields"][name].get("values", ()))
        for iri in said:
            field = documents[iri]["fields"][name]
            kind = Kind(field["type"])
            both = joined(kind, held, read_constraints(field, kind, "list" in field, lambda *_: None))
            left = [value for value in values if value in field["values"]] if kind is Kind.ENUM else values
            if _contradicts(both, kind) or (kind is Kind.ENUM and not left):
                del documents[iri]["fields"][name]
                self._tell_of_ruled_out(iri, name)
            else:
                held, values = both, left

    def _tell_of_ruled_out(self, iri: str, name: str) -> None:
        self._ontology.notice(iri, f"asks of {name} what its superclasses rule out; this is left out")


def _contradicts(constraints: Constraints, kind: Kind) -> bool:
    found: list[str] = []
    contradictions(constraints, kind, lambda message, *_: found.append(message))
    return bool(found)


def _asking(term: PropertyTerm, group: str) -> set[str]:
    if group == "links":
        return term.single_in | term.classes_in.keys() | {iri for iri in term.facets_in if counting(term, iri)}
    return term.single_in | term.one_each_in | term.required_in | term.values_in.keys() | term.facets_in.keys()
