"""The store of definitions: what is kept of them in memory, and that nobody is told less than there was."""

import asyncio
from typing import Any
from unittest.mock import patch

import pytest
from databases import MakeSubject

from fabric.database.db import Database, Transaction
from fabric.identity.organizations import Organization
from fabric.types import types as store
from fabric.types.catalogue import Catalogue
from fabric.types.types import Types, read_catalogue

pytestmark = pytest.mark.anyio

HIGH = "SECRET/ALPHA"


def document(name: str, *fields: str, label: str = "UNCLASSIFIED") -> dict[str, Any]:
    return {"typeName": name, "label": label, "fields": {f: {"type": "string"} for f in fields}}


@pytest.fixture
async def defined(types: Types, subject: MakeSubject, organization: Organization) -> Types:
    await types.define(subject(), organization.lattice, [document("Pump", "name"), document("Valve", "name")])
    await types.define(subject(HIGH), organization.lattice, [document("Secret", "name", label=HIGH)])
    return types


async def test_those_who_ask_at_once_wait_for_one_reading(defined: Types, subject: MakeSubject) -> None:
    with patch.object(store, "read_catalogue", wraps=read_catalogue) as reading:
        found = await asyncio.gather(*(defined.catalogue(subject().session) for _ in range(20)))
    assert reading.call_count == 1
    assert all(catalogue is found[0] for catalogue in found)


async def test_one_who_goes_away_does_not_take_it_from_the_others(defined: Types, subject: MakeSubject) -> None:
    leaving = asyncio.create_task(defined.catalogue(subject().session))
    await asyncio.sleep(0)
    staying = asyncio.create_task(defined.catalogue(subject().session))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).types.keys() == {"Pump", "Valve"}


async def test_who_asks_after_a_change_does_not_get_what_was_read_before(
    defined: Types, subject: MakeSubject, organization: Organization
) -> None:
    read, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> Catalogue:
        catalogue = await read_catalogue(*args)
        read.set()
        await go_on.wait()
        return catalogue

    with patch.object(store, "read_catalogue", slow):
        early = asyncio.create_task(defined.catalogue(subject().session))
        await read.wait()
        with patch.object(store, "read_catalogue", read_catalogue):
            await defined.define(subject(), organization.lattice, [document("Pump", "name", "flow")])
            assert set((await defined.catalogue(subject().session)).types["Pump"].fields) == {"name", "flow"}
        go_on.set()
        assert set((await early).types["Pump"].fields) == {"name"}
    assert set((await defined.catalogue(subject().session)).types["Pump"].fields) == {"name", "flow"}


async def test_a_reading_that_fails_is_tried_again(defined: Types, subject: MakeSubject) -> None:
    async def fail(*_: Any) -> Catalogue:
        raise RuntimeError

    with patch.object(store, "read_catalogue", fail), pytest.raises(RuntimeError):
        await defined.catalogue(subject().session)
    assert (await defined.catalogue(subject().session)).types.keys() == {"Pump", "Valve"}


async def test_what_has_not_changed_is_not_read_again(
    defined: Types, subject: MakeSubject, organization: Organization
) -> None:
    high = await defined.catalogue(subject(HIGH).session)
    low = await defined.catalogue(subject().session)
    assert (low.types.keys(), high.types.keys()) == ({"Pump", "Valve"}, {"Pump", "Secret", "Valve"})
    assert low.types["Pump"] is high.types["Pump"]
    await defined.define(subject(), organization.lattice, [document("Pump", "name", "flow")])
    for session, before in ((subject().session, low), (subject(HIGH).session, high)):
        after = await defined.catalogue(session)
        assert after is not before
        assert after.types.keys() == before.types.keys()
        assert set(after.types["Pump"].fields) == {"name", "flow"}
        assert after.types["Valve"] is before.types["Valve"]


async def test_a_change_between_the_two_looks_is_seen_whole(
    defined: Types, subject: MakeSubject, organization: Organization, database: Database
) -> None:
    """First the stamps of all fragments are read, then those that are new."""
    before = await defined.catalogue(subject().session)
    fetch, elsewhere = Transaction.fetch, Types(database)
    await elsewhere.define(subject(), organization.lattice, [document("Pump", "name", "flow")])
    looks = 0

    async def interrupted(transaction: Transaction, sql: str, *args: Any) -> Any:
        nonlocal looks
        rows = await fetch(transaction, sql, *args)
        looks += 1
        if looks == 1:
            with patch.object(Transaction, "fetch", fetch):
                changed = [document("Pump", "name", "flow", "head"), document("Valve", "name", "bore")]
                await elsewhere.define(subject(), organization.lattice, changed)
        return rows

    async with database.transaction(subject().session) as transaction:
        with patch.object(Transaction, "fetch", interrupted):
            after = await read_catalogue(transaction, before)
    assert looks == 3
    assert set(after.types["Pump"].fields) == {"name", "flow", "head"}
    assert set(after.types["Valve"].fields) == {"name", "bore"}
    assert after.fingerprint == (await elsewhere.catalogue(subject().session)).fingerprint
