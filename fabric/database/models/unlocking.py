"""Who unlocks encrypted values, or has asked to."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, now


class UnlockAttempt(Base):
    """One use of `unlockField` or one of its kin, whatever came of it; `fields` count for the limit."""

    __tablename__ = "unlock_attempts"
    __table_args__ = (Index("unlock_attempts_by_time", "organization_id", "actor", "attempted_at"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    attempted_at: Mapped[datetime]
    fields: Mapped[int] = mapped_column(server_default=text("0"))


class UnlockRequest(Base):
    """An unlock that waits for a second person, and is bound to the value as it was then."""

    __tablename__ = "unlock_requests"
    __table_args__ = (Index("unlock_requests_by_time", "organization_id", "requested_at"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    unlock_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    object_id: Mapped[UUID]
    version_label: Mapped[int]
    type_name: Mapped[str]
    field_name: Mapped[str]
    value_written_at: Mapped[datetime]  # `updated_at` of the ciphertext, which re-enveloping leaves as it is
    reason: Mapped[str]
    requested_by: Mapped[str]
    needed: Mapped[int]  # how many approvals
    requested_at: Mapped[datetime] = now()
    expires_at: Mapped[datetime]
    collected_at: Mapped[datetime | None]


class UnlockApproval(Base):
    __tablename__ = "unlock_approvals"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    unlock_id: Mapped[UUID] = mapped_column(primary_key=True)
    approver: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int]
    approved_at: Mapped[datetime] = now()
