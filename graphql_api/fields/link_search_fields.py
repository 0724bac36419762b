"""The field of Query that finds links by a text, through what stands at their ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import GraphQLArgument, GraphQLField, GraphQLFieldMap

from fabric.events.history import Version
from fabric.search.asking.query import Query
from fabric.search.asking.question import Mode
from fabric.search.finding.link_searching import LinkSearch
from fabric.search.ranking.fusion import Fused
from graphql_api.context import Info
from graphql_api.fields.batches import load_object
from graphql_api.fields.link_fields import LINKS_WHERE, sought
from graphql_api.fields.searches import (
    connection,
    explanation,
    highlights_of,
    page_key,
    page_size,
    page_start,
    question_of,
    reader_of,
    search_arguments,
    warn_of,
)
from graphql_api.fields.shaping import by_response_key
from graphql_api.fields.told_links import told_link
from graphql_api.schema.common_types import required
from graphql_api.schema.search_types import connection_type, link_end_type, link_hit_type

ROWS_OF_HIT = 3
"""The link and both of its ends."""


@dataclass(frozen=True, slots=True)
class _Hit:
    id: UUID
    score: float
    explain: Mapping[str, Any]
    label: int
    version: Version
    query: Query


@dataclass(frozen=True, slots=True)
class _End:
    id: UUID
    query: Query


async def _link(hit: _Hit, info: Info) -> Any:
    context = info.context
    catalogue = await context.services.types.catalogue(context.subject.session)
    return by_response_key(told_link(context.organization, catalogue, hit.id, hit.label, hit.version), info)


def _from(hit: _Hit, _: Info) -> _End:
    return _End(UUID(hit.version["source_id"]), hit.query)


def _to(hit: _Hit, _: Info) -> _End:
    return _End(UUID(hit.version["target_id"]), hit.query)


async def _node(end: _End, info: Info) -> Any:
    return await load_object(info, end.id)


async def _highlights(end: _End, info: Info) -> Any:
    return await highlights_of(info, end.query, end.id)


async def _search_links(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    for permission in ("object:read", "link:read"):
        context.subject.require(permission)
    mode, where = Mode(given["mode"]), given.get("where") or {}
    first = page_size(info, given.get("first"), ROWS_OF_HIT)
    reader = await reader_of(context)
    wanted = sought(reader.catalogue, where)
    key = page_key(context, "@searchLinks", {"query": given["query"], "mode": mode.value, "where": where})
    start = page_start(key, given.get("after"))
    question = await question_of(context, given["query"], mode)
    search = LinkSearch(context.services.search)
    found = await search.find(reader, question, wanted)
    warn_of(context, found.warning)
    page = found.hits[start : start + first]
    read = await search.read(reader, [hit.id for hit in page])
    hits = [_hit(hit, *read[hit.id], found.query) if hit.id in read else None for hit in page]
    return connection(key, hits, start, len(found.hits))


def _hit(hit: Fused, label: int, version: Version, query: Query) -> _Hit:
    return _Hit(hit.id, hit.score, explanation(hit), label, version, query)


HIT = link_hit_type(_link, _from, _to, link_end_type(_node, _highlights))
HITS = connection_type(HIT)

LINK_SEARCH_FIELDS: GraphQLFieldMap = {
    "searchLinks": GraphQLField(
        required(HITS),
        search_arguments(GraphQLArgument(LINKS_WHERE)),
        _search_links, description="Links by what they say and join, best first, of what you see.",
    ),
}  # fmt: skip
