"""Encrypted fields as they are written: sealed, bound to their place, carried to other labels, gone when cleared."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from databases import MakeSubject
from encrypted_ground import PERSON, SERIAL, Ground, faults
from steered_vault import software

from fabric.database.db import Database
from fabric.encryption import ciphertexts
from fabric.encryption.encryption import Encryption, encryption_by
from fabric.encryption.places import Place
from fabric.errors import Conflict, FabricError, VaultUnavailable
from fabric.identity.organizations import Directory, Organization, establish
from fabric.settings import Settings
from fabric.writing.objects import Change
from fabric.writing.regrading import regrade
from vault.protocol import Denied, Throttled, Unavailable

pytestmark = pytest.mark.anyio

@pytest.fixture
async def ground(
    admin_url: str, database: Database, organization: Organization, subject: MakeSubject, tmp_path: Path
) -> AsyncIterator[Ground]:
    async with software(tmp_path) as vault:
        ground = Ground(admin_url, database, organization, subject, vault)
        await ground.define(PERSON)
        yield ground


async def test_a_value_is_stored_encrypted_and_its_data_has_a_marker_of_constant_shape(ground: Ground) -> None:
    given = {"serial": "AB-1234567", "mail": "ann@example.org", "notes": {"a": [1, None]}, "paid": ["1.50", "2"]}
    id = await ground.create(**given)
    marker = {"_encrypted": True}
    data = await ground.data(id)
    assert data == {"name": "x", "serial#e": marker, "mail#e": marker, "notes#e": marker, "paid#e": marker}
    assert await ground.opened(id) == {
        "serial#e": "AB-1234567", "mail#e": "ann@example.org", "notes#e": {"a": [1, None]}, "paid#e": ["1.5", "2"],
    }  # fmt: skip


async def test_hints_and_blind_indexes_are_those_that_the_definition_asks_for(ground: Ground) -> None:
    first = await ground.create(serial="AB-1234567", mail="ann@Example.org", notes=1)
    second = await ground.create(serial="AB-1234567", mail="nobody")
    third = await ground.create(serial="1234567")
    rows = await ground.rows("select entity_id, field_name, hint, blind_index from fabric.encrypted_fields")
    found = {(row["entity_id"], row["field_name"][:-2]): (row["hint"], row["blind_index"]) for row in rows}
    assert {place: hint for place, (hint, _) in found.items()} == {
        (first, "serial"): "last4:4567", (first, "mail"): "domain:example.org", (first, "notes"): None,
        (second, "serial"): "last4:4567", (second, "mail"): None, (third, "serial"): None,
    }  # fmt: skip
    assert found[first, "serial"][1] == found[second, "serial"][1] != found[third, "serial"][1]
    assert found[first, "mail"][1] is None


async def test_creating_with_several_encrypted_fields_takes_one_round_trip(ground: Ground) -> None:
    ground.vault.latency, ground.vault.trips = timedelta(milliseconds=20), 0
    ground.vault.calls.clear()
    await ground.create(serial="AB-1234567", mail="ann@example.org", notes=[1], paid=["1"])
    assert ground.vault.trips == 1
    assert ground.vault.calls == {"encrypt": 3, "mac": 1}
    await ground.write(*(Change("create", "Person", {"name": "x", "serial": f"{i:09}"}) for i in range(200)))
    assert ground.vault.trips == 2


async def test_what_has_no_encrypted_value_asks_no_vault(ground: Ground) -> None:
    ground.vault.failure = Unavailable("down")
    id = await ground.create()
    await ground.update(id, name="y")
    await ground.delete(id)


async def test_setting_an_encrypted_value_counts_as_a_change_and_is_told_with_markers(ground: Ground) -> None:
    id = await ground.create(serial="AB-1234567")
    assert (await ground.update(id, serial="AB-1234567")).changed
    assert not (await ground.update(id, name="x")).changed
    (row,) = await ground.rows("select revision from fabric.objects")
    assert row["revision"] == 2
    events = await ground.rows("select data from fabric.events where topic like 'object.%' order by position")
    marker = {"_encrypted": True}
    assert [json.loads(event["data"]) for event in events] == [
        {"revision": 1, "before": {}, "after": {"name": "x", "serial": marker}},
        {"revision": 2, "before": {"serial": marker}, "after": {"serial": marker}},
    ]


async def test_null_clears_and_deleting_removes(ground: Ground) -> None:
    id = await ground.create(serial="AB-1234567", mail="ann@example.org")
    await ground.update(id, serial=None)
    assert await ground.stored() == {(id, "UNCLASSIFIED", "mail#e")}
    assert await ground.data(id) == {"name": "x", "mail#e": {"_encrypted": True}}
    await ground.delete(id)
    assert await ground.stored() == set()


@pytest.mark.parametrize("name", ["serial", "mail", "notes", "facts", "name"])
async def test_a_forged_marker_is_no_value(ground: Ground, name: str) -> None:
    with pytest.raises(FabricError) as caught:
        await ground.write(Change("create", "Person", {"name": "x", name: {"_encrypted": True}}, path=("input",)))
    assert list(faults(caught.value)) == [("input", name)]
    assert await ground.rows("select from fabric.objects") == []


async def test_a_list_of_forged_markers_is_none_either(ground: Ground) -> None:
    with pytest.raises(FabricError):
        await ground.create(paid=[{"_encrypted": True}])


async def test_a_value_is_carried_to_the_version_above(ground: Ground) -> None:
    id = await ground.create(serial="AB-1234567", mail="ann@example.org")
    await ground.update(id, at="SECRET", name="y", mail=None)
    assert await ground.stored() == {
        (id, "UNCLASSIFIED", "serial#e"), (id, "UNCLASSIFIED", "mail#e"), (id, "SECRET", "serial#e"),
    }  # fmt: skip
    assert await ground.opened(id, at="SECRET") == {"serial#e": "AB-1234567"}
    await ground.update(id, serial="CD-7654321")
    assert await ground.opened(id, at="SECRET") == {"serial#e": "AB-1234567"}
    assert (await ground.opened(id))["serial#e"] == "CD-7654321"
    rows = await ground.rows("select hint, blind_index from fabric.encrypted_fields where label <> 0")
    assert [(row["hint"], row["blind_index"] is None) for row in rows] == [("last4:4567", False)]
    await ground.delete(id, at="SECRET")
    assert {label for _, label, _ in await ground.stored()} == {"UNCLASSIFIED"}


async def test_many_values_are_carried_together(ground: Ground) -> None:
    made = [await ground.create(serial=f"{i:09}", mail=f"a{i}@example.org") for i in range(5)]
    ground.vault.trips, ground.vault.latency = 0, timedelta(milliseconds=10)
    await ground.write(*(Change("update", "Person", {"name": "z"}, id) for id in made), at="SECRET")
    assert ground.vault.trips == 2
    for i, id in enumerate(made):
        assert await ground.opened(id, at="SECRET") == {"serial#e": f"{i:09}", "mail#e": f"a{i}@example.org"}


async def test_no_connection_is_held_while_the_vault_is_waited_for(ground: Ground) -> None:
    busy: list[int] = []
    ground.vault.meanwhile = lambda: busy.append(ground.database.connections()["busy"])
    id = await ground.create(serial="AB-1234567")
    await ground.update(id, at="SECRET", name="y")
    subject = ground.subject("UNCLASSIFIED", clearance="CONFIDENTIAL")
    await regrade(ground.types, subject, ground.organization, id, "CONFIDENTIAL", "moved")
    assert busy == [0] * 6


async def test_regrading_takes_the_values_along(ground: Ground) -> None:
    id = await ground.create(serial="AB-1234567", mail="ann@example.org")
    subject = ground.subject("UNCLASSIFIED", clearance="SECRET")
    await regrade(ground.types, subject, ground.organization, id, "CONFIDENTIAL", "more than we thought")
    assert await ground.stored() == {(id, "CONFIDENTIAL", "serial#e"), (id, "CONFIDENTIAL", "mail#e")}
    assert await ground.opened(id, at="CONFIDENTIAL") == {"serial#e": "AB-1234567", "mail#e": "ann@example.org"}


async def test_a_value_that_changes_while_it_is_carried_is_carried_again(ground: Ground) -> None:
    id = await ground.create(serial="AB-1234567")
    carry, changed = ground.encryption.moved, False

    async def meanwhile(*args: Any) -> Any:
        nonlocal changed
        made = await carry(*args)
        if not changed:
            changed = True
            await ground.update(id, serial="CD-7654321")
        return made

    ground.encryption.moved = meanwhile  # type: ignore[method-assign]
    await ground.update(id, at="SECRET", name="y")
    assert await ground.opened(id, at="SECRET") == {"serial#e": "CD-7654321"}


async def test_a_value_whose_ciphertext_is_gone_is_not_carried_and_can_be_set_anew(ground: Ground) -> None:
    id = await ground.create(serial="AB-1234567")
    await ground.rows("delete from fabric.encrypted_fields")
    with pytest.raises(Conflict):
        await ground.update(id, at="SECRET", name="y")
    await ground.update(id, at="SECRET", serial="CD-7654321")
    assert await ground.opened(id, at="SECRET") == {"serial#e": "CD-7654321"}


@pytest.mark.parametrize("moved", ["entity", "field", "label", "organization"])
async def test_a_ciphertext_moved_elsewhere_in_the_database_does_not_decrypt(ground: Ground, moved: str) -> None:
    """Also not by the writers that carry it."""
    await establish(ground.admin_url, "globex", ())
    other = await Directory(ground.database).find("globex")
    assert other is not None
    await ground.encryption.make_keys(other.organization_id, ())
    first, second = await ground.create(serial="AB-1234567"), await ground.create(serial="CD-7654321")
    (row,) = await ground.rows("select * from fabric.encrypted_fields where entity_id = $1", first)
    home = Place(ground.organization.organization_id, "objects", first, 0, SERIAL)
    label = ground.subject("SECRET").label
    place = {
        "entity": replace(home, entity_id=second), "field": replace(home, field="mail#e"),
        "label": replace(home, label=label), "organization": replace(home, organization_id=other.organization_id),
    }[moved]  # fmt: skip
    stolen = ciphertexts.Ciphertext(place, row["key_name"], row["key_version"], row["ciphertext"])
    assert await ground.encryption.opened([replace(stolen, place=home)]) == ["AB-1234567"]
    with pytest.raises(VaultUnavailable, match="does not decrypt where it lies"):
        await ground.encryption.opened([stolen])
    with pytest.raises(VaultUnavailable):
        await ground.encryption.moved([stolen], label)
    await ground.rows(
        "update fabric.encrypted_fields set ciphertext = $1 where entity_id = $2", row["ciphertext"], second
    )
    with pytest.raises(VaultUnavailable):
        await ground.update(second, at="SECRET", name="y")


@pytest.mark.parametrize("failure", [Unavailable("secret://x"), Throttled("secret://x"), Denied("secret://x")])
async def test_a_vault_that_fails_leaves_nothing_and_is_told_in_constant_words(
    ground: Ground, failure: Unavailable
) -> None:
    id = await ground.create(serial="AB-1234567")
    ground.vault.failure = failure
    for write in (
        ground.create(serial="CD-7654321"),
        ground.update(id, serial="CD-7654321"),
        ground.update(id, at="SECRET", name="y"),
    ):
        with pytest.raises(VaultUnavailable) as caught:
            await write
        assert "secret" not in caught.value.message
        assert caught.value.__cause__ is None
    ground.vault.failure = None
    assert await ground.stored() == {(id, "UNCLASSIFIED", SERIAL)}
    assert await ground.opened(id) == {SERIAL: "AB-1234567"}


async def test_a_slow_vault_is_given_up(ground: Ground) -> None:
    ground.vault.latency = timedelta(seconds=600)
    ground.encryption = Encryption(ground.vault, seconds=0.05)
    ground.types.encryption = ground.encryption
    with pytest.raises(VaultUnavailable):
        await ground.create(serial="CD-7654321")


async def test_a_batch_may_take_longer_than_one_of_its_requests(ground: Ground) -> None:
    ground.vault.latency = timedelta(seconds=0.2)
    ground.types.encryption = encryption_by(Settings(vault_timeout_seconds=0.1), ground.vault)
    await ground.create(serial="AB-1234567")
    ground.vault.latency = timedelta(seconds=600)
    with pytest.raises(VaultUnavailable):
        await ground.create(serial="CD-7654321")


_BREAKS = "create function fabric.broken() returns trigger language plpgsql as $$ begin raise 'broken'; end $$"


async def test_a_crash_between_leaves_neither_a_marker_without_ciphertext_nor_the_reverse(ground: Ground) -> None:
    kept = await ground.create(serial="AB-1234567")
    for table in ("encrypted_fields", "events", "audit_log"):
        await ground.rows(_BREAKS)
        await ground.rows(f"create trigger broken before insert on fabric.{table} execute function fabric.broken()")
        for write in (ground.create(serial="CD-7654321"), ground.update(kept, at="SECRET", name="y")):
            with pytest.raises(FabricError):
                await write
        await ground.rows("drop function fabric.broken() cascade")
        assert await ground.stored() == {(kept, "UNCLASSIFIED", SERIAL)}
        assert len(await ground.rows("select from fabric.objects")) == 1


async def test_what_one_call_does_to_one_object_ends_as_the_last_change_says(ground: Ground) -> None:
    id = uuid4()
    await ground.write(
        Change("create", "Person", {"name": "x", "serial": "AB-1234567", "mail": "a@example.org"}, id),
        Change("update", "Person", {"serial": "CD-7654321", "mail": None}, id),
    )
    assert await ground.opened(id) == {SERIAL: "CD-7654321"}
    await ground.write(Change("delete", "Person", {}, id), Change("create", "Person", {"name": "y", "notes": 1}, id))
    assert await ground.stored() == {(id, "UNCLASSIFIED", "notes#e")}
    await ground.write(Change("update", "Person", {"serial": "EF-7654321"}, id), Change("delete", "Person", {}, id))
    assert await ground.stored() == set()


async def test_of_writers_at_once_the_last_one_s_ciphertext_is_the_one_that_stays(ground: Ground) -> None:
    id = await ground.create(serial="0")
    await asyncio.gather(*(ground.update(id, serial=f"{i:09}", name=f"{i:09}") for i in range(8)))
    assert (await ground.opened(id))[SERIAL] == (await ground.data(id))["name"]


async def test_without_a_vault_values_that_are_there_are_neither_written_nor_carried(ground: Ground) -> None:
    id = await ground.create(serial="AB-1234567")
    ground.types.encryption = None
    for write in (ground.update(id, serial="CD-7654321"), ground.update(id, at="SECRET", name="y")):
        with pytest.raises(VaultUnavailable, match="no vault is configured"):
            await write
    await ground.update(id, name="y")
    await ground.delete(id)
    assert await ground.stored() == set()
