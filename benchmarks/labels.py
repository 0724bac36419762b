"""What labels cost a read: the compiled statements under row security beside the same on a table without versions.

    python benchmarks/labels.py DATA_DIR

DATA_DIR is one that `wordnet.py` filled. The plain side reads a copy of what the highest clearance sees, one row an
object, same columns and indexes, without row security. In one connection, in turn.
"""

import asyncio
import statistics
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from wordnet import COMPARTMENTS, ORGANIZATION

from fabric.database.embedded import EmbeddedPostgres
from fabric.labels import COMPARTMENT_BITS
from fabric.types.indexes import PREFIX

ROUNDS, EACH = 9, 40

COPY = """
drop schema if exists plain cascade;
create schema plain;
create table plain.objects as select * from fabric.objects o where not tombstone and not exists (
    select from fabric.objects h where h.organization_id = o.organization_id and h.object_id = o.object_id
      and fabric.outranks(h.label, o.label));
alter table plain.objects add primary key (organization_id, object_id);
create index on plain.objects (organization_id, type_name, object_id);
grant usage on schema plain to semantic_fabric_server;
grant select on plain.objects to semantic_fabric_server;
"""

LEXNAME, LEMMA = (f"(fabric.text(o.data, '{name}') collate \"C\")" for name in ("lexname", "lemma"))
MINE = "o.organization_id = s.org and not o.tombstone and o.type_name = 'Synset'"
READS = {
    "page of 100": f"select string_agg(x.data::text, ',') from (select o.data from {{t}} o where {MINE}"
    f" order by {LEMMA}, o.object_id limit 100) x",
    "filter, 100": f"select string_agg(x.data::text, ',') from (select o.data from {{t}} o where {MINE}"
    f" and {LEXNAME} = 'noun.animal' order by {LEMMA}, o.object_id limit 100) x",
    "get by id": f"select o.data::text from {{t}} o where {MINE} and o.object_id = $3",
    "filter, count": f"select count(*)::text from {{t}} o where {MINE} and {LEXNAME} = 'noun.animal'",
    "count": f"select count(*)::text from {{t}} o where {MINE}",
}
STATEMENT = (
    "with s as materialized (select set_config('fabric.organization', $1, true),"
    " set_config('fabric.clearance', $2, true), $1::uuid as org, $3::uuid as id)"
    " select r.v from s cross join lateral ({}) r(v)"
)


async def copy(url: str) -> UUID:
    """Makes the plain side; an object's id to get."""
    owner = await asyncpg.connect(url)
    await owner.execute(COPY)
    rows = await owner.fetch(
        "select indexdef from pg_indexes where schemaname = 'fabric' and starts_with(indexname, $1)", PREFIX
    )
    for row in rows:
        await owner.execute(row["indexdef"].replace(" ON fabric.objects", " ON plain.objects"))
    await owner.execute("vacuum analyze plain.objects")
    await owner.execute("vacuum analyze fabric.objects")
    found: UUID = await owner.fetchval("select object_id from plain.objects where label = 0 offset 1000 limit 1")
    await owner.close()
    return found


async def measure(server: EmbeddedPostgres) -> None:
    object_id = await copy(server.admin_url)
    connection = await asyncpg.connect(server.url)
    row = await connection.fetchrow("select * from fabric.find_organization($1)", ORGANIZATION)
    assert row is not None
    everything = 7 << COMPARTMENT_BITS | (1 << len(COMPARTMENTS)) - 1
    arguments: list[Any] = [str(row["organization_id"]), str(everything), object_id]
    for name, read in READS.items():
        times: dict[str, list[float]] = {"fabric.objects": [], "plain.objects": []}
        for _ in range(ROUNDS):
            for table, measured in times.items():
                statement = await connection.prepare(STATEMENT.format(read.format(t=table)))
                taken = []
                for _ in range(EACH):
                    started = time.perf_counter()
                    await statement.fetchval(*arguments)
                    taken.append(time.perf_counter() - started)
                measured.append(statistics.median(taken))
        labelled, plain = (statistics.median(measured) * 1000 for measured in times.values())
        print(f"{name:14} labelled {labelled:8.3f} ms   plain {plain:8.3f} ms   {labelled / plain:5.2f} x")
    await connection.close()


def main() -> None:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(measure(server))


if __name__ == "__main__":
    main()
