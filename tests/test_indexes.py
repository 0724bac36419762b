"""Indexes from definitions: made when a type is large, used under row security, gone when nobody asks for them."""

from typing import Any

import asyncpg
import pytest
from databases import MakeSubject, run_sql

from fabric.identity.organizations import Organization, establish
from fabric.types import indexes
from fabric.types.access import value_of
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio

PUMP: dict[str, Any] = {
    "typeName": "Pump",
    "fields": {
        "name": {"type": "string", "required": True, "indexed": True},
        "hours": {"type": "integer", "indexed": True},
        "status": {"type": "enum", "values": ["OK", "FAILED"]},
    },
    "indexes": [["status", "name"]],
}


async def made(admin_url: str) -> list[str]:
    rows = await run_sql(
        admin_url, "select indexdef from pg_indexes where schemaname = 'fabric' and starts_with(indexname, 'made_')"
    )
    return sorted(row["indexdef"] for row in rows)


async def fill(objects: Objects, organization: Organization, subject: MakeSubject, number: int = 300) -> None:
    changes = [
        Change("create", "Pump", {"name": f"pump {i:04}", "hours": i, "status": "FAILED" if i % 50 == 0 else "OK"})
        for i in range(number)
    ]
    await objects.write(subject(), organization, changes)


async def test_a_small_type_has_none_and_a_large_one_has_those_it_asks_for(
    admin_url: str, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    await types.define(subject(), organization.lattice, [PUMP])
    await fill(objects, organization, subject)
    assert await indexes.reconcile(admin_url, minimum=301) == ([], [])
    created, dropped = await indexes.reconcile(admin_url, minimum=300)
    assert (len(created), dropped) == (3, [])
    assert any("hours#i" in definition for definition in await made(admin_url))
    assert await indexes.reconcile(admin_url, minimum=300) == ([], [])


async def test_they_go_when_the_definition_no_longer_asks(
    admin_url: str, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    await types.define(subject(), organization.lattice, [PUMP])
    await fill(objects, organization, subject)
    await indexes.reconcile(admin_url, minimum=1)
    plain = PUMP | {"indexes": [], "fields": PUMP["fields"] | {"hours": {"type": "integer"}}}
    await types.define(subject(), organization.lattice, [plain])
    created, dropped = await indexes.reconcile(admin_url, minimum=1)
    assert (created, len(dropped)) == ([], 2)
    assert len(await made(admin_url)) == 1


@pytest.mark.parametrize(
    ("condition", "order"),
    [
        ("(fabric.text(o.data, 'name') collate \"C\") = 'pump 0007'", "object_id"),
        ("fabric.int8(fabric.field(o.data, 'hours#i')) between 10 and 12", "object_id"),
        (
            "(fabric.text(o.data, 'status') collate \"C\") = 'FAILED'",
            "(fabric.text(o.data, 'name') collate \"C\"), object_id",
        ),
    ],
)
async def test_row_security_lets_them_be_used(
    admin_url: str, server_url: str, types: Types, objects: Objects, organization: Organization,
    subject: MakeSubject, condition: str, order: str,
) -> None:  # fmt: skip
    await types.define(subject(), organization.lattice, [PUMP])
    await fill(objects, organization, subject, 1_000)
    await indexes.reconcile(admin_url, minimum=1)
    connection = await asyncpg.connect(server_url)
    try:
        session = "select set_config('fabric.organization', $1, false), set_config('fabric.clearance', '0', false)"
        await connection.execute("set enable_seqscan = off")
        await connection.fetch(session, str(organization.organization_id))
        rows = await connection.fetch(
            f"explain select o.object_id from fabric.objects o where o.organization_id = $1"
            f" and not o.tombstone and o.type_name = 'Pump' and {condition} order by {order} limit 5",
            organization.organization_id,
        )
    finally:
        await connection.close()
    plan = "\n".join(row[0] for row in rows)
    assert "using made_" in plan
    conditions = next(row[0] for row in rows if "Index Cond" in row[0])
    assert "fabric." in conditions, plan


async def test_what_others_store_under_the_same_name_never_fails_an_index(
    admin_url: str, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    """Another organization, and another label, may hold text where this one has numbers."""
    await types.define(subject(), organization.lattice, [PUMP])
    await fill(objects, organization, subject)
    await indexes.reconcile(admin_url, minimum=1)
    text = {"typeName": "Pump", "fields": {"hours": {"type": "string"}, "name": {"type": "json"}}}
    await types.retire(await _without_pumps(objects, types, organization, subject), "Pump")
    await types.define(subject(), organization.lattice, [text])
    written, _ = await objects.write(
        subject(), organization, [Change("create", "Pump", {"hours": "many", "name": {"first": "x"}})]
    )
    assert written[0].changed


async def _without_pumps(objects: Objects, types: Types, organization: Organization, subject: MakeSubject) -> Any:
    async with types.holding(subject().session, await types.catalogue(subject().session)) as transaction:
        rows = await transaction.fetch("select object_id from fabric.objects where type_name = 'Pump'")
    gone = [Change("delete", "Pump", object_id=row["object_id"]) for row in rows]
    await objects.write(subject(), organization, gone)
    return subject()


async def test_an_index_that_was_interrupted_is_made_anew(
    admin_url: str, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    await types.define(subject(), organization.lattice, [PUMP])
    await fill(objects, organization, subject)
    created, _ = await indexes.reconcile(admin_url, minimum=1)
    await run_sql(
        admin_url,
        "update pg_index set indisvalid = false where indexrelid = $1::text::regclass",
        f"fabric.{created[0]}",
    )
    again, dropped = await indexes.reconcile(admin_url, minimum=1)
    assert (again, dropped) == ([created[0]], [])


async def test_organizations_share_an_index(
    admin_url: str, types: Types, objects: Objects, organization: Organization, subject: MakeSubject
) -> None:
    await types.define(subject(), organization.lattice, [PUMP])
    await fill(objects, organization, subject)
    await indexes.reconcile(admin_url, minimum=1)
    await establish(admin_url, "other")
    await run_sql(
        admin_url,
        """insert into fabric.type_definitions select o.organization_id, t.type_name, t.label, t.domain, t.field_schema,
           t.ui_schema, 1 from fabric.type_definitions t, fabric.organizations o where o.name = 'other'""",
    )
    assert await indexes.reconcile(admin_url, minimum=1) == ([], [])


async def test_the_expression_is_the_one_that_reads_compile_to(
    types: Types, organization: Organization, subject: MakeSubject
) -> None:
    await types.define(subject(), organization.lattice, [PUMP])
    catalogue = await types.catalogue(subject().session)
    hours = value_of(catalogue.types["Pump"].fields["hours"])
    assert hours.of("o7").replace("o7.", "") == hours.bare
    assert any(hours.bare in index.expressions for index in indexes.wanted(catalogue))
