"""What SPARQL answers: what another engine finds in the reader's export, and nothing that its label hides."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import rdflib
from http_server import eventually
from processes import children, has_ended
from pyoxigraph import QueryResultsFormat, parse_query_results
from test_export import LABELS, TOP, Ground, World
from test_rdf_export import exported, load

from fabric.database.db import Database
from fabric.errors import Internal, TimedOut, TooComplex
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects
from ontology.sparql.engine import Question, Verdict
from ontology.sparql.graphs import HeldGraphs
from ontology.sparql.held import HeldGraph, Limits

pytestmark = pytest.mark.anyio

LIMITS = Limits(20.0, 2**28)
PATIENCE = (30.0, 30.0)
ROOM = 2**28
THING = "<urn:semantic-fabric:type#Thing>"
NEXT = "<urn:semantic-fabric:relation#next>"
ABOUT = "<urn:semantic-fabric:relation#about>"
QUERIES = [
    "select ?s ?p ?o { ?s ?p ?o filter(!isBlank(?s)) }",
    f"select ?a ?b {{ ?a {NEXT}+ ?b }}",
    f"select ?a ?b {{ ?a ({NEXT}|^{ABOUT})* ?b . ?a a ?type }}",
    f"select ?a ?mark {{ ?a a {THING} optional {{ ?a {NEXT} ?b . ?b ?p ?mark filter(isLiteral(?mark)) }} }}",
    "select ?type (count(distinct ?s) as ?n) { ?s a ?type } group by ?type having(?n > 1)",
    f"select ?a {{ ?a a ?t filter not exists {{ ?a {NEXT} ?b }} minus {{ ?c {ABOUT} ?a }} }}",
    "select distinct ?label { ?s <urn:semantic-fabric:vocabulary#label> ?label } order by ?label",
    "select ?r ?w { ?r a <http://www.w3.org/1999/02/22-rdf-syntax-ns#Statement> ;"
    " <urn:semantic-fabric:vocabulary#weight> ?w bind(?w * 2 as ?v) filter(?v > 0.5) }",
]


@pytest.fixture
def ground(database: Database, types: Types, admin_url: str) -> Ground:
    return Ground(database, types, admin_url)


@pytest.fixture
async def graphs(ground: Ground) -> AsyncIterator[HeldGraphs]:
    held = HeldGraphs(ground.database, ROOM, PATIENCE)
    async with held.running():
        yield held


def question(text: str, rows: int = 100_000) -> Question:
    return Question(text, "json", "ntriples", rows, 2**26)


ENDLESS = question("select (count(*) as ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }")


async def asked(graphs: HeldGraphs, ground: Ground, organization: Organization, label: str, text: str) -> bytes:
    async with graphs.of(organization, ground.subject(organization, label)) as graph:
        verdict, content = await graph.ask(question(text), LIMITS)
    assert verdict == Verdict("", "", verdict.media_type)
    return content


def found(content: bytes) -> Counter[tuple[str | None, ...]]:
    """The rows without names of blank nodes, which mean nothing."""
    solutions = parse_query_results(content, QueryResultsFormat.JSON)
    return Counter(
        tuple(_named(str(term)) if (term := row[v]) else None for v in solutions.variables)  # type: ignore[union-attr]
        for row in solutions  # type: ignore[union-attr]
    )


def _named(text: str) -> str:
    return "_:" if text.startswith("_:") else text


@pytest.mark.parametrize("seed", [1, 2])
async def test_answers_are_those_of_another_engine_over_the_export(
    ground: Ground, graphs: HeldGraphs, seed: int
) -> None:
    world = await World(ground, await ground.organization("acme"), seed).make()
    for label in Random(seed).sample(LABELS, 3):
        theirs = rdflib.Graph().parse(data=await exported(ground, world.organization, "ntriples", label), format="nt")
        for text in QUERIES:
            ours = found(await asked(graphs, ground, world.organization, label, text))
            serialized = theirs.query(text).serialize(format="json")
            assert serialized is not None
            assert ours == found(serialized), (label, text)


async def test_a_low_reader_gets_the_same_bytes_without_what_is_hidden(
    ground: Ground, graphs: HeldGraphs, tmp_path: Path
) -> None:
    world = await World(ground, await ground.organization("acme"), 3).make()
    path = tmp_path / "export.nt"
    for number, label in enumerate((LABELS[0], LABELS[3])):
        path.write_bytes(await exported(ground, world.organization, "ntriples", label))
        other = await ground.organization(f"other {number}")
        assert (await load(ground, other, [path], label)).problems == []
        for text in [*QUERIES, "construct where { ?s ?p ?o }"]:
            assert await asked(graphs, ground, world.organization, label, text) == await asked(
                graphs, ground, other, label, text
            )


async def test_what_goes_on_above_a_reader_leaves_its_graph_and_what_it_sees_does_not(
    ground: Ground, graphs: HeldGraphs
) -> None:
    world = await World(ground, await ground.organization("acme"), 4).make()
    low = ground.subject(world.organization, LABELS[0])

    async def held() -> HeldGraph:
        async with graphs.of(world.organization, low) as graph:
            return graph

    first = await held()
    await _written(ground, world.organization, TOP)
    assert await held() is first
    await _written(ground, world.organization, LABELS[0])
    assert await held() is not first


async def _written(ground: Ground, organization: Organization, label: str) -> None:
    change = Change("create", "Note", {"mark": label}, uuid4())
    await Objects(ground.types).write(ground.subject(organization, label), organization, [change])


async def test_graphs_are_forgotten_where_there_is_no_room_for_all(ground: Ground, graphs: HeldGraphs) -> None:
    organizations = [await ground.organization(name) for name in ("acme", "other")]
    for organization in organizations:
        for label in LABELS:
            await asked(graphs, ground, organization, label, "ask {}")
    assert 1 <= graphs.figures.graphs < 2 * len(LABELS)
    assert graphs.figures.nbytes <= ROOM


async def test_questions_that_end_at_once_make_room_together(ground: Ground, graphs: HeldGraphs) -> None:
    organization = await ground.organization("acme")
    graphs._memory = 2**30
    for label in LABELS:
        await asked(graphs, ground, organization, label, "ask {}")
    assert graphs.figures.graphs == len(LABELS)
    asking, end = list[str](), asyncio.Event()

    async def ask(label: str) -> None:
        async with graphs.of(organization, ground.subject(organization, label)):
            asking.append(label)
            if len(asking) == 3:
                graphs._memory = 1
                end.set()
            await end.wait()

    await asyncio.gather(*map(ask, LABELS[:3]))
    assert graphs.figures.nbytes == 0


async def test_what_is_asked_is_not_forgotten_to_make_room(ground: Ground, graphs: HeldGraphs) -> None:
    organization = await ground.organization("acme")
    low, high = (ground.subject(organization, label) for label in (LABELS[0], TOP))
    async with graphs.of(organization, low) as graph:
        async with graphs.of(organization, high):
            graphs._memory = 1
        assert graphs.figures.graphs == 1
        async with graphs.of(organization, low) as again:
            assert again is graph
    assert graphs.figures.graphs == 0


async def test_a_graph_that_is_made_anew_counts_as_long_as_it_is_asked(ground: Ground, graphs: HeldGraphs) -> None:
    organization = await ground.organization("acme")
    await World(ground, organization, 5).make()
    low = ground.subject(organization, LABELS[0])
    async with graphs.of(organization, low):
        alone = graphs.figures
        await _written(ground, organization, LABELS[0])
        async with graphs.of(organization, low):
            assert graphs.figures.graphs == 2
            assert graphs.figures.nbytes > alone.nbytes
    assert graphs.figures.graphs == 1


async def test_organizations_take_turns_where_graphs_are_made(ground: Ground, graphs: HeldGraphs) -> None:
    many, few = [await ground.organization(name) for name in ("many", "few")]
    made = list[str]()

    async def make(organization: Organization, label: str) -> None:
        await asked(graphs, ground, organization, label, "ask {}")
        made.append(organization.name)

    await asyncio.gather(*(make(many, label) for label in LABELS), make(few, LABELS[0]))
    assert made.index("few") <= 1


async def test_a_graph_that_is_too_large_is_not_made_again_until_it_changes(
    ground: Ground, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs, organization = HeldGraphs(database, 2**16, PATIENCE), await ground.organization("acme")
    starts = Counter[str]()
    start = HeldGraph.start

    async def counted(memory: int) -> HeldGraph:
        starts["all"] += 1
        return await start(memory)

    monkeypatch.setattr(HeldGraph, "start", counted)

    async def started(label: str) -> int:
        starts.clear()
        with pytest.raises(TooComplex, match="more than this server can hold"):
            await asked(graphs, ground, organization, label, "ask {}")
        return starts["all"]

    async with graphs.running():
        await World(ground, organization, 5).make()
        assert [await started(LABELS[0]) for _ in range(3)] == [1, 0, 0]
        assert [await started(TOP) for _ in range(2)] == [1, 0]
        await _written(ground, organization, TOP)
        assert (await started(LABELS[0]), await started(TOP)) == (0, 1)
        await _written(ground, organization, LABELS[0])
        assert (await started(LABELS[0]), await started(TOP)) == (1, 1)


async def test_a_graph_is_not_too_large_where_its_process_was_killed() -> None:
    graph = await HeldGraph.start(ROOM)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"<urn:s> <urn:p> <urn:o> .\n"
        os.kill(graph._process.pid, signal.SIGKILL)

    try:
        with pytest.raises(Internal):
            await graph.load(chunks())
    finally:
        await graph.close()


async def test_a_graph_that_is_too_large_is_refused() -> None:
    graph = await HeldGraph.start(2**23)

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(2_000):
            yield b"".join(b'<urn:%d> <urn:p> "%d %d" .\n' % (number, number, i) for i in range(100))

    try:
        with pytest.raises(TooComplex, match="more than this server can hold"):
            await graph.load(chunks())
    finally:
        await graph.close()
    assert not graph.lives


async def test_a_question_that_takes_too_much_ends_and_others_go_on() -> None:
    graph = await HeldGraph.start(ROOM)
    try:
        await graph.load(_many())
        product = "select * { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
        with pytest.raises(TooComplex, match="memory"):
            await graph.ask(question(f"{product} order by ?c ?f ?i"), Limits(60.0, 2**24))
        with pytest.raises(TimedOut):
            await graph.ask(ENDLESS, Limits(0.3, 2**28))
        verdict, _ = await graph.ask(question(f"{product} limit 5"), LIMITS)
        assert verdict.fault == ""
        verdict, _ = await graph.ask(question(product, rows=10), LIMITS)
        assert verdict.fault == "too_large"
    finally:
        await graph.close()


async def test_a_process_that_was_killed_is_told_from_a_question_that_takes_too_much() -> None:
    for _ in range(5):
        graph = await HeldGraph.start(ROOM)
        try:
            await graph.load(_nothing())
            os.kill(graph._process.pid, signal.SIGKILL)
            with pytest.raises(Internal):
                await _until_refused(graph)
            assert not graph.lives
        finally:
            await graph.close()


async def _until_refused(graph: HeldGraph) -> None:
    while True:
        await graph.ask(question("ask {}"), LIMITS)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _many() -> AsyncIterator[bytes]:
    yield b"".join(b'<urn:%d> <urn:p> "%d" .\n' % (i, i) for i in range(2_000))


async def test_who_stops_asking_ends_the_process_that_answers() -> None:
    graph = await HeldGraph.start(ROOM)
    holder = graph._process.pid
    try:
        await graph.load(_many())
        asking = asyncio.create_task(graph.ask(ENDLESS, Limits(600.0, 2**28)))
        await asyncio.to_thread(eventually, lambda: children(holder) != [])
        asking.cancel()
        await asyncio.to_thread(eventually, lambda: children(holder) == [])
    finally:
        await graph.close()


async def test_a_question_ends_with_the_process_that_holds_the_graph() -> None:
    graph = await HeldGraph.start(ROOM)
    holder = graph._process.pid
    try:
        await graph.load(_many())
        asking = asyncio.create_task(graph.ask(ENDLESS, Limits(600.0, 2**28)))
        await asyncio.to_thread(eventually, lambda: children(holder) != [])
        os.kill(holder, signal.SIGKILL)
        with pytest.raises(Internal):
            await asyncio.wait_for(asking, 20)
    finally:
        await graph.close()


_SERVER = """
import asyncio
from ontology.sparql.engine import Question
from ontology.sparql.held import HeldGraph, Limits

