"""What a definition says of encryption: how it is read, kept and written back, and what it may change to."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from databases import MakeSubject
from encrypted_ground import Ground, faults
from hypothesis import given
from hypothesis import strategies as st
from steered_vault import software

from fabric.database.db import Database
from fabric.encryption.hints import hint_of
from fabric.encryption.protection import Hint, Protection, Unlock, protection_json, protection_of
from fabric.errors import FabricError, VaultUnavailable
from fabric.identity.organizations import Organization
from fabric.transfer.changes import object_change
from fabric.transfer.export import export
from fabric.transfer.loader import Loader
from fabric.transfer.records import Record
from fabric.types.document_reading import read_document
from fabric.writing.objects import Change, Objects
from vault.protocol import Unavailable

SERIAL: dict[str, Any] = {"type": "string", "encrypted": True}


def document(**fields: Any) -> dict[str, Any]:
    return {"typeName": "Thing", "fields": {"name": {"type": "string", "required": True}, **fields}}


def refusals(value: dict[str, Any]) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(FabricError) as caught:
        read_document(value)
    return faults(caught.value)


def test_what_is_not_said_has_its_default() -> None:
    assert read_document(document(serial=SERIAL)).fields["serial"].protection == Protection(
        "default", Hint.NONE, False, Unlock("field:decrypt", 15, 0)
    )
    assert read_document(document()).fields["name"].protection is None


@given(
    st.builds(
        Protection, st.sampled_from(["pii", "a-1"]), st.sampled_from(Hint), st.booleans(),
        st.builds(Unlock, st.sampled_from(["field:decrypt", "keys:rotate"]), st.integers(1, 3600), st.integers(0, 1)),
    )
)  # fmt: skip
def test_it_is_read_back_from_what_is_stored_and_from_what_people_write(protection: Protection) -> None:
    written = protection_json(protection)
    assert protection_of({k: v for k, v in written.items() if v}) == protection
    assert read_document(document(serial={"type": "string", **written})).fields["serial"].protection == protection


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ({"purpose": "PII"}, ("purpose",)),
        ({"purpose": "a--b"}, ("purpose",)),
        ({"purpose": "a" * 31}, ("purpose",)),
        ({"hint": "first4"}, ("hint",)),
        ({"hint": None}, ("hint",)),
        ({"hint": ["last4"]}, ("hint",)),
        ({"blindIndex": 1}, ("blindIndex",)),
        ({"blindIndex": True, "type": "json"}, ("blindIndex",)),
        ({"blindIndex": True, "type": "float"}, ("blindIndex",)),
        ({"blindIndex": True, "type": "boolean"}, ("blindIndex",)),
        ({"blindIndex": True, "type": "enum", "values": ["A"]}, ("blindIndex",)),
        ({"blindIndex": True, "list": True}, ("blindIndex",)),
        ({"indexed": True}, ("indexed",)),
        ({"searchable": True}, ("searchable",)),
        ({"unlock": "field:decrypt"}, ("unlock",)),
        ({"unlock": {"who": "me"}}, ("unlock",)),
        ({"unlock": {"permission": "field:peek"}}, ("unlock", "permission")),
        ({"unlock": {"permission": ["field:decrypt"]}}, ("unlock", "permission")),
        ({"unlock": {"ttlSeconds": 0}}, ("unlock", "ttlSeconds")),
        ({"unlock": {"ttlSeconds": True}}, ("unlock", "ttlSeconds")),
        ({"unlock": {"ttlSeconds": 3601}}, ("unlock", "ttlSeconds")),
        ({"unlock": {"approvals": 2}}, ("unlock", "approvals")),
        ({"unlock": {"approvals": True}}, ("unlock", "approvals")),
        ({"encrypted": "yes"}, ("encrypted",)),
        ({"encrypted": False, "purpose": "pii"}, ("purpose",)),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_place(member: dict[str, Any], path: tuple[str, ...]) -> None:
    assert ("fields", "serial", *path) in refusals(document(serial=SERIAL | member))


def test_nothing_is_made_of_an_encrypted_value() -> None:
    required = SERIAL | {"required": True}
    assert ("naturalKey", 0) in refusals(document(serial=required) | {"naturalKey": ["serial"]})
    link = {"relation": "r", "target": "Thing", "properties": {"serial": SERIAL}}
    assert ("links", "k", "properties", "serial") in refusals(document() | {"links": {"k": link}})
    assert ("fields", "serial", "encrypted") in refusals(document(serial=SERIAL) | {"domain": "event"})


@pytest.mark.parametrize(
    ("hint", "value", "shown"),
    [
        (Hint.LAST4, "12345678", "last4:5678"), (Hint.LAST4, "1234567", None), (Hint.LAST4, 123456789, "last4:6789"),
        (Hint.LAST4, True, None), (Hint.LAST4, ["12345678"], None), (Hint.LAST4, {"a": 1}, None),
        (Hint.NONE, "12345678", None),
        (Hint.DOMAIN, "ann@Mail.Example.org", "domain:mail.example.org"), (Hint.DOMAIN, "ann@localhost", None),
        (Hint.DOMAIN, "a b@example.org", None), (Hint.DOMAIN, "@example.org", None), (Hint.DOMAIN, "x", None),
        (Hint.DOMAIN, "https://ann:secret@example.org:8080/secret", "domain:example.org"),
        (Hint.DOMAIN, "https://[::1]/", None), (Hint.DOMAIN, "https://[bad/", None), (Hint.DOMAIN, 5, None),
        (Hint.DOMAIN, "https://exa mple.org/", None), (Hint.DOMAIN, "ann@" + "a" * 250 + ".org", None),
    ],
)  # fmt: skip
def test_a_hint_shows_no_more_than_its_form_says(hint: Hint, value: Any, shown: str | None) -> None:
    assert hint_of(hint, value) == shown


# What is stored


@pytest.fixture
async def ground(
    admin_url: str, database: Database, organization: Organization, subject: MakeSubject, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with software(tmp_path) as vault:
        yield Ground(admin_url, database, organization, subject, vault)


async def refused(ground: Ground, *documents: Any) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(FabricError) as caught:
        await ground.define(*documents)
    return faults(caught.value)


@pytest.mark.anyio
async def test_without_a_vault_no_field_can_be_encrypted(ground: Ground) -> None:
    ground.types.encryption = None
    found = await refused(ground, document(), document(serial=SERIAL) | {"typeName": "Other"})
    assert list(found) == [(1, "fields", "serial", "encrypted")]


@pytest.mark.anyio
async def test_a_vault_that_is_down_refuses_definitions_with_encrypted_fields_alone(ground: Ground) -> None:
    ground.vault.failure = Unavailable("down")
    with pytest.raises(VaultUnavailable):
        await ground.define(document(serial=SERIAL))
    await ground.define(document())


@pytest.mark.anyio
async def test_inherited_encrypted_fields_are_neither_embedded_nor_indexed(ground: Ground) -> None:
    child = {"typeName": "Child", "extends": "Thing", "embedding": {"fields": ["serial"]}, "indexes": [["serial"]]}
    found = await refused(ground, document(serial=SERIAL), child)
    assert set(found) == {(1, "embedding", "fields", 0), (1, "indexes", 0)}


@pytest.mark.anyio
async def test_a_field_with_values_is_neither_encrypted_nor_made_plain(ground: Ground) -> None:
    objects = Objects(ground.types)
    await ground.define(document(serial={"type": "string"}, secret=SERIAL))
    change = Change("create", "Thing", {"name": "x", "serial": "s", "secret": "s"})
    [written], _ = await objects.write(ground.subject(), ground.organization, [change])
    found = await refused(ground, document(serial=SERIAL, secret={"type": "string"}))
    assert {path[-1] for path in found} == {"serial", "secret"}
    assert all("beside it" in message for message in found.values())
    cleared = Change("update", "Thing", {"serial": None, "secret": None}, written.object_id)
    await objects.write(ground.subject(), ground.organization, [cleared])
    await ground.define(document(serial=SERIAL, secret={"type": "string"}))
    keys = {f.key for f in (await ground.types.catalogue(ground.subject().session)).types["Thing"].fields.values()}
    assert keys == {"name", "serial#e@0.2", "secret@0.2"}


@pytest.mark.anyio
async def test_a_blind_index_comes_only_to_a_field_without_values_and_goes_at_any_time(ground: Ground) -> None:
    blind = SERIAL | {"blindIndex": True}
    await ground.define(document(serial=SERIAL))
    await ground.define(document(serial=blind))
    await Objects(ground.types).write(
        ground.subject(), ground.organization, [Change("create", "Thing", {"name": "x", "serial": "s"})]
    )
    await ground.define(document(serial=SERIAL))
    assert [path[1:] for path in await refused(ground, document(serial=blind))] == [("serial", "blindIndex")]


@pytest.mark.anyio
async def test_another_purpose_is_for_what_is_written_from_then_on(ground: Ground) -> None:
    await ground.define(document(serial=SERIAL))
    objects = Objects(ground.types)
    change = Change("create", "Thing", {"name": "x", "serial": "s"})
    [written], _ = await objects.write(ground.subject(), ground.organization, [change])
    await ground.define(document(serial=SERIAL | {"purpose": "pii"}))
    assert await ground.opened(written.object_id) == {"serial#e": "s"}
    await objects.write(ground.subject(), ground.organization, [change])
    rows = await ground.rows("select key_name from fabric.encrypted_fields")
    assert sorted(row["key_name"].split("-field-")[1] for row in rows) == ["default", "pii"]


# Import and export


@pytest.mark.anyio
async def test_exports_have_markers_which_imports_pass_over(ground: Ground) -> None:
    await ground.define(document(serial=SERIAL, code={"type": "string", "required": True}) | {"naturalKey": ["code"]})
    data = {"name": "x", "code": "c", "serial": "plain text"}
    [written], _ = await Objects(ground.types).write(
        ground.subject(), ground.organization, [Change("create", "Thing", data)]
    )
    exported = b"".join([block async for block in export(ground.database, ground.organization, ground.subject())])
    assert b"plain text" not in exported
    assert b'"serial":{"_encrypted":true}' in exported
    body = {"type": "Thing", "key": {"code": "c"}, "data": {"name": "y", "serial": {"_encrypted": True}}}
    catalogue = await ground.types.catalogue(ground.subject().session)
    assert object_change(body, catalogue, 1).data == {"name": "y", "code": "c"}
    summary = await _load(ground, body)
    assert (summary.objects.updated, summary.problem_count) == (1, 0)
    assert await ground.opened(written.object_id) == {"serial#e": "plain text"}


@pytest.mark.anyio
async def test_an_import_encrypts_a_batch_at_a_time_and_ends_with_its_vault(ground: Ground) -> None:
    await ground.define(document(serial=SERIAL, code={"type": "string", "required": True}) | {"naturalKey": ["code"]})
    bodies = [
        {"type": "Thing", "key": {"code": f"c{i}"}, "data": {"name": "x", "serial": f"s{i}"}} for i in range(1_200)
    ]
    ground.vault.trips = 0
    assert (await _load(ground, *bodies)).objects.created == 1_200
    assert ground.vault.trips == 3
    ground.vault.failure, ground.vault.trips = Unavailable("down"), 0
    with pytest.raises(VaultUnavailable):
        await _load(ground, *bodies)
    assert ground.vault.trips == 1


async def _load(ground: Ground, *bodies: Any) -> Any:
    loader = Loader(ground.database, ground.types, ground.organization, ground.subject())
    return await loader.load((), [Record(f"line {i}", body) for i, body in enumerate(bodies)], ())
