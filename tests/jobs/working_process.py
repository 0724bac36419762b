"""A process that works on jobs until it is killed: `working_process.py DATABASE_URL`."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

from fabric.database.db import Database, Transaction
from fabric.events import journal
from fabric.events.journal import Entry
from fabric.jobs.counts import JobCounts
from fabric.jobs.jobs import Kind
from fabric.jobs.run import Progress, Run
from fabric.jobs.worker import Worker


async def count(run: Run) -> Mapping[str, Any]:
    """Tells each number up to `arguments["to"]` in an event, two in each step."""
    while (place := run.place or {"next": 0})["next"] < run.job.arguments["to"]:

        async def work(transaction: Transaction, first: int = place["next"]) -> Progress:
            for number in (first, first + 1):
                told = Entry("test.counted", "numbers", None, "Number", {"number": number})
                await journal.tell(transaction, "counter", told)
            await asyncio.sleep(run.job.arguments.get("pause", 0))
            return Progress(2, {"next": first + 2})

        await run.step(work)
    return {"counted": place["next"]}


COUNT = Kind("count", ("type:define",), count)


async def main(url: str) -> None:
    database = await Database.connect(url, size=2)
    async with Worker(database, [COUNT], JobCounts(), 2, look=0.05).running():
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
