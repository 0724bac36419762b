"""RDF as tests write and read it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fabric.labels import Lattice
from fabric.transfer.records import Problem
from fabric.types.catalogue import Catalogue
from fabric.types.merging import EMPTY
from ontology.input.reading import Read, reading
from ontology.source import RdfSource

PREFIXES = """
@prefix ex: <http://example.org/> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix schema: <https://schema.org/> .
@prefix fabric: <urn:semantic-fabric:vocabulary#> .
"""
EX = "http://example.org/"


@contextmanager
def reads(text: str | bytes, ending: str = "ttl", **options: Any) -> Iterator[Read]:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"file.{ending}")
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with reading([path], **options) as read:
            yield read


@contextmanager
def imported(
    text: str, before: Catalogue = EMPTY, *, languages: tuple[str, ...] = ("en",), **options: Any
) -> Iterator[RdfSource]:
    """What becomes of Turtle with the prefixes above."""
    with reads(PREFIXES + text, languages=languages) as read:
        yield RdfSource(read, before, Lattice(("ALPHA", "BRAVO")), **options)


def definitions(text: str, **options: Any) -> dict[str, dict[str, Any]]:
    """By type."""
    with imported(text, **options) as source:
        return {r.body["define"]["typeName"]: r.body["define"] for r in source.definitions()}


def notices(text: str, **options: Any) -> set[tuple[str, str]]:
    """(IRI, message) with example.org's IRIs as local names."""
    with imported(text, **options) as source:
        return {(n.iri.removeprefix(EX), n.message.replace(EX, "")) for n in source.notices}


def records(text: str, **options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]], set[str]]:
    """Objects, links and problems."""
    with imported(text, **options) as source:
        found = list(source.objects()), list(source.links())
    problems = {f"{each.where}: {each.message}" for group in found for each in group if isinstance(each, Problem)}
    objects, links = ([each.body for each in group if not isinstance(each, Problem)] for group in found)
    return sorted(objects, key=str), sorted(links, key=str), {p.replace(EX, "") for p in problems}
