"""A job under way, as the function of its kind sees it.

What such a function must keep to: all that it has to remember lies in `place`, which each step leaves behind in the
transaction of what it did. Killed anywhere, it is called again with the last place that was committed, by whichever
process; what comes of it must follow from the arguments and the place alone.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from fabric.database.db import Database, StaleTypes, Transaction, retried
from fabric.events import journal
from fabric.jobs.job import Job, entry

TELL = 5.0
"""Seconds between two events of a job's progress."""

_ADVANCE = """
    update fabric.jobs
    set done = done + $4, total = coalesce($5, total), place = $6, tries = 0, updated_at = now()
    where organization_id = $1 and job_id = $2 and epoch = $3 and state = 'RUNNING' returning done, total"""


class Stopped(Exception):
    """The job was cancelled, or another process has it. What the step did is rolled back."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step came to: how many items more are done, and where the next one goes on (anything that is JSON)."""

    items: int
    place: Any
    total: int | None = None
    """How many items there are in all, where that is known only now."""


Step: TypeAlias = Callable[[Transaction], Awaitable[Progress]]


class Run:
    """Of one job, in one process. `place` is None where nothing was done yet."""

    def __init__(self, database: Database, job: Job, place: Any, epoch: int) -> None:
        self.job, self.place = job, place
        self._database, self._epoch = database, epoch
        self._told_at = time.monotonic()

    async def step(self, work: Step, *, holding: int | None = None) -> None:
        """Does a part of the job, in one transaction at its label together with its progress.

        `work` may act at other labels, and is run again where it lost a race; `holding` is as of
        `Database.transaction`.
        Raises what `work` raises, StaleTypes where `holding` has passed, Conflict where it lost too many races, and
        Stopped, which must be let through.
        """

        async def attempt() -> StaleTypes | None:
            try:
                async with self._database.transaction(self.job.session, holding=holding) as transaction:
                    progress = await work(transaction)
                    await transaction.act_at(self.job.label)
                    job = await self._advance(transaction, progress)
            except StaleTypes as stale:  # of no use to try again as it is
                return stale
            self.job, self.place = job, progress.place
            return None

        if (stale := await retried(attempt)) is not None:
            raise stale

    async def _advance(self, transaction: Transaction, progress: Progress) -> Job:
        job = self.job
        row = await transaction.fetchrow(
            _ADVANCE, job.organization_id, job.job_id, self._epoch, progress.items, progress.total, progress.place
        )
        if row is None:
            raise Stopped
        job = replace(job, done=row["done"], total=row["total"])
        if time.monotonic() - self._told_at > TELL:
            self._told_at = time.monotonic()
            await journal.tell(transaction, job.asked_by, entry("job.progressed", job))
        return job
