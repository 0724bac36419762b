"""Revocations: what is refused, who may write them, and how long anybody can be mistaken about them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from databases import run_sql

from fabric.database.db import Database
from fabric.errors import Internal
from fabric.identity import revocations
from fabric.identity.organizations import Organization, establish
from fabric.identity.revocations import CHANNEL, Revocations, revoke_subject, revoke_token
from fabric.identity.subject import Session

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
MOMENT = NOW.timestamp()


@pytest.fixture
def known(database: Database) -> Revocations:
    return Revocations(database, leeway_seconds=5)


async def refused(
    known: Revocations, organization: Organization, token_id: str | None = "t-1", issued_at: float | None = MOMENT,
    subject: str = "ann",
) -> bool:  # fmt: skip
    return await known.refuses(organization.organization_id, subject, token_id, issued_at)


async def test_a_token_is_refused_by_its_id(known: Revocations, organization: Organization, admin_url: str) -> None:
    assert not await refused(known, organization)
    await revoke_token(admin_url, "acme", "t-1", "lost", actor="operator")
    known.forget(organization.organization_id)
    assert await refused(known, organization)
    assert not await refused(known, organization, "t-2")
    assert not await refused(known, organization, None)


async def test_a_subject_is_refused_what_it_was_given_until_the_moment(
    known: Revocations, organization: Organization, admin_url: str
) -> None:
    assert await revoke_subject(admin_url, "acme", "ann", NOW, "moved", actor="operator") == NOW
    assert await refused(known, organization, issued_at=MOMENT - 3600)
    assert await refused(known, organization, issued_at=MOMENT)
    assert await refused(known, organization, issued_at=MOMENT + 5), "within the leeway it may be an older one"
    assert not await refused(known, organization, issued_at=MOMENT + 6)
    assert await refused(known, organization, issued_at=None), "it may be as old as any"
    assert not await refused(known, organization, issued_at=MOMENT - 3600, subject="bea")


async def test_a_moment_is_never_taken_back(known: Revocations, organization: Organization, admin_url: str) -> None:
    await revoke_subject(admin_url, "acme", "ann", NOW, "moved", actor="operator")
    earlier = NOW - timedelta(days=1)
    assert await revoke_subject(admin_url, "acme", "ann", earlier, "again", actor="operator") == NOW
    assert await refused(known, organization, issued_at=MOMENT)


async def test_organizations_know_nothing_of_each_others(
    known: Revocations, organization: Organization, admin_url: str, database: Database
) -> None:
    await establish(admin_url, "other")
    await revoke_token(admin_url, "other", "t-1", "lost", actor="operator")
    await revoke_subject(admin_url, "other", "ann", NOW, "moved", actor="operator")
    assert not await refused(known, organization)
    async with database.transaction(Session(organization.organization_id, 0)) as transaction:
        assert await transaction.fetch("select * from fabric.revocations") == []
    assert await database.ask("select * from fabric.revocations") == []


@pytest.mark.parametrize("statement", [
    "delete from fabric.revocations", "update fabric.revocations set name = 'x'", "truncate fabric.revocations",
    "insert into fabric.revocations (organization_id, kind, name, reason) select organization_id, 'token', 'x', 'y'"
    " from fabric.organizations",
])  # fmt: skip
async def test_who_serves_can_write_none(
    organization: Organization, admin_url: str, database: Database, statement: str
) -> None:
    await revoke_token(admin_url, "acme", "t-1", "lost", actor="operator")
    with pytest.raises(Internal) as refusal:
        async with database.transaction(Session(organization.organization_id, 0)) as transaction:
            await transaction.fetch(statement)
    assert isinstance(refusal.value.__cause__, asyncpg.InsufficientPrivilegeError)


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb", "a\0b"])
async def test_what_no_token_can_have_is_not_taken(organization: Organization, admin_url: str, name: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        await revoke_token(admin_url, "acme", name, "lost", actor="operator")
    with pytest.raises(ValueError, match="printable"):
        await revoke_subject(admin_url, "acme", name, NOW, "lost", actor="operator")


async def test_a_moment_to_come_no_reason_and_no_organization_are_refused(
    organization: Organization, admin_url: str
) -> None:
    later = datetime.now(UTC) + timedelta(minutes=1)
    with pytest.raises(ValueError, match="yet to come"):
        await revoke_subject(admin_url, "acme", "ann", later, "moved", actor="operator")
    with pytest.raises(ValueError, match="reason"):
        await revoke_token(admin_url, "acme", "t-1", " ", actor="operator")
    with pytest.raises(ValueError, match="no organization 'nobody'"):
        await revoke_token(admin_url, "nobody", "t-1", "lost", actor="operator")


async def test_each_is_in_the_audit_log(organization: Organization, admin_url: str) -> None:
    await revoke_token(admin_url, "acme", "t-1", "lost", actor="operator")
    await revoke_subject(admin_url, "acme", "ann", NOW, "moved", actor="operator")
    rows = await run_sql(admin_url, "select actor, action, outcome, reason, label, detail::text from fabric.audit_log")
    assert [tuple(row) for row in rows] == [
        ("operator", "token.revoked", "done", "lost", 0, '{"name": "t-1"}'),
        ("operator", "subject.revoked", "done", "moved", 0,
         f'{{"name": "ann", "issued_until": "{NOW.isoformat()}"}}'),
    ]  # fmt: skip


# How they are known


class Counted:
    """A database whose reads are counted, and can be held up."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, *args: Any) -> Any:
        self.reads += 1
        found = await self.database.read(*args)
        await self.gate.wait()
        return found


