"""The surfaces in memory: one for each (organization, visible definitions), bounded, each built by one task."""

import asyncio
from collections import OrderedDict
from uuid import UUID

from fabric.catalogue import Catalogue
from fabric.settings import Settings
from graphql_api.compiler import Compiler
from graphql_api.schema import build_surface


class Surfaces:
    """A bounded cache of compilers, least recently used out first.

    A changed definition gives another fingerprint, hence another entry: what runs finishes on the schema it began with.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: OrderedDict[tuple[UUID, str], Compiler] = OrderedDict()
        self._making: dict[tuple[UUID, str], asyncio.Task[Compiler]] = {}

    async def compiler(self, organization_id: UUID, catalogue: Catalogue) -> Compiler:
        key = (organization_id, catalogue.fingerprint)
        made = self._made.get(key)
        if made is not None:
            self._made.move_to_end(key)
            return made
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.create_task(self._make(key, catalogue))
        # Shielded: a request that goes away must not take the schema from those who wait for the same one.
        return await asyncio.shield(making)

    async def _make(self, key: tuple[UUID, str], catalogue: Catalogue) -> Compiler:
        try:
            # In a thread: requests on other schemas go on meanwhile.
            surface = await asyncio.to_thread(build_surface, catalogue)
            made = self._made[key] = Compiler(surface, self._settings)
            if len(self._made) > self._settings.schema_cache_size:
                self._made.popitem(last=False)
            return made
        finally:
            del self._making[key]