async def chunks():
    yield b"".join(b"<urn:%d> <urn:p> <urn:o> .\\n" % i for i in range(2_000))

async def main():
    graph = await HeldGraph.start(2**28)
    await graph.load(chunks())
    print(graph._process.pid, flush=True)
    endless = "select (count(*) as ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
    await graph.ask(Question(endless, "json", "ntriples", 1, 2**26), Limits(600.0, 2**28))

asyncio.run(main())
"""


def test_a_server_that_is_killed_leaves_no_process_behind() -> None:
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        holder = int(server.stdout.readline())
        eventually(lambda: children(holder) != [])
        left = [holder, *children(holder)]
        server.kill()
        eventually(lambda: all(map(has_ended, left)))


async def test_a_start_that_is_cancelled_leaves_nothing_open() -> None:
    await (await HeldGraph.start(ROOM)).close()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        starting = asyncio.ensure_future(HeldGraph.start(ROOM))
        await asyncio.sleep(number / 10_000)
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await (await starting).close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_start_that_is_cancelled_takes_no_file_away_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    reached, cancelled = threading.Event(), threading.Event()
    given = list[int]()

    class Late(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, pass_fds: tuple[int], **how: Any) -> None:
            given.append(os.fstat(pass_fds[0]).st_ino)
            reached.set()
            cancelled.wait()
            given.append(os.fstat(pass_fds[0]).st_ino)
            super().__init__(*args, pass_fds=pass_fds, **how)

    monkeypatch.setattr(subprocess, "Popen", Late)
    starting = asyncio.ensure_future(HeldGraph.start(ROOM))
    await asyncio.to_thread(reached.wait)
    starting.cancel()
    await asyncio.sleep(0)
    cancelled.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert len(given) == 2
    assert given[0] == given[1]
