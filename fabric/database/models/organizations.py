"""What an organization is, defines and chooses."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, now


class Organization(Base):
    __tablename__ = "organizations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    secret: Mapped[bytes]  # keys of ids, cursors and tokens are derived from it; never leaves the server
    types_revision: Mapped[int] = mapped_column(server_default=text("0"))  # counts changes of type definitions
    created_at: Mapped[datetime] = now()


class Compartment(Base):
    __tablename__ = "compartments"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # its bit in a label
    name: Mapped[str]
    created_at: Mapped[datetime] = now()


class TypeDefinition(Base):
    """What one label says of one type; what a reader sees is the union of the rows it dominates."""

    __tablename__ = "type_definitions"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    type_name: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    domain: Mapped[str]
    field_schema: Mapped[dict[str, Any]]
    ui_schema: Mapped[dict[str, Any] | None]
    revision: Mapped[int]
    created_at: Mapped[datetime] = now()
    updated_at: Mapped[datetime] = now()


class Configuration(Base):
    __tablename__ = "configurations"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[Any] = mapped_column(JSONB())
    revision: Mapped[int]
    updated_at: Mapped[datetime] = now()


class RegisteredDocument(Base):
    """A text of GraphQL that may be asked for by its hash."""

    __tablename__ = "documents"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]
    registered_by: Mapped[str]
    created_at: Mapped[datetime] = now()
