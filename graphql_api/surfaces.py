"""The surfaces in memory: one for each (organization, visible definitions), bounded, each built by one task."""

import asyncio
from uuid import UUID

from fabric.catalogue import Catalogue
from fabric.settings import Settings
from graphql_api.caches import Cache, CacheCounts
from graphql_api.compiler import Compiler
from graphql_api.schema import build_surface


class Surfaces:
    """A bounded cache of compilers, least recently used out first.

    A changed definition gives another fingerprint, hence another entry: what runs finishes on the schema it began with.
    """

    def __init__(self, settings: Settings, counts: CacheCounts | None = None) -> None:
        self._settings = settings
        self._counts = counts or CacheCounts()
        self._made: Cache[tuple[UUID, str], Compiler] = Cache(settings.schema_cache_size, self._counts.schemas)
        self._making: dict[tuple[UUID, str], asyncio.Task[Compiler]] = {}

    async def compiler(self, organization_id: UUID, catalogue: Catalogue) -> Compiler:
        key = (organization_id, catalogue.fingerprint)
        made = self._made.get(key)
        if made is not None:
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
            made = Compiler(surface, self._settings, self._counts)
            self._made.keep(key, made)
            return made
        finally:
            del self._making[key]
