"""An organization with encrypted fields, whose officers unlock them."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson
import pytest
from databases import MakeSubject, run_sql

from fabric import ciphertexts
from fabric.catalogue import Catalogue
from fabric.ciphertexts import Ciphertext
from fabric.db import Database
from fabric.objects import Change, Objects
from fabric.organizations import Organization
from fabric.places import Place
from fabric.protection import Protection, Unlock
from fabric.subject import Session, Subject
from fabric.types import Types
from fabric.unlock_attempts import Attempt, Limit
from fabric.unlock_requests import UnlockRequests
from fabric.unlocking import Unlocked, Unlocking
from fabric.vault_keys import encryption_key
from vault.protocol import KeyKind, Plain
from vault.software import SoftwareVault

LIMIT = Limit(5, 3600.0)
OFFICER = ("reader", "officer")

ASSET = {
    "typeName": "Asset",
    "label": {"level": "UNCLASSIFIED"},
    "fields": {
        "name": {"type": "string", "required": True},
        "serial": {"type": "string"},
        "codes": {"type": "bigint", "list": True},
        "deep": {"type": "string", "label": {"level": "SECRET", "compartments": ["ALPHA"]}},
        "ruled": {"type": "string"},
        "twofold": {"type": "string"},
    },
}
RULES = {
    "serial": Protection("pii", unlock=Unlock(ttl_seconds=30)),
    "codes": Protection("codes"),
    "deep": Protection("pii"),
    "ruled": Protection("pii", unlock=Unlock(permission="audit:read")),
    "twofold": Protection("pii", unlock=Unlock(approvals=1)),
}


def follow_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the fields of Asset encrypted as RULES say, whatever their definition."""
    catalogue = Types.catalogue

    async def with_rules(self: Types, session: Session) -> Catalogue:
        found = await catalogue(self, session)
        if "Asset" not in found.types:
            return found
        asset = found.types["Asset"]
        fields = {n: replace(f, protection=RULES.get(n)) for n, f in asset.fields.items()}
        return replace(found, types={**found.types, "Asset": replace(asset, fields=fields)})

    monkeypatch.setattr(Types, "catalogue", with_rules)


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
        subject = self.subject(label)
        change = Change("create", "Asset", {"name": name})
        [written], _ = await self.objects.write(subject, self.organization, [change])
        await self.keep(subject, written.object_id, **values)
        return written.object_id

    async def keep(self, subject: Subject, object_id: UUID, **values: Any) -> None:
        rows = []
        asset = (
            await self.types.catalogue(Session(subject.organization_id, self.subject("SECRET/ALPHA").label))
        ).types["Asset"]
        for name, value in values.items():
            place = Place(subject.organization_id, "objects", object_id, subject.label, asset.fields[name].key)
            key = encryption_key(subject.organization_id, RULES[name].purpose)
            await self.vault.create_key(key, KeyKind.ENCRYPTION)
            (sealed,) = await self.vault.encrypt(key, [Plain(orjson.dumps(value), place.context)])
            assert not isinstance(sealed, Exception)
            rows.append(Ciphertext(place, key, sealed.key_version, sealed.ciphertext))
        async with self.database.transaction(Session(subject.organization_id, subject.label)) as transaction:
            await ciphertexts.store(transaction, "objects", rows)

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
