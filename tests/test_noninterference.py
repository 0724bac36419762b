"""What happens above a reader leaves no trace that the reader's sessions can find.

One random history is played twice, in two organizations that share their secret: once whole, once without the
operations at labels that the reader does not dominate. Whatever the reader did must have ended the same way, and
whatever the database lets the reader's session select must be equal.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from databases import COMPARTMENTS, POLICY
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from fabric.database.db import Database
from fabric.errors import FabricError, Several
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.subject import Subject
from fabric.labels import Label, dominates
from fabric.types.catalogue import Catalogue
from fabric.types.type_documents import as_document
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio

# Regrading moves information between labels on purpose, so nobody here may.
ROLES = frozenset({"writer", "designer"})
READERS = ["UNCLASSIFIED", "CONFIDENTIAL/ALPHA", "SECRET", "SECRET/BRAVO", "TOP_SECRET/ALPHA"]
LABELS = ["UNCLASSIFIED", "CONFIDENTIAL", "CONFIDENTIAL/ALPHA", "SECRET", "SECRET/ALPHA,BRAVO", "TOP_SECRET/ALPHA"]
FREE = [UUID(int=n) for n in range(1, 4)]
"""Ids of objects without a natural key."""

COUNTERS = {
    "organization_id", "transaction_id", "position", "audit_id", "types_revision",
    "created_at", "updated_at", "occurred_at", "secret", "name",
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    label: str
    act: str
    value: Any = field(default_factory=dict)


RELATIONS = {"feeds": {"relation": "feeds", "target": "Plant"}, "runs": {"relation": "runs", "target": "Unit"}}
NOTE = {"note": {"type": "string"}}

labels = st.sampled_from(LABELS)
names = st.sampled_from(["Plant", "Unit", "Pump", "Valve"])
members = st.sampled_from(["note", "rank", "place"])
kinds = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "required": True},
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "enum", "values": ["x", "y"]},
        {"type": "enum", "values": ["y"]},
    ]
)
documents = st.builds(
    lambda name, key, fields, links, parent: {
        "typeName": name,
        "fields": {**({"code": {"type": "string", "required": True}} if key else {}), **fields},
        "naturalKey": ["code"] if key else None,
        "links": {n: RELATIONS[n] for n in links},
        "extends": parent if parent != name else None,
    },
    names,
    st.booleans(),
    st.dictionaries(members, kinds, max_size=2),
    st.sets(st.sampled_from(sorted(RELATIONS))),
    st.sampled_from([None, None, "Plant", "Pump"]),
)
values = st.fixed_dictionaries(
    {"code": st.sampled_from("AB"), "note": st.sampled_from(["x", "y"])},
    optional={"rank": st.integers(0, 2), "place": st.sampled_from(["x", "y", True, None])},
)
changes = st.builds(
    Change, st.sampled_from(["create", "update", "upsert", "delete"]), names, values, st.sampled_from(FREE)
)
link_changes = st.builds(
    lambda action, relation, source, target, weight: LinkChange(
        action, relation, source, target, values={} if action == "unlink" else {"weight": weight}
    ),
    st.sampled_from(["link", "link", "update", "upsert", "unlink"]),
    st.sampled_from(sorted(RELATIONS)),
    st.sampled_from(FREE),
    st.sampled_from(FREE),
    st.sampled_from([1.0, 2.0]),
)
operations = st.one_of(
    st.builds(Operation, labels, st.just("define"), documents),
    st.builds(Operation, labels, st.just("extend"), st.tuples(names, members, kinds)),
    st.builds(Operation, labels, st.just("retire"), names),
    st.builds(Operation, labels, st.just("write"), st.lists(changes, min_size=1, max_size=2)),
    st.builds(Operation, labels, st.just("write"), st.lists(changes, min_size=1, max_size=2)),
    st.builds(Operation, labels, st.just("link"), st.lists(link_changes, min_size=1, max_size=2)),
)

SEED = [
    Operation("UNCLASSIFIED", "define", {"typeName": "Unit", "fields": NOTE}),
    Operation("UNCLASSIFIED", "define", {"typeName": "Plant", "fields": NOTE, "links": RELATIONS}),
    Operation("CONFIDENTIAL", "extend", ("Plant", "rank", {"type": "integer"})),
    Operation("SECRET", "define", {"typeName": "Pump", "fields": NOTE}),
    Operation("UNCLASSIFIED", "write", [Change("create", "Plant", {"note": "x"}, FREE[0])]),
    Operation("UNCLASSIFIED", "write", [Change("create", "Unit", {}, FREE[1])]),
    Operation("CONFIDENTIAL", "write", [Change("update", "Plant", {"note": "y", "rank": 1}, FREE[0])]),
    Operation("CONFIDENTIAL", "write", [Change("create", "Plant", {}, FREE[2])]),
    Operation("UNCLASSIFIED", "link", [LinkChange("link", "feeds", FREE[0], FREE[0], values={"weight": 1.0})]),
]
"""How every history begins, so that most of what follows has something to act on."""


@dataclass(frozen=True)
class Refused:
    errors: tuple[tuple[str, str, str], ...]


def _possible(change: Change, catalogue: Catalogue) -> Change:
    """The change without what its subject can see to be impossible: fields that are not there, an id beside a key."""
    known = catalogue.types.get(change.type_name)
    if known is None:
        return change
    wanted = known.natural_key if change.action == "delete" else known.fields
    data = {name: value for name, value in change.data.items() if name in wanted}
    return replace(change, data=data, object_id=None if known.natural_key else change.object_id)


class Player:
    """Plays operations in one organization."""

    def __init__(self, database: Database, organization: Organization) -> None:
        self.database, self.organization = database, organization
        self.types = Types(database)
        self.objects, self.links = Objects(self.types), Links(self.types)

    def subject(self, label: str) -> Subject:
        code = self.code(label)
        granted = POLICY.permissions(ROLES)
        return Subject(self.organization.organization_id, "acme", f"at {label}", ROLES, granted, code, code, 4e9)

    def code(self, label: str) -> int:
        return self.organization.lattice.encode(Label.parse(label))

    async def play(self, operation: Operation) -> object:
        """What the operation's subject learns."""
        try:
            return await self._act(self.subject(operation.label), operation.act, operation.value)
        except FabricError as error:
            errors = error.errors if isinstance(error, Several) else [error]
            return Refused(tuple(sorted((e.code, e.message, str(e.path)) for e in errors)))

    async def _act(self, subject: Subject, act: str, value: Any) -> object:
        catalogue = await self.types.catalogue(subject.session)
        match act:
            case "define":
                return await self.types.define(subject, self.organization.lattice, [value])
            case "extend":
                name, member, kind = value
                known = catalogue.types.get(name)
                document = as_document(known, self.organization.lattice.decode) if known else {"typeName": name}
                document["fields"] = document.get("fields", {}) | {member: kind}
                return await self.types.define(subject, self.organization.lattice, [document])
            case "retire":
                return await self.types.retire(subject, value)
            case "write":
                written, _ = await self.objects.write(
                    subject, self.organization, [_possible(c, catalogue) for c in value]
                )
                return written
            case _:
                linked, _ = await self.links.write(subject, self.organization, value)
                return linked

    async def view(self, label: str, columns: dict[str, list[str]]) -> dict[str, list[str]]:
        """Everything that a session at `label` can select, table by table, and the types it sees."""
        seen: dict[str, list[str]] = {}
        async with self.database.transaction(self.subject(label).session) as transaction:
            for table, names in columns.items():
                rows = await transaction.fetch(f"select {', '.join(names)} from fabric.{table}")
                seen[table] = sorted(json.dumps(list(row), default=str) for row in rows)
        catalogue = await self.types.catalogue(self.subject(label).session)
        seen["catalogue"] = [repr(catalogue.types), catalogue.fingerprint, repr(catalogue.omitted)]
        return seen


