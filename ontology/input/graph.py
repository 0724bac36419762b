"""A graph of triples, asked for what ontologies and data are made of; its answers do not depend on the file's order."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter
from typing import TypeAlias

from pyoxigraph import BlankNode, Literal, NamedNode, Quad, Store

from fabric.errors import BadInput
from ontology.vocabulary import RDF, RDFS

Node: TypeAlias = NamedNode | BlankNode
Term: TypeAlias = NamedNode | BlankNode | Literal

Said: TypeAlias = dict[NamedNode, list[Term]]
"""What is said of a node, by predicate, in an order that depends on nothing else."""

LANGUAGES = ("en",)

_TYPE = RDF.type

MAX_ITEMS = 100_000
"""Of a list."""
MAX_PROPERTIES = 100_000
"""Statements about one node that are looked at together."""


class Graph:
    """What a store holds in its default graph. Of texts in several `languages` the first of these is preferred."""

    def __init__(self, store: Store, languages: Sequence[str] = LANGUAGES) -> None:
        self.store = store
        self._languages = [language.lower() for language in languages]

    def quads(self, s: Node | None = None, p: NamedNode | None = None, o: Term | None = None) -> Iterator[Quad]:
        return self.store.quads_for_pattern(s, p, o, None)

    def objects(self, subject: Node, *predicates: NamedNode) -> list[Term]:
        """What the predicates say of the subject, each once."""
        found = {q.object for p in predicates for q in _few(self.quads(subject, p))}
        return sorted((o for o in found if isinstance(o, NamedNode | BlankNode | Literal)), key=order)

    def value(self, subject: Node, *predicates: NamedNode) -> Term | None:
        return next(iter(self.objects(subject, *predicates)), None)

    def nodes(self, subject: Node, *predicates: NamedNode) -> list[Node]:
        return [o for o in self.objects(subject, *predicates) if not isinstance(o, Literal)]

    def iris(self, subject: Node, *predicates: NamedNode) -> list[str]:
        return [o.value for o in self.objects(subject, *predicates) if isinstance(o, NamedNode)]

    def subjects(self, predicate: NamedNode, object: Term) -> Iterator[Node]:
        for quad in self.quads(None, predicate, object):
            if isinstance(quad.subject, NamedNode | BlankNode):
                yield quad.subject

    def subjects_with(self, predicate: NamedNode) -> Iterator[Node]:
        """Once for each statement."""
        for quad in self.quads(None, predicate):
            if isinstance(quad.subject, NamedNode | BlankNode):
                yield quad.subject

    def by_subject(self) -> Iterator[tuple[Node, list[Quad]]]:
        """The statements about each subject, of one that has more than MAX_PROPERTIES one more than that.

        One pass over all that there is: much faster than to ask for each subject.
        """
        for subject, quads in groupby(self.quads(), key=attrgetter("subject")):
            if isinstance(subject, NamedNode | BlankNode):
                yield subject, list(islice(quads, MAX_PROPERTIES + 1))

    def about(self, subject: Node) -> Said:
        """All that is said of the subject, by predicate. BadInput for more than MAX_PROPERTIES statements."""
        return said(self.quads(subject))

    def is_a(self, subject: Node, *classes: NamedNode) -> bool:
        return any(True for each in classes for _ in self.quads(subject, RDF.type, each))

    def items(self, head: Term) -> list[Term]:
        """The members of a list. BadInput for one that has no end, or no members where it should."""
        found: list[Term] = []
        seen: set[Term] = set()
        while head != RDF.nil:
            if isinstance(head, Literal) or head in seen or len(found) == MAX_ITEMS:
                raise BadInput(f"a list has no end, or more than {MAX_ITEMS:,} members")
            seen.add(head)
            first, rest = self.value(head, RDF.first), self.value(head, RDF.rest)
            if first is None or rest is None:
                raise BadInput("a list ends without rdf:nil")
            found.append(first)
            head = rest
        return found

    def text(self, subject: Node, *predicates: NamedNode) -> str | None:
        """A literal of the first predicate that has any: in a preferred language, in none, or in whichever there is."""
        for predicate in predicates:
            found = [o for o in self.objects(subject, predicate) if isinstance(o, Literal) and o.value.strip()]
            if found:
                return min(found, key=self._preferred).value.strip()
        return None

    def label(self, subject: Node) -> str | None:
        return self.text(subject, RDFS.label)

    def _preferred(self, literal: Literal) -> tuple[int, str]:
        language, wanted = (literal.language or "").lower(), self._languages
        first = (i for i, each in enumerate(wanted) if language == each or language.startswith(each + "-"))
        return next(first, len(wanted) + bool(language)), language


def said(quads: Iterable[Quad]) -> Said:
    """What these say, all of one subject. BadInput for more than MAX_PROPERTIES of them."""
    found: Said = {}
    for quad in _few(quads):
        if isinstance(quad.object, NamedNode | BlankNode | Literal):
            found.setdefault(quad.predicate, []).append(quad.object)
    for terms in found.values():
        if len(terms) > 1:
            terms.sort(key=order)
    return {p: found[p] for p in sorted(found, key=attrgetter("value"))}


def classes_among(quads: Iterable[Quad]) -> set[str]:
    """The IRIs of the classes that these say their subject is of."""
    return {q.object.value for q in quads if q.predicate == _TYPE and isinstance(q.object, NamedNode)}


def _few(quads: Iterable[Quad]) -> Iterator[Quad]:
    for number, quad in enumerate(quads):
        if number == MAX_PROPERTIES:
            raise BadInput(f"more than {MAX_PROPERTIES:,} statements about one node")
        yield quad


def order(term: Term) -> tuple[int, str, str]:
    """Of any two terms the same one comes first, blank nodes apart, whose names mean nothing."""
    if isinstance(term, Literal):
        return 2, term.value, f"{term.language or ''} {term.datatype.value}"
    return (0 if isinstance(term, NamedNode) else 1), term.value, ""
