"""Retention: what is old goes, the state of every object stays, and nothing else can be taken away unnoticed."""

import asyncio
import random
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from databases import run_sql, settled
from sealed import HIGH, LOW, Ground

from fabric.errors import NoLongerKept
from fabric.events.events import BEGINNING, pruned_to, read_page
from fabric.events.feed import Feed
from fabric.events.history import versions_at
from fabric.events.journal import Position
from fabric.identity.subject import Session
from fabric.seals import retention, seals
from fabric.seals.faults import Kind
from fabric.seals.retention import NotAsSealed, Policy, prune
from fabric.seals.seals import AUDIT_LOG, EVENTS

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
POLICY = Policy(DAY, DAY)

INSERT = """
insert into fabric.events (organization_id, label, topic, entity_table, entity_id, entity_type, actor, version)
values ($1, $2, 'x', 'objects', $3, 'X', 'ann', $4)"""


async def change(ground: Ground, label: int, entity: UUID, version: str | None) -> None:
    """An event that leaves this version, or none."""
    await run_sql(ground.admin_url, INSERT, ground.id, label, entity, version)


async def pruned(ground: Ground, before: datetime | None = None, policy: Policy = POLICY) -> list[NotAsSealed]:
    """Prunes what was sealed before the moment, by default all."""
    _, faults = await prune(
        ground.admin_url, policy, ground.key, ground.trusted, now=(before or datetime.now(UTC)) + DAY
    )
    await settled(ground.admin_url)
    return faults


async def left(ground: Ground, table: str = "events") -> int:
    (row,) = await run_sql(ground.admin_url, f"select count(*) from fabric.{table}")
    return int(row[0])


async def places(ground: Ground) -> list[Position]:
    rows = await run_sql(
        ground.admin_url, "select transaction_id::text::bigint, position from fabric.events order by 1, 2"
    )
    return [Position(*row) for row in rows]


async def states(ground: Ground, ids: list[UUID], at: Position, label: int | None = None) -> Any:
    opened = (
        ground.database.following(ground.id)
        if label is None
        else ground.database.transaction(Session(ground.id, label))
    )
    async with opened as transaction:
        return await versions_at(transaction, "objects", ids, at)


async def limit(ground: Ground) -> Position:
    async with ground.database.following(ground.id) as transaction:
        return await pruned_to(transaction)


async def test_what_is_old_goes_and_the_rest_is_verified(ground: Ground) -> None:
    for _ in range(3):
        await ground.write(LOW, 2)
        await ground.write(HIGH, 2)
        await ground.seal()
    moment = datetime.now(UTC)
    await ground.write(LOW, 2)
    await ground.seal()
    assert await pruned(ground, moment) == []
    assert (await left(ground), await left(ground, "audit_log")) == (2, 2)
    for of in (EVENTS, AUDIT_LOG):
        report = await ground.verify(of)
        assert report.faults == []
        assert {label: (c.sealed, c.pruned, c.unsealed) for label, c in report.chains.items()} == {
            LOW: (8, 6, 0), HIGH: (6, 6, 0),
        }  # fmt: skip
        assert report.chains[LOW].pruned_to is not None
    assert await left(ground, "seals") == 14


async def test_nothing_goes_without_a_policy_or_before_its_time(ground: Ground) -> None:
    await ground.write(LOW, 3)
    await ground.seal()
    await prune(ground.admin_url, POLICY, ground.key, ground.trusted)
    await prune(ground.admin_url, Policy.of_days(0, 0), ground.key, ground.trusted, now=datetime.now(UTC) + 9 * DAY)
    assert (await left(ground), await left(ground, "audit_log")) == (3, 3)
    await prune(ground.admin_url, Policy.of_days(0, 1), ground.key, ground.trusted, now=datetime.now(UTC) + 2 * DAY)
    assert (await left(ground), await left(ground, "audit_log")) == (3, 0)


async def test_what_is_not_sealed_stays(ground: Ground) -> None:
    await ground.write(LOW, 3)
    await ground.seal()
    await ground.write(LOW, 2)
    await pruned(ground)
    assert await left(ground) == 2
    await ground.seal()
    assert await ground.kinds() == []


async def test_the_newest_of_each_object_and_label_stays(ground: Ground) -> None:
    one, other, gone = uuid4(), uuid4(), uuid4()
    for label, entity, version in (
        (LOW, one, '{"v": 1}'), (LOW, one, '{"v": 2}'), (HIGH, one, '{"v": 3}'), (LOW, other, '{"v": 4}'),
        (LOW, gone, '{"v": 5}'), (LOW, gone, None),
    ):  # fmt: skip
        await change(ground, label, entity, version)
    await ground.seal()
    await pruned(ground)
    rows = await run_sql(ground.admin_url, "select version->>'v' from fabric.events order by 1")
    assert [row[0] for row in rows] == ["2", "3", "4"]
    await change(ground, LOW, one, '{"v": 6}')
    await change(ground, LOW, other, None)
    await ground.seal()
    await pruned(ground)
    rows = await run_sql(ground.admin_url, "select version->>'v' from fabric.events order by 1")
    assert [row[0] for row in rows] == ["3", "6"]
    assert await ground.kinds() == []


