"""What links say with both their ends: for everybody what it would be of what that one sees, and kept as it changes."""

from itertools import product
from typing import Any
from uuid import UUID

import pytest
from citations import CITES, cite, report
from hypothesis import given, settings
from hypothesis import strategies as st
from library import Library, Provider
from seeker import S, Seeker, U, question
from waiting import until

from fabric.embedding.provider import Vectors
from fabric.events.link_pages import Sought
from fabric.labels import join, winner
from fabric.search.asking.question import Mode
from fabric.search.finding.link_searching import LinkSearch
from fabric.search.index import indexing, link_texts
from fabric.search.index.composites import End, LinkVersion, composites, words_of
from fabric.search.index.composition import HEAD, head
from fabric.search.index.sources import Changed
from fabric.search.index.worker import Worker
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change
from fabric.writing.regrading import regrade

anyio = pytest.mark.anyio

A, B, C = (UUID(int=n) for n in range(3))
CODES = [level << 48 | bits for level in (0, 1, 3, 7) for bits in range(4)]
"""Levels and two compartments."""

codes = st.sampled_from(CODES)
ends = st.dictionaries(codes, st.booleans(), max_size=4).map(
    lambda versions: [End(label, gone, f"h{label}") for label, gone in versions.items()]
)
links = st.dictionaries(codes, st.tuples(st.booleans(), st.sampled_from([A, B]), st.sampled_from([B, C])), max_size=4)


@settings(max_examples=150, deadline=None)
@given(versions=links, a=ends, b=ends, c=ends)
def test_everybody_has_the_text_of_what_they_see(
    versions: dict[int, Any], a: list[End], b: list[End], c: list[End]
) -> None:
    link = [LinkVersion(label, gone, "has", *ends, f"t{label}") for label, (gone, *ends) in versions.items()]
    objects = {A: a, B: b, C: c}
    made = composites(link, objects)

    def seen(of: Any, at: int) -> Any:
        label = winner((each.label for each in of), at)
        return next((each for each in of if each.label == label and not each.tombstone), None)

    needed = set()
    for clearance in [join(pair) for pair in product(CODES, CODES)]:
        version = seen(link, clearance)
        both = version and [seen(objects[id], clearance) for id in (version.source_id, version.target_id)]
        if version and all(both):
            label = join([version.label, *(end.label for end in both)])
            needed.add(label)
            assert made[label].text == f"{both[0].head} has {both[1].head}\n{version.text}"
    assert set(made) == needed


def test_relations_are_said_as_words() -> None:
    assert words_of("isPartOf") == "is part of"
    assert words_of("rdf:has_PART-2") == "rdf has part 2"


def test_a_head_is_whole_words_of_one_line() -> None:
    assert head("a\n  pump ") == "a pump"
    assert head(" \n") is None
    long = head("water pump " * 100)
    assert HEAD - 10 < len(long or "") <= HEAD
    assert (long or "").endswith(("water", "pump"))
    assert len(head("x" * 1000) or "") == HEAD


@pytest.fixture
async def citing(library: Library) -> Library:
    await library.types.define(library.subject(), library.organization.lattice, [CITES])
    return library


async def texts(library: Library) -> dict[str, str]:
    """By label, of all links: what their vectors are made of."""
    rows = await library.rows(
        "select entity_id, label from fabric.search_texts where entity_table = 'links' and content_hash is not null"
    )
    keys = [link_texts.Key(row["entity_id"], row["label"]) for row in rows]
    found = await library.indexer.sources[1].texts(library.id, keys)
    assert len(found) == len(keys)
    return {str(library.organization.lattice.decode(key.label)): text for key, text in found.items()}


