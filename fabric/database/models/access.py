"""Credentials that are refused, or issued here."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, now


class Revocation(Base):
    """A token (`jti`) that is refused, or a subject's tokens that were issued until a moment."""

    __tablename__ = "revocations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    issued_until: Mapped[datetime | None]
    reason: Mapped[str]
    revoked_at: Mapped[datetime] = now()


class ApiKey(Base):
    __tablename__ = "api_keys"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    api_key_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    name: Mapped[str]
    secret_hash: Mapped[bytes]
    roles: Mapped[list[str]]
    clearance: Mapped[int]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = now()
