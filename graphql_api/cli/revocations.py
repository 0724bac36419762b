"""`semantic-fabric tokens`: refusing tokens before they expire."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from fabric.identity.revocations import revoke_subject, revoke_token
from fabric.settings import Settings
from graphql_api.cli.database import OPERATOR, Place, existing, opened, place_of, reaching
from graphql_api.cli.failures import Refused, refusing
from graphql_api.cli.options import AdminDatabaseUrl, DatabaseUrl, DataDir, Organization, command_app, settings_of
from graphql_api.cli.readiness import prepare

app = command_app()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write a moment such as 2026-01-10T08:00:00Z") from None
    if moment.tzinfo is None:
        raise typer.BadParameter("say which time zone: 2026-01-10T08:00:00Z or 2026-01-10T08:00:00+01:00")
    return moment.astimezone(UTC)


@app.callback()
def tokens() -> None:
    """Refuse tokens before they expire."""


@app.command()
def revoke(
    context: typer.Context,
    organization: Organization,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="why; it goes into the audit log")],
    token_id: Annotated[str | None, typer.Option(metavar="ID", help="the token of this id (`jti`)")] = None,
    subject: Annotated[str | None, typer.Option(metavar="NAME", help="all tokens that this subject has")] = None,
    issued_until: Annotated[
        datetime | None,
        typer.Option(
            parser=_moment, metavar="TIME", help="of a subject's, those issued until then", show_default="now"
        ),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    admin_database_url: AdminDatabaseUrl = None,
) -> None:
    """Refuse one token, or all that a subject was given until now.

    It holds at once, for open streams too. Nothing takes it back: a new token has to be issued.
    """
    if (token_id is None) == (subject is None):
        raise Refused("say what to refuse: either --token-id or --subject")
    if token_id is not None and issued_until is not None:
        raise Refused("--issued-until is for --subject: a token is refused whenever it was issued")
    settings = settings_of(context, data_dir=data_dir, database_url=database_url, admin_database_url=admin_database_url)
    with place_of(settings) as place:
        asyncio.run(_require_known(settings, place, organization))
        with reaching(), refusing(ValueError):
            typer.echo(asyncio.run(_revoke(place, organization, token_id, subject, issued_until, reason)))


async def _require_known(settings: Settings, place: Place, organization: str) -> None:
    await prepare(place)
    async with opened(settings, place) as database:
        await existing(database, organization)


async def _revoke(
    place: Place, organization: str, token_id: str | None, subject: str | None, until: datetime | None, reason: str
) -> str:
    if token_id is not None:
        await revoke_token(place.admin_url, organization, token_id, reason, actor=OPERATOR)
        return f"{organization}: the token {token_id} is refused"
    assert subject is not None
    moment = await revoke_subject(
        place.admin_url, organization, subject, until or datetime.now(UTC), reason, actor=OPERATOR
    )
    return f"{organization}: tokens of {subject} that were issued until {moment:%Y-%m-%dT%H:%M:%SZ} are refused"
