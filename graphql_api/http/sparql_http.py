"""`/sparql`: the SPARQL 1.1 Protocol over what a reader sees, as `/export/rdf` gives it. It only reads."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from fabric.errors import BadInput, FabricError, Forbidden, RateLimited, TooComplex
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from graphql_api.http.endpoint import Endpoint
from graphql_api.http.http_messages import GRAPHQL_JSON, Answer, NotGraphQL, admitted, negotiated, refused, waited_for
from graphql_api.http.presence import Left, while_connected
from graphql_api.http.sparql_requests import SparqlRequest
from graphql_api.metrics import Metrics
from graphql_api.pipeline import Asked, Pipeline
from graphql_api.streaming.connections import Connections
from ontology.output.writing import FORMATS, Writer
from ontology.sparql.description import description
from ontology.sparql.engine import Question, Verdict
from ontology.sparql.held import HeldGraph, Limits

_TABLES = {
    "application/sparql-results+json": "json",
    "application/json": "json",
    "application/sparql-results+xml": "xml",
    "application/xml": "xml",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/*": "json",
    "text/*": "csv",
    "*/*": "json",
}
_GRAPHS = {FORMATS[name].media_type: name for name in ("turtle", "jsonld", "ntriples", "rdfxml")} | {
    "application/*": "jsonld", "text/*": "turtle", "*/*": "turtle"
}  # fmt: skip

_KINDS: dict[str, tuple[int, type[FabricError]]] = {
    "malformed": (400, BadInput), "unacceptable": (406, BadInput), "too_large": (400, TooComplex)
}  # fmt: skip
"""By what is wrong with a query: the status and the error."""


CLIENT_CLOSED_REQUEST = 499
"""What servers put down for an answer that nobody is there to get."""


class Source(Protocol):
    """Where graphs come from."""

    def of(
        self, organization: Organization, subject: Subject, inferred: bool
    ) -> AbstractAsyncContextManager[HeldGraph]: ...


class SparqlOverHTTP(Endpoint):
    def __init__(self, pipeline: Pipeline, connections: Connections, metrics: Metrics, graphs: Source) -> None:
        super().__init__(pipeline, connections, metrics)
        settings = pipeline.services.settings
        self._graphs = graphs
        self._seats = Seats(settings.max_sparql_queries, settings.max_sparql_queries_each)
        self._limits = Limits(settings.sparql_seconds, settings.sparql_query_memory_bytes)

    async def _answer(self, request: Request) -> Answer:
        try:
            answer = Answer(await self._response(request), "OK")
        except Left:
            answer = Answer(Response(status_code=CLIENT_CLOSED_REQUEST), "GONE")
        except Exception as error:
            if isinstance(error, Forbidden):
                error = NotGraphQL(403, error)
            answer = refused(error, request.state.request_id, GRAPHQL_JSON)
        self._metrics.sparql_answered(answer.outcome)
        return answer

    async def _response(self, request: Request) -> Response:
        accept = request.headers.get("accept")
        tables, graphs = _chosen(accept, _TABLES, "json"), _chosen(accept, _GRAPHS, "turtle")
        if tables is None and graphs is None:
            raise NotGraphQL(406, f"answers come as {' or '.join([*_TABLES, *_GRAPHS])}")
        subject, organization = await admitted(self._pipeline.gate, request)
        settings = self._pipeline.services.settings
        if settings.documents == "registered":
            raise Forbidden("only registered documents run here, and this is none")
        asked = await SparqlRequest.read(request, settings)
        waited_for(request, organization, Asked(None))  # what is committed is seen at once, so there is no waiting
        if asked.query is None:
            return _described(str(request.url.replace(query="")), graphs)
        question = Question(
            asked.query, tables, graphs, settings.max_sparql_rows, settings.max_sparql_bytes, asked.default_graphs,
            asked.named_graphs, asked.inferred,
        )  # fmt: skip
        with self._seats.one(subject):
            asking = self._asked(organization, subject, question)
            verdict, content = await while_connected(request.receive, asking)
        await self._pipeline.gate.require_current(subject)
        return _said(verdict, content)

    async def _asked(self, organization: Organization, subject: Subject, question: Question) -> tuple[Verdict, bytes]:
        async with self._graphs.of(organization, subject, question.inferred) as graph:
            return await graph.ask(question, self._limits)


class Seats:
    """For the queries that are answered at once."""

    def __init__(self, most: int, each: int) -> None:
        self._most, self._each = most, each
        self._taken: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def one(self, subject: Subject) -> Iterator[None]:
        """RateLimited where all are taken, or as many as one subject may have."""
        name = subject.organization, subject.subject
        if self._taken[name] >= self._each:
            raise RateLimited("too many of your queries run at the moment; try again later")
        if self._taken.total() >= self._most:
            raise RateLimited("too many queries run at the moment; try again later")
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]


def _chosen(accept: str | None, offers: dict[str, str], default: str) -> str | None:
    try:
        return negotiated(accept, offers, default)
    except NotGraphQL:
        return None


def _described(address: str, format: str | None) -> Response:
    if format is None:
        raise NotGraphQL(406, "the description of this service is a graph, and you accept no format of graphs")
    writer = Writer(format)
    content = writer.head() + writer.block(description(address)) + writer.tail()
    return _sent(content, writer.media_type)


def _said(verdict: Verdict, content: bytes) -> Response:
    if verdict.fault:
        status, kind = _KINDS[verdict.fault]
        raise NotGraphQL(status, kind(verdict.words, ("query",)))
    return _sent(content, verdict.media_type)


def _sent(content: bytes, media_type: str) -> Response:
    # What one label sees must not come out of a cache for another.
    headers = {"content-type": media_type, "cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(content, headers=headers | {"vary": "accept"})
