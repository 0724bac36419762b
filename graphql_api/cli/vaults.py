"""`semantic-fabric vault`: an organization's keys, and what the vault has to allow."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from fabric.encryption.vault_keys import DEFAULT_PURPOSE, PURPOSE, encryption_key, index_key
from fabric.settings import Settings, variable
from fabric.vaults.vaults import open_vault
from graphql_api.cli.database import Place, existing, opened, place_of
from graphql_api.cli.failures import Refused
from graphql_api.cli.options import AdminDatabaseUrl, DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare
from vault.hashicorp_policies import Duty, policy
from vault.protocol import KeyKind

app = command_app()


@app.callback()
def vault() -> None:
    """Make keys in the vault, and print the policies that it needs."""


def _purpose(text: str) -> str:
    if not PURPOSE.fullmatch(text):
        raise typer.BadParameter("write a purpose in a-z, 0-9 and single -, such as pii")
    return text


@app.command()
def init(
    context: typer.Context,
    organization: Organization,
    purpose: Annotated[
        list[str] | None,
        typer.Option(
            parser=_purpose,
            metavar="NAME",
            help="of encrypted fields, as types name it; repeatable",
            show_default=DEFAULT_PURPOSE,
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Make the keys of an organization, as far as they are not there.

    One for each purpose of encrypted fields, and one for blind indexes. It signs in as the rotator does.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)
    with place_of(settings) as place:
        organization_id = asyncio.run(_id_of(settings, place, organization))
    asyncio.run(_make(settings, organization_id, purpose or [DEFAULT_PURPOSE]))


@app.command()
def policies(
    context: typer.Context,
    duty: Annotated[Duty, typer.Argument(metavar="DUTY", help="writer, unlocker or rotator")],
) -> None:
    """Print the least that a duty must be allowed at HashiCorp Vault or OpenBao, in HCL."""
    typer.echo(policy(duty, settings_of(context).vault_mount), nl=False)


async def _id_of(settings: Settings, place: Place, name: str) -> UUID:
    await prepare(place)
    async with opened(settings, place) as database:
        return (await existing(database, name)).organization_id


async def _make(settings: Settings, organization_id: UUID, purposes: list[str]) -> None:
    vault = open_vault(settings)
    if vault is None:
        raise Refused(f"{variable('vault')} is none: name a vault to make keys in")
    wanted = {encryption_key(organization_id, purpose): KeyKind.ENCRYPTION for purpose in purposes}
    wanted[index_key(organization_id)] = KeyKind.MAC
    try:
        for name, kind in wanted.items():
            await vault.create_key(name, kind)
            typer.echo(f"{name}: {kind}, version {(await vault.key_state(name)).latest_version}")
    finally:
        await vault.close()
