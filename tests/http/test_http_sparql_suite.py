"""The tests of the W3C for SPARQL, over HTTP and by the process that holds: see `sparql_suite` for what is left out.

They run where `SPARQL_TESTS` names the suite; elsewhere they are skipped.
"""

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pyoxigraph import RdfFormat, serialize
from sparql_results import accepted, expected, received, same
from sparql_suite import SUITE, Case, cases, triples
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fabric.settings import Settings
from graphql_api.http.sparql_http import SparqlOverHTTP
from graphql_api.metrics import Metrics
from ontology.sparql.held import HeldGraph
from ontology.sparql.lexing import words

DEVIATIONS: dict[str, str] = {
    "the engine keeps numbers, dates and truth by their value: 01 is 1, and a negativeInteger an integer": """
        sparql10/distinct/distinct-1 sparql10/distinct/distinct-9
        sparql10/expr-builtin/dawg-str-1 sparql10/expr-builtin/dawg-str-2
        sparql10/expr-builtin/sameTerm-simple sparql10/expr-builtin/sameTerm-eq sparql10/expr-builtin/sameTerm-not-eq
        sparql10/expr-equals/eq-graph-1 sparql10/expr-equals/eq-graph-2
        sparql10/open-world/open-eq-01 sparql10/open-world/date-3
        sparql11/csv-tsv-res/csv03 sparql11/csv-tsv-res/tsv03""",
    "it takes a date without a time zone for another than the same date with one, where the test leaves that open": """
        sparql10/open-world/date-2""",
    "it finds no path of length zero from a term that is in no triple": """
        sparql11/property-path/zero_or_more_set_start sparql11/property-path/zero_or_more_set_end
        sparql11/property-path/zero_or_one_set_start sparql11/property-path/zero_or_one_set_end""",
    "its bnode gives the same blank node for the same text in each solution": "sparql11/functions/bnode01",
}
"""All of them the engine's own: in what it differs, and the tests that tell."""

DEVIANT = {name for names in DEVIATIONS.values() for name in names.split()}

ROOM = 2**30


class Served:
    """The endpoint for somebody who is let in, over the data of one test at a time."""

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        self.graph: HeldGraph | None = None

    @asynccontextmanager
    async def of(self, *_: object) -> AsyncIterator[HeldGraph]:
        assert self.graph is not None
        yield self.graph

    @property
    def application(self) -> Starlette:
        async def let_in(*_: object) -> Any:
            return SimpleNamespace(organization="w3c", subject="ann"), None

        gate = SimpleNamespace(admit=let_in, require_current=let_in)
        pipeline: Any = SimpleNamespace(gate=gate, services=SimpleNamespace(settings=Settings()))
        connections: Any = None
        endpoint = SparqlOverHTTP(pipeline, connections, Metrics(), self)

        async def answered(request: Request) -> Response:
            request.state.request_id = "one"
            return await endpoint(request)

        return Starlette(routes=[Route("/sparql", answered, methods=["GET", "POST"])])

    def fill(self, case: Case) -> None:
        self._portal.call(self._fill, case)

    async def _fill(self, case: Case) -> None:
        quads = serialize([each for path in case.data for each in triples(path)], format=RdfFormat.N_QUADS) or b""

        async def chunks() -> AsyncIterator[bytes]:
            yield quads

        await self._empty()
        self.graph = await HeldGraph.start(ROOM)
        await self.graph.load(chunks())

    async def _empty(self) -> None:
        if self.graph is not None:
            await self.graph.close()
            self.graph = None

    def empty(self) -> None:
        self._portal.call(self._empty)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Served, httpx.Client]]:
    with start_blocking_portal() as portal:
        served = Served(portal)
        server = uvicorn.Server(uvicorn.Config(served.application, port=0, log_config=None, lifespan="off"))
        running = portal.start_task_soon(server.serve)
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0) as client:
            yield served, client
        served.empty()
        server.should_exit = True
        running.result()


def failed(served: tuple[Served, httpx.Client], case: Case) -> str:
    """What is wrong with the answer; empty where nothing is."""
    (server, client), accept = served, accepted(case.result) if case.result else "*/*"
    if case.result or server.graph is None:
        server.fill(case)
    headers = {"content-type": "application/sparql-query", "accept": accept}
    answer = client.post("/sparql", content=case.text.encode(), headers=headers)
    if answer.status_code != (200 if case.well_formed else 400):
        return f"{answer.status_code}: {answer.text}"
    if case.result is None:
        return ""
    found, wanted = received(answer.content, answer.headers["content-type"]), expected(case.result)
    said = set(words(case.text))
    return "" if same(found, wanted, "ORDER" in said, "REDUCED" in said) else f"found {found}\nwanted {wanted}"


@pytest.mark.skipif(not SUITE.is_dir(), reason="SPARQL_TESTS does not name the tests of the W3C")
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_each_case(served: tuple[Served, httpx.Client], case: Case) -> None:
    fault = failed(served, case)
    if case.name in DEVIANT:
        assert fault, f"{case.name} passes now, and is no deviation any more"
    else:
        assert not fault


def test_the_documents_name_what_differs() -> None:
    text = (Path(__file__).parents[2] / "docs/sparql.md").read_text()
    told = re.search(r"(\d+) of the (\d+) pass. The other (\d+) tell", text)
    assert told
    assert int(told[2]) - int(told[1]) == int(told[3]) == len(DEVIANT)
    listed = text.partition(told[0])[2].partition("\n\nElsewhere")[0]
    assert [int(n) for n in re.findall(r"\((\d+) tests?\)", listed)] == [len(v.split()) for v in DEVIATIONS.values()]
