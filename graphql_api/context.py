"""What one request carries through the executor, and the services that all requests share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from graphql import GraphQLResolveInfo

from fabric.db import Database
from fabric.errors import NotFound
from fabric.links import Links
from fabric.objects import Objects
from fabric.organizations import Organization
from fabric.settings import Settings
from fabric.subject import Subject
from fabric.types import Types

if TYPE_CHECKING:
    from graphql_api.compiler import Compiler
    from graphql_api.documents import Operation


@dataclass(frozen=True, slots=True)
class Services:
    """Made once, shared by all requests."""

    settings: Settings
    database: Database
    types: Types
    objects: Objects
    links: Links


@dataclass(frozen=True, slots=True)
class Context:
    """One request."""

    services: Services
    subject: Subject
    organization: Organization
    request_id: str
    compiler: "Compiler"
    operation: "Operation"
    variables: dict[str, Any]

    def read_id(self, value: str, *path: str | int) -> UUID:
        """An `ID` argument. What is no id names nothing, so it is not found."""
        try:
            return UUID(value)
        except ValueError:
            raise NotFound("not found", path) from None


Info: TypeAlias = GraphQLResolveInfo[Context]
