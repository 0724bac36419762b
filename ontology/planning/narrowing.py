"""What classes ask of members that they inherit, as their types' definitions say it: by shapes, or by restrictions."""

from collections.abc import Mapping, Set
from typing import Any

from fabric.types.catalogue import Catalogue
from fabric.types.constraints import NO_CONSTRAINTS, Constraints, contradictions, joined, read_constraints
from fabric.types.kinds import Kind
from fabric.types.link_counts import NO_COUNTS
from fabric.types.link_counts import joined as joined_counts
from fabric.types.type_documents import field_document, link_document
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
        self.added: dict[tuple[str, str], set[str]] = {}
        """The classes that ask something as of now, by the group and name of the member."""

    def add(self, documents: Documents, term: PropertyTerm, group: str, name: str, owners: list[str]) -> None:
        """To the classes that ask something of the member `name`, and do not declare it themselves."""
        declared = {owner for owner in owners if name in documents[owner][group]}
        for heir in sorted(_asking(term, group) - declared):
            found = self._inherited(documents, group, heir, name, declared)
            if found is None:
                self._ontology.notice(heir, f"restricts {term.iri}, which it does not have; this is left out")
                continue
            inherited, code = found
            said = self._of(term, group, heir, inherited)
            if not said or heir not in documents:
                continue
            # Where the inherited member or what it leads to is not for everybody, what is said of it is not either.
            target = said.get("target")
            label = self._labels.beside(heir, code, self._labels.of_type(target) if target is not None else 0)
            there = documents[heir][group].get(name)
            if there is None:
                documents[heir][group][name] = said | label
                self.added.setdefault((group, name), set()).add(heir)
            elif others := sorted(key for key, value in said.items() if there.get(key) != value):
                self._ontology.notice(heir, f"has {name} already, with another {', '.join(others)}; it stays so")

    def _inherited(
        self, documents: Documents, group: str, heir: str, name: str, declared: Set[str]
    ) -> tuple[Mapping[str, Any], int] | None:
        """The member as a type above the class declares it, there already or new, and the code of its label."""
        lineage = self._hierarchy.lineage(heir) - {heir}
        known = self._catalogue.types
        there = {self._types[iri] for iri in lineage} & known.keys()
        for each in sorted(there.union(*(known[n].ancestors for n in there))):
            if group == "fields" and name in known[each].own_fields:
                return field_document(known[each].own_fields[name]), known[each].own_fields[name].label
            if group == "links" and name in known[each].own_links:
                return link_document(known[each].own_links[name]), known[each].own_links[name].label
        owner = next((iri for iri in sorted(declared) if iri in lineage), None)
        if owner is None:
            return None
        return documents[owner][group][name], self._labels.of_member(documents[owner][group][name])

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

    def without_contradictions(self, documents: Documents) -> None:
        """Takes away what leaves no value together with what other classes of a lineage ask."""
        for group, check in (("fields", self._check_field), ("links", self._check_link)):
            declaring: dict[str, set[str]] = {}
            for iri, document in documents.items():
                for name in document[group]:
                    declaring.setdefault(name, set()).add(iri)
            several = {name: classes for name, classes in declaring.items() if len(classes) > 1}
            for iri in sorted(documents, key=self._depth):
                lineage = self._hierarchy.lineage(iri) & documents.keys()
                for name in sorted({name for each in lineage for name in documents[each][group]} & several.keys()):
                    # What types ask that are there comes first, for it stays.
                    said = [each for each in several[name] & lineage if name in documents[each][group]]
                    if len(said) > 1:
                        said.sort(key=lambda each: (self._is_new(each, group, name), *self._depth(each)))
                        check(documents, name, said)

    def _depth(self, iri: str) -> tuple[int, str]:
        return len(self._hierarchy.lineage(iri)), iri

    def _is_new(self, iri: str, group: str, name: str) -> bool:
        """Whether the class asks it as of now, of what it inherits."""
        return iri in self.added.get((group, name), ())

    def _check_link(self, documents: Documents, name: str, said: list[str]) -> None:
        held = NO_COUNTS
        for iri in said:
            both = joined_counts(held, counts_of(documents[iri]["links"][name]))
            if not both.allow_none:
                held = both
            elif self._is_new(iri, "links", name):
                self._leave_out(documents, iri, "links", name)

    def _check_field(self, documents: Documents, name: str, said: list[str]) -> None:
        held, values = NO_CONSTRAINTS, list(documents[said[0]]["fields"][name].get("values", ()))
        for iri in said:
            field = documents[iri]["fields"][name]
            kind = Kind(field["type"])
            both = joined(kind, held, read_constraints(field, kind, "list" in field, lambda *_: None))
            left = [value for value in values if value in field["values"]] if kind is Kind.ENUM else values
            if not _contradicts(both, kind) and (kind is not Kind.ENUM or left):
                held, values = both, left
            elif self._is_new(iri, "fields", name):
                self._leave_out(documents, iri, "fields", name)

    def _leave_out(self, documents: Documents, iri: str, group: str, name: str) -> None:
        del documents[iri][group][name]
        others = "types that are there" if self._types[iri] in self._catalogue.types else "its superclasses"
        self._ontology.notice(iri, f"asks of {name} what {others} rule out; this is left out")


def _contradicts(constraints: Constraints, kind: Kind) -> bool:
    found: list[str] = []
    contradictions(constraints, kind, lambda message, *_: found.append(message))
    return bool(found)


def _asking(term: PropertyTerm, group: str) -> set[str]:
    if group == "links":
        return term.single_in | term.classes_in.keys() | {iri for iri in term.facets_in if counting(term, iri)}
    return term.single_in | term.one_each_in | term.required_in | term.values_in.keys() | term.facets_in.keys()
