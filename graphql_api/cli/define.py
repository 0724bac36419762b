"""`semantic-fabric define`: type definitions from files, all of them or none."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from fabric import log
from fabric.settings import Settings
from fabric.transfer.loader import Summary
from fabric.transfer.records import Record
from fabric.types.changes_planned import Plan
from graphql_api.cli.console import complain
from graphql_api.cli.database import Place, existing, opened, place_of
from graphql_api.cli.failures import Refused, refusing
from graphql_api.cli.loading import load, planning
from graphql_api.cli.options import DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.plans import show_plan
from graphql_api.cli.readiness import prepare

app = command_app()


@app.command()
def define(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="JSON: one definition or a list", exists=True, dir_okay=False),
    ],
    organization: Organization,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what would change, with the objects concerned, and write nothing")
    ] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Define types from JSON files.

    Types that are there are changed. All of the files are taken or none; definitions may refer to each other.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    records = [record for path in files for record in _records(path)]
    with place_of(settings) as place:
        summary, plan = asyncio.run(_define(settings, place, organization, records, dry_run=dry_run))
    for problem in summary.problems:
        complain(f"{problem.where}: {problem.message}")
    for obstacle in plan.obstacles if plan else ():
        complain(obstacle)
    if plan and not summary.problems:
        show_plan(plan)
    if summary.problems or (plan and plan.obstacles):
        raise typer.Exit(2)
    if not plan:
        typer.echo(f"defined: {', '.join(summary.types)}" if summary.types else "nothing new")


def _records(path: Path) -> Iterator[Record]:
    with refusing(OSError):
        text = path.read_bytes()
    with refusing(orjson.JSONDecodeError, saying=f"{path}: not JSON: "):
        read: Any = orjson.loads(text)
    for i, document in enumerate(read if isinstance(read, list) else [read]):
        place = f"{path}[{i}]" if isinstance(read, list) else str(path)
        if not isinstance(document, dict):
            raise Refused(f"{place}: a definition is an object")
        yield Record(place, {"define": document})


async def _define(
    settings: Settings, place: Place, name: str, records: list[Record], *, dry_run: bool
) -> tuple[Summary, Plan | None]:
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name)
        if dry_run:
            loader = planning(database, organization)
            plan = await loader.plan(records)
            return loader.summary, plan
        return await load(settings, database, organization, definitions=records), None
