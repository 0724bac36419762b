"""Of what texts are made: each table that is searched has its own way."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from fabric.search.store import EVENTS, LINKS, Key

Progress = Callable[[int], None]
"""Is told how many more are done."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What may have other texts than before, by id."""

    objects: Sequence[UUID] = ()
    links: Sequence[UUID] = ()
    events: Sequence[UUID] = ()

    def __bool__(self) -> bool:
        return bool(self.objects or self.links or self.events)

    def of(self, table: str) -> Sequence[UUID]:
        return {LINKS: self.links, EVENTS: self.events}.get(table, self.objects)


class Source(Protocol):
    @property
    def table(self) -> str:
        """Under which its texts are stored."""

    async def missing(self, organization_id: UUID, language: str) -> int:
        """About how many texts are missing or outdated."""

    async def put_texts(
        self, organization_id: UUID, language: str, changed: Changed | None, progress: Progress
    ) -> list[UUID] | None:
        """Stores the texts that are missing or outdated, of all or of what changed; of what they may be others now.

        None for all. `language` is a text search configuration of PostgreSQL.
        """

    async def texts(self, organization_id: UUID, keys: Collection[Key]) -> dict[Key, str]:
        """As they are now, of those that are still there."""
