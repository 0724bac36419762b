"""Where the tests of encrypted fields write: an organization whose types are encrypted by a vault that is steered."""

from typing import Any
from uuid import UUID

from databases import MakeSubject, run_sql
from steered_vault import SteeredVault

from fabric.database.db import Database
from fabric.encryption import ciphertexts
from fabric.encryption.encryption import Encryption
from fabric.errors import FabricError, Several
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects, Written

PERSON = {
    "typeName": "Person",
    "fields": {
        "name": {"type": "string", "required": True},
        "serial": {"type": "string", "encrypted": True, "purpose": "pii", "hint": "last4", "blindIndex": True},
        "mail": {"type": "string", "encrypted": True, "purpose": "contact", "hint": "domain"},
        "notes": {"type": "json", "encrypted": True},
        "paid": {"type": "decimal", "encrypted": True, "list": True},
        "facts": {"type": "json"},
    },
}
SERIAL = "serial#e"


class Ground:
    def __init__(
        self, admin_url: str, database: Database, organization: Organization, subject: MakeSubject, vault: SteeredVault
    ) -> None:
        self.admin_url, self.database, self.organization, self.subject = admin_url, database, organization, subject
        self.vault = vault
        self.encryption = Encryption(vault, seconds=2)
        self.types = Types(database, self.encryption)
        self.objects = Objects(self.types)

    async def define(self, *documents: Any, at: str = "UNCLASSIFIED") -> None:
        await self.types.define(self.subject(at), self.organization.lattice, documents)

    async def write(self, *changes: Change, at: str = "UNCLASSIFIED") -> list[Written]:
        written, _ = await self.objects.write(self.subject(at), self.organization, list(changes))
        return written

    async def create(self, at: str = "UNCLASSIFIED", id: UUID | None = None, **data: Any) -> UUID:
        change = Change("create", "Person", {"name": "x"} | data, id)
        return (await self.write(change, at=at))[0].object_id

    async def update(self, id: UUID, at: str = "UNCLASSIFIED", **data: Any) -> Written:
        return (await self.write(Change("update", "Person", data, id), at=at))[0]

    async def delete(self, id: UUID, at: str = "UNCLASSIFIED") -> None:
        await self.write(Change("delete", "Person", {}, id), at=at)

    async def opened(self, id: UUID, at: str = "UNCLASSIFIED") -> dict[str, Any]:
        """The encrypted values that a session at the label could unlock, by storage key."""
        async with self.database.transaction(self.subject(at).session) as transaction:
            label = await transaction.fetchval("select label from fabric.objects where object_id = $1", id)
            found = await ciphertexts.read(transaction, "objects", [(id, label)])
        values = await self.encryption.opened(list(found.values()))
        return {place.field: value for place, value in zip(found, values, strict=True)}

    async def data(self, id: UUID, at: str = "UNCLASSIFIED") -> dict[str, Any]:
        async with self.database.transaction(self.subject(at).session) as transaction:
            (row,) = await transaction.fetch("select data from fabric.objects where object_id = $1", id)
            return dict(row["data"])

    async def stored(self) -> set[tuple[UUID, str, str]]:
        rows = await self.rows("select entity_id, label, field_name from fabric.encrypted_fields")
        decode = self.organization.lattice.decode
        return {(row["entity_id"], str(decode(row["label"])), row["field_name"]) for row in rows}

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        return await run_sql(self.admin_url, sql, *args)


def faults(error: FabricError) -> dict[tuple[str | int, ...], str]:
    return {e.path: e.message for e in (error.errors if isinstance(error, Several) else [error])}
