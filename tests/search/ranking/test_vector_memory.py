"""Vectors in memory: what they are ranked by is what the database would rank them by, whatever happens to either."""

import asyncio
import random
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library import Library
from seeker import Patient, S, Seeker, U
from structlog.testing import capture_logs

from fabric.embedding.provider import Vectors
from fabric.labels import dominates
from fabric.search.asking.question import Mode
from fabric.search.finding.likeness import like_each
from fabric.search.ranking import vector_memory
from fabric.search.ranking.held_vectors import HeldVectors
from fabric.search.ranking.statements import anything
from fabric.search.ranking.vector_memory import VectorMemory

anyio = pytest.mark.anyio

WORDS = ["water", "pump", "leak", "spring", "river", "stone", "valve", "dry"]


def rows(number: int, seed: int) -> Vectors:
    made = np.random.default_rng(seed).normal(size=(number, 4)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 90), st.integers(0, 9)), max_size=12),
    clearance=st.integers(0, 7), number=st.integers(1, 40), queries=st.integers(1, 40),
)  # fmt: skip
def test_none_but_those_that_are_named_is_above_the_floor(
    batches: list[tuple[int, int, int]], clearance: int, number: int, queries: int
) -> None:
    ids = [UUID(int=n) for n in range(100)]
    held, plain = HeldVectors(), {}
    for label, size, seed in batches:
        chosen, vectors = random.Random(seed).choices(ids, k=size), rows(size, seed)
        held.put([label] * size, chosen, vectors)
        plain |= {(id, label): vector for id, vector in zip(chosen, vectors, strict=True)}
    assert len(held) == len(plain)
    visible = {key: vector for key, vector in plain.items() if dominates(clearance, key[1])}
    asked = rows(queries, 99)
    found = held.nearest(clearance, asked, number)
    assert len(found) == queries
    for query, near in zip(asked, found, strict=True):
        named = list(zip(near.ids, near.labels, strict=True))
        assert len(named) == len(set(named)) <= number
        assert set(named) <= set(visible)
        others = [float(query @ vector) for key, vector in visible.items() if key not in named]
        assert max(others, default=-np.inf) <= near.floor + 1e-6
        assert (near.floor == -np.inf) <= (len(named) == len(visible))


def test_vectors_at_labels_of_their_own_take_no_more_than_others() -> None:
    """Else whoever writes a little at many labels takes the memory from all other organizations."""
    ids = [UUID(int=n) for n in range(1000)]
    apart, together = HeldVectors(), HeldVectors()
    apart.put(range(1000), ids, rows(1000, 0))
    together.put([0] * 1000, ids, rows(1000, 0))
    assert apart.nbytes <= together.nbytes


@pytest.fixture
def always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_memory, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr("fabric.search.ranking.corpus.STALE_SECONDS", -1.0)


@pytest.fixture
def both(library: Library, always_fresh: None) -> tuple[Seeker, Seeker]:
    return Seeker(library), Seeker.with_memory(library)


def only_of(year: int) -> Any:
    def where(number: int) -> tuple[str, tuple[Any, ...]]:
        return f"o.data->>'place' = ${number}::text", (str(year),)

    return where


