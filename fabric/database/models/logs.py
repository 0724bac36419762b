"""Events and the audit log, and what proves them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Identity, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, Xid8, json_object, now


class Event(Base):
    """One change, in the transaction that made it. Read in (transaction_id, position) order; append-only."""

    __tablename__ = "events"
    __table_args__ = (
        Index("events_in_order", "organization_id", "transaction_id", "position"),
        Index("events_by_time", "organization_id", "occurred_at"),
        Index("events_by_entity", "organization_id", "entity_id", "transaction_id", "position"),
        Index(
            "events_of_applications", "organization_id", "position", postgresql_where=text("entity_table = 'events'")
        ),
        *(
            Index(
                f"events_by_{end}",
                "organization_id",
                f"{end}_id",
                "transaction_id",
                "position",
                postgresql_where=text(f"{end}_id is not null"),
            )
            for end in ("source", "target")
        ),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    transaction_id: Mapped[int] = mapped_column(Xid8(), server_default=text("fabric.this_transaction()"))
    label: Mapped[int]
    topic: Mapped[str]
    entity_table: Mapped[str]
    entity_id: Mapped[UUID | None]
    entity_type: Mapped[str]
    actor: Mapped[str]
    data: Mapped[dict[str, Any]] = json_object()
    occurred_at: Mapped[datetime] = now()
    version: Mapped[dict[str, Any] | None] = mapped_column(JSONB())  # as the change left it; null where it took it away
    source_id: Mapped[UUID | None]  # the ends of a link
    target_id: Mapped[UUID | None]


class AuditRecord(Base):
    """Who did what, committed with it; append-only."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("audit_log_by_time", "organization_id", "occurred_at"),
        Index("audit_log_in_order", "organization_id", "transaction_id", "audit_id"),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    audit_id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    transaction_id: Mapped[int] = mapped_column(Xid8(), server_default=text("fabric.this_transaction()"))
    label: Mapped[int]
    actor: Mapped[str]
    action: Mapped[str]
    outcome: Mapped[str]
    entity_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = json_object()
    occurred_at: Mapped[datetime] = now()


class Seal(Base):
    """What proves some rows of one label in one log, in order: see fabric/seals/seals.py."""

    __tablename__ = "seals"
    __table_args__ = (Index("seals_in_order", "organization_id", "log", "transaction_id", "position"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of its label alone, from 1
    transaction_id: Mapped[int] = mapped_column(Xid8())  # with `position`: the last row that it covers
    position: Mapped[int]
    covered: Mapped[int]  # how many rows
    marks: Mapped[bytes]  # the first bytes of each row's digest, to find the row at fault
    previous: Mapped[bytes]
    digest: Mapped[bytes]
    sealed_at: Mapped[datetime]
    key_id: Mapped[str]
    signature: Mapped[bytes]


class Pruning(Base):
    """What was taken away under some seals of one label, and what was kept: see fabric/seals/retention.py."""

    __tablename__ = "prunings"
    __table_args__ = (Index("prunings_in_order", "organization_id", "log", "transaction_id", "position"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    log: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # sequences of its first and last seal
    last: Mapped[int]
    transaction_id: Mapped[int] = mapped_column(Xid8())  # with `position`: the last row under the last seal
    position: Mapped[int]
    kept: Mapped[int]  # how many rows are left
    digest: Mapped[bytes]
    pruned_at: Mapped[datetime]
    key_id: Mapped[str]
    signature: Mapped[bytes]
