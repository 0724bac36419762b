"""Jobs as callers know them: asked for, seen, cancelled. `fabric.jobs.worker` has them done.

A job has the label of the session that asked for it. How many wait or run is counted at exactly that label, so that a
limit tells nothing of what is above.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from fabric.database.db import Database, Transaction, retried
from fabric.errors import BadInput, Conflict, Forbidden, NotFound, RateLimited
from fabric.events import journal
from fabric.identity.subject import Subject
from fabric.ids import random_id
from fabric.jobs.job import COLUMNS, Job, entry, read_job
from fabric.jobs.run import Run
from fabric.labels import Lattice

DAYS_KEPT = 30
"""How long a job that has ended is told of, at least."""

Work: TypeAlias = Callable[[Run], Awaitable[Mapping[str, Any]]]
"""Does a job, from wherever it stands, and gives its result, which is JSON. See `run` for what it must keep to."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job. `permissions` are all that it takes to read and to cancel one; whoever asks checks its own."""

    name: str
    permissions: Sequence[str]
    work: Work


_READ = f"""
    select {COLUMNS} from fabric.jobs
    where organization_id = $1 and ($2::uuid is null or job_id = $2) and kind = any($3)
    order by asked_at desc, job_id limit $4"""

_OPEN = "select count(*) from fabric.jobs where organization_id = $1 and label = $2 and state in ('QUEUED', 'RUNNING')"

_FORGET = """
    delete from fabric.jobs
    where organization_id = $1 and label = $2 and finished_at < now() - make_interval(days => $3)"""

_INSERT = f"""
    insert into fabric.jobs (organization_id, job_id, label, kind, asked_by, arguments, total)
    values ($1, $2, $3, $4, $5, $6, $7) returning {COLUMNS}"""

_CANCEL = f"""
    update fabric.jobs set state = 'CANCELLED', place = null, updated_at = now(), finished_at = now()
    where organization_id = $1 and job_id = $2 and state in ('QUEUED', 'RUNNING') returning {COLUMNS}"""


class Jobs:
    """All that callers do with jobs, of the kinds that this process knows."""

    def __init__(self, database: Database, kinds: Sequence[Kind], most: int, begun: Callable[[], None]) -> None:
        """`most` may wait or run at one label of an organization; `begun` is called when there is something to do."""
        self._database, self._most = database, most
        self._kinds = {kind.name: kind for kind in kinds}
        self.poke = begun
        """To be called when a transaction in which a job was asked for has been committed."""

    async def ask(
        self, subject: Subject, kind: str, arguments: Mapping[str, Any], *, total: int | None = None,
        request_id: str | None = None,
    ) -> Job:  # fmt: skip
        """A new job at the session label, in a transaction of its own. Raises as `ask_in`."""

        async def attempt() -> Job:
            async with self._database.transaction(subject.session) as transaction:
                return await self.ask_in(transaction, subject, kind, arguments, total=total, request_id=request_id)

        job = await retried(attempt)
        self.poke()
        return job

    async def ask_in(
        self, transaction: Transaction, subject: Subject, kind: str, arguments: Mapping[str, Any], *,
        total: int | None = None, request_id: str | None = None,
    ) -> Job:  # fmt: skip
        """A new job at the transaction's label, there if that commits. What it needs was checked by the caller.

        `arguments` are told to whoever may read the job. RateLimited where too many wait or run at this label.
        """
        if kind not in self._kinds:
            raise LookupError(kind)
        session = transaction.session
        here = session.organization_id, session.label
        await transaction.fetch("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"fabric.jobs{here}")
        await transaction.fetch(_FORGET, *here, DAYS_KEPT)
        if await transaction.fetchval(_OPEN, *here) >= self._most:
            raise RateLimited(f"{self._most} jobs of this label wait or run; wait for one, or cancel one")
        row = await transaction.fetchrow(
            _INSERT, session.organization_id, random_id(), session.label, kind, subject.subject, dict(arguments), total
        )
        job = read_job(row)
        await journal.append(transaction, subject.subject, [entry("job.queued", job)], request_id=request_id)
        return job

    async def seen(self, subject: Subject, limit: int, job_id: UUID | None = None) -> list[Job]:
        """Those that the subject sees, of kinds that it has the permissions for, the newest first.

        Forbidden where it has the permission for none of them.
        """
        allowed = [kind.name for kind in self._kinds.values() if subject.permissions.issuperset(kind.permissions)]
        if self._kinds and not allowed:
            needed = sorted({" and ".join(kind.permissions) for kind in self._kinds.values()})
            raise Forbidden(f"this needs the permission {', or '.join(needed)}")
        async with self._database.transaction(subject.session) as transaction:
            rows = await transaction.fetch(_READ, subject.organization_id, job_id, allowed, limit)
        return [read_job(row) for row in rows]

    async def cancel(self, subject: Subject, lattice: Lattice, job_id: UUID, *, request_id: str | None = None) -> Job:
        """Ends it after what it has in hand; what is done stays. The job as it is then.

        NotFound; BadInput at another label than the job's; Conflict where it has ended.
        """

        async def attempt() -> Job:
            found = await self.seen(subject, 1, job_id)
            if not found:
                raise NotFound("not found", ("jobId",))
            if found[0].label != subject.label:
                raise BadInput(f"lower the session label to {lattice.decode(found[0].label)}", ("jobId",))
            async with self._database.transaction(subject.session) as transaction:
                row = await transaction.fetchrow(_CANCEL, subject.organization_id, job_id)
                if row is None:
                    raise Conflict("this has ended", ("jobId",))
                job = read_job(row)
                told = [entry("job.cancelled", job)]
                await journal.append(transaction, subject.subject, told, request_id=request_id)
                return job

        return await retried(attempt)
