"""The database of a command: the embedded one, started for as long as it is needed, or the one that is set."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import asyncpg

from fabric.database.db import DRIVER_ERRORS, Database, UnsafeRole
from fabric.database.embedded import EmbeddedPostgres
from fabric.identity.organizations import Directory, Organization
from fabric.identity.policy import PERMISSIONS
from fabric.identity.subject import Subject
from fabric.labels import Label
from fabric.settings import Settings, variable
from graphql_api.cli.failures import Refused, refusing
from graphql_api.cli.options import organization_command

CONNECT_SECONDS = 10.0
"""How long a database may take to answer at all."""

BOTTOM = Label()
OPERATOR = "operator"
"""Whom events and the audit log name for what a command did."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the database is: for serving, and for what needs more rights."""

    url: str
    admin_url: str
    embedded: bool


@contextmanager
def place_of(settings: Settings, *, admin: bool = False) -> Iterator[Place]:
    """The database that is set, or else the embedded one, which runs until the block ends.

    Whoever only needs it as `admin` need not be told the URL to serve from.
    """
    url, admin_url = _standard(settings.database_url), _standard(settings.admin_database_url)
    with _interruptible():
        if url or (admin and admin_url):
            yield Place(url or admin_url, admin_url or url, embedded=False)
        elif admin_url:
            raise Refused(
                f"{variable('admin_database_url')} is set and {variable('database_url')} is not: "
                "set it to the URL that `semantic-fabric migrate` prints"
            )
        else:
            with EmbeddedPostgres(settings.data_dir) as server:
                yield Place(server.url, server.admin_url, embedded=True)


def _standard(url: str) -> str:
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets SIGTERM and the end of the terminal do what Ctrl-C does, so that what was begun is ended in order."""
    taken = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]
    for each in taken:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)


@contextmanager
def reaching() -> Iterator[None]:
    """Refused when the database cannot be reached, or does not do what is asked."""
    try:
        yield
    except UnsafeRole as error:
        raise Refused(str(error)) from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise Refused(
            f"{error.args[0]}: set {variable('admin_database_url')} to the URL of a role that may migrate the database"
        ) from error
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise Refused(f"{error}: `semantic-fabric migrate` makes the serving role and prints its URL") from error
    except asyncpg.PostgresError as error:
        raise Refused(f"the database says: {error}") from error
    except DRIVER_ERRORS as error:
        raise Refused(f"the database cannot be reached: {error or type(error).__name__}") from error


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own. Refused when there is none to be had."""
    with reaching(), refusing(ValueError, saying="the database's URL cannot be read: "):
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        yield connection
    finally:
        await connection.close()


async def is_empty(place: Place) -> bool:
    """Whether nothing of ours is there; `readiness` asks whether what is there is current, but takes longer."""
    async with connected(place.admin_url if place.embedded else place.url) as connection:
        found = await connection.fetchval("select to_regprocedure('fabric.find_organization(text)') is null")
        return bool(found)


@asynccontextmanager
async def opened(settings: Settings, place: Place) -> AsyncIterator[Database]:
    """The database, as the role that row security holds."""
    with reaching():
        database = await Database.connect(
            place.url, size=settings.pool_size, statement_timeout=settings.statement_timeout_seconds
        )
    async with database:
        with reaching():
            await database.require_safe_role()
        yield database


async def existing(database: Database, name: str, label: Label = BOTTOM) -> Organization:
    """The organization. Where there is none, Refused with the command that makes it, so that it can have the label."""
    organization = await Directory(database).find(name)
    if organization is None:
        raise Refused(f"there is no organization {name!r}: {organization_command(name, *label.compartments)} makes it")
    return organization


def code_of(organization: Organization, label: Label) -> int:
    """The label's code. Refused, with the command that makes them, for compartments the organization does not have."""
    if missing := label.compartments - set(organization.lattice.compartments):
        raise Refused(
            f"{organization.name} has no compartment {', '.join(sorted(missing))}: "
            f"{organization_command(organization.name, *missing)} adds what is missing"
        )
    return organization.lattice.encode(label)


def operator(organization: Organization, clearance: int) -> Subject:
    """Whoever runs the command, with every permission, at a label given by its code."""
    return Subject(
        organization_id=organization.organization_id,
        organization=organization.name,
        subject=OPERATOR,
        roles=frozenset(),
        permissions=frozenset(PERMISSIONS),
        clearance=clearance,
        label=clearance,
        expires_at=float("inf"),
    )
