"""Objects to search at several labels, and a provider that counts and fails as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from databases import MakeSubject, run_sql

from fabric.configuration.configurations import Configurations
from fabric.configuration.options import LANGUAGE
from fabric.database.db import Database
from fabric.embedding.hashing import Hashing
from fabric.embedding.provider import Model, TextRefused, Vectors
from fabric.errors import EmbeddingsUnavailable
from fabric.identity.organizations import Organization
from fabric.search.index.counts import IndexCounts
from fabric.search.index.indexing import Indexer
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects

PAPER: dict[str, Any] = {
    "typeName": "Paper",
    "fields": {
        "title": {"type": "string", "required": True, "searchable": True},
        "body": {"type": "text"},
        "tags": {"type": "string", "list": True, "searchable": True},
        "place": {"type": "string"},
        "extra": {"type": "json"},
    },
    "embedding": {"fields": ["title", "body"]},
}
TYPES: list[dict[str, Any]] = [
    PAPER,
    {"typeName": "Memo", "extends": "Paper", "fields": {"number": {"type": "integer", "searchable": False}}},
    {"typeName": "Box", "fields": {"name": {"type": "string", "required": True}}},
]


@dataclass
class Provider(Hashing):
    """Feature hashing that can be down, refuses what has POISON in it, and remembers what it was given."""

    name: str = "test"
    down: bool = False
    texts: list[str] = field(default_factory=list)

    async def model(self) -> Model:
        model = await super().model()
        return Model(self.name, model.dimensions)

    async def embed(self, texts: Sequence[str], *, patient: bool = True) -> Vectors:
        if self.down:
            raise EmbeddingsUnavailable("down")
        if any("POISON" in text for text in texts):
            raise TextRefused("no")
        self.texts += texts
        return await super().embed(texts)


SECRET_PAPER = {**PAPER, "fields": PAPER["fields"] | {"source": {"type": "string", "searchable": True}}}
"""What SECRET knows of papers."""


class Library:
    """Papers, as they are written and as they are indexed."""

    def __init__(
        self, admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject
    ) -> None:
        self.admin_url, self.database, self.types = admin_url, database, types
        self.organization, self.subject = organization, subject
        self.objects = Objects(types)
        self.provider = Provider()
        self.indexer = self.indexer_with(self.provider)

    @property
    def id(self) -> UUID:
        return self.organization.organization_id

    def indexer_with(self, provider: Provider | None, language: str = "english") -> Indexer:
        return Indexer(self.database, self.types, provider, self.configurations_with(language), IndexCounts())

    def configurations_with(self, language: str) -> Configurations:
        """In which organizations have this language unless they choose another."""
        return Configurations(self.database, {LANGUAGE.name: language})

    async def change(self, *changes: Change, at: str = "UNCLASSIFIED") -> list[UUID]:
        written, _ = await self.objects.write(self.subject(at), self.organization, list(changes))
        return [each.object_id for each in written]

    async def paper(self, title: str, at: str = "UNCLASSIFIED", type_name: str = "Paper", **data: Any) -> UUID:
        return (await self.change(Change("create", type_name, {"title": title, **data}), at=at))[0]

    async def update(self, id: UUID, at: str = "UNCLASSIFIED", **data: Any) -> None:
        await self.change(Change("update", "Paper", data, id), at=at)

    async def delete(self, id: UUID, at: str = "UNCLASSIFIED") -> None:
        await self.change(Change("delete", "Paper", object_id=id), at=at)

    async def index(self, indexer: Indexer | None = None) -> None:
        used = indexer or self.indexer
        await used.put_words(self.id)
        await used.put_vectors(self.id)

    async def rows(self, sql: str, *args: Any) -> list[Any]:
        return await run_sql(self.admin_url, sql, *args)

    async def words(self) -> dict[tuple[UUID, str], list[str]]:
        rows = await self.rows("select entity_id, label, terms from fabric.search_texts where content_hash is not null")
        decode = self.organization.lattice.decode
        return {(row["entity_id"], str(decode(row["label"]))): row["terms"] for row in rows}
