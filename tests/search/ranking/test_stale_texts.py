"""What has changed is not found by what it was: until its new text is there, by no text at all."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from citations import CITES, cite, report
from library import PAPER, Library
from seeker import S, Seeker, U, question

from fabric.events.link_pages import Sought
from fabric.search.asking.question import Mode
from fabric.search.finding.likeness import like_each
from fabric.search.finding.link_searching import LinkSearch
from fabric.search.index import object_texts
from fabric.search.index.sources import Changed
from fabric.search.ranking.statements import anything
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change
from fabric.writing.regrading import regrade

pytestmark = pytest.mark.anyio


@pytest.fixture
async def citing(library: Library) -> Library:
    await library.types.define(library.subject(), library.organization.lattice, [CITES])
    return library


def seekers(library: Library) -> tuple[Seeker, Seeker]:
    return Seeker(library), Seeker.with_memory(library)


async def found(library: Library, text: str, at: str = U) -> set[UUID]:
    """By any way: words, meaning, both, of one type, and by what is like them."""
    hits: set[UUID] = set()
    for seeker in seekers(library):
        reader = await seeker.reader(at)
        for mode in Mode:
            for types in (reader.types, ["Paper"]):
                hits |= set(await seeker.ids(text, mode, at, types=types))
        for each in list(hits):
            hits |= {hit.id for hit in await seeker.search.similar(reader, each, reader.types, anything, 9)}
        for like in (await like_each(seeker.search, reader, list(hits), 9)).values():
            hits |= {hit.id for hit in like}
        await seeker.memory.close()
    return hits


async def links_found(library: Library, text: str, at: str = U, **sought: Any) -> set[UUID]:
    hits: set[UUID] = set()
    for seeker in seekers(library):
        reader = await seeker.reader(at)
        for mode in Mode:
            given = Sought(reader.types, **sought)
            hits |= {hit.id for hit in (await LinkSearch(seeker.search).find(reader, question(text, mode), given)).hits}
        await seeker.memory.close()
    return hits


async def objects_alone(library: Library, id: UUID) -> None:
    """The object's words are made, and those of its links not yet."""
    async for _ in library.indexer.sources[0].put_texts(library.id, "english", Changed(objects=[id])):
        pass


async def test_what_is_taken_out_of_an_object_finds_it_no_more(library: Library) -> None:
    id, other = await library.paper("Weirs", body="an informer says so"), await library.paper("Gates")
    await library.index()
    assert await found(library, "informer") == {id, other}  # by meaning there is always a nearest
    await library.update(id, body=None)
    assert await found(library, "informer") == {other}
    seeker = Seeker(library)
    reader = await seeker.reader(U)
    assert await seeker.search.similar(reader, id, reader.types, anything, 9) == []
    assert await like_each(seeker.search, reader, [id], 9) == {}
    await library.indexer.put_words(library.id, Changed(objects=[id]))  # and no vector yet
    assert await seeker.ids("informer") == []
    assert await seeker.ids("weir") == [id]
    assert await found(library, "informer") == {other}
    await library.index()
    assert await found(library, "weir") == {id, other}


