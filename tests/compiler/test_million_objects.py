"""Plans at a size at which a wrong one is felt: a million objects of one organization among small ones.

What is measured are rows read and pages touched, which depend on no machine.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from databases import clone_database, drop_database, url_of

from compiler.ground import Ground
from compiler.plans import Ran, explain
from fabric.database.embedded import EmbeddedPostgres
from fabric.identity.organizations import Organization
from fabric.labels import Label
from fabric.types import indexes

OBJECTS, LINKS, NEIGHBOURS = 1_000_000, 300_000, 100
BATCH = 50_000
SIZES = 10_000
LOW, HIGH = "UNCLASSIFIED", "SECRET/ALPHA"
PAGE = 100
"""Objects of a page, of which there are 10,000."""

_DEFINITION: dict[str, Any] = {
    "typeName": "Part",
    "label": LOW,
    "naturalKey": ["code"],
    "fields": {
        "code": {"type": "string", "required": True, "indexed": True},
        "size": {"type": "integer", "indexed": True},
        "name": {"type": "string"},
    },
    "links": {"parts": {"relation": "contains", "target": "Part"}},
}

# Ids and codes stand in no order with each other or with the rows' place. Every eleventh object has a version above.
_FILL = f"""
insert into fabric.objects (organization_id, object_id, label, type_name, data, revision, over1)
select $1, md5(i::text)::uuid, v.label, 'Part',
       jsonb_build_object('code', lpad((i::bigint * 7919 % {OBJECTS})::text, 7, '0'), 'size#i', i % {SIZES},
                          'name', 'part ' || i),
       1, case when v.label = 0 and i % 11 = 0 then $2::bigint end
from generate_series($3::int, $4::int - 1) i
cross join lateral unnest(case when i % 11 = 0 then array[0, $2::bigint] else array[0::bigint] end) v(label)"""

_LINK = f"""
insert into fabric.links (organization_id, link_id, label, relation, source_id, target_id, revision)
select $1, md5('link ' || i)::uuid, 0, 'contains', md5((i / 3)::text)::uuid,
       md5((i::bigint * 104729 % {OBJECTS})::text)::uuid, 1
