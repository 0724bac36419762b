"""What it costs a search by words to find nothing by an old text, beside the same statement without that check.

    .venv/bin/python benchmarks/search_stamps.py DATA_DIR [OBJECTS] [--explain]

On the data of `search.py`, all of it visible: as it was indexed; after a hundredth was changed, and not indexed since;
after each object was written without its text becoming another one, so that the text of each must be asked. Both
statements are asked alternately. Times are the processor's, of the backend that answers: other work on the machine
disturbs them less.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
from search import TYPE, Random, fill, simple

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.identity.organizations import Directory, establish
from fabric.identity.subject import Session
from fabric.labels import Label, Level
from fabric.search.asking.query import read_query
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.asking.question import Mode, Question
from fabric.search.finding.searching import DEPTH, Search, word_values
from fabric.search.ranking.statements import FITTING, TEXT, bound
from fabric.search.ranking.vector_memory import VectorMemory
from fabric.types.types import Types

ROUNDS = 21
QUERIES = {
    "rare words": "w9000 w12000", "common words": "w40 w300", "the commonest": "w1 w5", "four words": "w1 w2 w3 w4"
}  # fmt: skip
UNCHECKED = TEXT.replace(FITTING, "")

WRITTEN = "update fabric.objects set revision = revision + 1, updated_at = now()"
STATES = {
    "as indexed": None,
    "a hundredth changed": WRITTEN + """, data = '{"gloss": "w1"}' where hashtext(object_id::text) % 100 = 0""",
    "all changed beside their text": WRITTEN,
}


async def measure(database: Database, admin_url: str, explain: bool) -> None:
    organization = await Directory(database).find("search")
    assert organization is not None
    assert UNCHECKED != TEXT
    session = Session(organization.organization_id, organization.lattice.encode(Label(Level.SECRET)))
    memory, vectors = VectorMemory(database, 0), QueryVectors(Random(), lambda _: None)
    search = Search(database, Types(database), vectors, memory, simple(database))
    reader = await search.reader(session)
    corpus = await search.corpora.of(session, reader.catalogue.fingerprint, reader.types)
    admin = await asyncpg.connect(admin_url)
    for state, change in STATES.items():
        if change is not None:
            await admin.execute(change)
        await admin.execute("vacuum analyze")
        for name, text in QUERIES.items():
            query = await read_query(database, Question(text, Mode.TEXT, 0), "simple")
            asked = {"seen": reader.types, "gone": reader.gone, "types": [TYPE["typeName"]], "most": DEPTH}
            checked, unchecked = await timed(database, session, word_values(query, corpus) | asked)
            print(f"{state}, {name}: {checked * 1000:.1f} ms, {checked / unchecked:.2f} times unchecked", flush=True)
            if explain:
                await print_plan(database, session, word_values(query, corpus) | asked)
    await admin.close()


async def timed(database: Database, session: Session, values: Mapping[str, Any]) -> list[float]:
    """The medians, in seconds, of the statement with and without the check."""
    [[backend]] = await database.ask("select pg_backend_pid()")  # the only one
    times: dict[str, list[float]] = {TEXT: [], UNCHECKED: []}
    for _ in range(ROUNDS):
        for statement, took in times.items():
            began = used(backend)
            await database.read(session, *bound(statement, values))
            took.append(used(backend) - began)
    return [median(took) for took in times.values()]


def used(pid: int) -> float:
    """Seconds of the processor that a process has had."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


async def print_plan(database: Database, session: Session, values: Mapping[str, Any]) -> None:
    sql, args = bound(TEXT, values)
    given = str(session.organization_id), str(session.label)
    for [line] in await database.ask(f"explain (analyze, buffers, costs off) {sql}", *given, *args):
        print(line)


async def main(url: str, admin_url: str, number: int, explain: bool) -> None:
    await migrate(admin_url)
    await establish(admin_url, "search")
    async with await Database.connect(url, size=1, statement_timeout=600) as database:
        await fill(database, Types(database), admin_url, number, vectors=False)
        await measure(database, admin_url, explain)


if __name__ == "__main__":
    explaining = "--explain" in sys.argv
    given = [argument for argument in sys.argv[1:] if argument != "--explain"]
    with EmbeddedPostgres(Path(given[0])) as server:
        asyncio.run(main(server.url, server.admin_url, int(given[1]) if len(given) > 1 else 40_000, explaining))
