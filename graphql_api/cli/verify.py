"""`semantic-fabric verify`: holds the logs against their seals, and gives out what others need to do so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from fabric import log
from fabric.database.db import Database, Transaction
from fabric.identity.organizations import Organization as Tenant
from fabric.identity.subject import Session
from fabric.labels import Label, Lattice
from fabric.seals import checkpoints
from fabric.seals.checkpoints import Checkpoint, CheckpointError, ForgedSeal
from fabric.seals.seal_keys import SealingKey, TrustedKeys, existing_key, public_keys
from fabric.seals.seals import AUDIT_LOG, EVENTS, Log
from fabric.seals.verification import Report, Summary, sealed_rows, verify
from fabric.settings import Settings, variable
from graphql_api.cli.console import printable, progress_bars
from graphql_api.cli.database import Place, code_of, existing, opened, place_of
from graphql_api.cli.failures import Refused, refusing
from graphql_api.cli.options import (
    DatabaseUrl,
    DataDir,
    Organization,
    SomeClearance,
    command_app,
    settings_of,
)
from graphql_api.cli.readiness import prepare

app = command_app()

Checkpoints = Annotated[
    list[Path] | None, typer.Option("--checkpoint", metavar="FILE", help="one that was kept elsewhere; repeatable")
]
PublicKeys = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="PEM file of the public keys to trust, in place of this installation's"),
]


@app.callback()
def verifies() -> None:
    """Verify that events and the audit log are as they were written."""


@app.command()
def events(
    context: typer.Context,
    organization: Organization,
    clearance: SomeClearance = None,
    checkpoint: Checkpoints = None,
    public_keys: PublicKeys = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Verify the events of an organization, at all labels or at those that a clearance sees.

    Each fault is a line; then the exit code is 1. What is not sealed yet is told, and no fault.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    _verify_log(settings, EVENTS, organization, clearance, checkpoint or [], public_keys)


@app.command()
def audit(
    context: typer.Context,
    organization: Organization,
    clearance: SomeClearance = None,
    checkpoint: Checkpoints = None,
    public_keys: PublicKeys = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Verify the audit log of an organization, at all labels or at those that a clearance sees.

    Each fault is a line; then the exit code is 1. What is not sealed yet is told, and no fault.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    _verify_log(settings, AUDIT_LOG, organization, clearance, checkpoint or [], public_keys)


@app.command("checkpoint")
def print_checkpoint(
    context: typer.Context,
    organization: Organization,
    clearance: SomeClearance = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print a signed checkpoint of an organization's chains, to be kept elsewhere."""
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    log.configure(settings.log_format, "warning")
    key = _own_key(settings)
    with place_of(settings) as place:
        typer.echo(asyncio.run(_checkpoint(settings, place, organization, clearance, key)), nl=False)


@app.command("key")
def print_key(context: typer.Context, data_dir: DataDir = None) -> None:
    """Print the public key of the seals, in PEM, for those who verify elsewhere."""
    typer.echo(_own_key(settings_of(context, data_dir=data_dir)).public_pem, nl=False)


def _own_key(settings: Settings) -> SealingKey:
    key = existing_key(settings.data_dir, settings.seal_key_file)
    if key is None:
        raise Refused(
            f"no key that signs seals is here: the first server makes one, or set {variable('seal_key_file')}"
        )
    return key


def _trusted(settings: Settings, given: Path | None) -> TrustedKeys:
    if given is not None:
        return TrustedKeys(public_keys(given))
    own = existing_key(settings.data_dir, settings.seal_key_file)
    earlier = public_keys(settings.seal_public_keys_file) if settings.seal_public_keys_file else []
    if own is None and not earlier:
        raise Refused("no key of seals is here: give --public-keys with what `semantic-fabric verify key` prints")
    return TrustedKeys([*([own.public] if own else []), *earlier])


