"""`jobs list`, `follow` and `cancel`."""

import asyncio
from uuid import uuid4

import pytest
from command_line import Run, seen
from databases import run_sql

INSERT = """
    insert into fabric.jobs (organization_id, job_id, label, kind, asked_by, arguments)
    select organization_id, $1, 3::bigint << 60, 'unheard-of', 'ann', '{}' from fabric.organizations"""


@pytest.fixture
def acme(run: Run) -> Run:
    """Runs a command on a database that has `acme`."""
    assert run("organization", "acme").code == 0
    return run


def test_what_is_not_there_is_neither_followed_nor_cancelled(acme: Run) -> None:
    assert acme("jobs", "list", *seen("SECRET")).out == ""
    for act in ("follow", "cancel"):
        answer = acme("jobs", act, str(uuid4()), *seen("SECRET"))
        assert answer.code in (1, 2), act
        assert "found" in answer.err or "no such job" in answer.err


def test_jobs_of_kinds_that_this_version_does_not_know_are_left_alone(acme: Run, admin_url: str) -> None:
    job_id = uuid4()
    asyncio.run(run_sql(admin_url, INSERT, job_id))
    assert acme("jobs", "list", *seen("TOP_SECRET")).out == ""
    assert acme("jobs", "cancel", str(job_id), *seen("SECRET")).code == 1
