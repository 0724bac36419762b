"""A process that rotates until it is killed: `rotating_process.py DATABASE_URL KEYRING`."""

import asyncio
import sys
from pathlib import Path

from fabric.database.db import Database
from fabric.encryption.rotator import Pace, Rotator
from vault.software import SoftwareVault


async def main(url: str, keyring: str) -> None:
    database = await Database.connect(url, size=2)
    async with Rotator(database, SoftwareVault(Path(keyring), b"m" * 32), Pace(300), look=0.05).running():
        print("ready", flush=True)
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
