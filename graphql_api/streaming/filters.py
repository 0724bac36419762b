"""Filters asked of given objects: of states that need not be stored any more, or of objects by their ids.

The condition is the compiler's own. What it says of links is asked of the links as they are.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from graphql import GraphQLError, GraphQLInputObjectType, GraphQLSchema
from graphql.utilities import coerce_input_value, validate_input_value

from fabric.database.db import Database
from fabric.encryption.encryption import Encryption
from fabric.errors import BadInput, FabricError, raise_any
from fabric.events.history import Version
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.search.ranking.statements import Where
from fabric.types.catalogue import Catalogue, ObjectType
from graphql_api.compiler import plan as p
from graphql_api.compiler.conditions import Conditions
from graphql_api.compiler.matching import digested
from graphql_api.compiler.sql import condition_text, matching_rows
from graphql_api.documents.arguments import Tree, tree_of
from graphql_api.faults import MOST_TOLD

State = tuple[UUID, int, Version]
"""An object's id, the label of its version, and the version."""

_STATES = """jsonb_to_recordset({}::jsonb) as o(
    n int, organization_id uuid, object_id uuid, label bigint, type_name text,
    data jsonb, revision bigint, created_at timestamptz, updated_at timestamptz)"""

_STORED = """unnest({}::uuid[]) with ordinality as i(id, n) cross join lateral (
    select i.n, organization_id, object_id, label, type_name, data, revision, created_at, updated_at
    from fabric.objects where organization_id = s.org and object_id = i.id and not tombstone) as o"""


def filter_tree(schema: GraphQLSchema, object_type: ObjectType, value: object, path: tuple[str | int, ...]) -> Tree:
    """The tree of a where-filter that came as JSON. BadInput or Several, with paths, for what it cannot be."""
    type_ = schema.type_map[f"{object_type.name}Where"]
    assert isinstance(type_, GraphQLInputObjectType)
    faults: list[FabricError] = []

    def note(error: GraphQLError, place: list[str | int]) -> None:
        faults.append(BadInput(error.message, (*path, *place)))

    validate_input_value(value, type_, note, hide_suggestions=True)
    raise_any(faults[:MOST_TOLD])
    return tree_of(coerce_input_value(value, type_), type_)


class _Filter:
    """One where-filter of one type, asked of given rows. BadInput, its path led on from `path`, if it is none."""

    def __init__(
        self, rows: str, catalogue: Catalogue, object_type: ObjectType, tree: Tree, path: tuple[str | int, ...],
        *, matching: bool,
    ) -> None:  # fmt: skip
        self._binders: list[p.Binder] = []
        self.permissions: set[str] = set()
        given = self._add(lambda request: request.variables["rows"])
        conditions = Conditions(catalogue, self._add, self.permissions, matching=matching)
        self._statement = matching_rows(rows, given, conditions.where(object_type, tree, path))

    def _add(self, binder: p.Binder) -> p.Parameter:
        self._binders.append(binder)
        return p.Parameter(len(self._binders) - 1)

    async def _passing(
        self, database: Database, subject: Subject, organization: Organization, rows: Any,
        encryption: Encryption | None = None,
    ) -> set[int]:  # fmt: skip
        request = p.Request(subject, organization, {"rows": rows})
        bound = [self._binders[i](request) for i in self._statement.parameters]
        arguments = await digested(encryption, organization, bound)
        return set(await database.read(subject.session, self._statement.text, arguments))


class StateFilter(_Filter):
    def __init__(self, catalogue: Catalogue, object_type: ObjectType, tree: Tree, path: tuple[str | int, ...]) -> None:
        # What is past has no digests, and what is kept of a webhook is readable.
        super().__init__(_STATES, catalogue, object_type, tree, path, matching=False)

    async def passing(
        self, database: Database, subject: Subject, organization: Organization, states: Sequence[State]
    ) -> set[int]:
        """The places in `states` of those that pass, as the subject's session sees what the filter asks of."""
        if not states:
            return set()
        common = {"organization_id": str(organization.organization_id)}
        rows = [
            common | {"n": n, "object_id": str(id), "label": label} | dict(version)
            for n, (id, label, version) in enumerate(states)
        ]
        return await self._passing(database, subject, organization, rows)


class StoredFilter(_Filter):
    def __init__(self, catalogue: Catalogue, object_type: ObjectType, tree: Tree, path: tuple[str | int, ...]) -> None:
        super().__init__(_STORED, catalogue, object_type, tree, path, matching=True)

    async def passing(
        self, database: Database, encryption: Encryption | None, subject: Subject, organization: Organization,
        ids: Sequence[UUID],
    ) -> list[UUID]:  # fmt: skip
        """Those of the objects that the session sees and that pass, in their order."""
        passed = await self._passing(database, subject, organization, list(ids), encryption) if ids else set()
        return [id for n, id in enumerate(ids, start=1) if n in passed]


class SearchFilter:
    """One where-filter of one type, as a condition in statements of search. BadInput, with its path, if it is none."""

    def __init__(self, catalogue: Catalogue, object_type: ObjectType, tree: Tree, path: tuple[str | int, ...]) -> None:
        self._binders: list[p.Binder] = []
        self.permissions: set[str] = set()
        self._condition = Conditions(
            catalogue, self._add, self.permissions, matching=False
        ).where(object_type, tree, path)  # fmt: skip

    def _add(self, binder: p.Binder) -> p.Parameter:
        self._binders.append(binder)
        return p.Parameter(len(self._binders) - 1)

    def condition(self, subject: Subject, organization: Organization) -> Where:
        request = p.Request(subject, organization, {})

        def where(first: int) -> tuple[str, tuple[Any, ...]]:
            text, used = condition_text(self._condition, "o", first)
            return text, tuple(self._binders[i](request) for i in used)

        return where
