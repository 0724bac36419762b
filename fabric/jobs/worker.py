"""Which jobs this process works on: each claimed, so that no other process does, and gone on with where it was left.

A number that each new holder raises is part of every step's transaction, so that one who was taken over from can do no
step more. Who fails, or is killed, without having got on is begun again later each time, and at last given up.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog

from fabric.database.background import keep_claiming
from fabric.database.claims import Claims
from fabric.database.db import Database, LostRace, retried
from fabric.errors import EmbeddingsUnavailable, FabricError, Internal, TimedOut, VaultUnavailable
from fabric.events import journal
from fabric.identity.subject import Session
from fabric.jobs.counts import JobCounts
from fabric.jobs.job import COLUMNS, Job, State, entry, read_job
from fabric.jobs.jobs import Kind
from fabric.jobs.run import Run, Stopped
from fabric.log import Outline
from fabric.tasks import ended, in_background, woken

LOOK = 5.0
"""Seconds between two looks for jobs; also between two signs of life."""

MOST_TRIES = 8
"""How often a job is begun that does not get on."""

_PASSING = (Internal, TimedOut, VaultUnavailable, EmbeddingsUnavailable)
"""What may be over the next time."""

_AFTER_FAULT = 1.0
_PAUSE = (5.0, 300.0)
_NAME = "semantic-fabric-jobs"

_OPEN_JOBS = "select organization_id, job_id, label, kind from fabric.open_jobs()"

_LOCK = """
    select state, tries from fabric.jobs
    where organization_id = $1 and job_id = $2 and state in ('QUEUED', 'RUNNING') for update"""

_TAKE = f"""
    update fabric.jobs set state = 'RUNNING', epoch = epoch + 1, tries = tries + 1,
        started_at = coalesce(started_at, now()), updated_at = now()
    where organization_id = $1 and job_id = $2 returning {COLUMNS}, place, epoch, tries"""

_END = f"""
    update fabric.jobs set state = $4, result = $5, failure_code = $6, failure = $7, place = null,
        updated_at = now(), finished_at = now()
    where organization_id = $1 and job_id = $2 and epoch = $3 and state = 'RUNNING' returning {COLUMNS}"""

_PUT_OFF = """
    update fabric.jobs set retry_at = now() + make_interval(secs => $4)
    where organization_id = $1 and job_id = $2 and epoch = $3 and state = 'RUNNING'"""

log = structlog.stdlib.get_logger(__name__)


class Worker:
    """Use `running`, once in a process."""

    def __init__(
        self, database: Database, kinds: Sequence[Kind], counts: JobCounts, slots: int, *,
        look: float = LOOK, only: UUID | None = None,
    ) -> None:  # fmt: skip
        """Works on `slots` jobs at the same time, of one organization where `only` names it."""
        self._database, self._counts, self._slots, self._look, self._only = database, counts, slots, look, only
        self._kinds = {kind.name: kind for kind in kinds}
        self._held: dict[UUID, tuple[UUID, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Works while the block runs."""
        async with in_background(keep_claiming(self._database, _NAME, self._work)):
            yield

    def poke(self) -> None:
        """There may be something to do."""
        self._woken.set()

    async def _work(self, claims: Claims) -> None:
        try:
            await self._keep_looking(claims)
        finally:
            await self._end_all()

    async def _keep_looking(self, claims: Claims) -> None:
        while True:
            self._woken.clear()
            await claims.processes()
            for job_id in [id for id, (_, task) in self._held.items() if task.done()]:
                del self._held[job_id]
                await claims.give_back(job_id)
            await self._take_up(claims)
            self._counts.running = len(self._held)
            await woken(self._woken, self._look)

    async def _take_up(self, claims: Claims) -> None:
        """As many as there is room for; first of the organizations of which fewest are worked on."""
        open_jobs = [
            row for row in await self._database.ask(_OPEN_JOBS)
            if row["kind"] in self._kinds and row["job_id"] not in self._held
            and self._only in (None, row["organization_id"])
        ]  # fmt: skip
        while open_jobs and len(self._held) < self._slots:
            row = min(open_jobs, key=lambda each: self._worked_on(each["organization_id"]))
            open_jobs.remove(row)
            if await claims.take(row["job_id"]):
                task = asyncio.create_task(self._take(row))
                task.add_done_callback(lambda _: self._woken.set())
                self._held[row["job_id"]] = row["organization_id"], task

    def _worked_on(self, organization_id: UUID) -> int:
        return sum(each == organization_id for each, _ in self._held.values())

    async def _end_all(self) -> None:
        await ended(*(task for _, task in self._held.values()))
        self._held.clear()
        self._counts.running = 0

    # One job

    async def _take(self, row: Any) -> None:
        """Whatever goes wrong here is told in the log, and leaves the job to be taken up again."""
        try:
            taken = await retried(lambda: self._taken(Session(row["organization_id"], row["label"]), row["job_id"]))
            if taken is not None:
                await self._do(*taken)
        except (FabricError, LostRace) as error:
            log.warning("job.left_alone", job=row["job_id"], outline=Outline.of(error.__cause__ or error))
            await asyncio.sleep(_AFTER_FAULT)

    async def _taken(self, session: Session, job_id: UUID) -> tuple[Run, int, int] | None:
        """The job under a number of its own, with that and how often it was begun since it got on last."""
        async with self._database.transaction(session) as transaction:
            was = await transaction.fetchrow(_LOCK, session.organization_id, job_id)
            if was is None:
                return None
            row = await transaction.fetchrow(_TAKE, session.organization_id, job_id)
            assert row is not None
            job = read_job(row)
            if was["state"] == State.QUEUED:
                await journal.tell(transaction, job.asked_by, entry("job.started", job))
        return Run(self._database, job, row["place"], row["epoch"]), row["epoch"], row["tries"]

    async def _do(self, run: Run, epoch: int, tries: int) -> None:
        if tries > MOST_TRIES:
            await self._end(run.job, epoch, failure=Internal("it was begun many times, and never got on"))
            return
        try:
            result = await self._kinds[run.job.kind].work(run)
        except Stopped:
            self._counts.ended["CANCELLED"] += 1
        except _PASSING as error:
            outline = Outline.of(error.__cause__ or error)
            log.warning("job.failed", job=run.job.job_id, kind=run.job.kind, outline=outline)
            await self._put_off(run.job, epoch, tries, error)
        except FabricError as error:
            await self._end(run.job, epoch, failure=error)
        except Exception as error:
            log.error("job.failed", job=run.job.job_id, kind=run.job.kind, outline=Outline.of(error))
            await self._put_off(run.job, epoch, tries, Internal("something went wrong; the log tells more"))
        else:
            await self._end(run.job, epoch, result=dict(result))

    async def _put_off(self, job: Job, epoch: int, tries: int, error: FabricError) -> None:
        if tries >= MOST_TRIES:
            await self._end(job, epoch, failure=error)
            return
        pause = min(_PAUSE[0] * 2 ** (tries - 1), _PAUSE[1])
        async with self._database.transaction(job.session) as transaction:
            await transaction.fetch(_PUT_OFF, job.organization_id, job.job_id, epoch, pause)

    async def _end(
        self, job: Job, epoch: int, *, result: dict[str, Any] | None = None, failure: FabricError | None = None
    ) -> None:  # fmt: skip
        state = State.DONE if failure is None else State.FAILED
        code, message = (None, None) if failure is None else (failure.code, failure.message)

        async def attempt() -> None:
            async with self._database.transaction(job.session) as transaction:
                row = await transaction.fetchrow(
                    _END, job.organization_id, job.job_id, epoch, state, result, code, message
                )
                if row is not None:
                    ended = entry("job.done" if failure is None else "job.failed", read_job(row))
                    await journal.append(transaction, job.asked_by, [ended])

        await retried(attempt)
        self._counts.ended[code or "OK"] += 1
