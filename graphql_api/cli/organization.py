"""`semantic-fabric organization`: tenants and their compartments, as far as they are not there."""

import asyncio
from collections.abc import Iterable
from typing import Annotated

import typer

from fabric.database.db import Database
from fabric.identity.organizations import Directory, Organization, establish
from fabric.settings import Settings
from graphql_api.cli.database import Place, existing, opened, place_of, reaching
from graphql_api.cli.failures import refusing
from graphql_api.cli.options import AdminDatabaseUrl, DatabaseUrl, DataDir, command_app, settings_of
from graphql_api.cli.readiness import prepare

app = command_app()


@app.command()
def organization(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="as tokens name it")],
    compartment: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="one that it has; repeatable, in the order to keep")
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Make an organization, or add compartments to one.

    What is there already stays as it is. Nothing takes an organization or a compartment away.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)
    with place_of(settings) as place:
        typer.echo(asyncio.run(_organization(settings, place, name, compartment or ())))


async def _organization(settings: Settings, place: Place, name: str, compartments: Iterable[str]) -> str:
    await prepare(place)
    news = await made(place, name, compartments)
    async with opened(settings, place) as database:
        held = (await existing(database, name)).lattice.compartments
    return f"{news or f'{name}: nothing new'}; its compartments: {', '.join(held) or 'none'}"


async def made(place: Place, name: str, compartments: Iterable[str]) -> str:
    """Makes what is missing of the organization; says in words what that was, nothing if it was nothing."""
    with reaching(), refusing(ValueError):
        created, added = await establish(place.admin_url, name, compartments)
    news = [f"organization {name}"] if created else []
    news += [f"compartment {compartment}" for compartment in added]
    return f"new: {', '.join(news)}" if news else ""


async def ensured(database: Database, place: Place, name: str, compartments: Iterable[str]) -> tuple[Organization, str]:
    """The organization with at least these compartments, and what of it had to be made, in words.

    More rights than the serving role's are needed only where something has to be made.
    """
    found = await Directory(database).find(name)
    if found is not None and set(compartments) <= set(found.lattice.compartments):
        return found, ""
    news = await made(place, name, compartments)
    return await existing(database, name), news