async def test_what_comes_again_is_not_found_by_what_was_deleted(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it has the same id and the same revision: the text of the former was being stored meanwhile."""
    keyed = {**PAPER, "typeName": "Entry", "naturalKey": ["title"]}
    await library.types.define(library.subject(), library.organization.lattice, [keyed])
    former, plain = await library.paper("Weirs", type_name="Entry", body="an informer says so"), object_texts.put_texts

    async def late(*args: Any, **given: Any) -> int:
        monkeypatch.setattr(object_texts, "put_texts", plain)
        await library.change(Change("delete", "Entry", object_id=former))
        assert await library.paper("Weirs", type_name="Entry", body="nothing") == former
        return await plain(*args, **given)

    monkeypatch.setattr(object_texts, "put_texts", late)
    await library.indexer.put_words(library.id)
    assert await Seeker(library).ids("informer") == []
    await library.indexer.put_words(library.id, Changed(objects=[former]))
    assert await Seeker(library).ids("nothing") == [former]
    assert await library.words() == {(former, U): ["noth", "weir"]}


async def test_what_was_plain_finds_nothing_once_it_is_encrypted(citing: Library) -> None:
    """A field becomes an encrypted one by another beside it, and by being emptied."""
    source, target = await report(citing, "the pump"), await citing.paper("a valve", body="an informer says so")
    id = await cite(citing, source, target)
    await citing.index()
    assert target in await found(citing, "informer")
    assert await links_found(citing, "informer") == {id}
    await citing.rows(
        """update fabric.objects set revision = revision + 1, updated_at = now(),
           data = data || '{"body": {"_encrypted": true}}' where object_id = $1""", target
    )  # fmt: skip
    for again in range(2):
        assert target not in await found(citing, "informer")
        assert await links_found(citing, "informer") == set()
        if not again:
            await objects_alone(citing, target)
    await citing.index()
    rows = await citing.rows("select terms, head from fabric.search_texts where entity_table <> 'events'")
    assert "inform" not in str(rows)
    assert await citing.rows("select from fabric.search_terms where term = 'inform'") == []
    assert citing.provider.texts[-1] == "the pump is cited for a valve"
    assert await links_found(citing, "valve") == {id}


async def test_a_cover_story_is_not_found_by_what_it_covers(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a bomb")
    id = await cite(citing, source, target)
    await citing.index()
    await regrade(citing.types, citing.subject(U, clearance=S), citing.organization, target, S, "a leak")
    assert await links_found(citing, "bomb") == set()
    await citing.change(Change("create", "Paper", {"title": "a valve"}, target))
    assert await links_found(citing, "bomb") == set()
    await objects_alone(citing, target)
    seeker = Seeker(citing)
    reader = await seeker.reader(U)
    by_meaning = await LinkSearch(seeker.search).find(reader, question("bomb", Mode.VECTOR), Sought(reader.types))
    assert by_meaning.hits == []
    await citing.index()
    assert await links_found(citing, "valve") == {id}
    assert await links_found(citing, "bomb", at=S) == {id}


async def test_what_a_link_said_finds_it_no_more(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a valve")
    id = await cite(citing, source, target, why="an informer says so")
    await citing.index()
    assert await links_found(citing, "informer") == {id}
    change = LinkChange("update", link_id=id, values={"properties": {"why": "need"}})
    await Links(citing.types).write(citing.subject(), citing.organization, [change])
    assert await links_found(citing, "informer") == set()
    await citing.index()
    assert await links_found(citing, "need") == {id}


async def test_what_is_no_part_of_its_text_leaves_a_link_found(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a valve")
    id = await cite(citing, source, target, why="spare parts")
    await citing.index()
    texts = "select * from fabric.search_texts where entity_table = 'links'"
    before = await citing.rows(texts)
    values = {"weight": 0.5, "valid_from": datetime(2001, 1, 1, tzinfo=UTC), "properties": {"why": "spare parts"}}
    change = LinkChange("update", link_id=id, values=values)
    await Links(citing.types).write(citing.subject(), citing.organization, [change])
    assert await links_found(citing, "spare") == {id}
    await citing.index()
    assert await citing.rows(texts) == before
    for at, again in ((S, 1), (U, 2)):  # at a label of its own, and where it was
        change = LinkChange("update", link_id=id, values={"properties": {"why": f"need {again}"}})
        await Links(citing.types).write(citing.subject(at), citing.organization, [change])
        assert await links_found(citing, "spare", at=at) == set()
        await citing.index()
        assert await links_found(citing, "spare", at=at) == {id}


async def test_a_head_that_stays_the_same_leaves_its_links_found(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a valve", body="x " * 200)
    id = await cite(citing, source, target)
    await citing.index()
    await citing.update(target, body="x " * 200 + "end")
    assert await links_found(citing, "valve") == set()
    await objects_alone(citing, target)
    assert await links_found(citing, "valve") == {id}


async def test_a_change_of_what_is_not_searched_leaves_an_object_found(citing: Library) -> None:
    source, target = await report(citing, "the pump"), await citing.paper("a valve")
    id = await cite(citing, source, target)
    await citing.update(target, at=S, title="a bomb")
    await citing.index()
    before = await citing.words()
    await citing.update(target, place="elsewhere")
    await citing.update(target, at=S, place="there")
    assert target in await found(citing, "valve")
    assert target in await found(citing, "bomb", at=S)
    assert await links_found(citing, "valve") == {id}
    assert await citing.indexer.missing(citing.id) == (0, 0)
    assert await citing.words() == before
    await citing.update(target, tags=["new"])
    assert target not in await found(citing, "valve")
    assert target in await found(citing, "bomb", at=S)
