"""Organizations: the tenants. Each has its compartments and a secret from which its ids and cursors are keyed."""

import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID, uuid4

import asyncpg

from fabric.database.db import Database
from fabric.labels import COMPARTMENT_BITS, COMPARTMENT_NAME, Lattice

FRESH_SECONDS = 5.0
"""How long what is known of an organization is used without asking again."""


@dataclass(frozen=True, slots=True)
class Organization:
    organization_id: UUID
    name: str
    secret: bytes
    lattice: Lattice

    def key(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, so that no two uses share one."""
        return hmac.digest(self.secret, purpose.encode(), sha256)


class Directory:
    """Finds organizations by name. What it learns it keeps for `FRESH_SECONDS`, bounded in number."""

    def __init__(self, database: Database, capacity: int = 1000) -> None:
        self._database = database
        self._capacity = capacity
        self._known: dict[str, tuple[float, Organization | None]] = {}

    async def find(self, name: str, *, fresh: bool = False) -> Organization | None:
        """The organization, or None. `fresh` asks the database (for a compartment that may be new)."""
        now = time.monotonic()
        found = self._known.get(name)
        if found is not None and not fresh and found[0] > now:
            return found[1]
        rows = await self._database.ask("select * from fabric.find_organization($1)", name)
        organization = None
        if rows:
            row = rows[0]
            organization = Organization(
                row["organization_id"], name, row["secret"], Lattice(tuple(row["compartments"]))
            )
        if name not in self._known and len(self._known) >= self._capacity:
            self._known.pop(next(iter(self._known)))
        self._known[name] = (now + FRESH_SECONDS, organization)
        return organization


async def establish(admin_url: str, name: str, compartments: Iterable[str] = ()) -> tuple[bool, list[str]]:
    """Makes the organization and its compartments as far as they are not there; the operator's act, not a reader's.

    Returns whether the organization is new, and the compartments that are. ValueError for names that cannot be, or
    more compartments than a label holds.
    """
    if not name or len(name) > 200 or not name.isprintable():
        raise ValueError("an organization's name is 1 to 200 printable characters")
    compartments = list(compartments)
    for compartment in compartments:
        if not COMPARTMENT_NAME.match(compartment):
            raise ValueError(
                f"{compartment!r}: a compartment is an upper-case letter, then upper-case letters, digits, _"
            )
    connection = await asyncpg.connect(admin_url)
    try:
        async with connection.transaction():
            await connection.execute("set local role semantic_fabric_owner")
            created = await connection.fetchval(
                """insert into fabric.organizations (organization_id, name, secret) values ($1, $2, $3)
                   on conflict (name) do nothing returning true""",
                uuid4(), name, secrets.token_bytes(32),
            )  # fmt: skip
            organization_id = await connection.fetchval(
                "select organization_id from fabric.organizations where name = $1 for update", name
            )
            new = await _add_compartments(connection, organization_id, compartments)
            return bool(created), new
    finally:
        await connection.close()


async def _add_compartments(
    connection: asyncpg.Connection, organization_id: UUID, compartments: Iterable[str]
) -> list[str]:
    known = [
        row["name"]
        for row in await connection.fetch(
            "select name from fabric.compartments where organization_id = $1 order by ordinal", organization_id
        )
    ]
    new = [name for name in dict.fromkeys(compartments) if name not in known]
    if len(known) + len(new) > COMPARTMENT_BITS:
        raise ValueError(f"an organization can have {COMPARTMENT_BITS} compartments; this would be {len(known + new)}")
    for ordinal, name in enumerate(new, start=len(known)):
        await connection.execute(
            "insert into fabric.compartments (organization_id, ordinal, name) values ($1, $2, $3)",
            organization_id, ordinal, name,
        )  # fmt: skip
    return new
