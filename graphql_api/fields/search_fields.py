"""The fields of Query that search: by a text, and for what is like an object.

Rankings are made by `fabric.search`, at the session label; objects are then read as the compiler reads them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLString,
)

from fabric.errors import BadInput, NotFound, TimedOut
from fabric.search.asking.query import Query
from fabric.search.asking.question import Mode, Question
from fabric.search.asking.reader import Reader
from fabric.search.finding.contexts import HITS as CONTEXT_HITS
from fabric.search.finding.contexts import LINKS as CONTEXT_LINKS
from fabric.search.finding.contexts import context as compose
from fabric.search.finding.link_searching import LinkSearch
from fabric.search.finding.searching import Asked, Expansion
from fabric.search.ranking.expansion import SEEDS, neighbours
from fabric.search.ranking.fusion import Fused
from fabric.search.ranking.statements import Where, anything
from fabric.types.catalogue import Catalogue
from graphql_api.context import Context, Info
from graphql_api.fields.batches import load_object
from graphql_api.fields.searches import (
    COST,
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
from graphql_api.schema.common_types import SCALARS, SIMILAR, required
from graphql_api.schema.search_types import CONTEXT, connection_type, hit_type
from graphql_api.streaming.filters import SearchFilter, filter_tree

MOST_TOKENS = 32_000
"""Of one context."""


@dataclass(frozen=True, slots=True)
class _Hit:
    """`query` is what it was found by."""

    id: UUID
    score: float
    explain: Mapping[str, Any]
    query: Query


async def _node(value: Any, info: Info) -> Any:
    return await load_object(info, value.id)


async def _highlights(hit: _Hit, info: Info) -> Any:
    return await highlights_of(info, hit.query, hit.id)


HIT = hit_type(_node, _highlights)
HITS = connection_type(HIT)


class SearchFields:
    """Made for each schema, since filters are of its types."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def fields(self) -> GraphQLFieldMap:
        names = GraphQLList(required(GraphQLString))
        some = {
            "types": GraphQLArgument(names, description="Objects of these types only."),
            "where": GraphQLArgument(
                SCALARS["JSON"], description="As the type's list takes it; `types` names that one type."
            ),
            "first": GraphQLArgument(GraphQLInt),
        }
        return {
            "search": GraphQLField(
                required(HITS),
                {
                    **search_arguments(some["where"]),
                    "types": some["types"],
                    "expand": GraphQLArgument(
                        required(GraphQLBoolean), default_value=False,
                        description="Whether links add to it: neighbours of the best, ends of links that say it.",
                    ),
                },
                self._search, description="Best first, of what you see.",
            ),
            "similar": GraphQLField(
                required(GraphQLList(required(SIMILAR))),
                {"to": GraphQLArgument(required(GraphQLID)), **some},
                self._similar, description="What is nearest in meaning to an object.",
            ),
            "context": GraphQLField(
                required(CONTEXT),
                {
                    "query": GraphQLArgument(required(GraphQLString)),
                    "tokens": GraphQLArgument(required(GraphQLInt), default_value=2_000),
                    "types": some["types"],
                    "where": some["where"],
                },
                self._context, description="The best passages with what they are linked to, as one text with sources.",
            ),
        }  # fmt: skip

    async def _search(self, _: Any, info: Info, **given: Any) -> Any:
        context = info.context
        context.subject.require("object:read")
        mode = Mode(given["mode"])
        first = page_size(info, given.get("first"))
        reader = await reader_of(context)
        types, where = self._types(reader, given), self._where(info, given)
        if given["expand"]:
            context.subject.require("link:read")
        said = {name: given.get(name) for name in ("query", "types", "where", "mode", "expand")}
        key = page_key(context, "@search", said)
        start = page_start(key, given.get("after"))
        question = await question_of(context, given["query"], mode)
        expansion = self._expansion(context, reader, question) if given["expand"] else None
        found = await context.services.search.search(reader, Asked(question, types, where, expansion))
        warn_of(context, found.warning)
        page = found.hits[start : start + first]
        return connection(key, [_hit(hit, found.query) for hit in page], start, len(found.hits))

    async def _similar(self, _: Any, info: Info, **given: Any) -> Any:
        context = info.context
        context.subject.require("object:read")
        first = page_size(info, given.get("first"))
        reader = await reader_of(context)
        to = context.read_id(given["to"], "to")
        types, where = self._types(reader, given), self._where(info, given)
        try:
            found = await context.services.search.similar(reader, to, types, where, first)
        except NotFound:
            raise NotFound("not found", ("to",)) from None
        return [_hit(hit, Query()) for hit in found]

    async def _context(self, _: Any, info: Info, **given: Any) -> Any:
        context = info.context
        context.subject.require("object:read")
        if not 1 <= given["tokens"] <= MOST_TOKENS:
            raise BadInput(f"1 to {MOST_TOKENS:,} tokens", ("tokens",))
        context.spend([*info.path.as_list(), "hits"], COST + CONTEXT_HITS * (1 + CONTEXT_LINKS))
        reader = await reader_of(context)
        types, where = self._types(reader, given), self._where(info, given)
        walks = "link:read" in context.subject.permissions
        relations = context.subject.links.walked(None) if walks else ()
        question = await question_of(context, given["query"], Mode.HYBRID)
        made = await compose(
            context.services.search, reader, Asked(question, types, where), given["tokens"], relations
        )
        warn_of(context, made.warning)
        lattice = context.organization.lattice
        sources = [
            {"objectId": str(s.id), "type": s.type_name, "label": str(lattice.decode(s.label)),
             "start": s.start, "end": s.end, "linked": s.linked}
            for s in made.sources
        ]  # fmt: skip
        return {"text": made.text, "tokens": made.tokens, "sources": sources}

    def _types(self, reader: Reader, given: Mapping[str, Any]) -> list[str]:
        """What the reader does not see as a type names no object."""
        if given.get("types") is None:
            return reader.types
        types = self._catalogue.types
        return sorted({member for name in given["types"] if name in types for member in types[name].family})

    def _where(self, info: Info, given: Mapping[str, Any]) -> Where:
        if given.get("where") is None:
            return anything
        context, names = info.context, given.get("types") or []
        object_type = self._catalogue.types.get(names[0]) if len(names) == 1 else None
        if object_type is None or object_type.domain != "object":
            raise BadInput("a filter is of one type: name it in types", ("types",))
        tree = filter_tree(info.schema, object_type, given["where"], ("where",))
        found = SearchFilter(self._catalogue, object_type, tree, ("where",))
        for permission in found.permissions:
            context.subject.require(permission)
        return found.condition(context.subject, context.organization)

    def _expansion(self, context: Context, reader: Reader, question: Question) -> Expansion:
        services, relations = context.services, context.subject.links.walked(None)

        async def near(best: Sequence[tuple[UUID, float]]) -> list[tuple[UUID, float]]:
            try:
                async with asyncio.timeout(services.settings.graph_timeout_seconds):
                    graph = await services.graphs.graph(context.subject.organization_id)
            except TimeoutError:
                raise TimedOut("the link graph is not there yet; try again") from None
            view = graph.view(context.subject.label, relations=relations)
            return await asyncio.to_thread(neighbours, view, best[:SEEDS], context.budget)

        async def joined() -> list[tuple[UUID, float]]:
            return await LinkSearch(services.search).joined(reader, question, relations)

        return Expansion(near, joined)


def _hit(hit: Fused, query: Query) -> _Hit:
    return _Hit(hit.id, hit.score, explanation(hit), query)
