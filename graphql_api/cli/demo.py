"""`semantic-fabric demo`: everything at once, for the first look."""

import asyncio
import json
import shlex
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import typer
from graphql import strip_ignored_characters

from fabric import log
from fabric.demo import COMPARTMENTS, COUNTS, OFFICER, ORGANIZATION, READERS, UNLOCK, Reader, records
from fabric.labels import Label
from fabric.secrets import private_folder
from fabric.settings import Settings
from fabric.transfer.records import Record
from graphql_api.cli.console import say
from graphql_api.cli.database import Place, opened, place_of
from graphql_api.cli.failures import Refused
from graphql_api.cli.loading import load
from graphql_api.cli.options import DatabaseUrl, DataDir, Host, Port, command_app, settings_of
from graphql_api.cli.organization import ensured
from graphql_api.cli.readiness import analyze, prepare
from graphql_api.cli.serve import listening, run
from graphql_api.cli.tokens import issued, require_development

LIFETIME = timedelta(days=1)
ROLE = "writer"

app = command_app()


@app.command()
def demo(
    context: typer.Context,
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve the built-in demo, with queries to try.

    The demo's organization is made and filled the first time. Standard output has a query for each of its readers.
    """
    settings = settings_of(context, host=host, port=port, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    require_development(settings)
    with listening(settings) as listener, place_of(settings) as place:
        asyncio.run(_fill(settings, place))
        run(settings, place, listener, partial(_invite, settings))


async def _fill(settings: Settings, place: Place) -> None:
    """Loads the demo unless all of it has been: then a file of the data folder has the organization's id."""
    await prepare(place)
    mark = private_folder(settings.data_dir) / "demo"
    async with opened(settings, place) as database:
        organization, _ = await ensured(database, place, ORGANIZATION, COMPARTMENTS)
        if mark.exists() and mark.read_text() == str(organization.organization_id):
            return
        say("The first start fills the demo.")
        parts: dict[str, list[Record]] = {"define": [], "type": [], "link": []}
        for i, body in enumerate(records()):
            parts[next(kind for kind in parts if kind in body)].append(Record(f"record {i}", body))
        summary = await load(
            settings,
            database,
            organization,
            definitions=parts["define"],
            objects=parts["type"],
            links=parts["link"],
            expected={"definitions": COUNTS["define"], "objects": COUNTS["type"], "links": COUNTS["link"]},
            strict=True,
        )
    await analyze(place)
    if summary.problems:
        raise Refused(f"the demo's {summary.problems[0].where}: {summary.problems[0].message}")
    mark.write_text(str(organization.organization_id))


def _invite(settings: Settings, url: str) -> None:
    """A command for each reader, to paste into another terminal."""
    typer.echo(f"The demo is served at {url}. Paste a reader's command into another terminal; Ctrl-C stops.\n")
    for reader in (*READERS, OFFICER):
        typer.echo(f"# {reader.name}, cleared for {reader.clearance}. {reader.role}")
        typer.echo(_command(settings, url, reader, reader.query))
    typer.echo(f"# {OFFICER.name} unlocks one of them: put its id in the place of ID.")
    typer.echo(_command(settings, url, OFFICER, UNLOCK, {"id": "ID"}))


def _command(
    settings: Settings, url: str, reader: Reader, query: str, variables: Mapping[str, str] | None = None
) -> str:
    roles = [ROLE, *reader.roles]
    token = issued(settings, ORGANIZATION, reader.name, roles, Label.parse(reader.clearance), LIFETIME)
    request = {"query": strip_ignored_characters(query)} | ({"variables": variables} if variables else {})
    return (
        f"curl -s {url} -H 'Content-Type: application/json' -H 'Authorization: Bearer {token}' "
        f"-d {shlex.quote(json.dumps(request))} | python3 -m json.tool --no-ensure-ascii\n"
    )
