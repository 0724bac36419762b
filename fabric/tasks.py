"""Tasks that end when they are told to."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

_CANCEL_AGAIN = 10.0
"""Seconds: longer than what ends in an orderly way takes."""


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks, and waits until they have ended, whatever they come to.

    More than once, since a cancellation can be lost on the way: libraries catch it, and so did `asyncio.wait_for`
    before Python 3.12 where what it waited for came at the same moment.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_CANCEL_AGAIN)


async def woken(event: asyncio.Event, seconds: float) -> None:
    """Waits until the event is set, for so long at most. Always cancelled when it is told to be."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The work is done while the block runs, and cancelled with it. What it failed with is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await ended(task)
    if not task.cancelled():
        task.result()