@pytest.fixture
async def admin(admin_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def twins(admin_url: str, database: Database, admin: asyncpg.Connection) -> list[Player]:
    players = []
    for name in ("acme", "globex"):
        await establish(admin_url, name, COMPARTMENTS)
    await admin.execute("update fabric.organizations set secret = repeat('x', 32)::bytea")
    for name in ("acme", "globex"):
        organization = await Directory(database).find(name)
        assert organization is not None
        players.append(Player(database, organization))
    return players


@pytest.fixture
async def columns(admin: asyncpg.Connection) -> dict[str, list[str]]:
    """What the serving role may select, without what counts everybody's acts or tells the time."""
    rows = await admin.fetch(
        """select table_name::text, column_name::text from information_schema.columns
           where table_schema = 'fabric' and table_name <> 'alembic_version'
             and has_column_privilege('semantic_fabric_server', 'fabric.' || table_name, column_name, 'select')"""
    )
    found: dict[str, list[str]] = {}
    for table, column in rows:
        if column not in COUNTERS or table in ("compartments", "configurations"):
            found.setdefault(table, []).append(column)
    columns = {
        t: [c for c in names if c not in ("organization_id", "created_at", "updated_at")] for t, names in found.items()
    }
    columns["events"].remove("version")
    columns["events"].append("version - array['created_at', 'updated_at']")
    return columns


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(operations, min_size=2, max_size=14), st.sampled_from(READERS))
async def test_a_reader_cannot_tell_what_happened_above(
    twins: list[Player], columns: dict[str, list[str]], admin: asyncpg.Connection,
    history: list[Operation], reader: str,
) -> None:  # fmt: skip
    for table in ("objects", "links", "type_definitions", "events", "audit_log"):
        await admin.execute(f"delete from fabric.{table}")
    whole, without = twins
    for player in twins:
        player.types.forget()
    for operation in [*SEED, *history]:
        learned = await whole.play(operation)
        seen = dominates(whole.code(reader), whole.code(operation.label))
        event(f"{operation.act} {'seen' if seen else 'above'}: {'refused' if isinstance(learned, Refused) else 'done'}")
        if seen:
            assert learned == await without.play(operation)
    assert await whole.view(reader, columns) == await without.view(reader, columns)


async def test_the_view_would_show_what_happens_at_the_readers_own_label(
    twins: list[Player], columns: dict[str, list[str]]
) -> None:
    whole, without = twins
    for operation in SEED:
        await whole.play(operation)
        await without.play(operation)
    assert {"objects", "links", "type_definitions", "events", "audit_log", "embeddings", "api_keys"} < columns.keys()
    assert not {"over1", "over2", "over_rest"} & set(columns["objects"])
    assert {"data", "revision", "derived_from_label"} < set(columns["objects"])
    same = await whole.view("SECRET", columns)
    assert same == await without.view("SECRET", columns)
    await whole.play(Operation("SECRET", "write", [Change("update", "Plant", {"note": "z"}, FREE[0])]))
    different = await whole.view("SECRET", columns)
    assert {table for table in same if same[table] != different[table]} == {"objects", "events", "audit_log"}
    assert await whole.view("CONFIDENTIAL", columns) == await without.view("CONFIDENTIAL", columns)
