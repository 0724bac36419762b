"""Tasks that end when they are told to."""

import asyncio

import pytest

from fabric import tasks
from fabric.tasks import ended, in_background, woken


def test_work_that_loses_a_cancellation_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_CANCEL_AGAIN", 0.01)
    lost = 0

    async def work() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 2:
                    raise

    async def main() -> None:
        async with in_background(work()):
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 30))
    assert lost == 2


def test_what_background_work_failed_with_is_raised_at_the_end() -> None:
    async def work() -> None:
        raise ValueError("broken")

    async def main() -> None:
        async with in_background(work()):
            await asyncio.sleep(0)

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(main())


def test_tasks_that_have_ended_stay_as_they_were() -> None:
    async def main() -> int:
        task = asyncio.create_task(asyncio.sleep(0, 7))
        await task
        await ended(task)
        return task.result()

    assert asyncio.run(main()) == 7


def test_a_cancellation_is_not_lost_to_the_event_that_comes_with_it() -> None:
    async def at_once() -> bool:
        event = asyncio.Event()
        task = asyncio.create_task(woken(event, 60))
        await asyncio.sleep(0)
        event.set()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(at_once())


def test_waiting_ends_by_itself() -> None:
    asyncio.run(woken(asyncio.Event(), 0.01))
    asyncio.run(woken(asyncio.Event(), -1))
