"""What keeps the processor busy for long is done in a thread, so that the event loop goes on with what does not."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fabric.types.catalogue import Catalogue
from graphql_api.schema.schema import Surface, build_surface

T = TypeVar("T")

LARGE_TEXT = 4_000
"""Characters of a document from which on its preparation may take long."""

LARGE_VALUES = 1_000
"""The same of variables, in values."""


class Aside:
    """Such work of the readers of one catalogue, piece by piece: whoever sends much of it keeps no others waiting.

    It has a surface of its own. Types are made when they are asked for, and no two threads may make the same ones.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._surface: Surface | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")

    async def do(self, work: Callable[[Surface], T]) -> T:
        """What the work makes of a surface of the catalogue. Nothing of that surface may be used elsewhere."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    def _do(self, work: Callable[[Surface], T]) -> T:
        if self._surface is None:
            self._surface = build_surface(self._catalogue)
        return work(self._surface)