def _verify_log(
    settings: Settings, of: Log, organization: str, clearance: Label | None, files: list[Path], given: Path | None
) -> None:
    log.configure(settings.log_format, "warning")
    trusted = _trusted(settings, given)
    with place_of(settings) as place:
        lattice, report = asyncio.run(_verified(settings, place, of, organization, clearance, files, trusted))
    for fault in report.faults:
        typer.secho(printable(f"✗ {lattice.decode(fault.label)}: {fault.kind}: {fault.text}"), fg="red")
    for label, chain in sorted(report.chains.items()):
        typer.echo(f"{lattice.decode(label)}: {_told(of, chain)}")
    if not report.number:
        typer.secho("✓ as it was written" if report.chains else "✓ nothing is there", fg="green")
        return
    typer.secho(f"✗ {report.number:,} {'faults' if report.number > 1 else 'fault'}", fg="red")
    raise typer.Exit(1)


async def _verified(
    settings: Settings, place: Place, of: Log, name: str, clearance: Label | None, files: list[Path],
    trusted: TrustedKeys,
) -> tuple[Lattice, Report]:  # fmt: skip
    await prepare(place)
    async with opened(settings, place) as database:
        organization = await existing(database, name, clearance or Label())
        known = _checkpoints(settings, organization, files, trusted)
        async with _reading(database, organization, clearance) as (transaction, label):
            with progress_bars() as bars:
                task = bars.add_task("verifying", total=await sealed_rows(transaction, of))
                report = await verify(
                    transaction, of, trusted, clearance=label, checkpoints=known,
                    progress=lambda rows: bars.advance(task, rows),
                )  # fmt: skip
        return organization.lattice, report


def _checkpoints(
    settings: Settings, organization: Tenant, files: list[Path], trusted: TrustedKeys
) -> tuple[Checkpoint, ...]:
    """Those that are given, and the one that servers keep here. Refused for what is none to be trusted."""
    found = []
    for file in files:
        with refusing(OSError), refusing(ValueError, saying=f"{file}: "):
            checkpoint = Checkpoint.read(file.read_text("utf-8"), trusted)
        if checkpoint.organization_id != organization.organization_id:
            raise Refused(f"{file}: it is a checkpoint of another organization")
        found.append(checkpoint)
    with refusing(CheckpointError):
        kept = checkpoints.kept(settings.data_dir, organization.organization_id, trusted)
    return (*found, *([kept] if kept else []))


@asynccontextmanager
async def _reading(
    database: Database, organization: Tenant, clearance: Label | None
) -> AsyncIterator[tuple[Transaction, int | None]]:
    """One moment of what the clearance sees, or of all; with the clearance's code."""
    if clearance is None:
        async with database.following(organization.organization_id, snapshot=True) as transaction:
            yield transaction, None
    else:
        label = code_of(organization, clearance)
        async with database.transaction(Session(organization.organization_id, label), snapshot=True) as transaction:
            yield transaction, label


async def _checkpoint(settings: Settings, place: Place, name: str, clearance: Label | None, key: SealingKey) -> str:
    await prepare(place)
    trusted = _trusted(settings, None)
    async with opened(settings, place) as database:
        organization = await existing(database, name, clearance or Label())
        async with _reading(database, organization, clearance) as (transaction, _):
            with refusing(ForgedSeal):
                return (await checkpoints.current(transaction, trusted)).signed(key)


def _told(of: Log, chain: Summary) -> str:
    """One chain in one line."""
    parts = [f"{chain.sealed:,} {of.rows} under {chain.seals:,} {'seals' if chain.seals != 1 else 'seal'}"]
    if chain.sealed_at is not None:
        parts.append(f"the last of {chain.sealed_at:%Y-%m-%d %H:%M:%S}")
    if chain.pruned_to is not None:
        parts.append(f"{chain.pruned:,} pruned of those up to {chain.pruned_to:%Y-%m-%d %H:%M:%S}")
    if chain.unsealed_since is not None:
        parts.append(f"{chain.unsealed:,} not sealed yet, the first of {chain.unsealed_since:%Y-%m-%d %H:%M:%S}")
    return "; ".join(parts)
