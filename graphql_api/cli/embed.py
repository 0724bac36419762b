"""`semantic-fabric embed`: all that search lacks of an organization, made at once."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from fabric import log
from fabric.configuration.configurations import Configurations
from fabric.embedding.choice import provider
from fabric.search.index.counts import IndexCounts
from fabric.search.index.indexing import Indexer
from fabric.settings import Settings
from fabric.types.types import Types
from graphql_api.cli.console import progress_bars
from graphql_api.cli.database import Place, existing, opened, place_of
from graphql_api.cli.options import DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare

app = command_app()


@app.command()
def embed(
    context: typer.Context,
    organization: Organization,
    forget: Annotated[bool, typer.Option("--forget", help="then take away the vectors of other models")] = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make the words and vectors that search needs, of all that lacks them.

    A server does this by itself. What is interrupted goes on where it was.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    with place_of(settings) as place:
        asyncio.run(_embed(settings, place, organization, forget=forget))


async def _embed(settings: Settings, place: Place, name: str, *, forget: bool) -> None:
    await prepare(place)
    made = provider(settings)
    try:
        async with opened(settings, place) as database:
            organization = await existing(database, name)
            configurations = Configurations.by(settings, database)
            indexer = Indexer(database, Types(database), made, configurations, IndexCounts())
            await _index(indexer, organization.organization_id)
            if forget:
                await indexer.forget_other_models(organization.organization_id)
    finally:
        if made is not None:
            await made.close()
    typer.echo(f"stored: words of {indexer.counts.words:,} texts, vectors of {indexer.counts.vectors:,}")


async def _index(indexer: Indexer, organization_id: UUID) -> None:
    with progress_bars() as bars:
        words, _ = await indexer.missing(organization_id)
        task = bars.add_task("words", total=words)
        await indexer.put_words(organization_id, progress=lambda done: bars.advance(task, done))
        _, vectors = await indexer.missing(organization_id)
        task = bars.add_task("vectors", total=vectors)
        await indexer.put_vectors(organization_id, progress=lambda done: bars.advance(task, done))
