"""Jobs: done once, whoever is killed; seen by labels; cancelled, put off and given up."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from databases import MakeSubject, run_sql
from working_process import COUNT

from fabric.database.db import Database, Transaction
from fabric.errors import BadInput, Conflict, Forbidden, NotFound, RateLimited, VaultUnavailable
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.jobs import worker as workers
from fabric.jobs.counts import JobCounts
from fabric.jobs.job import Job, State
from fabric.jobs.jobs import Jobs, Kind
from fabric.jobs.run import Progress, Run, Stopped
from fabric.jobs.worker import Worker

pytestmark = pytest.mark.anyio

T = TypeVar("T")

PROGRAM = Path(__file__).with_name("working_process.py")


async def fail(run: Run) -> Mapping[str, Any]:
    raise BadInput("these arguments make no sense")


async def break_down(run: Run) -> Mapping[str, Any]:
    raise ZeroDivisionError("a secret")


async def lack_vault(run: Run) -> Mapping[str, Any]:
    raise VaultUnavailable("the vault does not answer")


KINDS = [COUNT, *(Kind(work.__name__, ("type:define",), work) for work in (fail, break_down, lack_vault))]


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database, KINDS, 3, lambda: None)


@asynccontextmanager
async def working(database: Database, slots: int = 2) -> AsyncIterator[JobCounts]:
    counts = JobCounts()
    async with Worker(database, KINDS, counts, slots, look=0.02).running():
        yield counts


async def until(holds: Callable[[], Awaitable[T]]) -> T:
    """Waits for something that is true."""
    async with asyncio.timeout(60):
        while True:
            if found := await holds():
                return found
            await asyncio.sleep(0.01)


async def ended(jobs: Jobs, subject: Subject, job_id: UUID) -> Job:
    async def look() -> Job | None:
        (found,) = await jobs.seen(subject, 1, job_id)
        return found if found.ended else None

    found = await until(look)
    assert found is not None
    return found


async def counted(admin_url: str) -> list[int]:
    rows = await run_sql(admin_url, "select data->>'number' from fabric.events where topic = 'test.counted'")
    return sorted(int(row[0]) for row in rows)


async def topics(admin_url: str, job_id: UUID) -> list[tuple[str, int]]:
    sql = "select topic, label from fabric.events where entity_id = $1 order by position"
    return [tuple(row) for row in await run_sql(admin_url, sql, job_id)]


async def test_a_job_is_done_and_told_of_at_its_label(
    jobs: Jobs, database: Database, subject: MakeSubject, admin_url: str
) -> None:
    secret = subject("SECRET")
    job = await jobs.ask(secret, "count", {"to": 10}, total=10)
    assert (job.state, job.done, job.total, job.asked_by) == (State.QUEUED, 0, 10, "ann")
    async with working(database) as counts:
        done = await ended(jobs, secret, job.job_id)
    assert (done.state, done.done, done.result) == (State.DONE, 10, {"counted": 10})
    assert await counted(admin_url) == list(range(10))
    assert await topics(admin_url, job.job_id) == [(f"job.{t}", secret.label) for t in ("queued", "started", "done")]
    assert counts.ended == {"OK": 1}
    [[audited]] = await run_sql(
        admin_url, "select array_agg(action order by audit_id) from fabric.audit_log where entity_id = $1", job.job_id
    )
    assert audited == ["job.queued", "job.done"]


async def test_killed_at_random_it_repeats_and_loses_nothing(
    jobs: Jobs, database: Database, subject: MakeSubject, server_url: str, admin_url: str
) -> None:
    job = await jobs.ask(subject(), "count", {"to": 300, "pause": 0.005})
    kills = 0
    while not (await jobs.seen(subject(), 1, job.job_id))[0].ended:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), server_url, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        await asyncio.sleep(random.uniform(0.1, 0.5))
        process.kill()
        await process.wait()
        kills += 1
        assert kills < 60
    assert kills > 1
    assert await counted(admin_url) == list(range(300))


async def test_one_process_works_on_a_job_at_a_time(
    jobs: Jobs, database: Database, subject: MakeSubject, admin_url: str
) -> None:
    job = await jobs.ask(subject(), "count", {"to": 40, "pause": 0.002})
    async with working(database), working(database), working(database):
        await ended(jobs, subject(), job.job_id)
    assert await counted(admin_url) == list(range(40))
    [[epoch]] = await run_sql(admin_url, "select epoch from fabric.jobs")
    assert epoch == 1


async def test_who_was_taken_over_from_does_no_step_more(
    jobs: Jobs, database: Database, subject: MakeSubject, admin_url: str
) -> None:
    job = await jobs.ask(subject(), "count", {"to": 100_000, "pause": 0.001})
    async with working(database) as counts:
        await until(lambda: counted(admin_url))
        await run_sql(admin_url, "update fabric.jobs set epoch = epoch + 1, retry_at = 'infinity'")

        async def overtaken() -> int:
            return counts.ended["CANCELLED"]

        await until(overtaken)
    [now] = await jobs.seen(subject(), 1, job.job_id)
    assert (now.state, now.done) == (State.RUNNING, len(await counted(admin_url)))


async def test_a_cancelled_job_does_no_step_more(
    jobs: Jobs, database: Database, organization: Organization, subject: MakeSubject, admin_url: str
) -> None:
    job = await jobs.ask(subject(), "count", {"to": 100_000, "pause": 0.001})
    async with working(database):
        await until(lambda: counted(admin_url))
        cancelled = await jobs.cancel(subject(name="bob"), organization.lattice, job.job_id)
        numbers = await counted(admin_url)
        assert (cancelled.state, cancelled.done) == (State.CANCELLED, len(numbers))
        await asyncio.sleep(0.2)
        assert await counted(admin_url) == numbers
    assert (await topics(admin_url, job.job_id))[-1] == ("job.cancelled", 0)
    with pytest.raises(Conflict):
        await jobs.cancel(subject(), organization.lattice, job.job_id)


async def test_what_is_wrong_with_it_ends_it_at_once(jobs: Jobs, database: Database, subject: MakeSubject) -> None:
    job = await jobs.ask(subject(), "fail", {})
    async with working(database):
        failed = await ended(jobs, subject(), job.job_id)
    assert (failed.state, failed.failure_code) == (State.FAILED, "BAD_USER_INPUT")
    assert failed.failure == "these arguments make no sense"


@pytest.mark.parametrize(("kind", "code"), [("break_down", "INTERNAL"), ("lack_vault", "VAULT_UNAVAILABLE")])
async def test_what_may_pass_is_tried_again_and_given_up_at_last(
    jobs: Jobs, database: Database, subject: MakeSubject, monkeypatch: pytest.MonkeyPatch, admin_url: str,
    kind: str, code: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(workers, "_PAUSE", (0.001, 0.001))
    job = await jobs.ask(subject(), kind, {})
    async with working(database):
        failed = await ended(jobs, subject(), job.job_id)
    assert (failed.state, failed.failure_code) == (State.FAILED, code)
    assert "secret" not in str(failed.failure)
    [[tries]] = await run_sql(admin_url, "select tries from fabric.jobs")
    assert tries == workers.MOST_TRIES


async def test_a_job_that_always_kills_its_process_is_given_up(
    jobs: Jobs, database: Database, subject: MakeSubject, admin_url: str
) -> None:
    job = await jobs.ask(subject(), "count", {"to": 2})
    await run_sql(admin_url, "update fabric.jobs set state = 'RUNNING', tries = $1", workers.MOST_TRIES)
    async with working(database):
        failed = await ended(jobs, subject(), job.job_id)
    assert (failed.state, failed.failure_code, failed.done) == (State.FAILED, "INTERNAL", 0)


async def test_what_a_label_hides_is_not_there(
    jobs: Jobs, database: Database, organization: Organization, subject: MakeSubject
) -> None:
    hidden = await jobs.ask(subject("SECRET/ALPHA"), "count", {"to": 2})
    for label in ("UNCLASSIFIED", "SECRET", "TOP_SECRET/BRAVO"):
        assert await jobs.seen(subject(label), 10) == []
        for id in (hidden.job_id, uuid4()):
            with pytest.raises(NotFound, match=r"^not found$"):
                await jobs.cancel(subject(label), organization.lattice, id)
    above = subject("TOP_SECRET/ALPHA")
    assert [each.job_id for each in await jobs.seen(above, 10)] == [hidden.job_id]
    with pytest.raises(BadInput, match=r"lower the session label to SECRET/ALPHA"):
        await jobs.cancel(above, organization.lattice, hidden.job_id)


async def test_the_limit_counts_one_label_alone(jobs: Jobs, subject: MakeSubject) -> None:
    for _ in range(3):
        await jobs.ask(subject("SECRET"), "count", {"to": 2})
    with pytest.raises(RateLimited):
        await jobs.ask(subject("SECRET"), "count", {"to": 2})
    await jobs.ask(subject(), "count", {"to": 2})
    await jobs.ask(subject("TOP_SECRET"), "count", {"to": 2})


async def test_the_limit_holds_for_those_who_ask_at_once(jobs: Jobs, subject: MakeSubject) -> None:
    asked = await asyncio.gather(
        *(jobs.ask(subject(), "count", {"to": 2}) for _ in range(8)), return_exceptions=True
    )  # fmt: skip
    assert sum(isinstance(each, Job) for each in asked) == 3
    assert all(isinstance(each, Job | RateLimited) for each in asked)


async def test_old_jobs_are_forgotten_and_new_ones_are_not(jobs: Jobs, subject: MakeSubject, admin_url: str) -> None:
    old, ended_today = [await jobs.ask(subject(), "count", {"to": 2}) for _ in range(2)]
    sql = "update fabric.jobs set state = 'DONE', finished_at = now() - make_interval(days => $2) where job_id = $1"
    await run_sql(admin_url, sql, old.job_id, 31)
    await run_sql(admin_url, sql, ended_today.job_id, 0)
    new = await jobs.ask(subject(), "count", {"to": 2})
    assert {each.job_id for each in await jobs.seen(subject(), 10)} == {ended_today.job_id, new.job_id}


async def test_it_needs_all_permissions_of_its_kind(
    database: Database, organization: Organization, subject: MakeSubject
) -> None:
    async def nothing(run: Run) -> Mapping[str, Any]:
        return {}

    jobs = Jobs(database, [COUNT, Kind("other", ("audit:read", "type:read"), nothing)], 5, lambda: None)
    for kind in ("count", "other"):
        await jobs.ask(subject(), kind, {"to": 2})
    assert [each.kind for each in await jobs.seen(subject(roles=("auditor", "reader")), 10)] == ["other"]
    for lesser in ("reader", "auditor"):
        with pytest.raises(Forbidden, match=r"audit:read and type:read, or type:define$"):
            await jobs.seen(subject(roles=(lesser,)), 10)
    (count,) = await jobs.seen(subject(roles=("designer",)), 10)
    with pytest.raises(NotFound):
        await jobs.cancel(subject(roles=("auditor", "reader")), organization.lattice, count.job_id)


async def test_other_organizations_do_not_wait_behind_many_jobs(
    jobs: Jobs, database: Database, subject: MakeSubject, admin_url: str
) -> None:
    waiting = [await jobs.ask(subject(), "count", {"to": 100_000, "pause": 0.001}) for _ in range(3)]
    foreign = uuid4()
    await run_sql(
        admin_url,
        """insert into fabric.jobs (organization_id, job_id, label, kind, asked_by, arguments)
           values ($1, $1, 0, 'count', 'zoe', '{"to": 2}')""",
        foreign,
    )
    sql = "select from fabric.jobs where job_id = $1 and state = 'DONE'"
    async with working(database, slots=2):
        await until(lambda: run_sql(admin_url, sql, foreign))
    assert not any(each.ended for each in await jobs.seen(subject(), 10))
    assert len(waiting) == 3


async def test_what_a_step_did_is_rolled_back_with_its_progress(
    database: Database, jobs: Jobs, subject: MakeSubject, admin_url: str
) -> None:
    job = await jobs.ask(subject(), "count", {"to": 2})
    run = Run(database, job, None, epoch=7)  # not the job's

    async def work(transaction: Transaction) -> Progress:
        await transaction.fetch("delete from fabric.jobs where job_id = $1", job.job_id)
        return Progress(1, None)

    with pytest.raises(Stopped):
        await run.step(work)
    assert await jobs.seen(subject(), 1, job.job_id)
