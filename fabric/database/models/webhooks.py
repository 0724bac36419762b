"""Webhooks and their messages."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, now


class Webhook(Base):
    """An address that is sent notices, what it is sent, and how far it has got (see fabric/webhooks/webhooks.py)."""

    __tablename__ = "webhooks"
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    name: Mapped[str]
    url: Mapped[str]
    subscription: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    owner: Mapped[str]
    roles: Mapped[list[str]]
    token_id: Mapped[str | None]  # of the owner's token, with when it was issued, in seconds since the epoch
    token_issued_at: Mapped[float | None]
    generation: Mapped[int] = mapped_column(server_default=text("1"))  # of its secret
    overlap_until: Mapped[datetime | None]  # until when the generation before signs too
    state: Mapped[str] = mapped_column(server_default=text("'ACTIVE'"))
    stopped_for: Mapped[str | None]
    transaction_id: Mapped[int]  # with `position`: all events up to here are delivered, waiting or none of its
    position: Mapped[int]
    epoch: Mapped[int] = mapped_column(server_default=text("0"))  # counts who took it over to deliver
    last_delivered_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    last_failure: Mapped[str | None]
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = now()
    updated_at: Mapped[datetime] = now()


class WebhookDelivery(Base):
    """A message that is waiting to be delivered, or was given up; one that is delivered is gone."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("webhook_deliveries_in_order", "organization_id", "webhook_id", "state", "ordinal"),)
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    ordinal: Mapped[int] = mapped_column(Identity(always=True))
    entity: Mapped[str]  # messages of one are delivered one after the other
    topic: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'WAITING'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    occurred_at: Mapped[datetime]
    first_attempt_at: Mapped[datetime | None]
    retry_at: Mapped[datetime] = now()
    failure: Mapped[str | None]
    given_up_at: Mapped[datetime | None]
