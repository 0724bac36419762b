"""Encrypted values, and the keys that they are under."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, now


class EncryptedField(Base):
    __tablename__ = "encrypted_fields"
    __table_args__ = (
        Index(
            "encrypted_fields_by_value", "organization_id", "field_name", "blind_index",
            postgresql_where=text("blind_index is not null"),
        ),
        Index("encrypted_fields_by_key", "organization_id", "key_name", "key_version"),
    )  # fmt: skip
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    entity_table: Mapped[str] = mapped_column(primary_key=True)
    entity_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    field_name: Mapped[str] = mapped_column(primary_key=True)
    key_name: Mapped[str]
    key_version: Mapped[int]
    ciphertext: Mapped[str]
    hint: Mapped[str | None]
    blind_index: Mapped[bytes | None]
    updated_at: Mapped[datetime] = now()


class KeyRotation(Base):
    """A job that makes a new version of a key and puts all ciphertexts under it."""

    __tablename__ = "key_rotations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    rotation_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    purpose: Mapped[str]
    key_name: Mapped[str]
    target_version: Mapped[int | None]  # null until the vault has made it
    state: Mapped[str] = mapped_column(server_default=text("'RUNNING'"))
    failure: Mapped[str | None]
    started_by: Mapped[str]
    started_at: Mapped[datetime] = now()
    updated_at: Mapped[datetime] = now()
    finished_at: Mapped[datetime | None]


class KeyFloor(Base):
    """The oldest version of a key that ciphertexts may be stored under."""

    __tablename__ = "key_floors"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    key_name: Mapped[str] = mapped_column(primary_key=True)
    minimum_version: Mapped[int]
