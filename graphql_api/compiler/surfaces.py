"""The surfaces in memory: one for each (organization, visible definitions), bounded."""

from uuid import UUID

from fabric.settings import Settings
from fabric.types.catalogue import Catalogue
from graphql_api.caches import Cache, CacheCounts
from graphql_api.compiler.compiler import Compiler
from graphql_api.compiler.introspection import Introspection
from graphql_api.schema.schema import build_surface


class Surfaces:
    """A bounded cache of compilers, least recently used out first.

    A changed definition gives another fingerprint, hence another entry: what runs finishes on the schema it began with.
    """

    def __init__(self, settings: Settings, counts: CacheCounts | None = None) -> None:
        self._settings = settings
        self._counts = counts or CacheCounts()
        self._introspection = Introspection()
        self._made: Cache[tuple[UUID, str], Compiler] = Cache(settings.schema_cache_size, self._counts.schemas)

    def compiler(self, organization_id: UUID, catalogue: Catalogue) -> Compiler:
        key = (organization_id, catalogue.fingerprint)
        made = self._made.get(key)
        if made is None:
            made = Compiler(build_surface(catalogue), self._settings, self._counts, self._introspection)
            self._made.keep(key, made)
        return made
