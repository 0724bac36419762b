"""What the compiler's tests stand on: one database for the run with many organizations, and readers who ask."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self, TypeVar
from unittest.mock import patch
from uuid import UUID

import asyncpg
import orjson
from steered_vault import SteeredVault

from fabric.configuration.configurations import Configurations
from fabric.database.db import Database
from fabric.document_register import DocumentRegister
from fabric.encryption.ciphertexts import Ciphertext
from fabric.encryption.encryption import Encryption
from fabric.encryption.key_rotations import KeyRotations
from fabric.encryption.places import Place
from fabric.events.events import COLUMNS
from fabric.events.feed import Feed
from fabric.graph import Budget
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.policy import Policy
from fabric.identity.subject import Subject
from fabric.jobs.jobs import Jobs
from fabric.labels import Label, Lattice
from fabric.live_graphs.graphs import Graphs
from fabric.live_graphs.inferred import InferredLinks
from fabric.outbound.addresses import Networks
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.finding.searching import Search
from fabric.search.ranking.vector_memory import VectorMemory
from fabric.settings import Settings
from fabric.types.catalogue import Catalogue
from fabric.types.types import Types
from fabric.unlocking.attempts import Limit
from fabric.unlocking.requests import UnlockRequests
from fabric.unlocking.unlocking import Unlocking
from fabric.webhooks.registry import Registry
from fabric.writing.links import Links
from fabric.writing.objects import Objects
from graphql_api.compiler.compiler import Compiler, OperationReader, Outcome
from graphql_api.compiler.surfaces import Surfaces
from graphql_api.context import Context, Services, Turns
from graphql_api.fields.webhook_notices import Notices
from graphql_api.schema.schema import build_surface
from graphql_api.streaming.channels import Channels
from vault.software import SoftwareVault

T = TypeVar("T")

COMPARTMENTS = ("ALPHA", "BRAVO", "CHARLIE")
POLICY = Policy.load(None)
SETTINGS = Settings(max_aliases=1_000, max_directives=1_000, max_cost=10**9)


class Ground:
    """A database, its services, and the compilers by what their readers see."""

    lattice: ClassVar[Lattice] = Lattice(COMPARTMENTS)

    def __init__(self, admin_url: str, server_url: str) -> None:
        self.admin_url = admin_url
        self._server_url = server_url
        self._runner = asyncio.Runner()
        self._names = count(1)
        self._compilers: dict[tuple[UUID, str], Compiler] = {}

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self.run(self._open())
        return self

    def __exit__(self, *error: Any) -> None:
        self.run(self._close())
        self._runner.__exit__(*error)

    async def _open(self) -> None:
        self.database = await Database.connect(self._server_url)
        self.admin = await asyncpg.connect(self.admin_url)
        await self.admin.set_type_codec("jsonb", schema="pg_catalog", encoder=_json, decoder=orjson.loads)
        self._folder = TemporaryDirectory()
        self.vault = SteeredVault(SoftwareVault(Path(self._folder.name) / "keyring", bytes(32)))
        self.encryption = Encryption(self.vault)
        self.types = Types(self.database, self.encryption)
        self.objects = Objects(self.types)
        self.links = Links(self.types)
        feed = Feed(self.database)
        notices = Notices(self.database, self.types, Surfaces(SETTINGS))
        unlocking = Unlocking(self.database, self.types, self.vault, Limit(1, 1.0), 1.0)
        configurations = Configurations(self.database)
        self.services = Services(
            SETTINGS, self.database, self.types, self.objects, self.links, DocumentRegister(self.database), feed,
            Channels(feed), Graphs(self.database, feed, SETTINGS.graph_memory_bytes), InferredLinks(self.database, 0),
            Registry(self.database, notices, Networks(), SETTINGS.max_webhooks), unlocking,
            UnlockRequests(unlocking, SETTINGS.unlock_request_seconds),
            KeyRotations(self.database, self.types, self.vault, lambda: None),
            Search(
                self.database, self.types, QueryVectors(None, lambda _: None), VectorMemory(self.database, 0),
                configurations,
            ),
            Jobs(self.database, [], SETTINGS.max_jobs, lambda: None), configurations,
        )  # fmt: skip

    async def _close(self) -> None:
        await self.admin.close()
        await self.database.close()
        await self.vault.close()
        self._folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def organization(self) -> Organization:
        """A new one."""
        name = f"org-{next(self._names)}"
        await establish(self.admin_url, name, COMPARTMENTS)
        found = await Directory(self.database).find(name)
        assert found is not None
        return found

    def subject(self, organization: Organization, label: str, roles: tuple[str, ...] = ("admin",)) -> Subject:
        code = organization.lattice.encode(Label.parse(label))
        held = frozenset(roles)
        return Subject(
            organization.organization_id, organization.name, "ann", held, POLICY.permissions(held), code, code, 4e9
        )

    async def rows(self, table: str, organization: Organization) -> list[Any]:
        """All versions, past row security."""
        sql = f"select * from fabric.{table} where organization_id = $1"
        return list(await self.admin.fetch(sql, organization.organization_id))

    async def secrets(self, organization: Organization) -> dict[Place, Any]:
        """All encrypted values, decrypted."""
        found = [
            Ciphertext(
                Place(row["organization_id"], "objects", row["entity_id"], row["label"], row["field_name"]),
                row["key_name"], row["key_version"], row["ciphertext"],
            )
            for row in await self.rows("encrypted_fields", organization)
        ]  # fmt: skip
        values = await self.encryption.opened(found)
        return {each.place: value for each, value in zip(found, values, strict=True)}

    async def events(self, organization: Organization) -> list[Any]:
        """All events, past row security."""
        sql = f"select {COLUMNS} from fabric.events where organization_id = $1"
        return list(await self.admin.fetch(sql, organization.organization_id))

    @staticmethod
    def moment(number: int) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number, microseconds=number)

    def forget_compilers(self) -> None:
        self._compilers.clear()

    def compiler(self, organization: Organization, catalogue: Catalogue) -> Compiler:
        key = organization.organization_id, catalogue.fingerprint
        if key not in self._compilers:
            self._compilers[key] = Compiler(build_surface(catalogue), SETTINGS)
        return self._compilers[key]

    async def outcome(
        self, organization: Organization, subject: Subject, text: str, variables: dict[str, Any] | None = None
    ) -> Outcome:
        compiler = self.compiler(organization, await self.types.catalogue(subject.session))
        operation = compiler.operation(text, None)
        given = variables or {}
        coerced = compiler.variables(operation, given)
        reader = OperationReader(compiler, operation)
        context = Context(self.services, subject, organization, "request", reader, coerced, Budget(1_000), Turns(10))
        return await compiler.run(context, operation, given)

    async def ask(
        self, organization: Organization, subject: Subject, text: str, variables: dict[str, Any] | None = None
    ) -> Any:
        """The data of the answer, which has no errors."""
        outcome = await self.outcome(organization, subject, text, variables)
        assert not outcome.errors
        assert outcome.data is not None
        return orjson.loads(outcome.data)

    async def statements(
        self, organization: Organization, subject: Subject, text: str, variables: dict[str, Any] | None = None
    ) -> list[tuple[str, tuple[Any, ...]]]:
        """What the query asks of the database: each statement with its parameters from `$3` on."""
        with patch.object(self.database, "read", wraps=self.database.read) as read:
            await self.outcome(organization, subject, text, variables)
        return [(sql, args) for _, sql, args in (call.args for call in read.call_args_list)]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