@pytest.fixture
def counted(database: Database) -> Counted:
    return Counted(database)


async def test_what_is_known_is_asked_again_when_it_is_no_longer_fresh(
    counted: Counted, organization: Organization, admin_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Revocations(counted)  # type: ignore[arg-type]
    for _ in range(3):
        assert not await refused(known, organization)
    assert counted.reads == 1
    await revoke_token(admin_url, "acme", "t-1", "lost", actor="operator")
    assert not await refused(known, organization), "nobody has told"
    monkeypatch.setattr(revocations, "FRESH_SECONDS", 0)
    assert await refused(known, organization)


async def test_many_who_ask_at_once_read_once(counted: Counted, organization: Organization) -> None:
    known = Revocations(counted)  # type: ignore[arg-type]
    counted.gate.clear()
    asking = [asyncio.create_task(refused(known, organization)) for _ in range(50)]
    await asyncio.sleep(0.05)
    asking[0].cancel()
    counted.gate.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert counted.reads == 1
    assert answers[1:] == [False] * 49


async def test_what_was_read_before_a_notice_is_not_kept(
    counted: Counted, organization: Organization, admin_url: str
) -> None:
    known = Revocations(counted)  # type: ignore[arg-type]
    counted.gate.clear()
    early = asyncio.create_task(refused(known, organization))
    await asyncio.sleep(0.1)
    await revoke_token(admin_url, "acme", "t-1", "lost", actor="operator")
    known.forget(organization.organization_id)
    late = asyncio.create_task(refused(known, organization))
    await asyncio.sleep(0.05)
    counted.gate.set()
    assert not await early
    assert await late
    assert await refused(known, organization)
    assert counted.reads == 2


async def test_where_they_cannot_be_read_nobody_is_let_in(database: Database, organization: Organization) -> None:
    known = Revocations(database)
    await database.close()
    for _ in range(2):
        with pytest.raises(Internal):
            await refused(known, organization)


async def test_a_bounded_number_of_organizations_is_known(counted: Counted, admin_url: str) -> None:
    known = Revocations(counted, capacity=2)  # type: ignore[arg-type]
    for name in ("one", "two", "three"):
        await establish(admin_url, name)
    ids = [row[0] for row in await run_sql(admin_url, "select organization_id from fabric.organizations")]
    for organization_id in [*ids, ids[2], ids[1]]:
        await known.refuses(organization_id, "ann", None, None)
    assert counted.reads == 3
    await known.refuses(ids[0], "ann", None, None)
    assert counted.reads == 4


async def test_each_is_told_to_all_processes(database: Database, organization: Organization, admin_url: str) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()
    async with database.listening(CHANNEL, heard.put_nowait):
        assert await asyncio.wait_for(heard.get(), 10) is None
        await revoke_token(admin_url, "acme", "t-1", "lost", actor="operator")
        assert await asyncio.wait_for(heard.get(), 10) == organization.organization_id
        await revoke_subject(admin_url, "acme", "ann", NOW, "moved", actor="operator")
        assert await asyncio.wait_for(heard.get(), 10) == organization.organization_id
