"""Writes without HTTP: one object at a time beside a bare transaction of three rows, with and without seals, and bulk.

    python benchmarks/writes.py DATA_DIR

DATA_DIR is one that `wordnet.py` filled. The bare transaction inserts the rows that a create does (object, event, audit
record) as prepared statements, as the tables' owner: no session, no validation, no labels. The same is measured while a
sealer runs in the same process, as it does in a server.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
from wordnet import ORGANIZATION, Writing

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.identity.organizations import Directory
from fabric.labels import Label
from fabric.seals.seal_keys import sealing_key, trusted_keys
from fabric.seals.sealing import Sealer, seal
from fabric.writing.objects import Change

ROUNDS, EACH, SEALED, BULK = 9, 100, 1_000, 1_000

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


def sealer_of(database: Database, data_dir: Path) -> Sealer:
    key = sealing_key(data_dir, None)
    return Sealer(database, key, trusted_keys(key, None), data_dir)


async def seal_all(database: Database, organization_id: UUID, data_dir: Path) -> None:
    """What was loaded, so that only what is measured is left to seal."""
    key = sealing_key(data_dir, None)
    while (await seal(database, organization_id, key, trusted_keys(key, None), {})).more:
        pass


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

        await seal_all(database, organization.organization_id, server.data_dir)
        rates: dict[str, list[float]] = {"bare": [], "create": [], "sealed": [], "bulk": [], "bulk sealed": []}
        for _ in range(ROUNDS):
            rates["bare"].append(await a_second(bare, EACH))
            rates["create"].append(await a_second(create, EACH))
            rates["bulk"].append(await a_second(bulk, 2) * BULK)
            await seal_all(database, organization.organization_id, server.data_dir)
            async with sealer_of(database, server.data_dir).running():
                rates["sealed"].append(await a_second(create, SEALED))
                rates["bulk sealed"].append(await a_second(bulk, 10) * BULK)
        await owner.execute("delete from fabric.objects where type_name = 'Bare' or data->>'lexname' = 'noun.measure'")
    await owner.close()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print(f"bare transaction of three rows: {medians['bare']:7.0f} a second")
    ratio = medians["create"] / medians["bare"]
    print(f"create one object:              {medians['create']:7.0f} a second, {ratio:.2f} x")
    ratio = medians["sealed"] / medians["create"]
    print(f"the same, sealed meanwhile:     {medians['sealed']:7.0f} a second, {ratio:.2f} x")
    print(f"create {BULK:,} in one mutation:   {medians['bulk']:7.0f} objects a second")
    ratio = medians["bulk sealed"] / medians["bulk"]
    print(f"the same, sealed meanwhile:     {medians['bulk sealed']:7.0f} objects a second, {ratio:.2f} x")


def main() -> None:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(measure(server))


if __name__ == "__main__":
    main()
