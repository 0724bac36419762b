"""The kinds of jobs that there are, for servers and commands alike."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from fabric.database.db import Database
from fabric.errors import Internal
from fabric.identity.organizations import Directory
from fabric.identity.subject import Subject
from fabric.jobs.job import Job
from fabric.jobs.jobs import Kind
from fabric.mapping import mapping
from fabric.settings import Settings
from fabric.types.types import Types
from fabric.validation import validation
from ontology.shacl.check import Limits, check


def job_kinds(database: Database, types: Types, settings: Settings) -> list[Kind]:
    limits = Limits(settings.validation_seconds, settings.validation_memory_bytes)
    return [mapping.kind(types), validation.kind(types, partial(_check, database, limits))]


async def _check(database: Database, limits: Limits, job: Job) -> Mapping[str, Any]:
    """At the label of who asked, with what it takes to read: that they had it was seen to when they asked."""
    async with database.transaction(job.session) as transaction:
        name = await transaction.fetchval(
            "select name from fabric.organizations where organization_id = $1", job.organization_id
        )
    organization = await Directory(database).find(name)
    if organization is None:
        raise Internal("try again")
    subject = Subject(
        organization_id=job.organization_id,
        organization=name,
        subject=job.asked_by,
        roles=frozenset(),
        permissions=frozenset({"type:read", "object:read", "link:read"}),
        clearance=job.label,
        label=job.label,
        expires_at=float("inf"),
    )
    return await check(database, organization, subject, job.arguments["shapes"], limits)
