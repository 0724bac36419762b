"""What PostgreSQL makes of the statements, as the serving role under row security, on a few thousand rows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from compiler.ground import Ground
from compiler.plans import Ran, explain, explained
from fabric.events.event_pages import Sought as EventsSought
from fabric.events.event_pages import list_events
from fabric.events.link_pages import Listed, Slice, Sought, list_links
from fabric.events.log_pages import Slice as EventSlice
from fabric.identity.organizations import Organization
from fabric.identity.subject import Session
from fabric.types import indexes
from fabric.writing.links import LinkChange
from fabric.writing.objects import Change

ROWS = 2_000
LINKS = 4
"""From each part to the next ones."""

_LABELS = ("UNCLASSIFIED", "SECRET/ALPHA")

_DEFINITIONS: list[dict[str, Any]] = [
    {
        "typeName": "Part",
        "label": "UNCLASSIFIED",
        "naturalKey": ["code"],
        "fields": {"code": {"type": "string", "required": True}, "size": {"type": "integer", "indexed": True}},
        "links": {
            "parts": {"relation": "contains", "target": "Part"},
            "whole": {"relation": "contains", "target": "Part", "direction": "in"},
            "spares": {"relation": "replaces", "target": "Part"},
        },
    },
    {"typeName": "Other", "label": "UNCLASSIFIED", "fields": {"name": {"type": "string"}}},
]


@dataclass(frozen=True)
class _Store:
    """Parts, each linked to the next `LINKS`, every tenth of them with a version above."""

    ground: Ground
    organization: Organization
    ids: list[UUID]

    def explained(self, text: str, variables: dict[str, Any] | None = None, label: str = _LABELS[0]) -> Ran:
        return explain(self.ground, self.organization, text, variables, label)

    def listed(self, sought: Sought, part: Slice, label: str) -> list[Listed]:
        async def work() -> list[Listed]:
            async with self.ground.database.transaction(self._session(label)) as transaction:
                return (await list_links(transaction, sought, part)).links

        return self.ground.run(work())

    def explained_by(self, work: Callable[[Any], Awaitable[Any]], label: str) -> Ran:
        """What became of all rows that this asks for."""
        return self.ground.run(self._explained_by(work, label))

    async def _explained_by(self, work: Callable[[Any], Awaitable[Any]], label: str) -> Ran:
        async with self.ground.database.transaction(self._session(label)) as transaction:
            asked: list[tuple[Any, ...]] = []
            fetch = transaction.fetch

            async def noted(*statement: Any) -> Any:
                asked.append(statement)
                return await fetch(*statement)

            with patch.object(transaction, "fetch", noted):
                await work(transaction)
            ran = [await explained(transaction, *statement) for statement in asked]
            return Ran([step for each in ran for step in each.steps], sum(each.pages for each in ran))

    def _session(self, label: str) -> Session:
        return self.ground.subject(self.organization, label, ("reader",)).session


@pytest.fixture(scope="module")
def store(ground: Ground) -> _Store:
    return ground.run(_fill(ground))


async def _fill(ground: Ground) -> _Store:
    organization = await ground.organization()
    low, high = (ground.subject(organization, label) for label in _LABELS)
    await ground.types.define(high, organization.lattice, _DEFINITIONS)
    creations = [Change("create", "Part", {"code": f"{i:05}", "size": i % 100}) for i in range(ROWS)]
    written, _ = await ground.objects.write(low, organization, creations)
    ids = [w.object_id for w in written]
    others = [Change("create", "Other", {"name": str(i)}) for i in range(ROWS // 3)]
    await ground.objects.write(low, organization, others)
    await ground.objects.write(high, organization, [Change("update", "Part", {"size": -1}, id) for id in ids[::10]])
    ends = [(ids[i], ids[(i + j) % ROWS]) for i in range(ROWS) for j in range(1, LINKS + 1)]
    few = [(ids[i], ids[i + 1]) for i in range(0, ROWS - 1, 50)]
    changes = [LinkChange("link", "contains", *each) for each in ends]
    await ground.links.write(low, organization, changes + [LinkChange("link", "replaces", *each) for each in few])
    await indexes.reconcile(ground.admin_url, minimum=ROWS)
    await ground.admin.execute("analyze fabric.objects; analyze fabric.links; analyze fabric.events")
    return _Store(ground, organization, ids)


@pytest.mark.parametrize("label", _LABELS)
def test_an_object_by_id_is_looked_up(store: _Store, label: str) -> None:
    text = "query($id: ID!) { part(id: $id) { code size } node(id: $id) { id } }"
    reads = store.explained(text, {"id": str(store.ids[10])}, label).reads("objects")
    assert {s.index for s in reads} == {"objects_pkey"}
    assert sum(s.rows for s in reads) <= 4


@pytest.mark.parametrize("label", _LABELS)
def test_an_object_by_its_natural_key_is_looked_up(store: _Store, label: str) -> None:
    reads = store.explained('{ partByKey(code: "00010") { size } }', label=label).reads("objects")
    assert {s.index for s in reads} == {"objects_pkey"}
    assert sum(s.rows for s in reads) <= 2


@pytest.mark.parametrize("label", _LABELS)
def test_objects_by_ids_come_by_the_primary_key(store: _Store, label: str) -> None:
    ids = [str(id) for id in store.ids[5:25]]
    reads = store.explained("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids}, label).reads("objects")
    assert {s.index for s in reads} == {"objects_pkey"}
    assert sum(s.rows for s in reads) <= 40


@pytest.mark.parametrize("label", _LABELS)
@pytest.mark.parametrize("pages", ["first: 20", "last: 20"])
def test_a_page_in_the_default_order_stops_when_it_is_full(store: _Store, label: str, pages: str) -> None:
    [read] = store.explained(f"{{ parts({pages}) {{ nodes {{ code }} }} }}", label=label).reads("objects")
    assert read.index == "objects_by_type"
    assert read.rows <= 30


@pytest.mark.parametrize("label", _LABELS)
def test_a_page_far_on_costs_what_the_first_costs(store: _Store, label: str) -> None:
    subject = store.ground.subject(store.organization, label, ("reader",))
    text = "query($n: Int, $c: String) { parts(first: $n, after: $c) { nodes { code } pageInfo { endCursor } } }"
    page = store.ground.run(store.ground.ask(store.organization, subject, text, {"n": 1000}))
    [read] = store.explained(text, {"n": 20, "c": page["parts"]["pageInfo"]["endCursor"]}, label).reads("objects")
    assert read.index == "objects_by_type"
    assert read.rows <= 30


@pytest.mark.parametrize("label", _LABELS)
@pytest.mark.parametrize("direction", ["ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST"])
@pytest.mark.parametrize("backward", [False, True])
def test_a_page_far_on_in_the_order_of_a_field_that_may_be_missing_reads_no_more_than_the_first(
    store: _Store, label: str, direction: str, *, backward: bool
) -> None:
    subject = store.ground.subject(store.organization, label, ("reader",))
    text = """query($f: Int, $l: Int, $a: String, $b: String) { parts(orderBy: [{size: %s}], first: $f, last: $l,
        after: $a, before: $b) { nodes { code } pageInfo { startCursor endCursor } } }"""
    size, cursor, end = ("l", "b", "startCursor") if backward else ("f", "a", "endCursor")
    page = store.ground.run(store.ground.ask(store.organization, subject, text % direction, {size: 1000}))
    variables = {size: 20, cursor: page["parts"]["pageInfo"][end]}
    reads = store.explained(text % direction, variables, label).reads("objects")
    assert all((s.index or "").startswith(indexes.PREFIX) for s in reads)
    assert sum(s.rows for s in reads) <= 3 * 30


@pytest.mark.parametrize("label", _LABELS)
@pytest.mark.parametrize(("field", "index"), [("parts", "links_by_source"), ("whole", "links_by_target")])
def test_a_hop_of_links_reads_no_more_than_it_follows(store: _Store, label: str, field: str, index: str) -> None:
    text = f"query($id: ID!) {{ part(id: $id) {{ {field} {{ nodes {{ code }} }} }} }}"
    ran = store.explained(text, {"id": str(store.ids[100])}, label)
    assert {s.index for s in ran.reads("links")} == {index}
    assert {s.index for s in ran.reads("objects")} == {"objects_pkey"}
    assert sum(s.rows for s in ran.steps if s.table) <= 3 * LINKS + 2


@pytest.mark.parametrize("label", _LABELS)
def test_a_page_with_a_hop_reads_no_more_than_it_shows(store: _Store, label: str) -> None:
    ran = store.explained("{ parts(first: 20) { nodes { code parts(first: 3) { nodes { code } } } } }", label=label)
    assert {s.index for s in ran.reads("links")} == {"links_by_source"}
    assert {s.index for s in ran.reads("objects")} == {"objects_by_type", "objects_pkey"}
    assert sum(s.rows for s in ran.steps if s.table) <= 20 * (1 + 3 * LINKS) + 10


@pytest.mark.parametrize("label", _LABELS)
def test_a_link_predicate_on_few_follows_their_links(store: _Store, label: str) -> None:
    text = 'query($id: ID!) { parts(where: {id: {eq: $id}, parts: {some: {code: {eq: "00101"}}}}) { nodes { code } } }'
    ran = store.explained(text, {"id": str(store.ids[100])}, label)
    assert sum(s.rows for s in ran.steps if s.table) <= 30


@pytest.mark.parametrize("label", _LABELS)
def test_histories_in_a_page_read_no_more_than_they_show(store: _Store, label: str) -> None:
    ran = store.explained("{ parts(first: 20) { nodes { history(last: 5) { nodes { topic } } } } }", label=label)
    reads = ran.reads("events")
    assert {s.index for s in reads} == {"events_by_entity"}
    assert sum(s.rows for s in reads) <= 20 * 3


# What is not compiled


@pytest.mark.parametrize("label", _LABELS)
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(
    ("sought", "index"),
    [
        ({}, "links_pkey"), ({"relations": ["replaces"]}, "links_by_relation"), ({"ends": "source"}, "links_by_source"),
        ({"ends": "target"}, "links_by_target"), ({"ends": "source", "relations": ["contains"]}, "links_by_source"),
        ({"ends": "target", "relations": ["contains"]}, "links_by_target"),
    ],
)  # fmt: skip
def test_a_page_of_links_comes_from_one_index_and_reads_no_more_than_it_shows(
    store: _Store, label: str, sought: dict[str, Any], index: str, *, backward: bool
) -> None:
    ends = {"source": (store.ids[100], None), "target": (None, store.ids[100]), None: (None, None)}
    given = Sought(["Part"], sought.get("relations"), (ends[sought.get("ends")],))
    whole = store.listed(given, Slice(1000), label)
    middle = whole[len(whole) // 2].place
    size = 20 if sought.get("ends") is None else 1
    part = Slice(size, backward, None if backward else middle, middle if backward else None)
    for each in (Slice(size, backward), part):
        ran = store.explained_by(lambda transaction, p=each: list_links(transaction, given, p), label)
        reads = ran.reads("links")
        assert {s.index for s in reads} == {index}
        assert {s.index for s in ran.reads("objects")} <= {"objects_by_type", "objects_pkey"}
        assert sum(s.rows for s in reads) <= 2 * size + 5
        assert sum(s.rows for s in ran.reads("objects")) <= 5 * size + 5


@pytest.mark.parametrize("label", _LABELS)
@pytest.mark.parametrize("backward", [False, True])
def test_a_page_of_events_reads_no_more_than_it_shows(store: _Store, label: str, *, backward: bool) -> None:
    of_one = store.explained_by(
        lambda t: list_events(t, EventsSought(entity_id=store.ids[100]), EventSlice(20, backward)), label
    )
    assert {s.index for s in of_one.reads("events")} == {"events_by_entity"}
    newest = store.explained_by(lambda t: list_events(t, EventsSought(), EventSlice(20, backward)), label)
    [read] = newest.reads("events")
    assert read.index == "events_in_order"
    assert read.rows <= 50
