"""What all fields that search by a text have in common: who asks, what it counts, the record of it, and its pages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any
from uuid import UUID

from graphql import GraphQLArgument, GraphQLInt, GraphQLString

from fabric.errors import BadInput
from fabric.search.asking import record
from fabric.search.asking.query import Query
from fabric.search.asking.question import Mode, Question
from fabric.search.asking.reader import Reader
from fabric.search.ranking.fusion import Fused
from fabric.search.ranking.highlights import Highlight
from graphql_api.context import Context, Info
from graphql_api.cursors import BadCursor, CursorKey, cursor_key
from graphql_api.fields.batches import load
from graphql_api.schema.common_types import required
from graphql_api.schema.search_types import SEARCH_MODE

COST = 50_000
"""Rows that a search counts as beside its page: it looks at all that the reader sees."""


def search_arguments(where: GraphQLArgument) -> dict[str, GraphQLArgument]:
    """What all fields that search by a text take."""
    return {
        "query": GraphQLArgument(required(GraphQLString)),
        "mode": GraphQLArgument(required(SEARCH_MODE), default_value=Mode.HYBRID.value),
        "where": where,
        "first": GraphQLArgument(GraphQLInt),
        "after": GraphQLArgument(GraphQLString),
    }


async def reader_of(context: Context) -> Reader:
    return await context.services.search.reader(context.subject.session)


def page_size(info: Info, first: int | None, rows: int = 1) -> int:
    """How many hits are asked for, spent with so many rows each. BadInput beyond what a page may have."""
    settings = info.context.services.settings
    asked: int = settings.default_page_size if first is None else first
    if not 0 <= asked <= settings.max_page_size:
        raise BadInput(f"a page has 0 to {settings.max_page_size:,} items", ("first",))
    info.context.spend([*info.path.as_list(), "hits"], COST + asked * rows)
    return asked


async def question_of(context: Context, text: str, mode: Mode) -> Question:
    """What may be looked for, once it is on the record: a search that cannot be recorded fails."""
    subject, organization = context.subject, context.organization
    return await record.record(context.services.database, subject, organization, text, mode, context.request_id)


def warn_of(context: Context, warning: str) -> None:
    """Of what a search had to do without, if there is any."""
    if warning:
        context.warn("EMBEDDINGS_UNAVAILABLE", f"{warning}; this was searched by words alone")


def told_highlights(found: Sequence[Highlight]) -> list[dict[str, Any]]:
    return [{"field": h.field, "pieces": [{"text": t, "matched": m} for t, m in h.pieces]} for h in found]


async def highlights_of(info: Info, query: Query, id: UUID) -> list[dict[str, Any]]:
    """Where the query's words stand in an object; of all that one place of the document asks for, read together."""

    async def read(info: Info, ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        context = info.context
        found = await context.services.search.highlights(await reader_of(context), query, ids)
        return {id: told_highlights(each) for id, each in found.items()}

    return next(iter(await load(info, [id], read)), [])


def explanation(hit: Fused) -> dict[str, Any]:
    return {name: asdict(part) for name, part in hit.parts.items()}


def page_key(context: Context, name: str, said: Mapping[str, Any]) -> CursorKey:
    """A cursor belongs to one search, of whose text it holds nothing."""
    digest = sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return cursor_key(context.organization, context.subject.label, [name, digest])


def page_start(key: CursorKey, cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        [rank] = key.open(cursor)
    except BadCursor:
        raise BadInput("not a cursor of this list", ("after",)) from None
    return int(rank)


def connection(key: CursorKey, nodes: Sequence[Any], start: int, total: int) -> dict[str, Any]:
    """The hits from `start` on, of so many; None stands for one that has gone meanwhile, and leaves a gap."""
    edges = [{"cursor": key.seal([start + n]), "node": node} for n, node in enumerate(nodes, 1) if node is not None]
    return {
        "nodes": [edge["node"] for edge in edges],
        "edges": edges,
        "pageInfo": {
            "hasNextPage": total > start + len(nodes),
            "hasPreviousPage": start > 0,
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }
