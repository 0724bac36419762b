"""From an ontology to type definitions: which there will be, and what of the ontology has no counterpart in them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fabric.labels import Label
from fabric.types.catalogue import Catalogue
from fabric.types.definitions import MAX_FIELDS, MAX_PARENTS
from fabric.types.kinds import Kind
from fabric.types.type_documents import as_document
from ontology.iris import JOINED, Iris
from ontology.planning.asked import Asked
from ontology.planning.declared import Declared
from ontology.planning.labelling import Labelling
from ontology.planning.link_counts import asked_counts, counting
from ontology.planning.naming import Names
from ontology.planning.narrowing import Narrowings
from ontology.planning.relations import Relations
from ontology.survey.annotations import annotate
from ontology.survey.hierarchy import Hierarchy
from ontology.survey.joined import is_joined
from ontology.survey.resource import RESOURCE
from ontology.survey.terms import Ontology, PropertyTerm
from ontology.vocabulary import RDF, ROOT, ROOTS, kind_of

LINKS = "Links"
"""What is added to the name of a link whose property has values too."""
_TEXTS = (Kind.TEXT, Kind.STRING)


@dataclass(slots=True)
class _Member:
    """One field or link, and the classes that declare it."""

    group: str
    name: str
    owners: list[str]
    document: dict[str, Any] = field(default_factory=dict)
    beside: str | None = None
    """The field for values in no language, of a field for those in one."""


class Planner:
    """`plan` gives the definitions; what they leave out is told to the ontology's notices.

    Types that there are already for a class stay as they are, and get members that they do not have.
    """

    def __init__(
        self, ontology: Ontology, catalogue: Catalogue, decode: Callable[[int], Label], prefixes: Mapping[str, str],
        *, single: bool = False,
    ) -> None:  # fmt: skip
        """`decode` makes labels of codes. With `single` a field is no list where the ontology says nothing of it."""
        self._ontology, self._catalogue, self._decode = ontology, catalogue, decode
        self._asked = Asked(ontology, single=single)
        self._there = Iris(catalogue).given
        self._hierarchy = Hierarchy(ontology, self._there, catalogue)
        self._names = Names(prefixes, [*(c for c in ontology.classes if not is_joined(c)), *ontology.properties])
        members = (name for t in catalogue.types.values() for name in (*t.fields, *t.links))
        resource = () if ROOT in self._there else RESOURCE["fields"]
        self._names.reserve(catalogue.names, [*members, *resource])
        self._types: dict[str, str] = dict(self._there)
        self._labels = Labelling(ontology, catalogue, self._types, decode)
        self._declared = Declared(catalogue, resource=ROOT not in self._there)
        self._classes = {name: iri for iri, name in self._there.items()}
        self._relations = Relations(ontology, catalogue)

    def plan(self) -> list[tuple[str, dict[str, Any]]]:
        """Each definition with the IRI of its class, in the order of their names."""
        if not self._ontology.classes and not self._ontology.properties:
            there = {iri for t in self._catalogue.types.values() for iri in t.about}
            for iri in sorted(self._ontology.about.keys() - there):
                self._ontology.notice(iri, "comes without classes and properties; what is said of it is left out")
            return []
        self._name_types()
        documents = {iri: self._document(iri) for iri in {ROOT, *self._ontology.classes}}
        narrowings = Narrowings(
            self._ontology, self._hierarchy, self._catalogue, self._types, self._labels, self._asked
        )  # fmt: skip
        for iri in self._in_order():
            for member in self._members(self._ontology.properties[iri]):
                for owner in member.owners:
                    self._add(documents, owner, member, iri)
                narrowings.add(documents, self._ontology.properties[iri], member.group, member.name, member.owners)
        saying = {name for member in narrowings.added for name in self._declared.saying(member)}
        for name in sorted(saying & self._classes.keys()):
            iri = self._classes[name]
            if iri not in documents:
                documents[iri] = self._document(iri)
        narrowings.without_contradictions(documents)
        self._relations.say_what_follows()
        annotate(documents, self._ontology)
        return sorted(documents.items(), key=lambda planned: str(planned[1]["typeName"]))

    def _in_order(self) -> list[str]:
        """The properties, those last that have more names than their own, or need those of others."""

        def last(iri: str) -> tuple[bool, bool]:
            term = self._ontology.properties[iri]
            return term.inverse is not None, bool(term.languages)

        return sorted(self._names.in_order(self._ontology.properties), key=last)

    def _name_types(self) -> None:
        for iri in sorted(self._names.in_order({ROOT, *self._ontology.classes}), key=is_joined):
            if iri not in self._types:
                said = f"{JOINED}{'And'.join(self._parents(iri))}" if is_joined(iri) else iri
                name = self._types[iri] = self._names.type(said)
                if not self._names.is_plain(said, name):
                    self._ontology.notice(iri, f"becomes the type {name}, since its own name is taken or is none")

    def _document(self, iri: str) -> dict[str, Any]:
        if iri in self._there:
            document = as_document(self._catalogue.types[self._there[iri]], self._decode)
            self._compare_parents(iri)
            return document | {"fields": dict(document.get("fields", {})), "links": dict(document.get("links", {}))}
        if iri == ROOT:
            return {"typeName": self._types[iri], **RESOURCE, "fields": dict(RESOURCE["fields"]), "links": {}}
        term, parents = self._ontology.classes[iri], self._parents(iri)
        for parent in term.parents[MAX_PARENTS:]:
            self._ontology.notice(iri, f"descends from {parent} besides {MAX_PARENTS} others; this is left out")
        description = f"What is at once {' and '.join(parents)}." if is_joined(iri) else term.description
        code = self._labels.of(iri)
        said = {
            "typeName": self._types[iri],
            "description": description,
            "label": str(self._decode(code)) if code else None,
            "iri": iri,
            "extends": parents[:MAX_PARENTS] if len(parents) > 1 else parents[0],
        }
        return {name: value for name, value in said.items() if value} | {"fields": {}, "links": {}}

    def _parents(self, iri: str) -> list[str]:
        return list(dict.fromkeys(self._types[p] for p in self._ontology.classes[iri].parents or [ROOT]))

    def _compare_parents(self, iri: str) -> None:
        term = self._ontology.classes.get(iri)
        for parent in term.parents if term else ():
            if parent not in self._hierarchy.lineage(iri):
                self._ontology.notice(iri, f"descends from {parent}, but a type keeps its parents; this is left out")

    def _members(self, term: PropertyTerm) -> list[_Member]:
        """The field and the link that a property becomes, or the one of them."""
        found: list[_Member] = []
        if term.inverse is not None:
            canonical = self._ontology.properties[term.inverse]
            domains, classes = term.domains or canonical.classes, term.classes
            if classes <= ROOTS:
                classes = canonical.domains or classes
        else:
            domains, classes = term.domains, term.classes
        owners = self._hierarchy.owners(domains)
        self._tell_of_owners(term, domains, owners)
        if term.datatypes:
            found += self._fields(term, owners)
        if classes:
            found.append(self._link(term, owners, classes))
        for owner, facets in sorted(term.facets_in.items() if not term.datatypes else ()):
            for said in sorted({facet.said for facet in facets} - {facet.said for facet in counting(term, owner)}):
                self._ontology.notice(owner, f"has a shape with {said} for {term.iri}; this is left out: it is a link")
        return found

    def _tell_of_owners(self, term: PropertyTerm, domains: Iterable[str], owners: list[str]) -> None:
        named = {ROOT if d in ROOTS else d for d in domains} & self._hierarchy.parents.keys()
        for owner in owners:
            lower = sorted(d for d in named if d != owner and owner in self._hierarchy.lineage(d))
            if owner not in named and lower:
                told = ", ".join(lower[:5]) + (", …" if len(lower) > 5 else "")
                self._ontology.notice(
                    term.iri, f"is of {told}, from which others descend together; {self._types[owner]} has it for all"
                )

    def _fields(self, term: PropertyTerm, owners: list[str]) -> Iterator[_Member]:
        """One for each language that values are in, after that for all others."""
        kind, name = kind_of(frozenset(term.datatypes)), self._name(term, owners, "fields")
        said = {"type": str(kind), "description": term.description, "iri": term.iri}
        if not term.languages or term.in_no_language or term.datatypes != {RDF.langString.value}:
            if len(term.datatypes - ({RDF.langString.value} if term.languages else set())) > 1 and kind in _TEXTS:
                self._ontology.notice(term.iri, f"has values of several datatypes; {name} is text")
            yield _Member("fields", name, owners, said)
        for language in sorted(term.languages):
            known = self._declared.name("fields", term.iri, language)
            own = known or self._names.beside(name, language, [self._types[o] for o in owners])
            yield _Member("fields", own, owners, said | {"language": language}, beside=name)

    def _link(self, term: PropertyTerm, owners: list[str], classes: set[str]) -> _Member:
        member = _Member("links", self._name(term, owners, "links"), owners)
        target = ROOT if classes & ROOTS else self._hierarchy.common(classes)
        if target not in classes | ROOTS and not term.classes_in.keys() >= set(owners):
            leads = ", ".join(sorted(classes)[:5]) + (", …" if len(classes) > 5 else "")
            self._ontology.notice(term.iri, f"leads to {leads}; {member.name} leads to {self._types[target]}")
        if term.inverse_functional and not any(p.inverse == term.iri for p in self._ontology.properties.values()):
            self._ontology.notice(term.iri, "is inverse functional, and has no inverse to say so; this is left out")
        canonical = term.inverse or term.iri
        member.document = {
            "relation": self._relations.of(canonical),
            "target": self._types[target],
            "direction": "in" if term.inverse else "out",
            "description": term.description,
            "iri": term.iri,
        }
        return member

    def _of_link(self, term: PropertyTerm, owner: str) -> dict[str, Any]:
        """What the class that declares a link asks of it itself."""
        one = term.functional or owner in term.single_in
        said: dict[str, Any] = {"cardinality": "one"} if one else {}
        said |= asked_counts(self._ontology, term, owner, one=one)
        if owner in term.classes_in and term.inverse is None:
            said["target"] = self._types[self._hierarchy.common(term.classes_in[owner])]
        return said

    def _name(self, term: PropertyTerm, owners: list[str], group: str) -> str:
        known = self._declared.name(group, term.iri)
        if known is not None:
            return known
        types = [self._types[o] for o in owners]
        name = self._names.member(term.iri, types, LINKS if group == "links" else "")
        if group == "links":
            self._relations.name(term.iri, name)
        if not self._names.is_plain(term.iri, name):
            self._ontology.notice(term.iri, f"becomes {name}, since its own name is taken or is none")
        return name

    def _add(self, documents: dict[str, dict[str, Any]], owner: str, member: _Member, iri: str) -> None:
        """Adds a member to a type, unless the type has it already."""
        if owner not in documents:
            documents[owner] = self._document(owner)
        document = documents[owner]
        group = document[member.group]
        if member.name in group or self._is_inherited(owner, member):
            if member.name in group:
                self._compare(self._ontology.properties[iri], owner, member, group[member.name])
            return
        if len(group) == MAX_FIELDS:
            self._ontology.notice(iri, f"is the type {document['typeName']}'s {MAX_FIELDS + 1}th; it is left out")
            return
        term = self._ontology.properties[iri]
        said = {name: value for name, value in member.document.items() if value}
        if member.beside is not None:
            searchable = group.get(member.beside, {}).get("searchable", False)
            said |= self._asked.of_text(term, owner, Kind(said["type"])) | ({"searchable": True} if searchable else {})
            said |= self._labels.beside(owner, self._declared.label(iri))
        elif member.group == "fields":
            said |= self._asked.of_field(term, owner, Kind(said["type"]))
        else:
            said |= self._of_link(term, owner)
            code = self._labels.of_type(said["target"])
            said |= self._labels.beside(owner, code)
            self._relations.add(iri, self._labels.of(owner) | code, said)
        group[member.name] = said

    def _compare(self, term: PropertyTerm, owner: str, member: _Member, there: Mapping[str, Any]) -> None:
        """Tells of what shapes ask of a member that is there, and that it does not ask itself."""
        if member.group == "fields":
            asked = self._asked.constraints(term, owner, there)
        else:
            asked = asked_counts(self._ontology, term, owner, one=there.get("cardinality") == "one")
        if others := sorted(name for name, value in asked.items() if there.get(name) != value):
            self._ontology.notice(owner, f"has {member.name} already, with another {', '.join(others)}; it stays so")

    def _is_inherited(self, owner: str, member: _Member) -> bool:
        """Whether the member is there for the owner, or was declared by something that would clash with it."""
        names = {self._types[iri] for iri in self._hierarchy.lineage(owner)}
        lineage = names.union(*(self._catalogue.types[n].ancestors for n in names & self._catalogue.types.keys()))
        there = self._declared.owners((member.group, member.name))
        clashing = {name for name in there - lineage if self._clash(name, owner)}
        for name in sorted(clashing):
            told = self._classes.get(name, f"the type {name}")
            self._ontology.notice(owner, f"does not get {member.name}, which {told} has already")
        return bool(there & lineage or clashing)

    def _clash(self, name: str, owner: str) -> bool:
        """Whether something could be of the type, which is there, and of the class."""
        if name in self._classes:
            return self._hierarchy.clash(self._classes[name], owner)
        known = self._catalogue.types.get(self._types[owner])
        return known is not None and not {*known.family}.isdisjoint(self._catalogue.types[name].family)
