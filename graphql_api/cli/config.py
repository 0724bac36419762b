"""`semantic-fabric config`: what an organization has chosen for itself, shown and changed."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer

from fabric import log
from fabric.configuration.configurations import LOWEST, Configuration, Configurations
from fabric.configuration.options import OPTIONS
from fabric.settings import Settings
from graphql_api.cli.database import Place, existing, opened, operator, place_of
from graphql_api.cli.failures import Refused
from graphql_api.cli.options import DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare

app = command_app()


@app.callback()
def config() -> None:
    """Show what an organization has chosen for itself, and change it."""


@app.command()
def get(
    context: typer.Context,
    organization: Organization,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="options, all of them if none", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Show what holds for an organization.

    One option a line, with tabs between: name, value as JSON, whether it was chosen or is the default, what it means.
    """
    if unknown := [name for name in names or () if name not in OPTIONS]:
        raise Refused(f"no such option: {', '.join(unknown)}; there are {', '.join(OPTIONS)}")
    settings = _settings(context, data_dir, database_url)
    with place_of(settings) as place:
        configuration, _ = asyncio.run(_changed(settings, place, organization, None))
    for name in names or OPTIONS:
        option = OPTIONS[name]
        source = "chosen" if name in configuration.chosen else "default"
        typer.echo("\t".join([name, orjson.dumps(configuration[option]).decode(), source, option.meaning]))


@app.command("set")
def set_(
    context: typer.Context,
    values: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="without a value, the default holds again")
    ],
    organization: Organization,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Choose for an organization. All of the values are taken or none.

    Servers that run go by them at once.
    """
    settings = _settings(context, data_dir, database_url)
    given = dict(map(_value, values))
    with place_of(settings) as place:
        _, changed = asyncio.run(_changed(settings, place, organization, given))
    typer.echo(f"changed: {', '.join(changed)}" if changed else "nothing new")


def _settings(context: typer.Context, data_dir: Any, database_url: Any) -> Settings:
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    return settings


def _value(text: str) -> tuple[str, Any]:
    """`NAME=VALUE`; what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter("write NAME=VALUE, such as search.weights.graph=0.5")
    try:
        return name, orjson.loads(value) if value else None
    except orjson.JSONDecodeError:
        return name, value


async def _changed(
    settings: Settings, place: Place, name: str, values: Mapping[str, Any] | None
) -> tuple[Configuration, Sequence[str]]:  # fmt: skip
    """What holds after the change, and the options that it changed."""
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name)
        configurations = Configurations.by(settings, database)
        changed = await configurations.change(operator(organization, LOWEST), values) if values else []
        return await configurations.of(organization.organization_id), changed
