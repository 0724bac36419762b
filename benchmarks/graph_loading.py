"""The graph of an organization loaded from PostgreSQL as at its first use: time, memory, and what others wait.

    python benchmarks/graph_loading.py DATA_DIR [LINKS]

DATA_DIR is a folder for the embedded database. The data of `graph.py`, 1,000,000 links unless told otherwise and a
tenth more versions, are copied into an organization of their own, which is used again where it is there: that takes
longer than all else. Progress is what the log and the metrics say.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import uvloop
from graph import made, max_memory, memory

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.events.feed import Feed
from fabric.graph import LinkColumns, ObjectColumns
from fabric.identity.organizations import establish
from fabric.live_graphs.graphs import Graphs

LINKS, ROUNDS = 1_000_000, 3

_OBJECTS = ("organization_id", "object_id", "label", "type_name", "data", "revision")
_LINKS = (
    "organization_id", "link_id", "label", "relation", "source_id", "target_id", "weight", "valid_from", "valid_to",
    "revision",
)  # fmt: skip


def ids(column: bytes) -> Iterator[UUID]:
    return (UUID(bytes=column[i : i + 16]) for i in range(0, len(column), 16))


def rows(organization_id: UUID, columns: ObjectColumns | LinkColumns) -> list[tuple[Any, ...]]:
    if isinstance(columns, ObjectColumns):
        each = zip(ids(columns.ids), columns.labels, columns.type_names, strict=True)
        return [(organization_id, id, label, name, "{}", 1) for id, label, name in each]
    assert columns.weights is not None
    assert columns.valid_from is not None
    assert columns.valid_to is not None
    links = zip(
        ids(columns.ids), columns.labels, columns.relations, ids(columns.sources), ids(columns.targets),
        columns.weights, columns.valid_from, columns.valid_to, strict=True,
    )  # fmt: skip
    return [(organization_id, *link, 1) for link in links]


async def filled(admin_url: str, links: int) -> UUID:
    """The organization, with its rows as they are stored, without the events of their making."""
    await migrate(admin_url)
    name = f"graph of {links}"
    connection = await asyncpg.connect(admin_url)
    try:
        find = "select organization_id from fabric.organizations where name = $1"
        found: UUID | None = await connection.fetchval(find, name)
        if found is not None:
            return found
        await establish(admin_url, name)
        organization_id: UUID = await connection.fetchval(find, name)
        # Triggers would work out which version outranks which, row by row; loading does not ask for it.
        await connection.execute("set session_replication_role = replica")
        async with connection.transaction():
            for columns in made(links):
                table, names = ("objects", _OBJECTS) if isinstance(columns, ObjectColumns) else ("links", _LINKS)
                await connection.copy_records_to_table(
                    table, schema_name="fabric", columns=names, records=rows(organization_id, columns)
                )
        await connection.execute("vacuum analyze fabric.objects, fabric.links")
        return organization_id
    finally:
        await connection.close()


async def looked(graphs: Graphs) -> AsyncIterator[tuple[float, int]]:
    """Ever again: how much later than it should the event loop comes by, and the rows that have come."""
    while True:
        due = time.perf_counter() + 0.01
        await asyncio.sleep(0.01)
        yield time.perf_counter() - due, graphs.figures().rows


async def measure(url: str, organization_id: UUID) -> None:
    async with await Database.connect(url, size=4) as database:
        feed = Feed(database)
        async with feed.running():
            for round in range(ROUNDS):
                graphs = Graphs(database, feed, 2**40)
                before, late, seen = memory(), list[float](), list[int]()

                async def watch(graphs: Graphs = graphs, late: list[float] = late, seen: list[int] = seen) -> None:
                    async for delay, rows in looked(graphs):
                        late.append(delay)
                        seen.append(rows)

                watching = asyncio.create_task(watch())
                began, used = time.perf_counter(), time.process_time()
                graph = await graphs.graph(organization_id)
                took, used = time.perf_counter() - began, time.process_time() - used
                watching.cancel()
                await asyncio.sleep(1)  # what loading took is given back meanwhile
                if not round:
                    print(f"{graph.nodes:,} nodes, {graph.links:,} versions of links")
                print(
                    f"  {took:6.1f} s, {used:.1f} s of this process; others waited {max(late) * 1e3:.0f} ms at most; "
                    f"holds {memory() - before:,.0f} MB ({graph.nbytes / graph.links:.0f} bytes a link), "
                    f"at most {max_memory() - before:,.0f} MB; {len(set(seen)):,} steps were seen"
                )
                await graphs.close()
                del graph


def main() -> None:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        began = time.perf_counter()
        links = int(sys.argv[2]) if len(sys.argv) > 2 else LINKS
        organization_id = asyncio.run(filled(server.admin_url, links))
        print(f"the database is filled, {time.perf_counter() - began:.0f} s")
        uvloop.run(measure(server.url, organization_id))


if __name__ == "__main__":
    main()
