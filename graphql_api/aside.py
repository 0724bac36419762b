"""What keeps the processor busy for long is done in a thread, so that the event loop goes on with what does not."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

LARGE_TEXT = 4_000
"""Characters of a document from which on its preparation may take long."""

LARGE_VALUES = 1_000
"""The same of variables, in values."""


class Aside:
    """Such work of one schema's readers, one after another: whoever sends much of it keeps no others waiting."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def do(self, large: bool, work: Callable[..., T], *args: Any) -> T:
        """`work(*args)`: here where it is not `large`, else in a thread."""
        if not large:
            return work(*args)
        async with self._turn:
            return await asyncio.to_thread(work, *args)
