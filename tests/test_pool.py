"""Connections that go from one user to the next: in turn, none lost, none in two hands, none that broke."""

import asyncio
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest
from databases import run_sql

from fabric.database import pool as pools
from fabric.database.pool import Pool

pytestmark = pytest.mark.anyio

SIZE = 2
PATIENCE = 30.0


@pytest.fixture
async def pool(server_url: str) -> AsyncIterator[Pool]:
    pool = Pool(await asyncpg.create_pool(server_url, min_size=1, max_size=SIZE), PATIENCE)
    yield pool
    await pool.close()


async def backend(pool: Pool) -> int:
    async with pool.acquire() as connection:
        pid: int = await connection.fetchval("select pg_backend_pid()")
        return pid


async def settle() -> None:
    """Lets those who wait get what was given to them."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_what_came_back_whole_is_used_again(pool: Pool) -> None:
    assert len({await backend(pool) for _ in range(20)}) == 1


async def test_what_failed_is_mended_by_asyncpg(pool: Pool) -> None:
    first = await backend(pool)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with pool.acquire() as connection:
            await connection.execute("select 1 / 0")
    assert await backend(pool) == first
    assert pool.counts() == {"idle": 1, "busy": 0}


async def test_there_are_never_more_than_its_size_and_the_others_wait_in_turn(pool: Pool) -> None:
    held = [await pool.take() for _ in range(SIZE)]
    served: list[int] = []

    async def use(i: int) -> None:
        async with pool.acquire():
            served.append(i)

    tasks = [asyncio.create_task(use(i)) for i in range(5)]
    await settle()
    assert not served
    assert pool.counts() == {"idle": 0, "busy": SIZE}
    pool.give_back(held[0])
    await asyncio.wait(tasks, timeout=10)
    assert served == [0, 1, 2, 3, 4]
    await pool.give_up(held[1])
    assert pool.counts() == {"idle": SIZE, "busy": 0}


async def test_who_stops_waiting_takes_no_connection_with_him(pool: Pool) -> None:
    held = [await pool.take() for _ in range(SIZE)]
    before, beside, after = (asyncio.create_task(pool.take()) for _ in range(3))
    await settle()
    before.cancel()
    await settle()
    pool.give_back(held[0])  # to `beside`, who is gone before it gets there
    beside.cancel()
    connection = await asyncio.wait_for(after, 10)
    assert connection is held[0]
    pool.give_back(connection)
    pool.give_back(held[1])
    assert pool.counts() == {"idle": SIZE, "busy": 0}


async def test_who_stops_waiting_leaves_the_place_of_what_broke_to_the_next(pool: Pool) -> None:
    held = [await pool.take() for _ in range(SIZE)]
    beside, after = (asyncio.create_task(pool.take()) for _ in range(2))
    await settle()
    await pool.give_up(held[0])
    beside.cancel()
    pool.give_back(await asyncio.wait_for(after, 10))
    pool.give_back(held[1])
    assert pool.counts() == {"idle": SIZE, "busy": 0}


async def test_what_was_lost_while_idle_is_replaced(pool: Pool, admin_url: str) -> None:
    lost = await backend(pool)
    await run_sql(admin_url, "select pg_terminate_backend($1, 5000)", lost)
    await asyncio.sleep(0.1)
    assert await backend(pool) != lost
    assert pool.counts()["busy"] == 0


async def test_what_was_lost_on_the_way_to_the_next_is_replaced(pool: Pool) -> None:
    held = [await pool.take() for _ in range(SIZE)]
    waiting = asyncio.create_task(backend(pool))
    await settle()
    held[0].terminate()
    pool.give_back(held[0])
    assert await asyncio.wait_for(waiting, 10)
    pool.give_back(held[1])


async def test_who_cannot_be_connected_blocks_nobody(
    server_url: str, admin_url: str, database_name: str
) -> None:  # fmt: skip
    pool = Pool(await asyncpg.create_pool(server_url, min_size=0, max_size=1), PATIENCE)
    await run_sql(admin_url, f"alter database {database_name} connection limit 0")
    for _ in range(3):
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await backend(pool)
    await run_sql(admin_url, f"alter database {database_name} connection limit -1")
    assert await asyncio.wait_for(backend(pool), 10)
    await pool.close()


async def test_cancelled_queries_leave_connections_that_answer_for_nobody_else(pool: Pool) -> None:
    chance = random.Random(3)

    async def ask(i: int) -> int:
        async with pool.acquire() as connection:
            answer: int = await connection.fetchval("select $1::int from pg_sleep(0.002)", i)
            return answer

    async def hurried(i: int) -> int | None:
        try:
            return await asyncio.wait_for(ask(i), chance.uniform(0.0005, 0.02))
        except TimeoutError:
            return None

    answers = await asyncio.gather(*(hurried(i) for i in range(300)))
    assert {a for i, a in enumerate(answers) if a is not None} == {i for i, a in enumerate(answers) if a is not None}
    assert all(a in (None, i) for i, a in enumerate(answers))
    assert await asyncio.gather(*(ask(i) for i in range(10))) == list(range(10))
    assert pool.counts()["busy"] == 0


async def test_closing_waits_for_those_who_are_at_work(server_url: str) -> None:
    pool = Pool(await asyncpg.create_pool(server_url, min_size=1, max_size=SIZE), PATIENCE)

    async def work() -> int:
        async with pool.acquire() as connection:
            done: int = await connection.fetchval("select 1 from pg_sleep(0.2)")
            return done

    task = asyncio.create_task(work())
    await asyncio.sleep(0.05)
    await pool.close()
    assert task.done()
    assert await task == 1
    with pytest.raises(asyncpg.InterfaceError):
        await pool.take()


async def test_closing_does_not_wait_for_ever(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "CLOSING", 0.1)
    pool = Pool(await asyncpg.create_pool(server_url, min_size=1, max_size=SIZE), PATIENCE)
    connection = await pool.take()
    await asyncio.wait_for(pool.close(), 10)
    with pytest.raises(asyncpg.InterfaceError):
        await connection.fetchval("select 1")


async def test_who_waits_too_long_goes_without_and_takes_nothing_along(server_url: str) -> None:
    pool = Pool(await asyncpg.create_pool(server_url, min_size=1, max_size=1), 0.1)
    async with pool.acquire():
        with pytest.raises(TimeoutError):
            await pool.take()
    assert await asyncio.gather(*(backend(pool) for _ in range(5)))
    assert pool.counts() == {"idle": 1, "busy": 0}
    await pool.close()
