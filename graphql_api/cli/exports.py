"""`semantic-fabric export`: what a clearance sees, as a file that `import` takes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from fabric import log
from fabric.database.db import Database
from fabric.identity.organizations import Organization as HeldOrganization
from fabric.identity.subject import Subject
from fabric.labels import Label
from fabric.settings import Settings
from fabric.transfer.export import export
from graphql_api.cli.console import progress_bars
from graphql_api.cli.database import Place, code_of, existing, opened, operator, place_of
from graphql_api.cli.failures import refusing
from graphql_api.cli.options import Clearance, DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare
from ontology.output.export import Inferred
from ontology.output.export import export as export_rdf
from ontology.output.writing import FORMATS, Writer

app = command_app()


@app.callback()
def exports() -> None:
    """Export what a clearance sees."""


@app.command()
def jsonl(
    context: typer.Context,
    organization: Organization,
    clearance: Clearance,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="standard output if there is none", dir_okay=False)
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Export as JSON lines: definitions, objects and links, as of one moment.

    A file that is made is open to its owner only.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    with place_of(settings) as place, _opened(output) as file:
        asyncio.run(_export(settings, place, organization, clearance, file, export))


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    if output is None:
        yield sys.stdout.buffer
        return
    with refusing(OSError), open(output, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        yield file


@app.command()
def rdf(
    context: typer.Context,
    organization: Organization,
    clearance: Clearance,
    format: Annotated[str, typer.Option(metavar="FORMAT", help=", ".join(FORMATS))] = "turtle",
    type_name: Annotated[
        str | None, typer.Option("--type", metavar="NAME", help="only objects of this type, and the links among them")
    ] = None,
    inferred: Annotated[bool, typer.Option("--inferred", help="inferred links too, marked as such")] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="standard output if there is none", dir_okay=False)
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Export as RDF: definitions, objects and links, as of one moment.

    A file that is made is open to its owner only.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    if format not in FORMATS:
        raise typer.BadParameter(f"format is one of {', '.join(FORMATS)}")

    def made(database: Database, organization: HeldOrganization, subject: Subject) -> AsyncIterator[bytes]:
        wanted = Inferred.MARKED if inferred else Inferred.LEFT_OUT
        return export_rdf(database, organization, subject, Writer(format), type_name, inferred=wanted)

    with place_of(settings) as place, _opened(output) as file:
        asyncio.run(_export(settings, place, organization, clearance, file, made))


Made = Callable[[Database, HeldOrganization, Subject], AsyncIterator[bytes]]
"""The blocks of an export."""


async def _export(settings: Settings, place: Place, name: str, clearance: Label, file: IO[bytes], made: Made) -> None:
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name, clearance)
        subject = operator(organization, code_of(organization, clearance))
        with progress_bars() as bars:
            task = bars.add_task("exporting", total=None)
            async for block in made(database, organization, subject):
                file.write(block)
                bars.advance(task, block.count(b"\n"))
        file.flush()
