"""Inferred links as RDF and in SPARQL: at each label those that it sees, told apart from what was written."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject
from places import LABELS, World
from pyoxigraph import BlankNode, Literal, NamedNode, QueryResultsFormat, parse, parse_query_results

from fabric.database.db import Database
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.subject import Subject
from fabric.inference.all_links import ALL_LINKS
from fabric.inference.closure import Fact
from fabric.inference.worker import Worker
from fabric.transfer.export import export as export_lines
from fabric.transfer.loader import Loader
from fabric.types.types import Types
from ontology.input.reading import reading
from ontology.output.export import Inferred, export
from ontology.output.writing import FORMATS, Writer
from ontology.source import RdfSource
from ontology.sparql.engine import Question
from ontology.sparql.graphs import HeldGraphs
from ontology.sparql.held import HeldGraph, Limits
from ontology.vocabulary import BASE, INFERRED, RDF

pytestmark = pytest.mark.anyio

RELATIONS = BASE + "relation#"
IDS = BASE + "id:"
WRITTEN = "(select relation, source_id, target_id from fabric.links where not tombstone)"
EVERY = f"(select * from {ALL_LINKS} a where not tombstone)"


@pytest.fixture
async def world(database: Database, types: Types, organization: Organization, subject: MakeSubject) -> World:
    made = await World(database, types, organization, subject, seed=5).begin()
    for _ in range(50):
        await made.step()
    chain = [uuid4() for _ in range(3)]
    for id in chain:
        await made.place(id)
    for (source, target), label in zip(pairwise(chain), LABELS, strict=False):
        await made.link(source, target, label=label)
    await made.infer()
    return made


async def exported(world: World, label: str, format: str, inferred: Inferred = Inferred.MARKED) -> bytes:
    blocks = export(
        world.database, world.organization, world.subject(label), Writer(format), inferred=inferred
    )  # fmt: skip
    return b"".join([block async for block in blocks])


def fact(source: object, predicate: object, target: object) -> Fact | None:
    """The link that a triple is, if it is one."""
    if not isinstance(predicate, NamedNode) or not predicate.value.startswith(RELATIONS):
        return None
    assert isinstance(source, NamedNode)
    assert isinstance(target, NamedNode)
    ends = (UUID(end.value.removeprefix(IDS)).int for end in (source, target))
    return Fact(predicate.value.removeprefix(RELATIONS), *ends)


def facts(content: bytes, format: str) -> tuple[set[Fact], set[Fact]]:
    """All links, and those of which a statement says that they are inferred."""
    triples = [quad.triple for quad in parse(content, FORMATS[format])]
    every = {found for t in triples if (found := fact(t.subject, t.predicate, t.object))}
    marked = set()
    for node in [t.subject for t in triples if (t.predicate, t.object) == (INFERRED, Literal(True))]:
        assert isinstance(node, BlankNode)
        about = {t.predicate: t.object for t in triples if t.subject == node}
        found = fact(about[RDF.subject], about[RDF.predicate], about[RDF.object])
        assert found
        marked.add(found)
    return every, marked


async def test_an_export_has_the_inferred_links_that_its_label_sees_and_says_which_they_are(world: World) -> None:
    told = 0
    for number, label in enumerate(LABELS):
        format = list(FORMATS)[number % len(FORMATS)]
        every, marked = facts(await exported(world, label, format), format)
        assert every == set(await world.facts(label, EVERY)), label
        assert marked == set(await world.inferred(label)), label
        without = facts(await exported(world, label, format, Inferred.LEFT_OUT), format)
        assert without == (set(await world.facts(label, WRITTEN)), set())
        told += len(marked)
    assert told


def subject_of(world: World, organization: Organization, label: str) -> Subject:
    return replace(
        world.subject(label), organization_id=organization.organization_id, organization=organization.name
    )  # fmt: skip


async def lines(world: World, organization: Organization, label: str) -> bytes:
    subject = subject_of(world, organization, label)
    return b"".join([block async for block in export_lines(world.database, organization, subject)])


@pytest.mark.parametrize("format", ["turtle", "jsonld"])
async def test_what_was_inferred_is_not_written_by_an_import(
    world: World, admin_url: str, tmp_path: Path, format: str
) -> None:
    label = LABELS[-1]
    path = tmp_path / f"export.{FORMATS[format].file_extension}"
    path.write_bytes(await exported(world, label, format))
    assert facts(path.read_bytes(), format)[1]
    await establish(admin_url, "other", ["ALPHA", "BRAVO"])
    other = await Directory(world.database).find("other")
    assert other is not None
    subject = subject_of(world, other, label)
    with reading([path]) as read:
        source = RdfSource(read, await world.types.catalogue(subject.session), other.lattice)
        assert source.notices == []
        run = Loader(world.database, world.types, other, subject)
        summary = await run.load(source.definitions(), source.objects(), source.links())
    assert summary.problems == []
    assert await lines(world, other, label) == await lines(world, world.organization, label)


@pytest.fixture
async def graphs(world: World) -> AsyncIterator[HeldGraphs]:
    held = HeldGraphs(world.database, 2**28, (30.0, 30.0))
    async with held.running():
        yield held


async def asked(
    graphs: HeldGraphs, world: World, label: str, text: str, inferred: bool = True, default: tuple[str, ...] = ()
) -> set[Fact]:
    question = Question(text, "json", "ntriples", 10_000, 2**26, default, inferred=inferred)
    async with graphs.of(world.organization, world.subject(label), inferred) as graph:
        verdict, content = await graph.ask(question, Limits(20.0, 2**28))
    assert verdict.fault == "", verdict
    rows = parse_query_results(content, QueryResultsFormat.JSON)
    return {found for row in rows if (found := fact(row["s"], row["p"], row["o"]))}  # type: ignore[union-attr]


ALL = "select ?s ?p ?o { ?s ?p ?o }"
APART = f"select ?s ?p ?o {{ graph <{BASE}inferred> {{ ?s ?p ?o }} }}"
FROM = f"select ?s ?p ?o from <{BASE}inferred> {{ ?s ?p ?o }}"


async def test_sparql_asks_inferred_links_beside_the_others_and_apart_from_them(
    world: World, graphs: HeldGraphs
) -> None:
    for label in (LABELS[0], LABELS[2], LABELS[-1]):
        written, inferred = await world.facts(label, WRITTEN), set(await world.inferred(label))
        assert await asked(graphs, world, label, ALL) == {*written, *inferred}
        assert await asked(graphs, world, label, ALL, inferred=False) == set(written)
        for text, default in ((APART, ()), (FROM, ()), (ALL, (BASE + "inferred",))):
            assert await asked(graphs, world, label, text, default=default) == inferred


async def test_a_graph_is_made_anew_when_inferred_links_change_that_its_reader_may_see(
    world: World, graphs: HeldGraphs
) -> None:
    async def held(inferred: bool) -> HeldGraph:
        async with graphs.of(world.organization, world.subject(LABELS[0]), inferred) as graph:
            return graph

    a, b = uuid4(), uuid4()
    await world.place(a)
    await world.place(b)
    first = await held(True), await held(False)
    assert first[0] is not first[1]
    await world.link(a, b, "near", label="SECRET/ALPHA")
    await world.infer()
    assert (await held(True), await held(False)) == first
    await world.link(a, b, "near")
    second = await held(True), await held(False)
    await world.infer()
    assert await held(True) is not second[0]
    assert await held(False) is second[1]


async def test_what_followed_is_not_answered_any_more_once_it_has_been_taken_back(
    world: World, graphs: HeldGraphs
) -> None:
    label = LABELS[-1]
    async with Worker(world.database, world.types, 10_000).running():
        for _ in range(3):
            for _ in range(5):
                await world.step()
            await world.until_right()
            assert await asked(graphs, world, label, APART) == set(await world.inferred(label))
