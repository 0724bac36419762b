"""Exports as RDF: what a query lists, as triples."""

from collections.abc import AsyncGenerator

import orjson

from fabric.types.types import read_catalogue
from graphql_api.compiler.compiler import Items
from graphql_api.context import Context
from graphql_api.http.exports import reading
from ontology.output.descriptions import Descriptions
from ontology.output.writing import Writer


async def export_triples(context: Context, items: Items, writer: Writer) -> AsyncGenerator[bytes]:
    """The items, which are descriptions, in chunks.

    Raises as `exports.export` does, and Forbidden where the subject may not read what the IRIs are made of.
    """
    context.subject.require("type:read")
    async with reading(context, items) as (transaction, batches):
        descriptions = Descriptions(await read_catalogue(transaction), context.organization)
        head = writer.head()
        async for lines in batches:
            triples = (triple for line in lines for triple in descriptions.triples(orjson.loads(line)))
            yield head + writer.block(dict.fromkeys(triples))
            head = b""
        yield head + writer.tail()
