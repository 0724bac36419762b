"""Writes without HTTP: one object at a time beside a bare transaction of three rows, and bulk.

    python benchmarks/writes.py DATA_DIR

DATA_DIR is one that `wordnet.py` filled. The bare transaction inserts the rows that a create does (object, event, audit
record) as prepared statements, as the tables' owner: no session, no validation, no labels.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
from wordnet import ORGANIZATION, Writing

from fabric.db import Database
from fabric.embedded import EmbeddedPostgres
from fabric.labels import Label
from fabric.objects import Change
from fabric.organizations import Directory

ROUNDS, EACH, BULK = 9, 100, 1_000

BARE = (
    "insert into fabric.objects (organization_id, object_id, label, type_name, data, revision)"
    " values ($1, $2, 0, 'Bare', $3, 1)",
    "insert into fabric.events (organization_id, label, topic, entity_table, entity_id, entity_type, actor, data)"
    " values ($1, 0, 'object.created', 'objects', $2, 'Bare', 'benchmark', $3)",
    "insert into fabric.audit_log (organization_id, label, actor, action, outcome, entity_id, detail)"
    " values ($1, 0, 'benchmark', 'object.created', 'done', $2, $3)",
)


def synset(number: int) -> dict[str, object]:
    text = f"{number}-{uuid4()}"
    return {
        "key": text, "lemma": text, "pos": "n", "definition": "made for a measurement", "lexname": "noun.measure",
        "synsetOffset": "0", "wordCount": 1, "pointerCount": 0,
    }  # fmt: skip


async def a_second(work: Callable[[int], Awaitable[object]], number: int) -> float:
    started = time.perf_counter()
    for i in range(number):
        await work(i)
    return number / (time.perf_counter() - started)


async def measure(server: EmbeddedPostgres) -> None:
    owner = await asyncpg.connect(server.admin_url)
    async with await Database.connect(server.url) as database:
        organization = await Directory(database).find(ORGANIZATION)
        assert organization is not None
        writing = Writing(database, organization)
        low = writing.subject(Label())
        data = '{"lemma": "x", "definition": "made for a measurement"}'

        async def bare(_: int) -> None:
            object_id = uuid4()
            async with owner.transaction():
                for insert in BARE:
                    await owner.execute(insert, organization.organization_id, object_id, data)

        async def create(i: int) -> None:
            await writing.objects.write(low, organization, [Change("create", "Synset", synset(i))])

        async def bulk(_: int) -> None:
            await writing.objects.write(low, organization, [Change("create", "Synset", synset(i)) for i in range(BULK)])

        rates: dict[str, list[float]] = {"bare": [], "create": [], "bulk": []}
        for _ in range(ROUNDS):
            rates["bare"].append(await a_second(bare, EACH))
            rates["create"].append(await a_second(create, EACH))
            rates["bulk"].append(await a_second(bulk, 2) * BULK)
        await owner.execute("delete from fabric.objects where type_name = 'Bare' or data->>'lexname' = 'noun.measure'")
    await owner.close()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print(f"bare transaction of three rows: {medians['bare']:7.0f} a second")
    ratio = medians["create"] / medians["bare"]
    print(f"create one object:              {medians['create']:7.0f} a second, {ratio:.2f} x")
    print(f"create {BULK:,} in one mutation:   {medians['bulk']:7.0f} objects a second")


def main() -> None:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(measure(server))


if __name__ == "__main__":
    main()
