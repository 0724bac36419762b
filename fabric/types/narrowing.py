"""Narrowing: a type asks more of a member that it inherits than those say that it descends from.

The member stays theirs: its place, kind, label and name in the schema. What the narrower type adds holds beside what
they ask, so that whatever an object of it may have, an object of its parents may have too (see
docs/decisions/0026-heirs-narrow-what-they-inherit.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce

from fabric.inference.rules import NO_AXIOMS
from fabric.labels import dominates
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.constraints import contradictions, joined
from fabric.types.definitions import Document, Field, LinkField
from fabric.types.faults import Faults
from fabric.types.kinds import Kind
from fabric.types.link_counts import LinkCounts
from fabric.types.link_counts import joined as joined_counts


def narrowed(member: Field, by: Iterable[Field]) -> Field:
    """The inherited field as its heir has it. What was said of a field of another kind says nothing any more."""
    for each in by:
        if _is_alike(member, each):
            member = _narrowed(member, each)
    return member


def _is_alike(member: Field, by: Field) -> bool:
    return (member.kind, member.many) == (by.kind, by.many)


def _narrowed(member: Field, by: Field) -> Field:
    values, retired = member.values, member.retired_values
    if by.values:
        values = tuple(v for v in member.values if v in by.values)
        retired = (*(v for v in member.values if v not in by.values), *retired)
    return replace(
        member,
        required=member.required or by.required,
        # Values that lie elsewhere by now are no longer those that every object has had from the first.
        non_null=member.non_null or (by.non_null and by.key == member.key),
        values=values,
        retired_values=retired,
        constraints=joined(member.kind, member.constraints, by.constraints),
        description=by.description or member.description,
    )


def narrowed_link(link: LinkField, by: Iterable[LinkField]) -> LinkField:
    """The inherited link as its heir has it: as it is, with counts that hold beside those that are inherited."""
    said = [link.counts, *(each.counts for each in by if _is_same(link, each))]
    return replace(link, counts=reduce(joined_counts, said))


def _is_same(link: LinkField, by: LinkField) -> bool:
    return (link.relation, link.outgoing) == (by.relation, by.outgoing)


def narrowed_fields(heir: ObjectType) -> list[Field]:
    """What the type says of fields that it inherits; what several labels say in one, with the highest of them."""
    return [
        replace(narrowed(said[0], said[1:]), label=said[-1].label)
        for name, said in heir.narrowed_fields.items()
        if name in heir.fields and name not in heir.own_fields
    ]


def narrowed_links(heir: ObjectType) -> list[LinkField]:
    """What it says of links likewise; of several labels the highest."""
    return [
        replace(said[-1], many=all(k.many for k in said), counts=reduce(joined_counts, [k.counts for k in said]))
        for name, said in heir.narrowed_links.items()
        if name in heir.links and name not in heir.own_links
    ]


class Inherited:
    """The members that the types of some documents inherit, as far as their definer sees."""

    def __init__(self, before: Catalogue, documents: Iterable[Document]) -> None:
        self._before, self._documents = before, {document.name: document for document in documents}
        self._known: dict[str, Mapping[str, Field | LinkField]] = {}

    def order(self) -> list[Document]:
        """The documents, each behind those that it descends from."""
        return [self._documents[name] for name in self._parents_first() if name in self._documents]

    def _parents_first(self) -> list[str]:
        ended: dict[str, None] = {}
        begun: set[str] = set()
        for start in self._documents:
            path = [start]
            while path:
                waiting = [p for p in self._parents(path[-1]) if p not in begun]
                begun.update(path[-1:])
                if waiting:
                    path.append(waiting[0])
                else:
                    ended.setdefault(path.pop())
        return list(ended)

    def _parents(self, name: str) -> tuple[str, ...]:
        if name in self._documents:
            return self._documents[name].extends
        return self._before.types[name].parents if name in self._before.types else ()

    def of(self, name: str) -> Mapping[str, Field | LinkField]:
        """By name. Those of its parents' documents must have been told of by `declares`."""
        waiting = [name]
        found: dict[str, Field | LinkField] = {}
        seen = {name}
        while waiting:
            for parent in self._parents(waiting.pop()):
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
                    found = {**self._declared(parent), **found}
        return found

    def _declared(self, name: str) -> Mapping[str, Field | LinkField]:
        if name in self._documents:
            return self._known.get(name, {})
        known = self._before.types.get(name)
        return {**known.own_fields, **known.own_links} if known else {}

    def declares(self, name: str, members: Iterable[Field | LinkField]) -> None:
        self._known[name] = {member.name: member for member in members}


