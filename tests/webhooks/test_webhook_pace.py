"""Pauses, and room for messages on their way."""

import asyncio
from uuid import UUID, uuid4

import pytest

from fabric.webhooks.pace import JITTER, LONGEST_PAUSE, Schedule, Slots

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 2.0), (2, 4.0), (3, 8.0), (11, 2048.0), (12, LONGEST_PAUSE), (10_000, LONGEST_PAUSE)]
)
def test_pauses_double_to_an_hour_and_differ(attempts: int, seconds: float) -> None:
    pauses = {Schedule().pause(attempts) for _ in range(200)}
    assert len(pauses) > 100
    assert seconds * (1 - JITTER) <= min(pauses) < seconds < max(pauses) <= seconds * (1 + JITTER)


async def test_an_organization_takes_a_quarter_of_the_room_at_most() -> None:
    slots, now, most = Slots(16), {UUID(int=n): 0 for n in range(6)}, {UUID(int=n): 0 for n in range(6)}
    total = 0

    async def send(organization_id: UUID) -> None:
        nonlocal total
        async with slots.taken(organization_id):
            now[organization_id] += 1
            most[organization_id] = max(most[organization_id], now[organization_id])
            total = max(total, sum(now.values()))
            await asyncio.sleep(0.001)
            now[organization_id] -= 1

    await asyncio.gather(*(send(organization_id) for organization_id in now for _ in range(50)))
    assert set(most.values()) == {4}
    assert total == 16


async def test_room_is_kept_for_others_by_one_who_waits() -> None:
    slots, slow, done = Slots(4), uuid4(), asyncio.Event()

    async def linger() -> None:
        async with slots.taken(slow):
            await done.wait()

    lingering = [asyncio.create_task(linger()) for _ in range(20)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5), slots.taken(uuid4()):
        pass
    done.set()
    await asyncio.gather(*lingering)
