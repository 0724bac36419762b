"""A job as it is stored, and what events tell of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from fabric.events.journal import Entry
from fabric.identity.subject import Session


class State(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Job:
    """`done` of `total` is in items of its kind; `failure` is written for who asked."""

    organization_id: UUID
    job_id: UUID
    label: int
    kind: str
    asked_by: str
    arguments: Mapping[str, Any]
    state: State
    done: int
    total: int | None
    result: Mapping[str, Any] | None
    failure_code: str | None
    failure: str | None
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def session(self) -> Session:
        return Session(self.organization_id, self.label)

    @property
    def ended(self) -> bool:
        return self.state not in (State.QUEUED, State.RUNNING)


COLUMNS = """organization_id, job_id, label, kind, asked_by, arguments, state, done, total, result,
    failure_code, failure, asked_at, started_at, finished_at"""


def read_job(row: Any) -> Job:
    values = {name: row[name] for name in Job.__dataclass_fields__}
    return Job(**(values | {"state": State(values["state"])}))


def entry(topic: str, job: Job) -> Entry:
    """What an event of the job tells: nothing of its arguments and its result."""
    data = {"kind": job.kind, "state": str(job.state), "done": job.done, "total": job.total, "code": job.failure_code}
    return Entry(topic, "jobs", job.job_id, "Job", data)
