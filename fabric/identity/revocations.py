"""Tokens that are refused before they expire: one by its id, or all that a subject was given until some moment.

A process knows an organization's revocations from memory. It forgets them when PostgreSQL tells that they have changed,
and after `FRESH_SECONDS` in any case; what it does not know it reads, and where it cannot read it admits nobody.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from fabric.database.db import READ, Database
from fabric.identity.subject import Session

FRESH_SECONDS = 5.0
"""How long what is known of an organization is used without asking again."""

CHANNEL = "fabric_revocations"

_LOAD = READ.format(
    """select jsonb_build_object(
           'tokens', coalesce(jsonb_agg(name) filter (where kind = 'token'), '[]'),
           'subjects', coalesce(jsonb_object_agg(name, extract(epoch from issued_until))
                                filter (where kind = 'subject'), '{}'))
       from fabric.revocations where organization_id = s.org"""
)

_REVOKE = """
insert into fabric.revocations as r (organization_id, kind, name, issued_until, reason)
select organization_id, $2, $3, $4, $5 from fabric.organizations where name = $1
on conflict (organization_id, kind, name) do update
set issued_until = greatest(r.issued_until, excluded.issued_until), reason = excluded.reason, revoked_at = now()
returning organization_id, issued_until"""

_AUDIT = """
insert into fabric.audit_log (organization_id, label, actor, action, outcome, reason, detail)
values ($1, 0, $2, $3, 'done', $4, jsonb_strip_nulls(jsonb_build_object('name', $5::text, 'issued_until', $6::text)))"""


@dataclass(frozen=True, slots=True)
class Revoked:
    """An organization's revocations: ids of tokens, and by subject the moment, in seconds since the epoch."""

    tokens: frozenset[str]
    subjects: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Known:
    revoked: Revoked
    read_at: float


class Revocations:
    """The revocations of all organizations that ask here; at most `capacity` of them, the first read forgotten first.

    `leeway_seconds` is how far the clocks of who issues tokens and of the database may differ: a token that may have
    been issued before a subject's moment is refused.
    """

    def __init__(self, database: Database, *, leeway_seconds: float = 0, capacity: int = 1000) -> None:
        self._database = database
        self._leeway = leeway_seconds
        self._capacity = capacity
        self._known: dict[UUID, _Known] = {}
        self._reading: dict[UUID, asyncio.Task[Revoked]] = {}

    async def refuses(
        self, organization_id: UUID, subject: str, token_id: str | None, issued_at: float | None
    ) -> bool:
        """Whether this token is revoked. One that does not say when it was issued may be as old as any."""
        known = self._known.get(organization_id)
        if known is not None and time.monotonic() - known.read_at < FRESH_SECONDS:
            revoked = known.revoked
        else:
            revoked = await self._read(organization_id)
        if token_id in revoked.tokens:
            return True
        moment = revoked.subjects.get(subject)
        return moment is not None and (issued_at is None or issued_at <= moment + self._leeway)

    def forget(self, organization_id: UUID | None = None) -> None:
        """Revocations have changed: of one organization, or (after a gap in the notices) perhaps of any."""
        for each in list(self._known) if organization_id is None else [organization_id]:
            self._known.pop(each, None)
        for each in list(self._reading) if organization_id is None else [organization_id]:
            self._reading.pop(each, None)  # what it reads may be older than what made them

    async def _read(self, organization_id: UUID) -> Revoked:
        reading = self._reading.get(organization_id)
        if reading is None:
            reading = self._reading[organization_id] = asyncio.create_task(self._load(organization_id))
        # Shielded: a request that goes away must not fail those who wait for the same answer.
        return await asyncio.shield(reading)

    async def _load(self, organization_id: UUID) -> Revoked:
        task = asyncio.current_task()
        began = time.monotonic()
        try:
            found = await self._database.read(Session(organization_id, 0), _LOAD)
            revoked = Revoked(frozenset(found["tokens"]), found["subjects"])
            if self._reading.get(organization_id) is task:
                self._known.pop(organization_id, None)
                if len(self._known) >= self._capacity:
                    self._known.pop(next(iter(self._known)))
                self._known[organization_id] = _Known(revoked, began)
            return revoked
        finally:
            if self._reading.get(organization_id) is task:
                del self._reading[organization_id]


async def revoke_token(admin_url: str, organization: str, token_id: str, reason: str, *, actor: str) -> None:
    """Refuses the token of this id (`jti`) from now on. ValueError for what no token can have."""
    await _revoke(admin_url, organization, "token", token_id, None, reason, actor)


async def revoke_subject(
    admin_url: str, organization: str, subject: str, issued_until: datetime, reason: str, *, actor: str
) -> datetime:
    """Refuses all of the subject's tokens that were issued until this moment; the moment that holds now.

    A later moment that was set before stays. ValueError for what no token can have, or a moment that is yet to come.
    """
    if issued_until.timestamp() > time.time():
        raise ValueError("the moment is yet to come: tokens that are not issued yet cannot be revoked")
    moment = await _revoke(admin_url, organization, "subject", subject, issued_until, reason, actor)
    assert moment is not None
    return moment


async def _revoke(
    admin_url: str, organization: str, kind: str, name: str, issued_until: datetime | None, reason: str, actor: str
) -> datetime | None:
    if not 0 < len(name) <= 255 or not name.isprintable():
        raise ValueError(f"a {kind} is named by 1 to 255 printable characters")
    if not reason.strip():
        raise ValueError("a reason is required")
    connection = await asyncpg.connect(admin_url)
    try:
        async with connection.transaction():
            await connection.execute("set local role semantic_fabric_owner")
            row = await connection.fetchrow(_REVOKE, organization, kind, name, issued_until, reason)
            if row is None:
                raise ValueError(f"there is no organization {organization!r}")
            moment: datetime | None = row["issued_until"]
            told = moment.isoformat() if moment else None
            await connection.execute(
                _AUDIT, row["organization_id"], actor, f"{kind}.revoked", reason, name, told
            )
            return moment
    finally:
        await connection.close()
