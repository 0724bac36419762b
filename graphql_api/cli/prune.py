"""`semantic-fabric prune`: takes away what is older than the settings say, for those who do it by their own timer."""

import asyncio
from typing import Annotated

import typer

from fabric import log
from fabric.seals.retention import NotAsSealed, Policy
from fabric.seals.retention import prune as prune_all
from fabric.seals.seal_keys import SealingKey, existing_key, trusted_keys
from fabric.settings import Settings, variable
from graphql_api.cli.console import printable, progress_bars
from graphql_api.cli.database import Place, place_of, reaching
from graphql_api.cli.failures import Refused
from graphql_api.cli.options import AdminDatabaseUrl, DatabaseUrl, DataDir, command_app, setting, settings_of
from graphql_api.cli.readiness import prepare

app = command_app()


@app.command()
def prune(
    context: typer.Context,
    events_kept_days: Annotated[int | None, setting("events_kept_days", "DAYS")] = None,
    audit_kept_days: Annotated[int | None, setting("audit_kept_days", "DAYS")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Prune events and audit records that are older than the settings say, of all organizations.

    A server that has the admin URL does this by itself. What is not as it was sealed stays; then the exit code is 1.
    """
    settings = settings_of(
        context, events_kept_days=events_kept_days, audit_kept_days=audit_kept_days, data_dir=data_dir,
        database_url=database_url, admin_database_url=admin_database_url,
    )  # fmt: skip
    log.configure(settings.log_format, "warning")
    policy = Policy.of_days(settings.events_kept_days, settings.audit_kept_days)
    if not [*policy]:
        names = (variable(name) for name in ("events_kept_days", "audit_kept_days"))
        raise Refused(f"everything is kept for ever: set {' or '.join(names)}")
    key = existing_key(settings.data_dir, settings.seal_key_file)
    if key is None:
        raise Refused("no key that signs seals is here, so nothing can be stated")
    with place_of(settings, admin=True) as place:
        faults = asyncio.run(_pruned(settings, place, policy, key))
    for fault in faults:
        typer.secho(printable(f"✗ {fault}, so it stays: `semantic-fabric verify` tells more"), fg="red")
    if faults:
        raise typer.Exit(1)


async def _pruned(settings: Settings, place: Place, policy: Policy, key: SealingKey) -> list[NotAsSealed]:
    await prepare(place)
    trusted = trusted_keys(key, settings.seal_public_keys_file)
    with reaching(), progress_bars() as bars:
        task = bars.add_task("pruning", total=None)
        gone, faults = await prune_all(
            place.admin_url, policy, key, trusted, progress=lambda rows: bars.advance(task, rows)
        )
    typer.echo("pruned: " + ", ".join(f"{number:,} of {name}" for name, number in gone.items()))
    return faults
