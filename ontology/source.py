"""RDF files as import records: the definitions that an ontology becomes, then objects and links (see docs/rdf.md)."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import tzinfo
from importlib.resources import files
from typing import Any

from pyoxigraph import Literal, NamedNode, RdfFormat

from fabric.labels import Label, Lattice
from fabric.transfer.loader import explicitly_labelled, needed_compartments
from fabric.transfer.records import Problem, Record
from fabric.types.catalogue import Catalogue
from fabric.types.document_reading import read_document
from fabric.types.projection import Definer, plan
from ontology.individuals.individuals import Individuals
from ontology.input.reading import Read
from ontology.iris import Iris
from ontology.planning.plan import Planner
from ontology.survey.survey import definitions, survey
from ontology.survey.terms import Notice
from ontology.vocabulary import LABEL, RDF, SKOS_NS

MAX_LABELS = 10_000
"""Different ones that are looked at for their compartments."""

_SKOS = files("ontology").joinpath("skos.ttl")
_SKOS_CLASSES = ("Concept", "ConceptScheme", "Collection", "OrderedCollection")


class RdfSource:
    """What was read, as records for an organization whose definitions are `before`.

    `label` is that of objects and links that give none. With `single` fields are no lists where the ontology says
    nothing of how many values they have. `languages_apart` is that of `survey`, `zone` that of `Individuals`.
    BadInput or Several for definitions that would be refused.
    """

    def __init__(
        self, read: Read, before: Catalogue, lattice: Lattice, *, label: Label | None = None, single: bool = False,
        languages_apart: bool = True, zone: tzinfo | None = None,
    ) -> None:  # fmt: skip
        self._read, self._lattice, self._label, self._zone = read, lattice, label, zone
        _add_skos(read)
        own = definitions(read.graph)
        known = self._defined(before, [document for _, document in own])
        ontology = survey(read, Iris(known), languages_apart=languages_apart)
        planned = Planner(ontology, known, lattice.decode, read.prefixes, single=single).plan()
        self.notices: Sequence[Notice] = sorted(set(ontology.notices))
        self._definitions = [*own, *((iri, _without_empty(document)) for iri, document in planned)]
        self.catalogue = self._defined(known, [document for _, document in planned])
        """The definitions that there will be."""

    def definitions(self) -> list[Record]:
        return [Record(iri, {"define": document}) for iri, document in self._definitions]

    def objects(self) -> Iterator[Record | Problem]:
        return self._individuals().objects()

    def links(self) -> Iterator[Record | Problem]:
        return self._individuals().links()

    def all(self) -> Iterator[Record | Problem]:
        """Objects and links, in less time and in another order: for who only counts them."""
        return self._individuals().all()

    def _individuals(self) -> Individuals:
        label = str(self._label) if self._label is not None else None
        return Individuals(self._read.graph, Iris(self.catalogue), label, self._zone)

    def _defined(self, before: Catalogue, documents: Sequence[dict[str, Any]]) -> Catalogue:
        top = (1 << 62) - 1
        labelled = [explicitly_labelled(d, before.types.get(str(d.get("typeName")))) for d in documents]
        return plan(before, [read_document(d) for d in labelled], Definer(top, self._lattice))


def compartments(read: Read) -> list[str]:
    """The compartments that labels in the files name, sorted: what an organization must have to take them all."""
    needed = set(needed_compartments(Record(iri, {"define": body}) for iri, body in definitions(read.graph)))
    seen: set[str] = set()
    for quad in read.graph.quads(None, LABEL):
        if isinstance(quad.object, Literal) and quad.object.value not in seen and len(seen) < MAX_LABELS:
            seen.add(quad.object.value)
            with suppress(ValueError):
                needed |= Label.parse(quad.object.value).compartments
    return sorted(needed)


def _without_empty(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value not in ({}, None)}


def _add_skos(read: Read) -> None:
    """What SKOS says of its own terms, where they are used: its files are rarely beside those that use it."""
    used = any(True for name in _SKOS_CLASSES for _ in read.graph.subjects(RDF.type, NamedNode(SKOS_NS + name)))
    if used:
        read.graph.store.load(_SKOS.read_bytes(), RdfFormat.TURTLE)
        read.prefixes.setdefault(SKOS_NS, "skos")
