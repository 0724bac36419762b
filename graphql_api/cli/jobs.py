"""`semantic-fabric jobs`: what takes long, listed, gone on with, followed and cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import typer

from fabric import log
from fabric.database.db import Database
from fabric.errors import FabricError
from fabric.identity.organizations import Organization as Tenant
from fabric.identity.subject import Subject
from fabric.jobs.job import Job, State
from fabric.jobs.jobs import Jobs
from fabric.labels import Label
from fabric.settings import Settings
from fabric.types.types import Types
from graphql_api.cli.console import complain, printable
from graphql_api.cli.database import Place, code_of, existing, opened, operator, place_of
from graphql_api.cli.following import followed
from graphql_api.cli.options import Clearance, DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare
from graphql_api.job_kinds import job_kinds

LISTED = 1_000

app = command_app()

JobId = Annotated[UUID, typer.Argument(metavar="ID", help="the job's id")]


@app.callback()
def jobs() -> None:
    """List jobs, go on with one and follow it, cancel it."""


@app.command("list")
def listing(
    context: typer.Context,
    organization: Organization,
    clearance: Clearance,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List the jobs that a clearance sees, the newest first.

    One a line, with tabs between: id, kind, label, state, how much is done, who asked for it, and when.
    """
    settings = _settings(context, data_dir, database_url)
    with place_of(settings) as place:
        tenant, found = asyncio.run(_listed(settings, place, organization, clearance))
    for each in found:
        done = f"{each.done}/{'?' if each.total is None else each.total}"
        label, when = tenant.lattice.decode(each.label), each.asked_at.isoformat(timespec="seconds")
        columns = [str(each.job_id), each.kind, str(label), each.state, done, printable(each.asked_by), when]
        typer.echo("\t".join(columns))


@app.command()
def follow(
    context: typer.Context,
    id: JobId,
    organization: Organization,
    clearance: Clearance,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Go on with a job here, unless a server does, and show how far it is until it ends."""
    settings = _settings(context, data_dir, database_url)
    with place_of(settings) as place:
        ended = asyncio.run(_follow(settings, place, organization, clearance, id))
    typer.echo(f"{ended.state}: {ended.done:,} done")
    if ended.failure:
        complain(f"{ended.failure_code}: {ended.failure}")
    if ended.state is not State.DONE:
        raise typer.Exit(1)


@app.command()
def cancel(
    context: typer.Context,
    id: JobId,
    organization: Organization,
    clearance: Clearance,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Cancel a job of exactly this clearance. What it has done stays."""
    settings = _settings(context, data_dir, database_url)
    with place_of(settings) as place:
        try:
            asyncio.run(_cancel(settings, place, organization, clearance, id))
        except FabricError as error:
            complain(error.message)
            raise typer.Exit(1) from None


def _settings(context: typer.Context, data_dir: DataDir, database_url: DatabaseUrl) -> Settings:
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    return settings


@asynccontextmanager
async def _acting(
    settings: Settings, place: Place, name: str, clearance: Label
) -> AsyncIterator[tuple[Database, Tenant, Subject, Jobs]]:
    """Whoever runs the command, at this label of the organization."""
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name, clearance)
        known = Jobs(database, job_kinds(database, Types(database), settings), settings.max_jobs, lambda: None)
        yield database, organization, operator(organization, code_of(organization, clearance)), known


async def _listed(settings: Settings, place: Place, name: str, clearance: Label) -> tuple[Tenant, list[Job]]:
    async with _acting(settings, place, name, clearance) as (_, organization, subject, known):
        return organization, await known.seen(subject, LISTED)


async def _follow(settings: Settings, place: Place, name: str, clearance: Label, job_id: UUID) -> Job:
    async with _acting(settings, place, name, clearance) as (database, _, subject, known):
        return await followed(database, subject, known, job_kinds(database, Types(database), settings), job_id)


async def _cancel(settings: Settings, place: Place, name: str, clearance: Label, job_id: UUID) -> None:
    async with _acting(settings, place, name, clearance) as (_, organization, subject, known):
        await known.cancel(subject, organization.lattice, job_id)
