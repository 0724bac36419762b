"""What a reader sees, as RDF: streamed, as of one moment, in memory that does not grow with it (see docs/rdf.md)."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from pyoxigraph import Triple

from fabric.database.db import Database
from fabric.errors import NotFound
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.transfer.export import bodies, reading
from ontology.iris import Iris
from ontology.triples import Triples
from ontology.writing import Writer

BLOCK_TRIPLES = 1_000


async def export(
    database: Database, organization: Organization, subject: Subject, writer: Writer, type_name: str | None = None,
    patience: tuple[float, float] | None = None,
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
        triples = Triples(Iris(catalogue))
        yield writer.head()
        block: list[Triple] = []
        async for some in _triples(triples, bodies(transaction, catalogue, organization, only)):
            block += some
            if len(block) >= BLOCK_TRIPLES:
                yield writer.block(block)
                block = []
        yield writer.block(block)
    yield writer.tail()


async def _triples(triples: Triples, records: AsyncIterator[dict[str, Any]]) -> AsyncIterator[list[Triple]]:
    parallel: list[dict[str, Any]] = []
    async for body in records:
        if "define" in body:
            yield list(triples.definition(body["define"]))
        elif "type" in body:
            yield list(triples.object(body))
        else:
            if parallel and _ends(parallel[0]) != _ends(body):
                yield list(triples.links(parallel))
                parallel = []
            parallel.append(body)
    if parallel:
        yield list(triples.links(parallel))


def _ends(body: Mapping[str, Any]) -> tuple[Any, ...]:
    return body["link"], body["from"], body["to"]