@pytest.mark.parametrize("number", range(10))
async def test_states_stay_what_they_were_at_every_place_that_is_not_pruned(
    ground: Ground, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(number)
    monkeypatch.setattr(retention, "ROWS", rng.choice([1, 3, 10]))
    ids = [uuid4() for _ in range(4)]
    told: dict[Position, Any] = {}
    moments = [datetime.now(UTC)]
    for _ in range(8):
        for _ in range(rng.randint(1, 8)):
            version = None if rng.random() < 0.4 else f'{{"v": {rng.randint(0, 99)}}}'
            await change(ground, rng.choice([LOW, LOW, HIGH]), rng.choice(ids), version)
            at = (await places(ground))[-1]
            told[at] = await states(ground, ids, at)
        await ground.seal()
        moments.append(datetime.now(UTC))
        if rng.random() < 0.5:
            assert await pruned(ground, rng.choice(moments[-3:])) == []
            assert await ground.kinds() == []
            lowest = await limit(ground)
            for at, expected in told.items():
                if at >= lowest:
                    assert await states(ground, ids, at) == expected
                else:
                    with pytest.raises(NoLongerKept):
                        await states(ground, ids, at)
    for label in (LOW, HIGH):
        for id in ids:
            await change(ground, label, id, None)
    await ground.seal()
    await pruned(ground)
    assert await ground.kinds() == []
    (rows,) = await run_sql(ground.admin_url, "select count(*) from fabric.events where version is not null")
    assert rows[0] == 0


async def test_many_small_seals_are_stated_together(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS", 4)
    for _ in range(9):
        await ground.write()
        await ground.seal()
    await pruned(ground)
    rows = await run_sql(
        ground.admin_url, "select first, last from fabric.prunings where log = 'events' order by first"
    )
    assert [tuple(row) for row in rows] == [(1, 4), (5, 8), (9, 9)]
    assert await ground.kinds() == []


# Attacks


@pytest.fixture
async def old(ground: Ground) -> Ground:
    """Nine events pruned to the three that are kept, then three more."""
    ids = [uuid4() for _ in range(3)]
    for n in range(3):
        for id in ids:
            await change(ground, LOW, id, f'{{"v": {n}}}')
        await ground.seal()
    await pruned(ground)
    assert await left(ground) == 3
    await ground.write(LOW, 3)
    await ground.seal()
    assert await ground.kinds() == []
    return ground


FIRST = "(select min(position) from fabric.events)"


@pytest.mark.parametrize(
    ("attack", "found"),
    [
        (f"delete from fabric.events where position = {FIRST}", [Kind.PRUNED]),
        (f"update fabric.events set actor = 'eve' where position = {FIRST}", [Kind.PRUNED]),
        (f"update fabric.events set position = default where position = {FIRST}", [Kind.PRUNED]),
        ("delete from fabric.events", [Kind.PRUNED, Kind.REMOVED]),
        ("update fabric.prunings set kept = 2", [Kind.PRUNED, Kind.REMOVED]),
        ("update fabric.prunings set signature = '\\x00'", [Kind.PRUNED, Kind.REMOVED]),
        ("update fabric.prunings set pruned_at = now()", [Kind.PRUNED, Kind.REMOVED]),
        ("update fabric.prunings set position = position + 1", [Kind.PRUNED, Kind.REMOVED]),
        ("delete from fabric.prunings", [Kind.REMOVED, Kind.REMOVED]),
        ("update fabric.prunings set last = 9", [Kind.PRUNED, Kind.REMOVED]),
        ("delete from fabric.seals where sequence = 2", [Kind.MISSING]),
    ],
)
async def test_what_is_taken_away_without_a_statement_is_found(old: Ground, attack: str, found: list[Kind]) -> None:
    await old.attack(attack)
    kinds = await old.kinds()
    assert set(found) <= set(kinds)
    assert kinds[0] == found[0]


async def test_an_older_statement_does_not_hide_what_is_gone_since(old: Ground) -> None:
    await old.attack("create table statements as select * from fabric.prunings")
    (row,) = await run_sql(old.admin_url, f"select entity_id from fabric.events where position = {FIRST}")
    await change(old, LOW, row[0], None)
    await old.seal()
    await pruned(old)
    assert await old.kinds() == []
    await old.attack("delete from fabric.prunings where log = 'events'")
    await old.attack("insert into fabric.prunings select * from statements where log = 'events'")
    assert (await old.kinds())[0] == Kind.PRUNED


async def test_what_is_not_as_it_was_sealed_is_evidence_and_stays(old: Ground) -> None:
    await old.attack("update fabric.events set actor = 'eve' where topic = 'thing.done'")
    faults = await pruned(old)
    assert [str(old.id) in str(fault) for fault in faults] == [True]
    assert await left(old) == 6
    assert await old.kinds() == [Kind.CHANGED]


async def test_a_flood_does_not_help(old: Ground) -> None:
    await old.attack(
        "insert into fabric.events (organization_id, transaction_id, label, topic, entity_table, entity_type, actor)"
        " select organization_id, transaction_id, 0, 'x', 'x', 'X', 'eve' from"
        " (select * from fabric.events where topic = 'x' order by transaction_id desc limit 1) e,"
        " generate_series(1, 5000)"
    )
    assert len(await pruned(old)) == 1
    assert await left(old) == 5006


# Followers


async def test_a_cursor_into_what_was_pruned_is_refused_and_never_skips(ground: Ground) -> None:
    for _ in range(3):
        await ground.write(LOW, 2)
        await ground.seal()
    cursors = await places(ground)
    await ground.write(LOW, 2)
    await pruned(ground)
    assert await limit(ground) == cursors[-1]
    async with ground.database.following(ground.id) as transaction:
        for cursor in cursors[:-1]:
            with pytest.raises(NoLongerKept, match="no longer kept"):
                await read_page(transaction, cursor)
        assert len((await read_page(transaction, cursors[-1])).events) == 2
        assert len((await read_page(transaction, BEGINNING)).events) == 2


@pytest.mark.parametrize("label", [LOW, HIGH])
async def test_what_was_pruned_above_a_reader_is_nothing_to_them(ground: Ground, label: int) -> None:
    await ground.write(LOW)
    await ground.write(HIGH)
    await ground.seal()
    moment = datetime.now(UTC)
    await ground.write(LOW)
    await ground.seal()
    low, _, _ = await places(ground)
    await pruned(ground, moment)
    feed = Feed(ground.database)
    refused = pytest.raises(NoLongerKept) if label == HIGH else nullcontext()
    with refused:
        async with ground.database.transaction(Session(ground.id, label)) as transaction:
            assert len((await read_page(transaction, low)).events) == 1
    refused = pytest.raises(NoLongerKept) if label == HIGH else nullcontext()
    with refused:
        async with feed.following(ground.id) as tail:
            await tail.require(low, label)
            assert len((await tail.page(low, clearance=label)).told) == 1
    async with feed.following(ground.id) as tail:
        with pytest.raises(NoLongerKept):
            await tail.page(low)
        assert len((await tail.page(BEGINNING)).told) == 1


# Stopping and starting


async def test_it_can_be_stopped_anywhere_and_goes_on(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS", 3)
    rng = random.Random(2)
    ids = [uuid4() for _ in range(5)]
    for _ in range(12):
        for _ in range(3):
            await change(ground, rng.choice([LOW, HIGH]), rng.choice(ids), '{"v": 1}')
        await ground.seal()
    last = (await places(ground))[-1]
    expected = await states(ground, ids, last)
    for _ in range(30):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.03 + rng.random() * 0.15):
                await pruned(ground)
        assert await ground.kinds() == []
        assert await states(ground, ids, last) == expected
    await pruned(ground)
    assert await left(ground) <= 10
    assert await ground.kinds() == []


async def test_one_process_at_a_time(ground: Ground) -> None:
    await ground.write()
    await ground.seal()
    connection = await asyncpg.connect(ground.admin_url)
    try:
        await connection.fetchval(retention._LOCK)
        await pruned(ground)
        assert await left(ground) == 1
    finally:
        await connection.close()
    await pruned(ground)
    assert await left(ground) == 0


async def test_it_is_done_again_and_again(ground: Ground) -> None:
    await ground.write(LOW, 3)
    await ground.seal()
    policy = Policy(timedelta(microseconds=1), None)
    keeping = asyncio.create_task(retention.keep(ground.admin_url, policy, ground.key, ground.trusted, every=0.05))
    try:
        for expected in (0, 0):
            for _ in range(200):
                if await left(ground) == expected:
                    break
                await asyncio.sleep(0.02)
            assert await left(ground) == expected
            await ground.write(LOW, 2)
            await ground.seal()
    finally:
        keeping.cancel()
    assert (await left(ground, "audit_log"), await ground.kinds()) == (7, [])


def test_a_step_takes_as_many_rows_as_a_seal_may_have() -> None:
    assert retention.ROWS == seals.ROWS


async def test_a_seal_of_another_history_does_not_stand_in_for_one_whose_rows_are_gone(ground: Ground) -> None:
    """As a database that was put back to an older state, and went on from there, has signed it too."""
    await ground.write()
    await ground.seal()
    await ground.write()
    await ground.seal()
    await ground.attack("create table other as select * from fabric.seals where sequence = 2")
    await ground.attack("delete from fabric.seals where sequence = 2")
    await ground.attack("delete from fabric.events where position = 2")
    await ground.attack("delete from fabric.audit_log where audit_id = 2")
    for _ in range(2):
        await ground.write()
        await ground.seal()
    await pruned(ground)
    assert await ground.kinds() == []
    await ground.attack("delete from fabric.seals where sequence = 2")
    await ground.attack("insert into fabric.seals select * from other")
    assert await ground.kinds() == [Kind.BROKEN]
