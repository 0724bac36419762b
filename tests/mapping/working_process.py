"""A process that maps fields until it is killed: `working_process.py DATABASE_URL`."""

import asyncio
import sys

from fabric.database.db import Database
from fabric.jobs.counts import JobCounts
from fabric.jobs.worker import Worker
from fabric.mapping import mapping
from fabric.types.types import Types


async def main(url: str) -> None:
    database = await Database.connect(url, size=3)
    async with Worker(database, [mapping.kind(Types(database))], JobCounts(), 2, look=0.05).running():
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
