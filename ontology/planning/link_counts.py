"""How many things a class leads to by a property, as shapes and restrictions ask it, in the words of a link."""

from collections.abc import Mapping
from typing import Any

from fabric.types.link_counts import LinkCounts
from ontology.survey.facets import Facet
from ontology.survey.terms import LEFT_OUT, Ontology, PropertyTerm

_LEAST, _MOST = "minItems", "maxItems"


def counting(term: PropertyTerm, iri: str) -> list[Facet]:
    """What the class asks of the number. Of a property that has values too it is asked of these."""
    facets = () if term.datatypes else term.facets_in.get(iri, ())
    return [facet for facet in facets if facet.key in (_LEAST, _MOST)]


def asked_counts(ontology: Ontology, term: PropertyTerm, iri: str, *, one: bool) -> dict[str, int]:
    """`one` says that the class leads to one thing at most. What has no words is told of."""
    facets = counting(term, iri)
    said = {facet.key: facet.said for facet in facets}
    least = max((int(facet.value) for facet in facets if facet.key == _LEAST), default=0)
    most = min((int(facet.value) for facet in facets if facet.key == _MOST), default=None)
    if not one and most is not None and most < 2:
        ontology.notice(iri, f"has a shape with {said[_MOST]} for {term.iri}; {LEFT_OUT}")
        most = None
    if LinkCounts(least, 1 if one else most).allow_none:
        why = "there is one at most" if one else "more than the most there may be"
        ontology.notice(iri, f"has a shape with {said[_LEAST]} for {term.iri}; {LEFT_OUT}: {why}")
        least = 0
    return ({"minLinks": least} if least else {}) | ({"maxLinks": most} if most is not None and not one else {})


def counts_of(link: Mapping[str, Any]) -> LinkCounts:
    """Of a link as a document has it, its cardinality included."""
    return LinkCounts(link.get("minLinks", 0), 1 if link.get("cardinality") == "one" else link.get("maxLinks"))
