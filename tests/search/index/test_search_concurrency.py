"""Writers, who indexes, and changes of definitions all at once: nobody is told of a deadlock, and nothing is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from citations import ALARM, CITES, report, tell
from library import PAPER, Library
from seeker import S, U

from fabric.errors import BadInput, Conflict, NotFound, Several
from fabric.search.index import link_texts
from fabric.search.index.sources import Changed
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change
from fabric.writing.regrading import regrade

pytestmark = pytest.mark.anyio

KEPT = {
    "search_texts": "entity_table, entity_id, label, revision, composition, content_hash, length, terms, head, keys",
    "search_terms": "entity_table, term, entity_id, label, length, positions",
    "embeddings": "entity_table, entity_id, label, model, content_hash, embedding",
}
ROUNDS = 25


async def kept(library: Library) -> dict[str, list[str]]:
    return {
        table: sorted(str(tuple(row)) for row in await library.rows(f"select {columns} from fabric.{table}"))
        for table, columns in KEPT.items()
    }


async def anew(library: Library) -> None:
    """A plain recomputation."""
    for table in KEPT:
        await library.rows(f"truncate fabric.{table}")
    await library.index()


async def test_all_at_once_leaves_what_is_made_afterwards(library: Library) -> None:
    generator = random.Random(7)
    await library.types.define(library.subject(), library.organization.lattice, [CITES, ALARM])
    papers = [await library.paper(f"paper {n}") for n in range(6)]
    moved = [await library.paper(f"moved {n}") for n in range(2)]  # which have one version at a time
    reports = [await report(library, f"report {n}") for n in range(3)]
    await library.index()
    done: Counter[str] = Counter()

    def text() -> str:
        return " ".join(generator.choices(["pump", "weir", "dam", "leak", "gate"], k=generator.randint(1, 12)))

    async def write(at: str) -> None:
        some = generator.sample(papers, 4)
        changes = [Change("update", "Paper", {generator.choice(["title", "place"]): text()}, id) for id in some]
        await library.change(*changes, at=at)

    async def delete(at: str) -> None:
        id = generator.choice(papers)
        await library.delete(id, at=at)
        await library.change(Change("create", "Paper", {"title": text()}, id), at=at)

    async def link(at: str) -> None:
        ends = generator.choice(reports), generator.choice(papers + moved)
        given = {"values": {"properties": {"why": text()}}} if generator.random() < 0.7 else {}
        change = LinkChange("link" if given else "unlink", "isCitedFor", *ends, **given)
        await Links(library.types).write(library.subject(at), library.organization, [change])

    async def move(_: str) -> None:
        id, (start, end) = generator.choice(moved), generator.sample([U, S], 2)
        await regrade(library.types, library.subject(start, clearance=S), library.organization, id, end, "so it is")

    async def event(at: str) -> None:
        await tell(library, text(), at=at)

    async def define(_: str) -> None:
        place = {"type": "string", "searchable": generator.random() < 0.5}
        paper = {**PAPER, "fields": PAPER["fields"] | {"place": place}}
        await library.types.define(library.subject(), library.organization.lattice, [paper])

    async def index(_: str) -> None:
        some = generator.sample(papers + moved, 3)
        await library.indexer.put_words(library.id, Changed(objects=some) if generator.random() < 0.5 else None)
        await library.indexer.put_vectors(library.id)

    async def repeated(work: Callable[[str], Awaitable[Any]], rounds: int) -> None:
        for _ in range(rounds):
            try:
                await work(generator.choice([U, S]))
                done[work.__name__] += 1
            except (NotFound, BadInput):  # as others have left it
                pass
            except (Conflict, Several) as error:
                if "others kept changing" in str(error):
                    raise
            await asyncio.sleep(0)

    writers = [write, write, write, delete, link, link, move, event]
    await asyncio.gather(
        *(repeated(work, ROUNDS) for work in writers), repeated(define, 4), repeated(index, 12), repeated(index, 12)
    )
    assert set(done) == {"write", "delete", "link", "move", "event", "define", "index"}, done
    await library.index()
    left = await kept(library)
    assert await library.indexer.missing(library.id) == (0, 0)
    await anew(library)
    made = await kept(library)
    for table in KEPT:
        assert set(left[table]) - set(made[table]) == set(made[table]) - set(left[table]) == set(), table
    assert left == made
    assert all(left.values())


async def test_who_indexes_begins_again_after_a_deadlock(library: Library) -> None:
    """It stores the texts of many objects in one transaction, and their writers touch them in another order."""
    papers: list[UUID] = [await library.paper(f"paper {n}") for n in range(2)]
    await library.index()
    first, last = sorted(papers)
    for id in papers:
        await library.update(id, title="new")
    taken, going = asyncio.Event(), asyncio.Event()

    async def in_the_way(connection: Any) -> None:
        async with connection.transaction():
            await connection.execute("select from fabric.search_texts where entity_id = $1 for update", last)
            taken.set()
            await going.wait()
            await asyncio.sleep(0.3)
            await connection.execute("set local deadlock_timeout = '1h'")
            await connection.execute("select from fabric.search_texts where entity_id = $1 for update", first)

    connection = await asyncpg.connect(library.admin_url)
    try:
        other = asyncio.create_task(in_the_way(connection))
        await taken.wait()
        indexing = asyncio.create_task(library.indexer.put_words(library.id))
        going.set()
        await asyncio.gather(other, indexing)
    finally:
        await connection.close()
    assert await library.words() == {(id, U): ["new"] for id in papers}


async def test_a_text_of_a_link_is_of_what_its_stamp_tells(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an end begins otherwise for a moment while the text is being made."""
    await library.types.define(library.subject(), library.organization.lattice, [CITES])
    source, target = await report(library, "report"), await library.paper("paper")
    change = LinkChange("link", "isCitedFor", source, target, values={})
    await library.indexer.put_words(library.id)
    await Links(library.types).write(library.subject(), library.organization, [change])
    outdated, begins = link_texts._outdated, "update fabric.search_texts set head = $2 where entity_id = $1"

    async def and_then_it_changes(*given: Any) -> dict[UUID, int]:
        found = await outdated(*given)
        await library.rows(begins, target, "another")
        return found

    [(head,)] = await library.rows("select head from fabric.search_texts where entity_id = $1", target)
    monkeypatch.setattr(link_texts, "_outdated", and_then_it_changes)
    await library.indexer.put_words(library.id)
    monkeypatch.undo()
    await library.rows(begins, target, head)
    await library.index()
    left = await kept(library)
    await anew(library)
    assert left == await kept(library)
