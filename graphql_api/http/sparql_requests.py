"""Requests of the SPARQL 1.1 Protocol: a query and its dataset, by one of the protocol's three ways.

https://www.w3.org/TR/sparql11-protocol/#query-operation
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl

from starlette.requests import Request

from fabric.errors import BadInput, Forbidden
from fabric.settings import Settings
from graphql_api.http.http_messages import NotGraphQL, body_of, media_type_of

FORM = "application/x-www-form-urlencoded"
QUERY = "application/sparql-query"
UPDATE = "application/sparql-update"
INFERRED = "inferred"

_UTF8 = ("utf-8", "utf8")
_MOST_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class SparqlRequest:
    """A query and its dataset. Without a query it asks what this service is."""

    query: str | None
    default_graphs: Sequence[str] = ()
    named_graphs: Sequence[str] = ()
    inferred: bool = False
    """Whether inferred links are asked too: a parameter of ours, that may always stand in the address."""

    @classmethod
    async def read(cls, request: Request, settings: Settings) -> Self:
        """NotGraphQL for what the protocol does not know, with its status."""
        every = _fields(request.url.query.encode())
        address = [field for field in every if field[0] != INFERRED]
        ours = [field for field in every if field[0] == INFERRED]
        if request.method != "POST":
            return cls._of([*address, *ours], needed=bool(address))
        media, parameters = media_type_of(request.headers.get("content-type", ""))
        if media == UPDATE:
            raise _only_reads()
        if media not in (FORM, QUERY):
            raise NotGraphQL(415, f"send {QUERY} or {FORM}")
        if parameters.get("charset", "utf-8") not in _UTF8:
            raise NotGraphQL(415, "send UTF-8")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise NotGraphQL(415, "send it without a Content-Encoding")
        content = await body_of(request, settings.max_body_bytes, settings.body_timeout_seconds)
        if media == FORM:
            if address:
                raise _malformed("by this way of asking all parameters stand in the body")
            return cls._of([*_fields(content), *ours])
        if any(name == "query" for name, _ in address):
            raise _malformed("the query stands in the body, and so not in the address")
        return cls._of([*address, *ours, ("query", _decoded(content))])

    @classmethod
    def _of(cls, fields: Sequence[tuple[str, str]], needed: bool = True) -> Self:
        """Fields that the protocol does not name are left alone, as it says."""
        given: dict[str, list[str]] = {"query": [], "default-graph-uri": [], "named-graph-uri": [], INFERRED: []}
        for name, value in fields:
            if name == "update":
                raise _only_reads()
            if name in given:
                given[name].append(value)
        queries = given["query"]
        if len(queries) != 1 and (queries or needed):
            raise _malformed("send one query")
        inferred = set(given[INFERRED]) or {"false"}
        if not inferred <= {"true", "false"} or len(inferred) > 1:
            raise NotGraphQL(400, BadInput("inferred is true or false", (INFERRED,)))
        datasets = given["default-graph-uri"], given["named-graph-uri"]
        return cls(queries[0] if queries else None, *datasets, inferred == {"true"})


def _fields(content: bytes) -> list[tuple[str, str]]:
    try:
        text = content.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _malformed("the parameters are not URL-encoded UTF-8") from None


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _malformed("the query is not UTF-8") from None


def _malformed(words: str) -> NotGraphQL:
    return NotGraphQL(400, BadInput(words, ("query",)))


def _only_reads() -> NotGraphQL:
    return NotGraphQL(403, Forbidden("this endpoint only reads: it takes queries, and no updates"))