@anyio
async def test_the_memory_finds_what_the_database_finds(
    library: Library, both: tuple[Seeker, Seeker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every label, filtered or not, in any number, while objects are made, covered, changed and deleted."""
    monkeypatch.setattr(vector_memory, "PAGE", 7)
    chance = random.Random(3)
    ids: list[UUID] = []

    async def answers(seeker: Seeker) -> list[Any]:
        told: list[Any] = []
        for at in (U, "CONFIDENTIAL", S):
            reader = await seeker.reader(at)
            told.append((await seeker.found("water pump", Mode.VECTOR, at=at)).hits)
            told.append((await seeker.found("dry stone", Mode.VECTOR, at=at, types=["Memo"])).hits)
            told.append((await seeker.found("river", Mode.VECTOR, at=at, where=only_of(1))).hits)
            told.append(await like_each(seeker.search, reader, ids[:9], 3))
            if at == S:
                told.append(await seeker.search.similar(reader, ids[0], ["Paper", "Memo"], anything, 4))
        return told

    for _ in range(5):
        for n in range(12):
            title = " ".join(chance.choices(WORDS, k=3))
            at, type_name = chance.choice([U, "CONFIDENTIAL", S]), chance.choice(["Paper", "Memo"])
            ids.append(await library.paper(title, at=at, type_name=type_name, place=str(n % 3)))
        low = [row[0] for row in await library.rows("select object_id from fabric.objects where label = 0")]
        for id in chance.sample(low, min(3, len(low))):
            await library.update(id, at=chance.choice([U, S]), title=" ".join(chance.choices(WORDS, k=4)))
        await library.index()
        database, memory = both
        assert await answers(memory) == await answers(database)
        gone = chance.choice(low)
        ids.remove(gone)
        await library.delete(gone)
        assert await answers(memory) == await answers(database)


async def nearest(memory: VectorMemory, library: Library, at: str = S) -> list[tuple[UUID, int]]:
    """All that it names, sorted."""
    query = (await library.provider.embed(["water"])).astype(np.float32)
    session = library.subject(at).session
    [near] = await memory.nearest(session, "objects", "test#256", query, 100, 100) or []
    return sorted(zip(near.ids, near.labels, strict=True))


async def loaded(memory: VectorMemory) -> None:
    """Waits until nothing is on its way."""
    for _ in range(1_000):
        if not memory.figures().loading:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("loading does not end")


async def stored(library: Library) -> list[tuple[UUID, int]]:
    return sorted(map(tuple, await library.rows("select entity_id, label from fabric.embeddings")))


@anyio
async def test_what_is_committed_late_comes_too(library: Library, always_fresh: None) -> None:
    """Vectors of a transaction that began before those that are there, and ends after they have been read."""
    await library.paper("water pump")
    await library.index()
    memory = Patient(library.database, 2**30, least=0)
    late = await asyncpg.connect(library.admin_url)
    try:
        transaction = late.transaction()
        await transaction.start()
        await late.execute(
            """insert into fabric.embeddings
                   (organization_id, entity_table, entity_id, label, model, content_hash, embedding)
               select organization_id, entity_table, gen_random_uuid(), label, model, content_hash, embedding
               from fabric.embeddings"""
        )
        before = await stored(library)
        assert await nearest(memory, library) == before
        await library.paper("a dry stone")
        await library.index()
        assert len(await nearest(memory, library)) == 2
        await transaction.commit()
    finally:
        await late.close()
    assert await nearest(memory, library) == await stored(library)
    assert len(await stored(library)) == 3


@anyio
async def test_vectors_that_were_restored_into_another_cluster_are_there(library: Library, always_fresh: None) -> None:
    await library.paper("water pump")
    await library.index()
    await library.rows("update fabric.embeddings set transaction_id = '1125899906842624'")
    memory = Patient(library.database, 2**30, least=0)
    assert await nearest(memory, library) == await stored(library)
    await library.paper("a dry stone")
    await library.index()
    assert await nearest(memory, library) == await stored(library)
    assert memory.figures().vectors == 2


@anyio
async def test_what_has_gone_is_forgotten(
    library: Library, always_fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_memory, "COUNTED_SECONDS", 0.0)
    ids = [await library.paper(f"water {n}") for n in range(4)]
    await library.index()
    memory = Patient(library.database, 2**30, least=0)
    assert len(await nearest(memory, library)) == 4
    for id in ids[:2]:
        await library.delete(id)
    assert await nearest(memory, library) == await stored(library)
    assert memory.figures().vectors == 2


@anyio
async def test_without_memory_for_them_the_database_finds_them_alone(library: Library, always_fresh: None) -> None:
    id = await library.paper("water pump")
    await library.index()
    seeker = Seeker(library, memory=VectorMemory(library.database, 0, least=0))
    for _ in range(3):
        assert await seeker.ids("water", Mode.VECTOR) == [id]
        await loaded(seeker.memory)
    assert seeker.memory.figures().vectors == 0


@anyio
async def test_what_was_not_searched_for_longest_makes_room(library: Library, always_fresh: None) -> None:
    await library.paper("water pump")
    await library.index()
    await library.rows(
        """insert into fabric.embeddings
               (organization_id, entity_table, entity_id, label, model, content_hash, embedding)
           select organization_id, entity_table, entity_id, label, 'other', content_hash, embedding
           from fabric.embeddings"""
    )
    one = Patient(library.database, 2**30, least=0)
    assert await nearest(one, library)
    session, query = library.subject(S).session, await library.provider.embed(["water"])
    memory = Patient(library.database, one.figures().nbytes, least=0)
    assert await nearest(memory, library)
    assert await memory.nearest(session, "objects", "other", query, 1, 1)
    assert memory.figures().vectors == 1
    assert await nearest(memory, library)
    assert memory.figures().vectors == 1


@anyio
async def test_few_vectors_are_left_to_the_database(library: Library) -> None:
    """By what the reader sees of them: so whether they are held tells of nothing else."""
    await library.paper("water pump")
    await library.index()
    memory = VectorMemory(library.database, 2**30, least=2)
    session, query = library.subject(S).session, await library.provider.embed(["water"])
    assert await memory.nearest(session, "objects", "test#256", query, 1, 1) is None
    assert not memory.figures().loading


def fails(_: object) -> Vectors:
    raise ValueError("not vectors")


@anyio
@pytest.mark.parametrize(("name", "value"), [("_LOAD", "select 1/0 where $1 = $1 and $2 = $2"), ("_vectors", fails)])
async def test_what_fails_is_told_once_and_left_to_the_database(
    library: Library, always_fresh: None, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    id = await library.paper("water pump")
    await library.index()
    seeker = Seeker(library, memory=VectorMemory(library.database, 2**30, least=0))
    monkeypatch.setattr(vector_memory, name, value)
    with capture_logs() as told:
        for _ in range(3):
            assert await seeker.ids("water", Mode.VECTOR) == [id]
            await loaded(seeker.memory)
    assert [each["event"] for each in told if each.get("organization") == str(library.id)] == ["vectors.not_current"]
    await seeker.memory.close()
