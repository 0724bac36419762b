"""`semantic-fabric documents`: what a front end may ask, registered from the files that its tools write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from graphql import GraphQLError, OperationDefinitionNode, parse

from fabric import log
from fabric.database.db import Database
from fabric.document_register import DocumentRegister, Registered, document_id, is_document_id
from fabric.identity.organizations import Organization as Tenant
from fabric.identity.subject import Subject
from fabric.labels import Label
from fabric.settings import Settings
from fabric.types.types import Types
from graphql_api.cli.console import complain, printable, say
from graphql_api.cli.database import Place, code_of, existing, opened, operator, place_of
from graphql_api.cli.failures import Refused, refusing
from graphql_api.cli.options import Clearance, DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare
from graphql_api.compiler.compiler import Compiler
from graphql_api.documents.manifests import Listed, ManifestError, read_manifest
from graphql_api.documents.persisted import faults
from graphql_api.schema.schema import build_surface

app = command_app()


@app.callback()
def documents() -> None:
    """Register GraphQL documents, list and remove them."""


@app.command()
def register(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="manifests of Relay, Code Generator or Apollo, or .graphql", exists=True,
            dir_okay=False,
        ),
    ],
    organization: Organization,
    clearance: Clearance,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Register documents from files, all of them or none.

    Each must be valid in the schema that the clearance sees. It is found from there and from above.
    """  # fmt: skip
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    with refusing(OSError, ManifestError):
        listed = [document for path in files for document in read_manifest(path)]
    with place_of(settings) as place:
        problems, new = asyncio.run(_register(settings, place, organization, clearance, listed))
    for problem in problems:
        complain(problem)
    if problems:
        raise typer.Exit(2)
    for id in dict.fromkeys(document_id(document.text) for document in listed):
        typer.echo(id)
    say(f"{len(new)} new")


@app.command("list")
def listing(
    context: typer.Context,
    organization: Organization,
    clearance: Clearance,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List the documents that a clearance finds.

    One a line, with tabs between: id, label, when, by whom, and the names of its operations.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    with place_of(settings) as place:
        tenant, found = asyncio.run(_listed(settings, place, organization, clearance))
    for each in found:
        label, when = tenant.lattice.decode(each.label), each.registered_at.isoformat(timespec="seconds")
        typer.echo("\t".join([each.id, str(label), when, printable(each.registered_by), _operations(each.text)]))


@app.command()
def remove(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="sha256: and the hash")],
    organization: Organization,
    clearance: Clearance,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Remove documents that are registered at exactly this clearance."""
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    for id in ids:
        if not is_document_id(id):
            raise Refused(f"{id}: an id is sha256: and 64 hexadecimal digits in lower case")
    with place_of(settings) as place:
        gone = asyncio.run(_remove(settings, place, organization, clearance, ids))
    for id in gone:
        typer.echo(id)
    if missing := [id for id in dict.fromkeys(ids) if id not in gone]:
        for id in missing:
            complain(f"{id} is not registered at {clearance}")
        raise typer.Exit(1)


@asynccontextmanager
async def _acting(
    settings: Settings, place: Place, name: str, clearance: Label
) -> AsyncIterator[tuple[Database, Tenant, Subject]]:
    """Whoever runs the command, at this label of the organization."""
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name, clearance)
        yield database, organization, operator(organization, code_of(organization, clearance))


async def _register(
    settings: Settings, place: Place, name: str, clearance: Label, listed: list[Listed]
) -> tuple[list[str], list[str]]:
    """What is wrong with the documents; the ids of those that are new."""
    texts = [document.text for document in listed]
    async with _acting(settings, place, name, clearance) as (database, _, subject):
        compiler = Compiler(build_surface(await Types(database).catalogue(subject.session)), settings)
        found = faults(texts, compiler.check)
        if found:
            return [f"{listed[int(fault.path[0])].place}: {fault.message}" for fault in found], []
        return [], await DocumentRegister(database).register(subject, texts)


async def _listed(
    settings: Settings, place: Place, name: str, clearance: Label
) -> tuple[Tenant, list[Registered]]:  # fmt: skip
    async with _acting(settings, place, name, clearance) as (database, organization, subject):
        return organization, await DocumentRegister(database).listed(subject.session)


async def _remove(settings: Settings, place: Place, name: str, clearance: Label, ids: list[str]) -> list[str]:
    async with _acting(settings, place, name, clearance) as (database, _, subject):
        return await DocumentRegister(database).remove(subject, ids)


def _operations(text: str) -> str:
    try:
        definitions = parse(text, no_location=True).definitions
    except (GraphQLError, RecursionError):
        return ""
    names = (d.name.value if d.name else "" for d in definitions if isinstance(d, OperationDefinitionNode))
    return " ".join(names)
