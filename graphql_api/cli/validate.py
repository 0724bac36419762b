"""`semantic-fabric validate`: the objects that a clearance sees, held against their definitions as a job."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fabric import log
from fabric.errors import BadInput
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
from ontology.shacl.check import require_checker

app = command_app()


@app.command()
def validate(
    context: typer.Context,
    organization: Organization,
    clearance: Clearance,
    type_name: Annotated[
        str | None, typer.Option("--type", metavar="NAME", help="only objects of this type and of those that extend it")
    ] = None,
    shapes: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help="shapes of SHACL too, in Turtle")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Count the objects that are not as their definitions ask.

    They are those that the clearance sees. It is a job, which a server goes on with if this is interrupted.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    text = None
    if shapes is not None:
        require_checker()
        text = _text(shapes)
    with place_of(settings) as place:
        ended = asyncio.run(_validated(settings, place, organization, clearance, type_name, text))
    if ended.state is not State.DONE or ended.result is None:
        complain(f"{ended.failure_code}: {ended.failure}" if ended.failure else str(ended.state))
        raise typer.Exit(1)
    _tell(ended.result)
    violating = ended.result["violating"] or ended.result["links"]["violating"]
    if violating or ended.result.get("shapes", {}).get("results"):
        raise typer.Exit(1)


async def _validated(
    settings: Settings, place: Place, name: str, clearance: Label, type_name: str | None, shapes: str | None
) -> Job:
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name, clearance)
        subject, types = operator(organization, code_of(organization, clearance)), Types(database)
        kinds = job_kinds(database, types, settings)
        known = Jobs(database, kinds, settings.max_jobs, lambda: None)
        job = await validation.ask(types, known, subject, type_name, shapes)
        return await followed(database, subject, known, kinds, job.job_id)


def _tell(result: Mapping[str, Any]) -> None:
    typer.echo(f"objects: {result['objects']:,}, not as asked: {result['violating']:,}")
    for each in result["constraints"]:
        where = f"{each['typeName']}.{each['field']}: {each['constraint']}"
        typer.echo(f"{where}: {each['objects']:,}, such as {', '.join(each['examples'])}")
    if result["more"]:
        typer.echo(f"violations of other constraints: {result['more']:,}")
    links = result["links"]
    typer.echo(f"links: {links['links']:,}, not as asked: {links['violating']:,}")
    for each in links["constraints"]:
        where = ".".join(filter(None, (each["relation"], each["property"])))
        typer.echo(f"{where}: {each['constraint']}: {each['links']:,}, such as {', '.join(each['examples'])}")
    if links["more"]:
        typer.echo(f"violations of other constraints of links: {links['more']:,}")
    if "shapes" in result:
        _tell_of_shapes(result["shapes"])


def _tell_of_shapes(report: Mapping[str, Any]) -> None:
    typer.echo(f"results of the shapes: {report['results']:,}")
    for each in report["shapes"]:
        shape, path = each["shape"] or "a shape", each["path"] or "no single property"
        constraint, severity = (str(each[name]).rpartition("#")[2] for name in ("constraint", "severity"))
        such = f", such as {', '.join(each['examples'])}" if each["examples"] else ""
        typer.echo(f"{severity}: {shape}: {path}: {constraint}: {each['results']:,}{such}")
    if report["more"]:
        typer.echo(f"other shapes, paths and constraints: {report['more']:,}")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise BadInput(f"{file.name}: is not UTF-8") from None
