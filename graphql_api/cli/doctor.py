"""`semantic-fabric doctor`: the installation's state, a line for each check."""

import asyncio

import typer

from fabric.database.embedded import EmbeddedError
from fabric.doctor import Finding, Verdict, bad, care, check_database, check_files
from fabric.search.index.check import check_search
from fabric.secrets import SecretError
from fabric.settings import Settings
from fabric.vaults.check import check_vault
from graphql_api.cli.console import printable
from graphql_api.cli.database import Place, is_empty, place_of
from graphql_api.cli.failures import Refused
from graphql_api.cli.options import AdminDatabaseUrl, DatabaseUrl, DataDir, command_app, settings_of

COLOURS = {Verdict.GOOD: "green", Verdict.CARE: "yellow", Verdict.BAD: "red"}

app = command_app()


@app.command()
def doctor(
    context: typer.Context,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Check the installation, and say how to mend what is wrong.

    ✓ holds, ! is worth knowing, ✗ has to be mended: then the exit code is 1. Nothing is changed.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)
    findings = []
    for finding in [*check_files(settings), *asyncio.run(_vault(settings)), *_database(settings)]:
        typer.secho(printable(str(finding)), fg=COLOURS[finding.verdict])
        findings.append(finding)
    if any(finding.verdict is Verdict.BAD for finding in findings):
        raise typer.Exit(1)


async def _vault(settings: Settings) -> list[Finding]:
    return [finding async for finding in check_vault(settings)]


def _database(settings: Settings) -> list[Finding]:
    embedded = not (settings.database_url or settings.admin_database_url)
    if embedded and not (settings.data_dir.expanduser() / "postgres" / "PG_VERSION").exists():
        return [care("database", "the embedded one is not there yet", "the first start makes it")]
    try:
        with place_of(settings) as place:
            return asyncio.run(_collected(settings, place))
    except (Refused, EmbeddedError, SecretError) as error:
        return [bad("database", str(error))]


async def _collected(settings: Settings, place: Place) -> list[Finding]:
    if place.embedded and await is_empty(place):
        return [care("database", "the embedded one is empty", "the next start fills it")]
    admin_url = place.admin_url if place.admin_url != place.url else None
    findings = [finding async for finding in check_database(place.url, admin_url)]
    if not any(finding.verdict is Verdict.BAD for finding in findings):
        findings += [finding async for finding in check_search(settings, place.url)]
    return findings
