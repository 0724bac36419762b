"""Search by words and by vectors on random data: how long it takes, with vectors in memory and without.

    .venv/bin/python benchmarks/search.py DATA_DIR [OBJECTS]

A hundredth of the objects is UNCLASSIFIED, a tenth CONFIDENTIAL or below, all SECRET or below. Vectors have 384
dimensions; words come from 20,000 by Zipf's law, twelve for each object.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
import numpy as np

from fabric.configuration.configurations import Configurations
from fabric.configuration.options import LANGUAGE
from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.embedding.provider import Model, Vectors, unit_vectors
from fabric.identity.organizations import Directory, establish
from fabric.identity.policy import PERMISSIONS
from fabric.identity.subject import Session, Subject
from fabric.labels import Label, Level
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.asking.question import Mode, Question
from fabric.search.asking.reader import Reader
from fabric.search.finding.likeness import like_each
from fabric.search.finding.searching import Asked, Found, Search
from fabric.search.index.counts import IndexCounts
from fabric.search.index.indexing import Indexer
from fabric.search.ranking.statements import anything
from fabric.search.ranking.vector_memory import VectorMemory
from fabric.types.types import Types

DIMENSIONS, WORDS, VOCABULARY, ROUNDS = 384, 12, 20_000, 10
TYPE = {"typeName": "Synset", "fields": {"gloss": {"type": "text", "searchable": True}}}
LEVELS = {"1 %": Level.UNCLASSIFIED, "10 %": Level.CONFIDENTIAL, "100 %": Level.SECRET}
QUERIES = {"rare words": "w9000 w12000", "common words": "w40 w300", "the commonest": "w1 w5"}


class Random:
    """A vector for each text, from its hash alone."""

    async def model(self) -> Model:
        return Model("random", DIMENSIONS)

    async def embed(self, texts: Sequence[str], *, patient: bool = True) -> Vectors:
        made = [np.random.default_rng([*text.encode()]).normal(size=DIMENSIONS) for text in texts]
        return unit_vectors(made, len(texts), DIMENSIONS)

    async def close(self) -> None:
        pass


def simple(database: Database) -> Configurations:
    """Words as they are written."""
    return Configurations(database, {LANGUAGE.name: "simple"})


async def fill(database: Database, types: Types, admin_url: str, number: int, *, vectors: bool = True) -> None:
    organization = await Directory(database).find("search")
    assert organization is not None
    top = organization.lattice.encode(Label(Level.SECRET))
    subject = Subject(
        organization.organization_id, "search", "me", frozenset(), frozenset(PERMISSIONS), top, 0, float("inf")
    )
    await types.define(subject, organization.lattice, [TYPE])
    generator = np.random.default_rng(1)
    words = generator.zipf(1.3, size=(number, WORDS)) % VOCABULARY
    codes = [organization.lattice.encode(Label(level)) for level in LEVELS.values()]
    labels = [codes[0] if n % 100 == 0 else codes[1] if n % 10 == 0 else codes[2] for n in range(number)]
    texts = [" ".join(f"w{word}" for word in row) for row in words.tolist()]
    records = [
        (organization.organization_id, uuid4(), label, "Synset", f'{{"gloss": "{text}"}}', 1)
        for label, text in zip(labels, texts, strict=True)
    ]
    connection = await asyncpg.connect(admin_url)
    columns = ["organization_id", "object_id", "label", "type_name", "data", "revision"]
    await connection.copy_records_to_table("objects", schema_name="fabric", columns=columns, records=records)
    await connection.execute("analyze")
    began = time.perf_counter()
    indexer = Indexer(database, types, Random(), simple(database), IndexCounts())
    await indexer.put_words(organization.organization_id)
    print(f"words stored: {number / (time.perf_counter() - began):,.0f} objects a second")
    if vectors:
        began = time.perf_counter()
        await indexer.put_vectors(organization.organization_id)
        print(f"vectors stored: {number / (time.perf_counter() - began):,.0f} objects a second, made by a hash")
    await connection.execute("vacuum analyze")
    await connection.close()


Ask: TypeAlias = Callable[[Search, int], Awaitable[object]]
"""With what a search is asked in a round."""


def by_text(reader: Reader, text: str, mode: Mode) -> Ask:
    return lambda search, n: search.search(reader, Asked(Question(f"{text} x{n}", mode, 0), reader.types))


def by_vectors(reader: Reader, ids: Sequence[UUID]) -> dict[str, Ask]:
    return {
        "a search by meaning": by_text(reader, "", Mode.VECTOR),
        "ten like one": lambda search, n: search.similar(reader, ids[n], reader.types, anything, 10),
        "ten like each of twenty": lambda search, n: like_each(search, reader, ids[n * 20 : n * 20 + 20], 10),
    }


async def measure(database: Database, types: Types) -> None:
    """What goes by vectors is asked with them in memory and without, alternately; the ratio is of the medians."""
    organization = await Directory(database).find("search")
    assert organization is not None
    memories = VectorMemory(database, 2**30), VectorMemory(database, 0)
    vectors = QueryVectors(Random(), lambda _: None)
    held, plain = (Search(database, types, vectors, memory, simple(database)) for memory in memories)
    for share, level in LEVELS.items():
        session = Session(organization.organization_id, organization.lattice.encode(Label(level)))
        reader = await held.reader(session)
        hits = (await held.search(reader, Asked(Question("w1", Mode.VECTOR, 0), reader.types))).hits
        await asyncio.sleep(5.0)  # until they are loaded
        for name, text in QUERIES.items():
            for mode in (Mode.TEXT, Mode.HYBRID):
                [took], _ = await timed([held], by_text(reader, text, mode))
                print(f"{share} visible, {name}, {mode}: {took * 1000:.0f} ms")
        for name, ask in by_vectors(reader, [hit.id for hit in hits]).items():
            (fast, slow), same = await timed([held, plain], ask)
            print(
                f"{share} visible, {name}: {fast * 1000:.1f} ms in memory, {slow * 1000:.1f} ms in the database,"
                f" {slow / fast:.1f} times; {'the same answers' if same else 'DIFFERENT ANSWERS'}"
            )


async def timed(searches: Sequence[Search], ask: Ask) -> tuple[list[float], bool]:
    """The median of each, in seconds, and whether all gave the same."""
    times: list[list[float]] = [[] for _ in searches]
    same = True
    for n in range(ROUNDS):
        answers = []
        for search, took in zip(searches, times, strict=True):
            began = time.perf_counter()
            found = await ask(search, n)
            took.append(time.perf_counter() - began)
            answers.append(found.hits if isinstance(found, Found) else found)
        same = same and all(answer == answers[0] for answer in answers)
    return [median(each) for each in times], same


async def main(url: str, admin_url: str, number: int) -> None:
    await migrate(admin_url)
    await establish(admin_url, "search")
    async with await Database.connect(url, statement_timeout=600) as database:
        types = Types(database)
        await fill(database, types, admin_url, number)
        await measure(database, types)


if __name__ == "__main__":
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(main(server.url, server.admin_url, int(sys.argv[2]) if len(sys.argv) > 2 else 117_791))
