"""A ground for what is sealed: logs that are written, sealed and verified, and an attacker who owns the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from databases import run_sql, settled

from fabric.database.db import Database
from fabric.events.journal import Entry, append
from fabric.identity.organizations import Organization
from fabric.identity.subject import Session
from fabric.seals import checkpoints
from fabric.seals.checkpoints import Checkpoint
from fabric.seals.faults import Kind
from fabric.seals.seal_keys import SealingKey, TrustedKeys
from fabric.seals.sealing import Pass, seal
from fabric.seals.seals import EVENTS, Log
from fabric.seals.verification import Report, verify

LOW, MIDDLE, HIGH = 0, 1 << 60, 7 << 60


@dataclass
class Ground:
    database: Database
    organization: Organization
    admin_url: str
    key: SealingKey
    trusted: TrustedKeys

    @property
    def id(self) -> UUID:
        return self.organization.organization_id

    async def write(self, label: int = LOW, number: int = 1, ids: Sequence[UUID] = ()) -> None:
        """One transaction with so many events, and as many audit records."""
        entries = [
            Entry("thing.done", "things", ids[i] if ids else uuid4(), "Thing", {"n": {"after": i}})
            for i in range(number)
        ]
        async with self.database.transaction(Session(self.id, label)) as transaction:
            await append(transaction, "ann", entries)

    async def seal(self, known: dict[Any, Any] | None = None) -> Pass:
        await settled(self.admin_url)
        return await seal(self.database, self.id, self.key, self.trusted, known or {})

    async def verify(
        self, of: Log = EVENTS, clearance: int | None = None, checkpoint: Checkpoint | None = None
    ) -> Report:
        opened = (
            self.database.following(self.id, snapshot=True)
            if clearance is None
            else self.database.transaction(Session(self.id, clearance), snapshot=True)
        )
        async with opened as transaction:
            return await verify(
                transaction, of, self.trusted, clearance=clearance, checkpoints=(checkpoint,) if checkpoint else ()
            )

    async def checkpoint(self) -> Checkpoint:
        async with self.database.following(self.id) as transaction:
            return await checkpoints.current(transaction, self.trusted)

    async def attack(self, sql: str, *args: Any) -> None:
        """As a superuser, whom nothing holds."""
        await run_sql(self.admin_url, sql, *args)

    async def kinds(self, of: Log = EVENTS, **options: Any) -> list[Kind]:
        return [fault.kind for fault in (await self.verify(of, **options)).faults]
