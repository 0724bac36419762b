"""`semantic-fabric schema`: the schema of one clearance, for code generators and for reading."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from fabric.identity.subject import Session
from fabric.labels import Label
from fabric.settings import Settings
from fabric.types.part import part_of
from fabric.types.types import Types
from graphql_api.cli.database import Place, code_of, existing, opened, place_of
from graphql_api.cli.options import Clearance, DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare
from graphql_api.schema.schema import build_surface

app = command_app()


@app.command()
def schema(
    context: typer.Context,
    organization: Organization,
    clearance: Clearance,
    type: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="with what it descends from, and what from it; repeatable; all if none"),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print the GraphQL schema that a clearance sees, or the part of it that is about some types."""
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    with place_of(settings) as place:
        typer.echo(asyncio.run(_schema(settings, place, organization, clearance, type or ())))


async def _schema(settings: Settings, place: Place, name: str, clearance: Label, types: Sequence[str]) -> str:
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name, clearance)
        session = Session(organization.organization_id, code_of(organization, clearance))
        catalogue = await Types(database).catalogue(session)
        return build_surface(part_of(catalogue, types) if types else catalogue).sdl()
