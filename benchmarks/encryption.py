"""What encrypted fields cost to write: one object with two of them beside one without, and a large import.

    python benchmarks/encryption.py DATA_DIR [--latency MILLISECONDS]

DATA_DIR may be empty: the organization `encrypted` is made in it, with the software vault's keys. The vault is asked
through a counter, which adds the latency to each call, as a vault over the network would. A round trip is a time in
which calls ran, however many at once.
"""

import argparse
import asyncio
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.encryption.encryption import Encryption
from fabric.identity.organizations import Directory, establish
from fabric.identity.policy import PERMISSIONS
from fabric.identity.subject import Subject
from fabric.labels import Lattice
from fabric.transfer.loader import Loader
from fabric.transfer.records import Record
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects
from vault.software import SoftwareVault

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from steered_vault import SteeredVault

ROUNDS, EACH, IMPORTED = 9, 60, 10_000
SECRET = {"type": "string", "encrypted": True}
STRING = {"type": "string"}
TYPES = [
    {"typeName": "Plain", "fields": dict.fromkeys(("name", "serial", "mail"), STRING)},
    {
        "typeName": "Secret",
        "fields": {"name": STRING, "serial": SECRET | {"blindIndex": True, "hint": "last4"}, "mail": SECRET},
    },
]


async def measure(server: EmbeddedPostgres, folder: Path, latency: float) -> None:
    await migrate(server.admin_url)
    await establish(server.admin_url, "encrypted", ())
    vault = SteeredVault(SoftwareVault(folder / "keyring", b"benchmark" * 4))
    async with await Database.connect(server.url) as database:
        organization = await Directory(database).find("encrypted")
        assert organization is not None
        types = Types(database, Encryption(vault))
        objects = Objects(types)
        subject = Subject(
            organization.organization_id, "encrypted", "benchmark", frozenset(), frozenset(PERMISSIONS), 0, 0, 4e9
        )
        await types.define(subject, Lattice(()), TYPES)
        vault.latency = timedelta(milliseconds=latency)

        def data() -> dict[str, str]:
            return {"name": "x", "serial": uuid4().hex, "mail": f"{uuid4().hex}@example.org"}

        async def creating(type_name: str) -> float:
            started = time.perf_counter()
            for _ in range(EACH):
                await objects.write(subject, organization, [Change("create", type_name, data())])
            return EACH / (time.perf_counter() - started)

        async def importing(type_name: str) -> float:
            bodies = [{"type": type_name, "id": str(uuid4()), "data": data()} for _ in range(IMPORTED)]
            loader = Loader(database, types, organization, subject)
            started = time.perf_counter()
            summary = await loader.load((), [Record(str(i), body) for i, body in enumerate(bodies)], ())
            assert summary.objects.created == IMPORTED
            return IMPORTED / (time.perf_counter() - started)

        rates: dict[str, list[float]] = {"Plain": [], "Secret": []}
        vault.trips = 0
        for _ in range(ROUNDS):
            for name in rates:
                rates[name].append(await creating(name))
        plain, secret = (statistics.median(rates[name]) for name in ("Plain", "Secret"))
        trips = vault.trips / (ROUNDS * EACH)
        print(f"create without encrypted fields: {plain:7.0f} a second")
        ratio = secret / plain
        print(f"create with two of them:         {secret:7.0f} a second, {ratio:.2f} x, {trips:.2f} round trips")
        plain = await importing("Plain")
        vault.trips = 0
        vault.calls.clear()
        secret = await importing("Secret")
        print(f"import of {IMPORTED:,} without:         {plain:7.0f} objects a second")
        print(
            f"import of {IMPORTED:,} with two:        {secret:7.0f} objects a second, {secret / plain:.2f} x,"
            f" {vault.trips} round trips, {sum(vault.calls.values())} calls"
        )
    await vault.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    given = parser.parse_args()
    with EmbeddedPostgres(given.data_dir) as server:
        asyncio.run(measure(server, given.data_dir, given.latency))


if __name__ == "__main__":
    main()
