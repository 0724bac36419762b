"""The field of Query that finds applications' own events by a text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLArgument, GraphQLField, GraphQLFieldMap

from fabric.events.events import Event
from fabric.search.asking.query import Query
from fabric.search.asking.question import Mode
from fabric.search.finding.event_searching import EventSearch
from graphql_api.context import Info
from graphql_api.fields.event_fields import EVENT_WHERE, sought
from graphql_api.fields.searches import (
    connection,
    explanation,
    page_key,
    page_size,
    page_start,
    question_of,
    reader_of,
    search_arguments,
    told_highlights,
    warn_of,
)
from graphql_api.fields.shaping import by_response_key
from graphql_api.fields.told_events import told_event
from graphql_api.schema.common_types import required
from graphql_api.schema.search_types import connection_type, event_hit_type


@dataclass(frozen=True, slots=True)
class _Hit:
    score: float
    explain: Mapping[str, Any]
    event: Event
    query: Query


async def _event(hit: _Hit, info: Info) -> Any:
    return by_response_key(told_event(info.context.organization, hit.event), info)


async def _highlights(hit: _Hit, info: Info) -> Any:
    context = info.context
    search = EventSearch(context.services.search)
    return told_highlights(await search.highlights(await reader_of(context), hit.query, hit.event))


async def _search_events(_: Any, info: Info, **given: Any) -> Any:
    context = info.context
    for permission in ("object:read", "link:read", "type:read"):
        context.subject.require(permission)
    mode, where = Mode(given["mode"]), given.get("where") or {}
    first = page_size(info, given.get("first"))
    reader = await reader_of(context)
    said = {"query": given["query"], "mode": mode.value, "where": where}
    key = page_key(context, "@searchEvents", said)
    start = page_start(key, given.get("after"))
    wanted = sought(where)
    question = await question_of(context, given["query"], mode)
    search = EventSearch(context.services.search)
    found = await search.find(reader, question, wanted)
    warn_of(context, found.warning)
    page = found.hits[start : start + first]
    read = await search.read(context.subject.session, [hit.id for hit in page])
    hits = [
        _Hit(hit.score, explanation(hit), read[hit.id], found.query) if hit.id in read else None for hit in page
    ]
    return connection(key, hits, start, len(found.hits))


HITS = connection_type(event_hit_type(_event, _highlights))

EVENT_SEARCH_FIELDS: GraphQLFieldMap = {
    "searchEvents": GraphQLField(
        required(HITS),
        search_arguments(GraphQLArgument(EVENT_WHERE)),
        _search_events, description="Events of applications by what they say, best first, of what you see.",
    ),
}  # fmt: skip
