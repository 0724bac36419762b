"""A job that a command goes on with and shows, as far as nobody else works on it."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from fabric.database.db import Database
from fabric.errors import NotFound
from fabric.identity.subject import Subject
from fabric.jobs.counts import JobCounts
from fabric.jobs.job import Job
from fabric.jobs.jobs import Jobs, Kind
from fabric.jobs.worker import Worker
from graphql_api.cli.console import progress_bars

_LOOK = 0.25


async def followed(database: Database, subject: Subject, known: Jobs, kinds: Sequence[Kind], job_id: UUID) -> Job:
    """The job when it has ended. NotFound for one that the subject does not see."""
    worker = Worker(database, kinds, JobCounts(), slots=1, only=subject.organization_id)
    async with worker.running():
        with progress_bars() as bars:
            task = bars.add_task("job", total=None)
            while True:
                found = await known.seen(subject, 1, job_id)
                if not found:
                    raise NotFound("no such job")
                bars.update(task, description=found[0].kind, completed=found[0].done, total=found[0].total)
                if found[0].ended:
                    return found[0]
                await asyncio.sleep(_LOOK)
