"""What follows from links."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, Xid8, now


class InferredLink(Base):
    """A link that follows from others, for whom the label and those that must not be dominated say (fabric/inference).

    `number` tells apart rows of one link and label; `shown_label` is the join of the premises' labels.
    """

    __tablename__ = "inferred_links"
    __table_args__ = (
        Index("inferred_links_by_source", "organization_id", "source_id", "relation", "target_id", "link_id"),
        Index("inferred_links_by_target", "organization_id", "target_id", "relation", "source_id", "link_id"),
        Index("inferred_links_by_relation", "organization_id", "relation", "link_id"),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    link_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    shown_label: Mapped[int]
    relation: Mapped[str]
    source_id: Mapped[UUID]
    target_id: Mapped[UUID]
    valid_from: Mapped[datetime | None]
    valid_to: Mapped[datetime | None]
    over1: Mapped[int | None]
    over2: Mapped[int | None]
    over_rest: Mapped[list[int] | None]


class InferredChange(Base):
    """The last transaction that changed what is inferred at a label."""

    __tablename__ = "inferred_changes"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    transaction_id: Mapped[int] = mapped_column(Xid8())


class StoppedRule(Base):
    """A rule of inference that concluded more than `most` links, at the label from which on it concludes nothing."""

    __tablename__ = "stopped_rules"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    premises: Mapped[list[str]] = mapped_column(ARRAY(Text), primary_key=True)
    conclusion: Mapped[str] = mapped_column(primary_key=True)
    most: Mapped[int]
    stopped_at: Mapped[datetime] = now()
