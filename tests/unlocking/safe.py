"""An organization with encrypted fields, whose officers unlock them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from databases import MakeSubject, run_sql

from fabric.database.db import Database
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.types.types import Types
from fabric.unlocking.attempts import Attempt, Limit
from fabric.unlocking.requests import UnlockRequests
from fabric.unlocking.unlocking import Unlocked, Unlocking
from fabric.writing.objects import Change, Objects
from vault.software import SoftwareVault

LIMIT = Limit(5, 3600.0)
OFFICER = ("reader", "officer")

ASSET = {
    "typeName": "Asset",
    "label": {"level": "UNCLASSIFIED"},
    "fields": {
        "name": {"type": "string", "required": True},
        "serial": {"type": "string", "encrypted": True, "purpose": "pii", "unlock": {"ttlSeconds": 30}},
        "codes": {"type": "bigint", "list": True, "encrypted": True, "purpose": "codes"},
        "deep": {
            "type": "string", "encrypted": True, "purpose": "pii",
            "label": {"level": "SECRET", "compartments": ["ALPHA"]},
        },
        "ruled": {"type": "string", "encrypted": True, "purpose": "pii", "unlock": {"permission": "audit:read"}},
        "twofold": {"type": "string", "encrypted": True, "purpose": "pii", "unlock": {"approvals": 1}},
    },
}  # fmt: skip


@dataclass
class Safe:
    """An organization with encrypted values, and what unlocks them."""

    database: Database
    organization: Organization
    types: Types
    objects: Objects
    vault: SoftwareVault
    unlocking: Unlocking
    requests: UnlockRequests
    subject: MakeSubject
    admin_url: str

    async def make(self, label: str = "UNCLASSIFIED", name: str = "pump", **values: Any) -> UUID:
        """An asset with these encrypted values."""
        return await self.write(label, Change("create", "Asset", {"name": name, **values}))

    async def write(self, label: str, change: Change) -> UUID:
        [written], _ = await self.objects.write(self.subject(label), self.organization, [change])
        return written.object_id

    async def keep(self, label: str, object_id: UUID, **values: Any) -> None:
        """Other values at this label."""
        await self.write(label, Change("update", "Asset", values, object_id))

    async def unlock(
        self, id: UUID, *fields: str, who: Subject | None = None, request_id: str | None = None
    ) -> list[Unlocked]:
        who = who or self.officer()
        attempt = Attempt.of(who.subject, "an audit of pumps", request_id)
        return await self.unlocking.unlock(who, self.organization, id, fields, attempt)

    def officer(self, label: str = "UNCLASSIFIED", name: str = "olga", roles: tuple[str, ...] = OFFICER) -> Subject:
        return self.subject(label, roles, name)

    async def log(self, *columns: str) -> list[Any]:
        """The audit records of unlocking, the oldest first."""
        names = ", ".join(columns or ("action", "outcome", "detail->>'field'", "detail->>'cause'"))
        rows = await run_sql(
            self.admin_url, f"select {names} from fabric.audit_log where action like 'field.unlock%' order by audit_id"
        )
        return [tuple(row) if len(row) > 1 else row[0] for row in rows]
