"""`semantic-fabric migrate`: the one command that a database of its own needs before it can be served."""

import asyncio
from typing import Annotated

import typer
from alembic.util import CommandError

from fabric import log
from fabric.database.migration import Ahead, head, revision_of
from fabric.database.numbering import OutOfOrder
from fabric.settings import Settings, variable
from graphql_api.cli import passwords
from graphql_api.cli.console import say
from graphql_api.cli.database import Place, place_of, reaching
from graphql_api.cli.failures import Refused, refusing
from graphql_api.cli.options import AdminDatabaseUrl, DatabaseUrl, DataDir, command_app, settings_of
from graphql_api.cli.readiness import migrate_alone

app = command_app()


@app.command()
def migrate(
    context: typer.Context,
    to: Annotated[
        str, typer.Option(metavar="REVISION", help="another than the newest; going back discards what came since")
    ] = "head",
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Bring the database to the revision that this version needs.

    On a server of your own this also makes the serving role. A password that has to be made up for it is shown once:
    standard output has the URL to serve from.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)
    log.configure(settings.log_format, "warning")
    with place_of(settings, admin=True) as place:
        asyncio.run(_migrate(settings, place, to))


async def _migrate(settings: Settings, place: Place, revision: str) -> None:
    with reaching(), refusing(Ahead, OutOfOrder):
        was_there = await passwords.exists(place.admin_url)
        try:
            await migrate_alone(place.admin_url, revision)
        except (CommandError, ValueError) as error:
            raise Refused(f"{revision!r} is no revision of this version, whose newest is {head()}") from error
        if not place.embedded and revision == "head":
            await _give_password(settings, place, was_there=was_there)
        say(f"the database is at revision {await revision_of(place.admin_url) or 'none'}")


async def _give_password(settings: Settings, place: Place, *, was_there: bool) -> None:
    """The password that is set, or for a new role one made up; a role that others serve as keeps the one it has."""
    given = settings.database_password or passwords.password_in(settings.database_url)
    if not given and was_there:
        return
    password = given or passwords.generated()
    with refusing(ValueError, saying=f"{variable('database_password')}: "):
        await passwords.give(place.admin_url, password)
    if not given:
        say(f"serve with this as {variable('database_url')}; it is not shown again:")
        typer.echo(passwords.serving_url(place.admin_url, password))
