"""Objects and links, a row for each of their versions.

`over1`, `over2` and `over_rest` hold the labels of the versions of the same object that outrank the row, as far as they
decide who sees it (the minimal ones). They tell of higher versions: no role that serves readers may select them.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, json_object, now


class Versioned:
    """What rows have that are versions of something."""

    revision: Mapped[int]
    tombstone: Mapped[bool] = mapped_column(server_default=text("false"))
    derived_from_label: Mapped[int | None]
    derived_from_revision: Mapped[int | None]
    over1: Mapped[int | None]
    over2: Mapped[int | None]
    over_rest: Mapped[list[int] | None]
    created_at: Mapped[datetime] = now()
    updated_at: Mapped[datetime] = now()


class Object(Versioned, Base):
    """One version of one object."""

    __tablename__ = "objects"
    __table_args__ = (Index("objects_by_type", "organization_id", "type_name", "object_id"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    object_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type_name: Mapped[str]
    data: Mapped[dict[str, Any]]


class Link(Versioned, Base):
    """One version of one link."""

    __tablename__ = "links"
    __table_args__ = (
        Index("links_by_source", "organization_id", "source_id", "relation", "target_id", "link_id"),
        Index("links_by_target", "organization_id", "target_id", "relation", "source_id", "link_id"),
        Index("links_by_relation", "organization_id", "relation", "link_id"),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    link_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    relation: Mapped[str]
    source_id: Mapped[UUID]
    target_id: Mapped[UUID]
    link_key: Mapped[str | None]  # tells parallel links of one relation apart
    weight: Mapped[float | None]
    properties: Mapped[dict[str, Any]] = json_object()
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    semantic_namespace: Mapped[str | None]
    semantic_predicate: Mapped[str | None]
