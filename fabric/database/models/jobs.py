"""Work that takes long."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from fabric.database.models.base import Base, now


class Job(Base):
    """Work that takes long, with how far it has come (see fabric/jobs)."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_by_time", "organization_id", "asked_at"),
        Index("jobs_open", "retry_at", postgresql_where=text("state in ('QUEUED', 'RUNNING')")),
    )
    organization_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[int]
    kind: Mapped[str]
    asked_by: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default=text("'QUEUED'"))
    done: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int | None]
    place: Mapped[dict[str, Any] | None]  # where the next step goes on
    result: Mapped[dict[str, Any] | None]
    failure_code: Mapped[str | None]
    failure: Mapped[str | None]
    epoch: Mapped[int] = mapped_column(server_default=text("0"))  # counts who took it over
    tries: Mapped[int] = mapped_column(server_default=text("0"))  # since it got on last
    retry_at: Mapped[datetime] = now()
    asked_at: Mapped[datetime] = now()
    started_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = now()
    finished_at: Mapped[datetime | None]
