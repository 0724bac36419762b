"""Encrypted fields beside mapped ones."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from databases import MakeSubject
from encrypted_ground import PERSON, SERIAL, Ground
from steered_vault import software

from fabric.database.db import Database
from fabric.errors import Several
from fabric.identity.organizations import Organization
from fabric.jobs.counts import JobCounts
from fabric.jobs.jobs import Jobs
from fabric.jobs.worker import Worker
from fabric.mapping import mapping

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ground(
    admin_url: str, database: Database, organization: Organization, subject: MakeSubject, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with software(tmp_path) as vault:
        ground = Ground(admin_url, database, organization, subject, vault)
        await ground.define(PERSON | {"fields": PERSON["fields"] | {"alias": {"type": "string"}}})  # type: ignore[operator]
        yield ground


async def test_they_are_mapped_neither_from_nor_into(ground: Ground) -> None:
    mappers = [
        {"convert": {"from": "serial", "to": "alias"}}, {"convert": {"from": "alias", "to": "serial"}},
        {"split": {"from": "alias", "to": ["serial"], "separator": " "}},
        {"default": {"field": "serial", "value": "x"}},
    ]  # fmt: skip
    jobs = Jobs(ground.database, [mapping.kind(ground.types)], 3, lambda: None)
    with pytest.raises(Several) as refused:
        await mapping.ask(ground.types, jobs, ground.subject(), "Person", mappers)
    paths = [("convert", "from"), ("convert", "to"), ("split", "to", 0), ("default", "field")]
    assert [error.path for error in refused.value.errors] == [("mappers", i, *path) for i, path in enumerate(paths)]
    assert all("encrypted" in error.message for error in refused.value.errors)


async def test_they_stay_as_they_are_in_an_object_that_is_mapped(ground: Ground) -> None:
    id = await ground.create(serial="AB-1234567")
    kinds = [mapping.kind(ground.types)]
    jobs = Jobs(ground.database, kinds, 3, lambda: None)
    mappers = [{"convert": {"from": "name", "to": "alias"}}]
    job = await mapping.ask(ground.types, jobs, ground.subject(), "Person", mappers)
    async with Worker(ground.database, kinds, JobCounts(), 1, look=0.02).running():
        while not (await jobs.seen(ground.subject(), 1, job.job_id))[0].ended:
            await ground.rows("select pg_sleep(0.01)")
    assert (await ground.data(id))["alias"] == "x"
    assert await ground.opened(id) == {SERIAL: "AB-1234567"}
