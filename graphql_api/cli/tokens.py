"""`semantic-fabric token`: a token of the development secret, for those who have no identity provider yet."""

import asyncio
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated

import typer

from fabric.identity.policy import Policy
from fabric.identity.token_keys import SYMMETRIC
from fabric.identity.tokens import issue_token
from fabric.labels import Label
from fabric.secrets import token_secret
from fabric.settings import Settings, variable
from graphql_api.cli.console import say
from graphql_api.cli.database import Place, code_of, existing, is_empty, opened, place_of
from graphql_api.cli.failures import Refused, refusing
from graphql_api.cli.options import (
    Clearance,
    DatabaseUrl,
    DataDir,
    Lifetime,
    Organization,
    command_app,
    organization_command,
    settings_of,
)

LIFETIME = timedelta(hours=12)

app = command_app()


@app.command()
def token(
    context: typer.Context,
    organization: Organization,
    subject: Annotated[str, typer.Option(metavar="NAME", help="who bears it")],
    clearance: Clearance,
    role: Annotated[list[str], typer.Option(metavar="ROLE", help="what the bearer may do; repeatable")],
    expires: Lifetime = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print a token for development.

    Standard output has the token and nothing else. An identity provider's keys take the place of such tokens.
    """
    settings = settings_of(context, data_dir=data_dir, database_url=database_url)
    require_development(settings)
    require_roles(settings, role)
    with place_of(settings) as place:
        asyncio.run(_require_known(settings, place, organization, clearance))
    typer.echo(issued(settings, organization, subject, role, clearance, expires or LIFETIME))
    say(f"for {organization} at {clearance}; send it as the header Authorization: Bearer …")


def require_development(settings: Settings) -> None:
    """Refused where tokens are verified with somebody else's keys."""
    if settings.jwt_algorithms != (SYMMETRIC,) or settings.jwt_key_file is not None or settings.jwks_url:
        raise Refused(
            f"tokens are verified with public keys here ({variable('jwt_key_file')}, {variable('jwks_url')}), "
            "so the identity provider issues them"
        )


def require_roles(settings: Settings, roles: list[str]) -> None:
    """Refused for a role that the policy does not know, with the nearest names: it would allow nothing."""
    with refusing(ValueError):
        known = Policy.load(settings.policy_file).roles
    for role in roles:
        if role not in known:
            near = get_close_matches(role, known)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(known))}"
            raise Refused(f"the policy has no role {role!r}; {hint}")


async def _require_known(settings: Settings, place: Place, name: str, clearance: Label) -> None:
    if await is_empty(place):
        raise Refused(
            f"there is no organization {name!r}: {organization_command(name, *clearance.compartments)} makes it"
            if place.embedded
            else "the database is empty: run `semantic-fabric migrate` with the same --database-url"
        )
    async with opened(settings, place) as database:
        code_of(await existing(database, name, clearance), clearance)


def issued(
    settings: Settings, organization: str, subject: str, roles: list[str], clearance: Label, lifetime: timedelta
) -> str:
    secret = token_secret(settings.data_dir, settings.jwt_secret_file)
    with refusing(ValueError, saying="no server would take this token: "):
        return issue_token(
            secret,
            organization=organization,
            subject=subject,
            roles=roles,
            clearance=clearance,
            lifetime=lifetime,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )
