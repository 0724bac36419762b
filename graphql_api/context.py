"""What one request carries through the executor, and the services that all requests share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from graphql import GraphQLResolveInfo

from fabric.db import Database
from fabric.document_register import DocumentRegister
from fabric.errors import NotFound
from fabric.graphs import Graphs
from fabric.links import Links
from fabric.objects import Objects
from fabric.organizations import Organization
from fabric.settings import Settings
from fabric.subject import Subject
from fabric.types import Types
from fabric.webhook_registry import Registry
from graphql_api.channels import Channels


@dataclass(frozen=True, slots=True)
class Services:
    """Made once, shared by all requests."""

    settings: Settings
    database: Database
    types: Types
    objects: Objects
    links: Links
    documents: DocumentRegister
    channels: Channels
    graphs: Graphs
    webhooks: Registry


@dataclass(frozen=True, slots=True)
class Context:
    """One request."""

    services: Services
    subject: Subject
    organization: Organization
    request_id: str
    reader: "Reader"
    variables: dict[str, Any]
    batches: dict[Any, Any] = field(default_factory=dict)
    """What `graphql_api.batches` gathers, and what fields count that are asked for many times."""

    def read_id(self, value: str, *path: str | int) -> UUID:
        """An `ID` argument. What is no id names nothing, so it is not found."""
        try:
            return UUID(value)
        except ValueError:
            raise NotFound("not found", path) from None


Info: TypeAlias = GraphQLResolveInfo[Context]


class Reader(Protocol):
    """The compiler, as the executor's fields use it."""

    def check_document(self, text: str) -> None:
        """Raises as `Documents.check` does."""

    async def read_objects(self, context: Context, info: Info, object_ids: Sequence[UUID]) -> list[Any]:
        """What the field selects of these objects, in their order, by response keys."""

    def check_objects(self, context: Context, info: Info, number: int) -> None:
        """Refuses a mutation whose payload could not be read: as `read_objects` would, before anything is written."""
