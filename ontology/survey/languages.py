"""Texts in several languages: a property has a field for each of them, beside the one for texts in none."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from fabric.types.definitions import Field
from fabric.types.document_reading import read_document
from fabric.types.kinds import Kind
from fabric.types.languages import canonical_tag
from ontology.iris import Iris
from ontology.survey.resource import RESOURCE
from ontology.survey.terms import LEFT_OUT, Ontology, PropertyTerm
from ontology.survey.usage import NO_LANGUAGE
from ontology.vocabulary import RDF, ROOT, SKOS_NS, kind_of

MAX_LANGUAGES = 100
"""Of one property; of more those that most of its values are in."""
_ONE_EACH = frozenset({SKOS_NS + "prefLabel"})
"""Properties of which there is one value in each language at most (S14 of the SKOS Reference)."""
_TEXTS = (Kind.STRING, Kind.TEXT)

Spoken = Mapping[str, Counter[str]]
"""How many values individuals have in each language, by property."""


def add_languages(ontology: Ontology, iris: Iris, spoken: Spoken, *, apart: bool) -> None:
    """Tells the properties which languages have fields of their own: if they are kept `apart`, all that there are.

    Where they are not, values keep their text and lose their language.
    """
    there = _fields(iris)
    for term in ontology.properties.values():
        is_open = _are_open(there.get(term.iri, ()))
        if term.languages and not is_open:
            ontology.notice(term.iri, f"is in several languages; {LEFT_OUT}: it has a field that is not in the open")
        if not (apart and is_open) or kind_of(frozenset(term.datatypes)) not in _TEXTS:
            term.languages.clear()
    for iri, numbers in sorted(spoken.items()):
        known = there.get(iri, ())
        kept = _kept(ontology, known, iri, numbers) if apart else _languages(known)
        lost = sum(number for language, number in numbers.items() if language not in kept | {NO_LANGUAGE})
        if lost:
            ontology.notice(iri, f"values lose their language, and keep their text: {lost:,}")
        if lost or numbers[NO_LANGUAGE]:
            _need_no_language(ontology, known, iri)
    for term in ontology.properties.values():
        if term.languages:
            term.one_each |= term.iri in _ONE_EACH
            _leave_out_counts(ontology, term)


class _Known(NamedTuple):
    """A field that there is already, with the class that declares it."""

    owner: str | None
    field: Field
    is_open: bool
    """Whether its values are for everybody who sees its type, and not encrypted."""


def _kept(ontology: Ontology, known: Sequence[_Known], iri: str, numbers: Counter[str]) -> set[str]:
    """The languages that will have fields.

    None where the property has a field already that is encrypted, or not for everybody who sees its type: what was
    stored there would be stored in the open.
    """
    there = _languages(known)
    if not _are_open(known):
        return there
    found = (tag for tag, _ in numbers.most_common() if canonical_tag(tag) == tag and tag not in there)
    wanted = set(islice(found, max(0, MAX_LANGUAGES - len(there))))
    term = ontology.properties.get(iri) or (_lacking(ontology, known, iri) if wanted else None)
    if term is None or kind_of(frozenset(term.datatypes)) not in _TEXTS:
        return there
    term.languages |= wanted
    return there | term.languages


def _need_no_language(ontology: Ontology, known: Sequence[_Known], iri: str) -> None:
    """Makes room for texts that are in none of the languages that have fields."""
    term = ontology.properties.get(iri)
    if term is None and known and _are_open(known) and all(each.field.language is not None for each in known):
        term = _lacking(ontology, known, iri)
    if term is not None:
        term.in_no_language = True


def _languages(known: Sequence[_Known]) -> set[str]:
    return {each.field.language for each in known if each.field.language is not None}


def _are_open(known: Sequence[_Known]) -> bool:
    return all(each.is_open and each.field.kind in _TEXTS for each in known)


def _lacking(ontology: Ontology, known: Sequence[_Known], iri: str) -> PropertyTerm | None:
    """A property that is known, and will have more fields, where its classes have types."""
    domains = {each.owner for each in known if each.owner is not None}
    if not domains:
        return None
    single = not any(each.field.many for each in known)
    term = PropertyTerm(iri, domains=domains, datatypes={RDF.langString.value}, functional=single)
    ontology.properties[iri] = term
    return term


def _fields(iris: Iris) -> dict[str, list[_Known]]:
    """All that there are, by property; those of Resource will be there.

    By the IRI that they give themselves, also where several do and none is called so: each has the property's texts.
    """
    found: dict[str, list[_Known]] = {}
    for (name, field), iri in iris.fields.items():
        owner = iris.catalogue.types[name]
        own = owner.own_fields[field]
        is_open = own.protection is None and own.label == owner.label
        found.setdefault(own.iri or iri, []).append(_Known(owner.iri, own, is_open))
    if ROOT not in iris.types:
        for own in read_document({"typeName": "Resource", **RESOURCE}).fields.values():
            found.setdefault(str(own.iri), []).append(_Known(ROOT, own, is_open=True))
    return found


def _leave_out_counts(ontology: Ontology, term: PropertyTerm) -> None:
    """What is asked of all values together is asked of no field."""
    for owner in sorted(term.required_in):
        ontology.notice(owner, f"requires {term.iri}, in whichever language; {LEFT_OUT}")
    for owner in sorted(term.values_in):
        ontology.notice(owner, f"lists the values of {term.iri}, whichever their language; {LEFT_OUT}")
    term.required_in.clear()
    term.values_in.clear()
    for owner, facets in term.facets_in.items():
        term.facets_in[owner] = [facet for facet in facets if facet.key != "minItems"]
