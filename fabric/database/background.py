"""Work beside answering: done by one process of several for as long as it serves, and begun again where it fails."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fabric.database.claims import Claims, claiming
from fabric.database.db import Database, LostRace
from fabric.errors import FabricError
from fabric.log import Outline

_AFTER_FAULT = 1.0

log = structlog.stdlib.get_logger(__name__)


async def keep_claiming(database: Database, name: str, work: Callable[[Claims], Awaitable[None]]) -> None:
    """Works with claims under the name until it is cancelled. Once it has failed all claims are others' to take.

    Whatever fails is told in the log: work that ends unseen would never be done any more.
    """
    while True:
        try:
            async with claiming(database, name) as claims:
                await work(claims)
        except (FabricError, LostRace) as error:
            log.warning("work.left_alone", worker=name, outline=Outline.of(error.__cause__ or error))
        except Exception as error:
            log.error("work.left_alone", worker=name, outline=Outline.of(error))
        await asyncio.sleep(_AFTER_FAULT)
