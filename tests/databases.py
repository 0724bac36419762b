"""What tests say to their databases beside the fixtures of conftest.py."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg

from fabric.database.connection import Connection
from fabric.database.embedded import ADMIN_ROLE, DATABASE, SERVING_ROLE
from fabric.database.tuning import available_memory
from fabric.identity.policy import Policy
from fabric.identity.subject import Subject

COMPARTMENTS = ("ALPHA", "BRAVO", "CHARLIE")
POLICY = Policy.load(None)

MakeSubject = Callable[..., Subject]
"""`subject(label="UNCLASSIFIED", roles=("admin",), name="ann", clearance=None)`; no clearance means the label's."""


_ROOM = 6 << 30
"""Bytes that half of the memory must have before databases are kept in it; those of two workers take less."""


def servers_place() -> str:
    """Where servers are made: in memory where there is much of it, else on the disk.

    A database has hundreds of files. ext4 gives none of them an inode that was freed in the last half minute, and looks
    at each of these in turn: where databases come and go it takes twenty times as long to make one. The path is
    short, since a Unix socket's is limited.
    """
    with suppress(OSError):
        shared = os.statvfs("/dev/shm")
        room = min(shared.f_bavail * shared.f_frsize, available_memory() // 2)
        if room > _ROOM and not shared.f_flag & os.ST_NOEXEC:  # programs may have to be copied beside the data
            return "/dev/shm"
    return "/tmp"


def url_of(url: str, database: str) -> str:
    """The same server and role, another database."""
    return url.replace(f"/{DATABASE}?", f"/{database}?", 1)


async def run_sql(url: str, sql: str, *args: Any) -> list[asyncpg.Record]:
    """One statement over a connection of its own."""
    connection = await asyncpg.connect(url, connection_class=Connection)
    try:
        return list(await connection.fetch(sql, *args))
    finally:
        await connection.close()


async def clone_database(maintenance: str, name: str, template: str = DATABASE) -> None:
    """Copies the files, in half the time that it takes to write them all to the log first."""
    await run_sql(maintenance, f"create database {name} template {template} strategy file_copy")


async def drop_database(maintenance: str, name: str) -> None:
    """Drops it, and begins again where that hangs.

    PostgreSQL 15 to 18 may wait for ever for a process that began at the same moment and was never told that it is
    waited for (https://postgr.es/m/CAEze2WgAJmWReDN7Chtba8Er2YBvKCoa0KVN25-1evnTrHsLyA@mail.gmail.com). The next try
    tells it.
    Meanwhile the transaction of the drop would hold back all that follows events in the cluster.
    """
    connection = await asyncpg.connect(maintenance, server_settings={"statement_timeout": "2000"})
    try:
        for _ in range(30):
            try:
                await connection.execute(f"drop database if exists {name} with (force)")
            except asyncpg.QueryCanceledError:
                continue
            return
        raise AssertionError(f"{name} cannot be dropped")
    finally:
        await connection.close()


_HELD_BACK = """
select from pg_stat_activity where backend_xid is not null and datname is distinct from current_database()
  and backend_xid::text::bigint < $1"""


async def settled(url: str) -> None:
    """Waits for what transactions in other databases hold back: of servers that serve on, of databases that go."""
    url = url.replace(SERVING_ROLE, ADMIN_ROLE)  # who alone sees them
    [[begun]] = await run_sql(url, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    for _ in range(3_000):
        if not await run_sql(url, _HELD_BACK, begun):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("another transaction does not end")
