"""What a reader sees, as RDF: streamed, as of one moment, in memory that does not grow with it (see docs/rdf.md)."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from enum import Enum
from typing import Any

from pyoxigraph import Quad, Triple

from fabric.database.db import Database
from fabric.errors import NotFound
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.transfer.export import bodies, reading
from ontology.iris import Iris
from ontology.output.triples import Triples
from ontology.output.uncounted import uncounted
from ontology.output.writing import Writer
from ontology.vocabulary import INFERRED_GRAPH

BLOCK_TRIPLES = 1_000

Body = Mapping[str, Any]


class Inferred(Enum):
    """What becomes of inferred links."""

    LEFT_OUT = 0
    MARKED = 1
    """Each has a statement that says so."""
    APART = 2
    """They are in a graph of their own, for formats that name graphs."""


async def export(
    database: Database, organization: Organization, subject: Subject, writer: Writer, type_name: str | None = None,
    patience: tuple[float, float] | None = None, inferred: Inferred = Inferred.LEFT_OUT,
) -> AsyncGenerator[bytes]:  # fmt: skip
    """All that the subject's session sees, or the objects of one type and its descendants with the links among them.

    NotFound for a type that it does not see, Forbidden for a permission to read that the subject lacks, before anything
    is given. `patience` is that of `Database.transaction`. The transaction ends with the iterator: close it.
    """
    async with reading(database, subject, patience) as (transaction, catalogue):
        only = None
        if type_name is not None:
            if type_name not in catalogue.types:
                raise NotFound(f"no such type: {type_name}")
            only = catalogue.types[type_name].family
        iris, apart, beside = Iris(catalogue), inferred is Inferred.APART, inferred is not Inferred.LEFT_OUT
        triples = Triples(iris, await uncounted(transaction, iris, only, inferred=beside))
        wanted = bodies(transaction, catalogue, organization, only, beside)
        yield writer.head()
        block: list[Triple | Quad] = []
        async for some in _triples(triples, wanted, apart):
            block += some
            if len(block) >= BLOCK_TRIPLES:
                yield writer.block(block)
                block = []
        yield writer.block(block)
    yield writer.tail()


async def _triples(
    triples: Triples, records: AsyncIterator[dict[str, Any]], apart: bool
) -> AsyncIterator[Sequence[Triple | Quad]]:
    parallel: list[dict[str, Any]] = []
    async for body in records:
        if "define" in body:
            yield list(triples.definition(body["define"]))
        elif "type" in body:
            yield list(triples.object(body))
        else:
            if parallel and _ends(parallel[0]) != _ends(body):
                yield _links(triples, parallel, apart)
                parallel = []
            parallel.append(body)
    if parallel:
        yield _links(triples, parallel, apart)


def _links(triples: Triples, parallel: Sequence[Body], apart: bool) -> list[Triple | Quad]:
    if not apart:
        return list(triples.links(parallel))
    written = [body for body in parallel if "inferred" not in body]
    inferred = [{k: v for k, v in body.items() if k != "inferred"} for body in parallel if "inferred" in body]
    found: list[Triple | Quad] = [*triples.links(written)] if written else []
    if inferred:
        found += (Quad(t.subject, t.predicate, t.object, INFERRED_GRAPH) for t in triples.links(inferred))
    return found


def _ends(body: Body) -> tuple[Any, ...]:
    return body["link"], body["from"], body["to"]
