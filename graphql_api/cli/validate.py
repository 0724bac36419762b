"""`semantic-fabric validate`: the objects that a clearance sees, held against their definitions as a job."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from fabric import log
from fabric.jobs.job import Job, State
from fabric.jobs.jobs import Jobs
from fabric.labels import Label
from fabric.settings import Settings
from fabric.types.types import Types
from fabric.validation import validation
from graphql_api.cli.console import complain
from graphql_api.cli.database import Place, code_of, existing, opened, operator, place_of
from graphql_api.cli.following import followed
from graphql_api.cli.options import Clearance, DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare
from graphql_api.job_kinds import job_kinds

app = command_app()


@app.command()
def validate(
    context: typer.Context,
    organization: Organization,
    clearance: Clearance,
    type_name: Annotated[
        str | None, typer.Option("--type", metavar="NAME", help="only objects of this type and of those that extend it")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Count the objects that are not as their definitions ask.

    They are those that the clearance sees. It is a job, which a server goes on with if this is interrupted.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    with place_of(settings) as place:
        ended = asyncio.run(_validated(settings, place, organization, clearance, type_name))
    if ended.state is not State.DONE or ended.result is None:
        complain(f"{ended.failure_code}: {ended.failure}" if ended.failure else str(ended.state))
        raise typer.Exit(1)
    _tell(ended.result)
    if ended.result["violating"]:
        raise typer.Exit(1)


async def _validated(settings: Settings, place: Place, name: str, clearance: Label, type_name: str | None) -> Job:
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name, clearance)
        subject, types = operator(organization, code_of(organization, clearance)), Types(database)
        kinds = job_kinds(database, types)
        known = Jobs(database, kinds, settings.max_jobs, lambda: None)
        job = await validation.ask(types, known, subject, type_name)
        return await followed(database, subject, known, kinds, job.job_id)


def _tell(result: Mapping[str, Any]) -> None:
    typer.echo(f"objects: {result['objects']:,}, not as asked: {result['violating']:,}")
    for each in result["constraints"]:
        where = f"{each['typeName']}.{each['field']}: {each['constraint']}"
        typer.echo(f"{where}: {each['objects']:,}, such as {', '.join(each['examples'])}")
    if result["more"]:
        typer.echo(f"violations of other constraints: {result['more']:,}")
