import asyncio
from dataclasses import replace

import pytest
from databases import run_sql

from fabric.database.db import Database
from fabric.identity.organizations import FRESH_SECONDS, Directory, Organization, establish
from fabric.labels import COMPARTMENT_BITS

pytestmark = pytest.mark.anyio


async def find(database: Database, name: str = "acme") -> Organization:
    found = await Directory(database).find(name)
    assert found is not None
    return found


async def test_an_organization_is_made_with_its_compartments_in_order(admin_url: str, database: Database) -> None:
    assert await establish(admin_url, "acme", ["BRAVO", "ALPHA"]) == (True, ["BRAVO", "ALPHA"])
    found = await find(database)
    assert found.name == "acme"
    assert found.lattice.compartments == ("BRAVO", "ALPHA")
    assert len(found.secret) == 32


async def test_what_is_there_stays_and_what_is_new_is_added_behind(admin_url: str, database: Database) -> None:
    await establish(admin_url, "acme", ["BRAVO"])
    before = await find(database)
    assert await establish(admin_url, "acme", ["ALPHA", "BRAVO", "ALPHA"]) == (False, ["ALPHA"])
    assert await establish(admin_url, "acme", ["ALPHA"]) == (False, [])
    assert await establish(admin_url, "acme") == (False, [])
    after = await find(database)
    assert after == replace(before, lattice=after.lattice)
    assert after.lattice.compartments == ("BRAVO", "ALPHA")


async def test_compartments_may_come_from_an_iterator(admin_url: str) -> None:
    assert await establish(admin_url, "acme", iter(["ALPHA"])) == (True, ["ALPHA"])


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\0b", "a\u202eb"])
async def test_names_that_cannot_be_are_refused(admin_url: str, name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        await establish(admin_url, name)


@pytest.mark.parametrize("compartment", ["", "alpha", "A-B", "1A", "A,B", "A/B", "A" * 64, "Ä"])
async def test_compartments_that_cannot_be_are_refused(admin_url: str, compartment: str) -> None:
    with pytest.raises(ValueError, match="upper-case"):
        await establish(admin_url, "acme", ["ALPHA", compartment])
    assert await run_sql(admin_url, "select from fabric.organizations") == []


async def test_a_label_holds_sixty_compartments(admin_url: str, database: Database) -> None:
    names = [f"C{n}" for n in range(COMPARTMENT_BITS + 1)]
    with pytest.raises(ValueError, match="60 compartments"):
        await establish(admin_url, "acme", names)
    assert await run_sql(admin_url, "select from fabric.organizations") == []
    await establish(admin_url, "acme", names[1:])
    with pytest.raises(ValueError, match="60 compartments"):
        await establish(admin_url, "acme", names[:1])
    assert (await find(database)).lattice.compartments == tuple(names[1:])


async def test_two_operators_at_once_make_one_organization(admin_url: str, database: Database) -> None:
    outcomes = await asyncio.gather(*(establish(admin_url, "acme", ["ALPHA", f"C{n}"]) for n in range(4)))
    assert sorted(created for created, _ in outcomes) == [False, False, False, True]
    assert sorted((await find(database)).lattice.compartments) == ["ALPHA", "C0", "C1", "C2", "C3"]


async def test_organizations_share_nothing(admin_url: str, database: Database) -> None:
    await establish(admin_url, "acme", ["ALPHA"])
    await establish(admin_url, "globex", ["BRAVO"])
    one, other = await find(database), await find(database, "globex")
    assert one.secret != other.secret
    assert one.organization_id != other.organization_id
    assert (one.lattice.compartments, other.lattice.compartments) == (("ALPHA",), ("BRAVO",))
    assert one.key("cursor") != other.key("cursor")


async def test_a_key_is_for_one_purpose(organization: Organization) -> None:
    assert organization.key("object") == organization.key("object")
    assert organization.key("object") != organization.key("link")
    assert organization.secret not in (organization.key("object"), organization.key(""))
    assert len(organization.key("object")) == 32


async def test_an_unknown_organization_is_none(database: Database) -> None:
    assert await Directory(database).find("nowhere") is None


async def test_what_is_known_is_used_for_a_while(
    admin_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("fabric.identity.organizations.time.monotonic", lambda: now)
    directory = Directory(database)
    assert await directory.find("acme") is None
    await establish(admin_url, "acme")
    assert await directory.find("acme") is None
    now += FRESH_SECONDS + 0.1
    known = await directory.find("acme")
    assert known is not None
    await establish(admin_url, "acme", ["ALPHA"])
    assert await directory.find("acme") is known
    fresh = await directory.find("acme", fresh=True)
    assert fresh is not None
    assert fresh.lattice.compartments == ("ALPHA",)
    assert await directory.find("acme") is fresh


async def test_what_is_known_is_bounded(admin_url: str, database: Database) -> None:
    directory = Directory(database, capacity=2)
    for name in ("a", "b", "c"):
        assert await directory.find(name) is None
        await establish(admin_url, name)
    assert await directory.find("a") is not None  # was forgotten for the third, so it is asked for
    assert await directory.find("c") is None


async def test_asking_again_forgets_nobody_else(admin_url: str, database: Database) -> None:
    directory = Directory(database, capacity=2)
    for name in ("a", "b"):
        assert await directory.find(name) is None
    await directory.find("b", fresh=True)
    await establish(admin_url, "a")
    assert await directory.find("a") is None
