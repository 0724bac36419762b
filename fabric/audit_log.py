"""The audit log as it is read: pages of the records that a session sees, and which of them are sealed.

Who reads it is on the record too: each page leaves a record of what was asked for, in the transaction that reads. As of
events, only what no transaction that still runs can precede is listed, so the place after a page misses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fabric import journal
from fabric.db import Transaction
from fabric.event_pages import Slice
from fabric.events import OLDEST
from fabric.journal import Position

READ = "audit.read"
"""The action of those who read it."""

# A seal covers what stands at or before its last row, of its own label.
_SEALED = """coalesce((
    select (s.transaction_id, s.position) >= (a.transaction_id, a.audit_id) from fabric.seals s
    where s.organization_id = a.organization_id and s.log = 'audit_log' and s.label = a.label
    order by s.sequence desc limit 1), false)"""

_COLUMNS = f"""a.transaction_id::text::bigint as transaction_id, a.audit_id, a.label, a.actor, a.action, a.outcome,
    a.entity_id, a.reason, a.request_id, a.detail, a.occurred_at, {_SEALED} as sealed"""


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
    down = newest_first is not part.backward
    query = _Query(sought)
    start, end = (part.before, part.after) if part.backward else (part.after, part.before)
    conditions = [*query.conditions]
    if start is not None:
        conditions.append(query.beyond(start, "<" if down else ">"))
    if end is not None:
        conditions.append(query.beyond(end, ">" if down else "<"))
    direction = " desc" if down else ""
    limit = query.say(part.limit + 1)
    rows = await transaction.fetch(
        f"select {_COLUMNS} from fabric.audit_log a where {' and '.join(conditions)}"
        f" order by a.transaction_id{direction}, a.audit_id{direction} limit {limit}",
        *query.arguments,
    )
    records = [_record(row) for row in rows[: part.limit]]
    behind = start is not None and await _any_behind(transaction, _Query(sought), start, ">=" if down else "<=")
    more = len(rows) > part.limit
    return AuditPage(records[::-1], more, behind) if part.backward else AuditPage(records, behind, more)


async def _any_behind(transaction: Transaction, query: "_Query", start: Position, operator: str) -> bool:
    """Whether there are records on the other side of where the page starts, one at that very place included."""
    condition = " and ".join([*query.conditions, query.beyond(start, operator)])
    found: bool = await transaction.fetchval(
        f"select exists (select from fabric.audit_log a where {condition})", *query.arguments
    )
    return found


def _record(row: Any) -> Record:
    names = "label actor action outcome entity_id reason request_id detail occurred_at sealed".split()
    return Record(Position(row["transaction_id"], row["audit_id"]), *(row[name] for name in names))


class _Query:
    """The conditions on one record `a` in SQL, and the values of their parameters."""

    def __init__(self, sought: Sought) -> None:
        self.arguments: list[Any] = []
        self.conditions = [f"a.transaction_id < {OLDEST}"]
        if sought.actor is not None:
            self.conditions.append(f"a.actor = {self.say(sought.actor)}")
        if sought.actions is not None:
            whole = self.say([action for action in sought.actions if not action.endswith("*")])
            beginnings = self.say([action[:-1] for action in sought.actions if action.endswith("*")])
            self.conditions.append(
                f"(a.action = any({whole}::text[])"
                f" or exists (select from unnest({beginnings}::text[]) b where starts_with(a.action, b)))"
            )
        if sought.outcomes is not None:
            self.conditions.append(f"a.outcome = any({self.say(list(sought.outcomes))}::text[])")
        if sought.entity_id is not None:
            self.conditions.append(f"a.entity_id = {self.say(sought.entity_id)}")
        if sought.since is not None:
            self.conditions.append(f"a.occurred_at >= {self.say(sought.since)}")
        if sought.until is not None:
            self.conditions.append(f"a.occurred_at < {self.say(sought.until)}")

    def say(self, value: Any) -> str:
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def beyond(self, place: Position, operator: str) -> str:
        transaction_id, number = self.say(place.transaction_id), self.say(place.position)
        return f"(a.transaction_id, a.audit_id) {operator} ({transaction_id}::bigint::text::xid8, {number}::bigint)"
