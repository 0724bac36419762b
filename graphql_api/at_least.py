"""Reading one's own writes: a request names a position that a mutation gave, and what follows the events waits for it.

Objects and links are read from the database, where a change is as soon as it is committed. The link graph and the list
of events come to it later: not before the transactions have ended that could still precede it.
"""

import asyncio
from collections.abc import Sequence

from fabric.errors import BadInput, TimedOut
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from graphql_api.context import Context
from graphql_api.positions import read_position

AT_LEAST_HEADER = "Fabric-At-Least"
EXTENSION = ("extensions", "atLeast")


def position_asked(organization: Organization, header: Sequence[str], extension: str | None) -> Position | None:
    """The latest of those that are given. BadInput, with the path, for what is no position of the organization."""
    found = [position_at(organization, token, AT_LEAST_HEADER) for token in header]
    if extension is not None:
        found.append(position_at(organization, extension, *EXTENSION))
    return max(found, default=None)


def position_at(organization: Organization, token: str, *path: str) -> Position:
    """A position token that stands there. BadInput, with the path, for what is none of the organization."""
    try:
        return read_position(organization, token)
    except BadInput as error:
        raise BadInput(error.message, path) from None


async def caught_up(context: Context) -> None:
    """Waits until the request's position, and all before it, can be listed. TimedOut where that takes too long."""
    if context.at_least is None:
        return
    services, organization_id = context.services, context.subject.organization_id
    try:
        async with asyncio.timeout(services.settings.graph_timeout_seconds):
            async with services.feed.following(organization_id) as tail:
                await tail.reaches(context.at_least)
    except TimeoutError:
        raise TimedOut("what you wait for is not there yet; try again") from None
