"""Webhooks: which there are, what they are told, for whom, and how far they have got.

A webhook is written at the session label of who made it, and changed only by sessions at that label. It is told what a
session at the label would be told, with the permissions of its owner's roles: whoever last said where it leads, what it
tells, or that it is to go on. So nobody has it tell them what their own roles would not. It outlives the owner's token,
but not its revocation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg

from fabric.database.db import Transaction
from fabric.events.journal import Position

CHANNEL = "fabric_webhooks"
"""Tells those who deliver that something of an organization's webhooks has changed."""

PERMISSION = "webhook:manage"


class State(StrEnum):
    """ACTIVE is delivered. PAUSED was stopped by somebody, STOPPED by the server; both go on where they were."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"


class Stop(StrEnum):
    """Why the server stopped a webhook."""

    GONE = "GONE"
    FAILING = "FAILING"
    DEAD_LETTERS = "DEAD_LETTERS"
    FORBIDDEN = "FORBIDDEN"
    FILTER = "FILTER"
    REVOKED = "REVOKED"
    PRUNED = "PRUNED"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One as it is stored; `place` is how far events have been read for it."""

    organization_id: UUID
    webhook_id: UUID
    label: int
    name: str
    url: str
    subscription: str
    arguments: Mapping[str, Any]
    owner: str
    roles: list[str]
    token_id: str | None
    token_issued_at: float | None
    generation: int
    overlap_until: datetime | None
    state: State
    stopped_for: Stop | None
    place: Position
    epoch: int
    last_delivered_at: datetime | None
    failing_since: datetime | None
    last_failure: str | None
    revision: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: asyncpg.Record) -> "Webhook":
        """Of a row with `COLUMNS`."""
        values = dict(row)
        values["place"] = Position(values.pop("transaction_id"), values.pop("position"))
        values["state"] = State(values["state"])
        values["stopped_for"] = values["stopped_for"] and Stop(values["stopped_for"])
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})


COLUMNS = """organization_id, webhook_id, label, name, url, subscription, arguments, owner, roles, token_id,
    token_issued_at, generation, overlap_until, state, stopped_for, transaction_id, position, epoch, last_delivered_at,
    failing_since, last_failure, revision, created_at, updated_at"""

_WAITING = """
    (select count(*) from fabric.webhook_deliveries d
     where d.organization_id = w.organization_id and d.webhook_id = w.webhook_id and d.state = 'WAITING')"""

_LAG = """
    (select extract(epoch from now() - min(occurred_at))::float8 from fabric.webhook_deliveries d
     where d.organization_id = w.organization_id and d.webhook_id = w.webhook_id and d.state = 'WAITING')"""

_LIST = f"""
select {COLUMNS}, {_WAITING} as waiting, greatest(0, {_LAG}) as lag from fabric.webhooks w
where $1::uuid is null or webhook_id = $1 order by created_at, webhook_id"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A webhook with what is waiting for it, and for how many seconds the oldest of that has."""

    webhook: Webhook
    waiting: int
    lag: float


async def read_listed(transaction: Transaction, webhook_id: UUID | None = None) -> list[Listed]:
    """Those that the transaction's session sees, or the one of this id, the oldest first."""
    rows = await transaction.fetch(_LIST, webhook_id)
    return [Listed(Webhook.of(row), row["waiting"], row["lag"] or 0.0) for row in rows]


async def read_one(transaction: Transaction, webhook_id: UUID, *, lock: bool = False) -> Webhook | None:
    """The webhook as the session sees it; with `lock`, which needs a session at its label, nobody else changes it."""
    sql = f"select {COLUMNS} from fabric.webhooks where webhook_id = $1" + (" for update" if lock else "")
    row = await transaction.fetchrow(sql, webhook_id)
    return Webhook.of(row) if row else None


async def tell_deliverers(transaction: Transaction) -> None:
    """Once the transaction has committed."""
    await transaction.fetchval("select pg_notify($1, $2)", CHANNEL, str(transaction.session.organization_id))
