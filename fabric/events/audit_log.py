"""The audit log as it is read: pages of the records that a session sees, and which of them are sealed.

Who reads it is on the record too: each page leaves a record of what was asked for, in the transaction that reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fabric.database.db import Transaction
from fabric.events import journal
from fabric.events.journal import Position
from fabric.events.log_pages import LogQuery, Slice

READ = "audit.read"
"""The action of those who read it."""

# A seal covers what stands at or before its last row, of its own label.
_SEALED = """coalesce((
    select (s.transaction_id, s.position) >= (t.transaction_id, t.audit_id) from fabric.seals s
    where s.organization_id = t.organization_id and s.log = 'audit_log' and s.label = t.label
    order by s.sequence desc limit 1), false)"""

_COLUMNS = f"""t.transaction_id::text::bigint as transaction_id, t.audit_id, t.label, t.actor, t.action, t.outcome,
    t.entity_id, t.reason, t.request_id, t.detail, t.occurred_at, {_SEALED} as sealed"""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which records: None for whatever. `actions` are whole ones, or beginnings where they end in ``*``.

    `since` is included, `until` is not.
    """

    actor: str | None = None
    actions: Sequence[str] | None = None
    outcomes: Sequence[str] | None = None
    entity_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def asked(self) -> Mapping[str, Any]:
        """As it stands in the record of the reading."""
        given = {
            "actor": self.actor,
            "actions": None if self.actions is None else list(self.actions),
            "outcomes": None if self.outcomes is None else list(self.outcomes),
            "entityId": None if self.entity_id is None else str(self.entity_id),
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `sealed` says whether a seal covers it by now."""

    place: Position
    label: int
    actor: str
    action: str
    outcome: str
    entity_id: UUID | None
    reason: str | None
    request_id: str | None
    detail: Mapping[str, Any]
    occurred_at: datetime
    sealed: bool


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Records in the order asked for, and whether there are more on either side."""

    records: list[Record]
    has_previous: bool
    has_next: bool


async def read_log(
    transaction: Transaction, actor: str, sought: Sought, part: Slice, *, newest_first: bool, request_id: str | None
) -> AuditPage:
    """The part of the records sought that the transaction's session sees. That `actor` has read it is recorded."""
    page = await _page(transaction, sought, part, newest_first)
    detail = {"where": dict(sought.asked), "records": len(page.records)}
    await journal.record(transaction, actor, READ, None, detail, request_id=request_id)
    return page


async def _page(transaction: Transaction, sought: Sought, part: Slice, newest_first: bool) -> AuditPage:
    query = LogQuery("audit_log", "audit_id")
    query.equal("actor", sought.actor)
    query.like("action", sought.actions)
    query.among("outcome", sought.outcomes)
    query.equal("entity_id", sought.entity_id)
    query.within(sought.since, sought.until)
    page = await query.page(transaction, _COLUMNS, part, newest_first=newest_first)
    return AuditPage([_record(row) for row in page.rows], page.has_previous, page.has_next)


def _record(row: Any) -> Record:
    names = "label actor action outcome entity_id reason request_id detail occurred_at sealed".split()
    return Record(Position(row["transaction_id"], row["audit_id"]), *(row[name] for name in names))
