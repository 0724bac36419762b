"""A database that is as this version needs it: the embedded one is brought there, another is only looked at."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from fabric.database.migration import Ahead, Behind, head, migrate, require_head, revision_of
from fabric.database.numbering import OutOfOrder, beyond, require_order
from graphql_api.cli.database import Place, connected, reaching
from graphql_api.cli.failures import refusing

_ONE_AT_A_TIME = "select pg_advisory_lock(hashtextextended('semantic-fabric migrate', 0))"


async def prepare(place: Place) -> None:
    """Refused for a database of another revision, or out of order; the embedded one is migrated instead."""
    async with connected(place.admin_url if place.embedded else place.url):
        pass
    with reaching(), refusing(Behind, Ahead, OutOfOrder), _driver_errors():
        if not place.embedded:
            await require_head(place.url)
            await require_order(place.url)
        elif await revision_of(place.admin_url) != head() or await beyond(place.admin_url) is not None:
            await migrate_alone(place.admin_url)


async def migrate_alone(admin_url: str, revision: str = "head") -> None:
    """Migrates while no other process does. Raises what `migrate` and the driver raise."""
    async with connected(admin_url) as connection:
        await connection.execute(_ONE_AT_A_TIME)
        with _driver_errors():
            await migrate(admin_url, revision)


async def analyze(place: Place) -> None:
    """Lets the planner know what a load has brought, where there are the rights; else autovacuum does in its time."""
    if place.admin_url != place.url:
        async with connected(place.admin_url) as connection:
            with reaching():
                await connection.execute("set role semantic_fabric_owner")
                await connection.execute("analyze fabric.objects, fabric.links")


@contextmanager
def _driver_errors() -> Iterator[None]:
    """Takes SQLAlchemy's wrapping, with statements in it, from the driver's errors."""
    try:
        yield
    except DBAPIError as error:
        inner = error.orig.__cause__ if error.orig is not None else None
        raise inner or error from error
