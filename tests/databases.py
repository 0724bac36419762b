"""What tests say to their databases beside the fixtures of conftest.py."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg

from fabric.embedded import DATABASE
from fabric.policy import Policy
from fabric.subject import Subject

COMPARTMENTS = ("ALPHA", "BRAVO", "CHARLIE")
POLICY = Policy.load(None)

MakeSubject = Callable[..., Subject]
"""`subject(label="UNCLASSIFIED", roles=("admin",), name="ann", clearance=None)`; no clearance means the label's."""


def url_of(url: str, database: str) -> str:
    """The same server and role, another database."""
    return url.replace(f"/{DATABASE}?", f"/{database}?", 1)


async def run_sql(url: str, sql: str, *args: Any) -> list[asyncpg.Record]:
    """One statement over a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(sql, *args))
    finally:
        await connection.close()


_HELD_BACK = """
select from pg_stat_activity where backend_xid is not null and datname is distinct from current_database()
  and backend_xid::text::bigint < $1"""


async def settled(url: str) -> None:
    """Waits for what other tests' transactions hold back: they are of the same cluster, if not of this database."""
    [[begun]] = await run_sql(url, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    for _ in range(3_000):
        if not await run_sql(url, _HELD_BACK, begun):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("another transaction does not end")
