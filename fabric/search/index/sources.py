"""Of what texts are made: each table that is searched has its own way."""

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from fabric.identity.subject import Session
from fabric.search.index.composition import Composition
from fabric.search.index.store import EVENTS, LINKS, OBJECTS, Key, by_label
from fabric.types.catalogue import Catalogue
from fabric.types.types import Types


@dataclass(frozen=True, slots=True)
class Changed:
    """What may have other texts than before, by id."""

    objects: Sequence[UUID] = ()
    links: Sequence[UUID] = ()
    events: Sequence[UUID] = ()

    def __bool__(self) -> bool:
        return bool(self.objects or self.links or self.events)

    def of(self, table: str) -> Sequence[UUID]:
        return {OBJECTS: self.objects, LINKS: self.links, EVENTS: self.events}[table]


class Source(Protocol):
    @property
    def table(self) -> str:
        """Under which its texts are stored."""

    async def missing(self, organization_id: UUID, language: str) -> int:
        """About how many texts are missing or outdated."""

    def put_texts(
        self, organization_id: UUID, language: str, changed: Changed | None
    ) -> AsyncGenerator[Sequence[UUID]]:
        """Stores the texts that are missing or outdated, of all or of what changed, a page at a time.

        Of each page whose they are. `language` is a text search configuration of PostgreSQL.
        """

    async def texts(self, organization_id: UUID, keys: Collection[Key]) -> dict[Key, str]:
        """As they are now, of those that are still there."""


async def composed(
    types: Types, organization_id: UUID, named: Iterable[tuple[int, str]],
    compose: Callable[[Catalogue, str], Composition],
) -> dict[tuple[int, str], Composition]:  # fmt: skip
    """What texts are of, by label and the name of a type or relation: each as its label sees it."""
    made: dict[tuple[int, str], Composition] = {}
    for label, names in by_label(set(named)):
        catalogue = await types.catalogue(Session(organization_id, label))
        made |= {(label, name): compose(catalogue, name) for name in names}
    return made
