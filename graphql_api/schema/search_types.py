"""What searches give: hits with what made them, and where the words stand. Made once for all schemas, but for nodes."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFieldResolver,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLString,
)

from fabric.search.asking.question import Mode
from graphql_api.context import Info
from graphql_api.fields.shaping import by_response_key
from graphql_api.schema.common_types import EVENT, FABRIC_OBJECT, LINK, PAGE_INFO, SCALARS, listed, required

SEARCH_MODE = GraphQLEnumType(
    "SearchMode",
    {mode.value: mode.value for mode in Mode},
    description="By words, by meaning, or by both.",
)

_PART = GraphQLObjectType(
    "SearchPart",
    {
        "rank": GraphQLField(required(GraphQLInt), description="From 1."),
        "score": GraphQLField(required(GraphQLFloat), description="Comparable within this ranking only."),
    },
)

_EXPLANATION = GraphQLObjectType(
    "SearchExplanation",
    {
        "text": GraphQLField(_PART, description="By words: BM25, of what you see."),
        "vector": GraphQLField(_PART, description="By meaning: the cosine."),
        "graph": GraphQLField(_PART, description="By links, from the best of the others."),
        "links": GraphQLField(_PART, description="By what the object's links say: the cosine of the best."),
    },
    description="The rankings that have the hit.",
)

_PIECE = GraphQLObjectType(
    "HighlightPiece",
    {"text": GraphQLField(required(GraphQLString)), "matched": GraphQLField(required(GraphQLBoolean))},
)

_HIGHLIGHT = GraphQLObjectType(
    "SearchHighlight",
    {
        "field": GraphQLField(required(GraphQLString)),
        "pieces": GraphQLField(listed(_PIECE), description="Text, never markup."),
    },
)

CONTEXT_SOURCE = GraphQLObjectType(
    "ContextSource",
    {
        "objectId": GraphQLField(required(GraphQLID)),
        "type": GraphQLField(required(GraphQLString)),
        "label": GraphQLField(required(SCALARS["Label"])),
        "start": GraphQLField(required(GraphQLInt), description="Where it begins in the text, in characters."),
        "end": GraphQLField(required(GraphQLInt), description="The character after its last."),
        "linked": GraphQLField(required(GraphQLBoolean), description="There because a hit is linked to it."),
    },
)

CONTEXT = GraphQLObjectType(
    "SearchContext",
    {
        "text": GraphQLField(required(GraphQLString)),
        "tokens": GraphQLField(required(GraphQLInt), description="Of the text: parts of words, and other signs."),
        "sources": GraphQLField(listed(CONTEXT_SOURCE), description="In the order of the text."),
    },
    description="What a search finds, for a language model.",
)


def _page_info(connection: Mapping[str, Any], info: Info) -> Any:
    return by_response_key(connection["pageInfo"], info)


def hit_type(node: GraphQLFieldResolver, highlights: GraphQLFieldResolver) -> GraphQLObjectType:
    return GraphQLObjectType(
        "SearchHit",
        {
            "score": GraphQLField(required(GraphQLFloat), description="Of all rankings together; higher is better."),
            "explain": GraphQLField(required(_EXPLANATION)),
            "highlights": GraphQLField(listed(_HIGHLIGHT), resolve=highlights, description="Where the words stand."),
            "node": GraphQLField(FABRIC_OBJECT, resolve=node, description="Null if it has gone meanwhile."),
        },
    )


def link_end_type(node: GraphQLFieldResolver, highlights: GraphQLFieldResolver) -> GraphQLObjectType:
    return GraphQLObjectType(
        "LinkSearchEnd",
        {
            "highlights": GraphQLField(listed(_HIGHLIGHT), resolve=highlights, description="Where the words stand."),
            "node": GraphQLField(FABRIC_OBJECT, resolve=node, description="Null if it has gone meanwhile."),
        },
    )


def link_hit_type(
    link: GraphQLFieldResolver, source: GraphQLFieldResolver, target: GraphQLFieldResolver, end: GraphQLObjectType
) -> GraphQLObjectType:
    return GraphQLObjectType(
        "LinkSearchHit",
        {
            "score": GraphQLField(required(GraphQLFloat), description="Of all rankings together; higher is better."),
            "explain": GraphQLField(required(_EXPLANATION)),
            "link": GraphQLField(required(LINK), resolve=link),
            "from": GraphQLField(required(end), resolve=source),
            "to": GraphQLField(required(end), resolve=target),
        },
    )


def event_hit_type(event: GraphQLFieldResolver, highlights: GraphQLFieldResolver) -> GraphQLObjectType:
    return GraphQLObjectType(
        "EventSearchHit",
        {
            "score": GraphQLField(required(GraphQLFloat), description="Of all rankings together; higher is better."),
            "explain": GraphQLField(required(_EXPLANATION)),
            "highlights": GraphQLField(listed(_HIGHLIGHT), resolve=highlights, description="Where the words stand."),
            "event": GraphQLField(required(EVENT), resolve=event),
        },
    )


def connection_type(hit: GraphQLObjectType) -> GraphQLObjectType:
    edge = {"cursor": GraphQLField(required(GraphQLString)), "node": GraphQLField(required(hit))}
    return GraphQLObjectType(
        f"{hit.name}Connection",
        {
            "nodes": GraphQLField(listed(hit)),
            "edges": GraphQLField(listed(GraphQLObjectType(f"{hit.name}Edge", edge))),
            "pageInfo": GraphQLField(required(PAGE_INFO), resolve=_page_info),
        },
    )