def check_narrowed(document: Document, before: Catalogue, after: Catalogue, faults: Faults) -> None:
    """What the type and its heirs say of members that they inherit must be narrower, and leave something.

    An heir that was at fault before is let be: its ancestors were changed by somebody who does not see it.
    """
    for path, message in _faults(document.name, after):
        faults.add(message, *path)
    for name in after.types[document.name].family[1:]:
        known = {path for path, _ in _faults(name, before)}
        for path, message in _faults(name, after):
            if path not in known:
                faults.add(f"{name} narrows {path[1]}: {message}", "typeName")


def _faults(name: str, catalogue: Catalogue) -> Iterator[tuple[tuple[str, str], str]]:
    heir = catalogue.types.get(name)
    if heir is None:
        return
    for member, said in heir.narrowed_fields.items():
        if message := _fault_of_field(heir, member, said):
            yield ("fields", member), message
    lineage = [heir, *(catalogue.types[n] for n in heir.ancestors)]
    for member in sorted({n for t in lineage for n in t.narrowed_fields} & heir.fields.keys()):
        if message := _contradiction(heir.fields[member]):
            yield ("fields", member), message
    for member, links in heir.narrowed_links.items():
        if message := _fault_of_link(heir, member, links, catalogue):
            yield ("links", member), message
    for member in sorted({n for t in lineage for n in t.narrowed_links} & heir.links.keys()):
        if _allows_none(heir.links[member], [k for t in lineage for k in t.narrowed_links.get(member, ())]):
            yield ("links", member), "no number of links is left, with what is inherited"


def _fault_of_field(heir: ObjectType, name: str, said: Iterable[Field]) -> str | None:
    member = heir.fields.get(name)
    if member is None or name in heir.own_fields:
        return "it is no inherited field any more"
    for each in said:
        if not _is_alike(member, each):
            return f"an inherited field keeps its type: {member.kind}{', a list' * member.many}"
        if each.protection is not None and each.protection != member.protection:
            return "an inherited field is encrypted as it is"
        if (each.indexed and not member.indexed) or (each.searchable and not member.searchable):
            return "an inherited field is indexed and searchable as it is"
        if not dominates(each.label, member.label):
            return "its label dominates that of the inherited field"
        kept = (each.iri, member.iri), (each.datatype, member.datatype), (each.language, member.language)
        if any(given not in (None, inherited) for given, inherited in kept):
            return "an inherited field keeps its iri, its datatype and its language"
        known = {*member.values, *member.retired_values}
        if not known.issuperset(each.values):
            return "an inherited enum gets no values"
    return None


def _contradiction(member: Field) -> str | None:
    found: list[str] = []
    if member.kind is Kind.ENUM and not member.values:
        found.append("no value is left")
    contradictions(member.constraints, member.kind, lambda message, *_: found.append(message))
    return f"{found[0]}, with what is inherited" if found else None


def _allows_none(link: LinkField, narrowed: Iterable[LinkField]) -> bool:
    """Whether there is no number that the counts allow, beside the cardinality that it has by now."""
    one = not link.many or any(not each.many for each in narrowed if _is_same(link, each))
    return joined_counts(link.counts, LinkCounts(most=1 if one else None)).allow_none


def _fault_of_link(heir: ObjectType, name: str, said: Iterable[LinkField], after: Catalogue) -> str | None:
    link = heir.links.get(name)
    if link is None or name in heir.own_links:
        return "it is no inherited link any more"
    for each in said:
        if not _is_same(link, each):
            return "an inherited link keeps its relation and direction"
        if each.target in after.types and not after.is_a(each.target, link.target):
            return f"the target of an inherited link is {link.target}, or descends from it"
        if each.properties and each.properties != link.properties:
            return "an inherited link keeps its properties"
        if each.axioms not in (NO_AXIOMS, link.axioms):
            return "what follows from an inherited link is said where it is declared"
        if each.iri not in (None, link.iri):
            return "an inherited link keeps its iri"
        if not dominates(each.label, link.label):
            return "its label dominates that of the inherited link"
    return None