from generate_series(0, {LINKS} - 1) i"""

_NEIGHBOURS = """
insert into fabric.objects (organization_id, object_id, label, type_name, data, revision)
select md5('organization ' || i)::uuid, md5(i || ' ' || j)::uuid, 0, 'Part', jsonb_build_object('code', j::text), 1
from generate_series(1, $1::int) i cross join generate_series(1, 10) j"""

_INDEXES = """
select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
from pg_index where indrelid = 'fabric.objects'::regclass and not indisprimary
   or indrelid = 'fabric.links'::regclass and not indisprimary"""


@dataclass(frozen=True)
class _Million:
    ground: Ground
    organization: Organization

    def ran(self, text: str, variables: dict[str, Any] | None = None, label: str = LOW) -> Ran:
        return explain(self.ground, self.organization, text, variables, label)

    def ask(self, text: str, variables: dict[str, Any] | None = None, label: str = LOW) -> Any:
        subject = self.ground.subject(self.organization, label, ("reader",))
        return self.ground.run(self.ground.ask(self.organization, subject, text, variables))

    def before_last_page(self, backwards: str) -> str:
        """The code of the object that only the last page comes after; `backwards` is the order from the end."""
        id_ = self.organization.organization_id
        [row] = self.ground.run(
            self.ground.admin.fetch(
                f"""select data->>'code' as code from fabric.objects
                    where organization_id = $1 and type_name = 'Part' and label = 0
                    order by {backwards} offset {PAGE} limit 1""",
                id_,
            )
        )
        return str(row["code"])


@pytest.fixture(scope="module")
def million(postgres: EmbeddedPostgres, worker: str) -> Iterator[_Million]:
    """In a database of its own, which is gone afterwards."""
    name = f"{worker}_million"
    maintenance = url_of(postgres.admin_url, "postgres")
    asyncio.run(clone_database(maintenance, name))
    with Ground(url_of(postgres.admin_url, name), url_of(postgres.url, name)) as ground:
        yield ground.run(_fill(ground))
    asyncio.run(drop_database(maintenance, name))


async def _fill(ground: Ground) -> _Million:
    organization = await ground.organization()
    await ground.types.define(ground.subject(organization, LOW), organization.lattice, [_DEFINITION])
    admin, id_ = ground.admin, organization.organization_id
    # Without triggers, since the rows are as they would leave them, and with indexes made when the rows are there. In
    # short transactions: a long one would hold back whoever follows events in this cluster.
    await admin.execute("set session_replication_role = replica; set maintenance_work_mem = '256MB'")
    made = await admin.fetch(_INDEXES)
    for index in made:
        await admin.execute(f"drop index {index['name']}")
    high = organization.lattice.encode(Label.parse(HIGH))
    for first in range(0, OBJECTS, BATCH):
        await admin.execute(_FILL, id_, high, first, first + BATCH)
    await admin.execute(_LINK, id_)
    await admin.execute(_NEIGHBOURS, NEIGHBOURS)
    for index in made:
        await admin.execute(index["definition"])
    await admin.execute("reset session_replication_role")
    await indexes.reconcile(ground.admin_url)
    await admin.execute("analyze fabric.objects; analyze fabric.links")
    return _Million(ground, organization)


_PAGES = {
    "in the default order": "parts(first: 100)",
    "in the order of an indexed field": "parts(first: 100, orderBy: [{code: DESC}])",
    "in the order of a field that may be missing": "parts(first: 100, orderBy: [{size: ASC}])",
    "filtered by an indexed field": "parts(first: 50, where: {size: {eq: 77}})",
    "filtered by a range": "parts(first: 100, where: {size: {gte: 5000, lt: 5100}}, orderBy: [{size: ASC}])",
    "filtered by a beginning": 'parts(first: 100, where: {code: {startsWith: "01234"}}, orderBy: [{code: ASC}])',
    "filtered by a list": 'parts(first: 100, where: {code: {in: ["0000001", "0999999", "x"]}})',
    "with one hop of links": "parts(first: 100, orderBy: [{code: ASC}])",
}


@pytest.mark.parametrize("label", [LOW, HIGH])
@pytest.mark.parametrize("name", _PAGES)
def test_a_page_reads_about_as_many_rows_as_it_shows(million: _Million, name: str, label: str) -> None:
    inner = "code parts(first: 5) { nodes { code } }" if "hop" in name else "code size"
    text = f"{{ {_PAGES[name]} {{ nodes {{ {inner} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    ran = million.ran(text, label=label)
    assert not [s for s in ran.steps if s.kind == "Seq Scan"]
    assert sum(s.rows for s in ran.reads("objects")) <= (350 if "hop" in name else 150)
    assert ran.pages <= (1500 if "hop" in name else 200)


@pytest.mark.parametrize("label", [LOW, HIGH])
@pytest.mark.parametrize("text", ['{ part(id: "%s") { code } }', '{ partByKey(code: "0000001") { code } }'])
def test_one_object_is_looked_up(million: _Million, text: str, label: str) -> None:
    [found] = million.ask('{ parts(where: {code: {eq: "0000010"}}) { nodes { id } } }')["parts"]["nodes"]
    ran = million.ran(text.replace("%s", found["id"]), label=label)
    assert [s.index for s in ran.reads("objects")] == ["objects_pkey"]
    assert ran.pages <= 8


@pytest.mark.parametrize("label", [LOW, HIGH])
def test_a_count_reads_what_it_counts(million: _Million, label: str) -> None:
    text = "{ parts(where: {size: {eq: 77}}) { totalCount } }"
    ran = million.ran(text, label=label)
    assert million.ask(text, label=label) == {"parts": {"totalCount": OBJECTS // SIZES}}
    assert not [s for s in ran.steps if s.kind == "Seq Scan"]
    assert sum(s.rows for s in ran.reads("objects")) <= 1.2 * OBJECTS / SIZES


_ORDERS = {
    "the default order": ("", "object_id desc"),
    "an indexed field": (", orderBy: [{code: ASC}]", "(fabric.text(data, 'code') collate \"C\") desc"),
    "a field that may be missing": (
        ", orderBy: [{size: ASC}]", "fabric.int8(fabric.field(data, 'size#i')) desc, object_id desc"
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", [LOW, HIGH])
@pytest.mark.parametrize("name", _ORDERS)
def test_page_ten_thousand_touches_what_the_first_touches(million: _Million, name: str, label: str) -> None:
    given, backwards = _ORDERS[name]
    one = f"parts(first: 1, where: {{code: {{eq: $c}}}}{given}) {{ pageInfo {{ endCursor }} }}"
    before = million.ask(f"query($c: String!) {{ {one} }}", {"c": million.before_last_page(backwards)}, label)
    text = f"query($a: String) {{ parts(first: {PAGE}, after: $a{given}) {{ nodes {{ code size }} }} }}"
    last = {"a": before["parts"]["pageInfo"]["endCursor"]}
    assert len(million.ask(text, last, label)["parts"]["nodes"]) == PAGE
    first = million.ran(text, {"a": None}, label)
    assert million.ran(text, last, label).pages <= 1.1 * first.pages