@anyio
async def test_a_text_is_made_of_the_link_and_both_ends(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a valve", body="leaks")
    id = await cite(citing, source, target, why="spare parts", year=2001)
    await citing.index()
    assert await texts(citing) == {U: "the pump is cited for a valve leaks\nspare parts"}
    await citing.update(target, at=S, title="a bomb")
    await citing.index()
    assert await texts(citing) == {
        U: "the pump is cited for a valve leaks\nspare parts", S: "the pump is cited for a bomb leaks\nspare parts"
    }  # fmt: skip
    seeker = Seeker(citing)
    for at, hits in ((U, 1), (S, 1)):
        reader = await seeker.reader(at)
        found = await LinkSearch(seeker.search).find(reader, question("spare parts", Mode.VECTOR), Sought(reader.types))
        assert [hit.id for hit in found.hits] == [id] * hits
        assert found.hits[0].parts["vector"].score > 0.2


@anyio
async def test_links_have_texts_at_the_highest_labels_too(citing: Library) -> None:
    highest = "TOP_SECRET/ALPHA,BRAVO,CHARLIE"
    source, target = await report(citing, "the pump"), await citing.paper("a valve", at=highest)
    await cite(citing, source, target, at=highest)
    await citing.index()
    assert await texts(citing) == {highest: "the pump is cited for a valve"}


@anyio
async def test_an_object_changed_below_its_head_leaves_its_links_alone(citing: Library) -> None:
    """However many it has: no text of them is made or stored again, and no vector paid for."""
    source, target = await report(citing, "the pump"), await citing.paper("a valve", body="x " * 200)
    await cite(citing, source, target)
    await citing.index()
    before = await citing.rows("select * from fabric.search_texts where entity_table = 'links'")
    citing.provider.texts.clear()
    await citing.update(target, body="x " * 200 + "end")
    await citing.index()
    assert len(citing.provider.texts) == 1
    assert await citing.rows("select * from fabric.search_texts where entity_table = 'links'") == before
    await citing.update(target, title="a tap")
    await citing.index()
    assert citing.provider.texts[-1].startswith("the pump is cited for a tap")


@anyio
async def test_what_goes_takes_its_texts_along(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a valve")
    await cite(citing, source, target)
    await cite(citing, source, target, at=S, why="secret")
    await citing.index()
    assert set(await texts(citing)) == {U, S}

    async def stored(table: str) -> int:
        [[number]] = await citing.rows(f"select count(*) from fabric.{table} where entity_table = 'links'")
        return int(number)

    change = LinkChange("unlink", "isCitedFor", source, target)
    await Links(citing.types).write(citing.subject(S), citing.organization, [change])
    await citing.rows("delete from fabric.links where label > 0")
    assert (await stored("search_texts"), await stored("embeddings")) == (1, 1)
    await citing.delete(target)
    await citing.indexer.put_words(citing.id, Changed(objects=[target]))
    assert await stored("embeddings") == 0
    assert await citing.indexer.missing(citing.id) == (0, 0)


@anyio
async def test_an_end_that_moves_up_leaves_no_vector_to_the_cover_story_in_its_place(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a bomb")
    id = await cite(citing, source, target)
    await citing.index()
    await regrade(citing.types, citing.subject(U, clearance=S), citing.organization, target, S, "a leak")
    await citing.change(Change("create", "Paper", {"title": "a valve"}, target))
    await citing.indexer.put_words(citing.id, Changed(objects=[target]))
    rows = await citing.rows("select label from fabric.embeddings where entity_table = 'links' and entity_id = $1", id)
    assert rows == []


@anyio
async def test_a_link_that_nobody_sees_with_both_ends_is_looked_at_once(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a valve")
    await cite(citing, source, target)
    await citing.rows("delete from fabric.objects where object_id = $1", target)
    await citing.index()
    assert await citing.indexer.missing(citing.id) == (0, 0)
    assert await texts(citing) == {}


@anyio
async def test_the_worker_keeps_them_as_links_and_ends_change(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a valve")

    async def now(*expected: str) -> bool:
        return sorted((await texts(citing)).values()) == sorted(expected) and not any(
            await citing.indexer.missing(citing.id)
        )

    async with Worker(citing.database, citing.indexer).running():
        await until(lambda: now())
        id = await cite(citing, source, target, why="need")
        await until(lambda: now("the pump is cited for a valve\nneed"))
        await citing.update(target, title="a tap")
        await until(lambda: now("the pump is cited for a tap\nneed"))
        change = LinkChange("update", link_id=id, values={"properties": {"why": "greed"}})
        await Links(citing.types).write(citing.subject(), citing.organization, [change])
        await until(lambda: now("the pump is cited for a tap\ngreed"))


@anyio
async def test_a_killed_pass_goes_on_where_it_was(citing: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_texts, "AT_ONCE", 3)
    monkeypatch.setattr(indexing, "PAGE", 4)
    source = await report(citing, "the pump")
    for n in range(10):
        await cite(citing, source, await citing.paper(f"valve {n}"))
    provider = Killed(after=13)
    indexer = citing.indexer_with(provider)
    while await indexer.missing(citing.id) != (0, 0):
        try:
            await indexer.put_words(citing.id)
            await indexer.put_vectors(citing.id)
        except ZeroDivisionError:
            provider.after = 100
    assert len(set(provider.texts)) == 21
    assert len(await texts(citing)) == 1
    [[number]] = await citing.rows("select count(*) from fabric.embeddings where entity_table = 'links'")
    assert number == 10


class Killed(Provider):
    """Dies after so many texts."""

    after = 0

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    async def embed(self, texts: Any, *, patient: bool = True) -> Vectors:
        if len(self.texts) + len(texts) > self.after:
            raise ZeroDivisionError
        return await super().embed(texts)


@anyio
async def test_the_memory_finds_the_links_that_the_database_finds(citing: Library) -> None:
    sources = [await report(citing, f"the pump {n}") for n in range(4)]
    for n in range(20):
        at = S if n % 3 else U
        target = await citing.paper(f"valve {n} {'leaks' * (n % 2)}", at=at)
        await cite(citing, sources[n % 4], target, at=at, why=f"part {n % 5}")
        if n % 4 == 0:
            await citing.update(target, at=S, title=f"bomb {n}")
    await citing.index()
    for at in (U, "CONFIDENTIAL", S):
        answers = []
        for seeker in (Seeker(citing), Seeker.with_memory(citing)):
            reader = await seeker.reader(at)
            search = LinkSearch(seeker.search)
            for sought in (Sought(reader.types), Sought(reader.types, ends=((sources[0], None),))):
                answers.append((await search.find(reader, question("pump part leaks", Mode.VECTOR), sought)).hits)
        assert answers[:2] == answers[2:]
        assert len(answers[0]) == len({hit.id for hit in answers[0]}) == (20 if at == S else 7)
