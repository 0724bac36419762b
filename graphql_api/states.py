"""Filters on what was: which of some states of objects, that need not be stored any more, a where-filter lets pass.

The condition is the compiler's own, only that it is asked of given rows instead of the table. What it says of links is
asked of the links as they are.
"""

from collections.abc import Sequence
from uuid import UUID

from fabric.catalogue import Catalogue, ObjectType
from fabric.db import Database
from fabric.history import Version
from fabric.organizations import Organization
from fabric.subject import Subject
from graphql_api import plan as p
from graphql_api.arguments import Tree
from graphql_api.conditions import Conditions
from graphql_api.sql import matching

State = tuple[UUID, int, Version]
"""An object's id, the label of its version, and the version."""

_ROWS = """jsonb_to_recordset({}::jsonb) as o(n int, organization_id uuid, object_id uuid, label bigint, type_name text,
    data jsonb, revision bigint, created_at timestamptz, updated_at timestamptz)"""


class Matcher:
    """One where-filter of one type. BadInput with the path, led on from `path`, for what cannot be meant."""

    def __init__(
        self, catalogue: Catalogue, object_type: ObjectType, tree: Tree, path: tuple[str | int, ...]
    ) -> None:
        self._binders: list[p.Binder] = []
        self.permissions: set[str] = set()
        states = self._add(lambda request: request.variables["states"])
        condition = Conditions(catalogue, self._add, self.permissions).where(object_type, tree, path)
        self._statement = matching(_ROWS, states, condition)

    def _add(self, binder: p.Binder) -> p.Parameter:
        self._binders.append(binder)
        return p.Parameter(len(self._binders) - 1)

    async def matching(
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
        request = p.Request(subject, organization, {"states": rows})
        arguments = tuple(self._binders[i](request) for i in self._statement.parameters)
        return set(await database.read(subject.session, self._statement.text, arguments))
