"""Work beside answering: done by one process of several for as long as it serves, and begun again where it fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from fabric.database.claims import Claims, claiming
from fabric.database.db import Database, LostRace
from fabric.errors import FabricError
from fabric.log import Outline

_AFTER_FAULT = 1.0

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The work is done while the block runs, and cancelled with it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def keep_claiming(
    database: Database, name: str, work: Callable[[Claims], Awaitable[None]], failed: str
) -> None:  # fmt: skip
    """Works with claims under the name until it is cancelled. Once it has failed all claims are others' to take.

    Whatever fails is told in the log as `failed`: work that ends unseen would never be done any more.
    """
    while True:
        try:
            async with claiming(database, name) as claims:
                await work(claims)
        except (FabricError, LostRace) as error:
            log.warning(failed, outline=Outline.of(error.__cause__ or error))
        except Exception as error:
            log.error(failed, outline=Outline.of(error))
        await asyncio.sleep(_AFTER_FAULT)
