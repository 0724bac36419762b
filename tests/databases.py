"""What tests say to their databases beside the fixtures of conftest.py."""

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
