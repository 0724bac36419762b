"""Subscribers over WebSockets: what one that is idle takes, how soon a link event comes, how many come to a hundred.

    python benchmarks/events.py DATA_DIR [IDLE]

DATA_DIR is a folder for the embedded database; an organization of its own is made in it. The server is one process, as
its users start it; the subscribers, 10,000 idle ones unless told otherwise, and who writes are another. Links are
updated, and followed by `linkEvents`; where 2,000 events a second are offered, only the events of updates are written.
Takes about two minutes, and as many open files as there are subscribers (`ulimit -n`).
"""

import asyncio
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvloop
from serving import served
from subscriber import Subscriber, subscribed

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.policy import Policy
from fabric.identity.subject import Subject
from fabric.identity.tokens import issue_token
from fabric.labels import Label
from fabric.secrets import token_secret
from fabric.settings import Settings
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects

PORT, IDLE, BUSY, SINGLE = 18_180, 10_000, 100, 200
TOGETHER, RATE, SECONDS = 20, 2_000, 10.0
"""Links in one transaction, events a second that are offered, and for how long."""

DEFINITION = {
    "typeName": "Thing",
    "fields": {"name": {"type": "string"}},
    "links": {"next": {"relation": "next", "target": "Thing"}},
}
QUERY = """subscription ($relations: [String!], $id: ID) {
  linkEvents(relations: $relations, objectId: $id, direction: OUT) {
    kind cursor topic link { id relation from to weight revision }
  }
}"""


_UPDATED = """
insert into fabric.events (organization_id, label, topic, entity_table, entity_id, entity_type, actor, data,
                           source_id, target_id, version)
select organization_id, label, 'link.updated', entity_table, entity_id, entity_type, actor, data, source_id, target_id,
       version || jsonb_build_object('revision', $3::bigint, 'weight', $3::bigint)
from fabric.events
where organization_id = $1 and entity_id = any($2) and topic = 'link.created'"""


class Writer:
    """Updates the links of an organization, in the order of a ring."""

    def __init__(
        self, database: Database, owner: asyncpg.Connection, organization: Organization, subject: Subject
    ) -> None:  # fmt: skip
        self._owner = owner
        self._organization, self._subject = organization, subject
        types = Types(database)
        self.types, self._objects, self._links = types, Objects(types), Links(types)
        self._next = count()
        self.links: list[UUID] = []
        self.sources: list[UUID] = []

    async def prepare(self) -> None:
        """One link from each of the busy ones' objects."""
        await self.types.define(self._subject, self._organization.lattice, [DEFINITION])
        changes = [Change("create", "Thing", {"name": str(i)}) for i in range(BUSY)]
        written, _ = await self._objects.write(self._subject, self._organization, changes)
        self.sources = [each.object_id for each in written]
        made = [LinkChange("link", "next", id, self.sources[i - 1]) for i, id in enumerate(self.sources)]
        linked, _ = await self._links.write(self._subject, self._organization, made)
        self.links = [each.link_id for each in linked]

    async def write(self, number: int) -> None:
        """A transaction that changes so many links."""
        changes = [
            LinkChange("update", link_id=self.links[n % BUSY], values={"weight": float(n)})
            for n in (next(self._next) for _ in range(number))
        ]
        await self._links.write(self._subject, self._organization, changes)

    async def tell(self, number: int) -> None:
        """A transaction with the events of so many updates alone: what writing takes is not what is measured."""
        chosen = [next(self._next) for _ in range(number)]
        ids = [self.links[n % BUSY] for n in chosen]
        await self._owner.execute(_UPDATED, self._organization.organization_id, ids, chosen[-1])

    async def steadily(self) -> tuple[int, float]:
        """Offers RATE events a second for SECONDS: how many were written, and when the last was."""
        began, pause = time.perf_counter(), TOGETHER / RATE
        written = 0
        while (now := time.perf_counter()) < began + SECONDS:
            due = began + written / TOGETHER * pause
            if due > now:
                await asyncio.sleep(due - now)
            await self.tell(TOGETHER)
            written += TOGETHER
        return written, time.perf_counter()


class Arrivals:
    """What has come to all subscribers together."""

    def __init__(self) -> None:
        self.number, self.last = 0, 0.0
        self._came = asyncio.Event()

    def __call__(self, moment: float) -> None:
        self.number, self.last = self.number + 1, moment
        self._came.set()

    async def one(self) -> float:
        """When the next came."""
        async with asyncio.timeout(60):
            await self._came.wait()
        self._came.clear()
        return self.last

    async def all(self, number: int, patience: float = 60.0) -> None:
        """Waits for so many, or until nothing comes any more."""
        deadline = time.perf_counter() + patience
        while self.number < number and time.perf_counter() < deadline:  # noqa: ASYNC110 - they come by themselves
            await asyncio.sleep(0.05)


def megabytes(process: int) -> float:
    """What it holds alone."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in rollup if line.startswith("Private_")) / 1e3


def load() -> str:
    return f"(load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors)"


async def many(number: int, subscribe: Callable[[int], Any], at_once: int = 64) -> list[Subscriber]:
    made: list[Subscriber] = []
    places = iter(range(number))

    async def take() -> None:
        for n in places:
            made.append(await subscribe(n))

    await asyncio.gather(*(take() for _ in range(at_once)))
    return made


async def latency(writer: Writer, arrivals: Arrivals) -> list[float]:
    """Milliseconds from a commit's answer to the client, each on its own."""
    delays = []
    for _ in range(SINGLE):
        await writer.write(1)
        committed = time.perf_counter()
        delays.append((await arrivals.one() - committed) * 1e3)
        await asyncio.sleep(0.02)
    return delays


async def offered(writer: Writer, port: int, token: str, *, all_of_them: bool) -> None:
    """2,000 events a second to a hundred subscribers: each follows all of them, or the links of one object."""
    arrivals = Arrivals()

    async def subscribe(n: int) -> Subscriber:
        asked = {} if all_of_them else {"id": str(writer.sources[n])}
        return await subscribed(port, token, QUERY, asked, arrivals)

    subscribers = await many(BUSY, subscribe)
    began = time.perf_counter()
    written, ended = await writer.steadily()
    expected = written * (BUSY if all_of_them else 1)
    await arrivals.all(expected)
    what = "all of them" if all_of_them else "one in a hundred"
    dropped = sum(each.transport.is_closing() for each in subscribers)
    print(f"each of {BUSY} subscribers follows {what} {load()}")
    print(f"  events written a second         {written / (ended - began):10,.0f}")
    print(f"  messages received a second      {arrivals.number / (arrivals.last - began):10,.0f}")
    print(f"  received of what was to come    {arrivals.number / expected:10.1%}, {dropped} dropped as too slow")
    print(f"  the last after the last commit  {arrivals.last - ended:10.2f} s")
    for each in subscribers:
        each.transport.close()


async def measure(
    server: EmbeddedPostgres, data_dir: Path, organization: Organization, process: int, idle: int
) -> None:  # fmt: skip
    roles = frozenset({"admin"})
    subject = Subject(
        organization.organization_id, organization.name, "benchmark", roles, Policy.load(None).permissions(roles), 0, 0,
        float("inf"),
    )  # fmt: skip
    settings = Settings(data_dir=data_dir)
    token = issue_token(
        token_secret(data_dir, None), organization=organization.name, subject="benchmark", roles=list(roles),
        clearance=Label(), lifetime=timedelta(hours=1), issuer=settings.jwt_issuer, audience=settings.jwt_audience,
    )  # fmt: skip
    async with await Database.connect(server.url, size=2) as database, AsyncExitStack() as stack:
        owner = await asyncpg.connect(server.admin_url)
        stack.push_async_callback(owner.close)
        writer = Writer(database, owner, organization, subject)
        await writer.prepare()
        arrivals = Arrivals()
        first = await subscribed(PORT, token, QUERY, {}, arrivals)
        await latency(writer, arrivals)  # what is done once is done
        delays = await latency(writer, arrivals)
        print(f"commit → client, one subscriber: median {statistics.median(delays):.1f} ms, nine in ten within "
              f"{statistics.quantiles(delays, n=10)[-1]:.1f} ms {load()}")  # fmt: skip
        before, began = megabytes(process), time.perf_counter()
        nothing = Arrivals()
        held = await many(idle, lambda _: subscribed(PORT, token, QUERY, {"relations": ["none"]}, nothing))
        seconds = time.perf_counter() - began
        await asyncio.sleep(1)
        print(f"{idle:,} idle subscribers: {(megabytes(process) - before) * 1e3 / idle:.1f} kB each in the server, "
              f"{idle / seconds:,.0f} let in a second {load()}")  # fmt: skip
        delays = await latency(writer, arrivals)
        print(f"commit → client beside them: median {statistics.median(delays):.1f} ms {load()}")
        assert not any(each.transport.is_closing() for each in held)
        first.transport.close()
        await offered(writer, PORT, token, all_of_them=False)
        await offered(writer, PORT, token, all_of_them=True)
        print(f"idle subscribers that are still there: {sum(not s.transport.is_closing() for s in held):,}")
        for each in held:
            each.transport.close()


def main() -> None:
    data_dir, idle = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else IDLE
    needed, (_, most) = idle + BUSY + 200, resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < needed:
        sys.exit(f"{needed:,} open files are needed, and {most:,} allowed: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))  # the server inherits it
    actor = {"CONNECTIONS_PER_ACTOR": needed, "SUBSCRIPTIONS_PER_ACTOR": needed}
    with EmbeddedPostgres(data_dir) as server:

        async def prepared() -> Organization:
            await migrate(server.admin_url)
            name = f"events {uuid4()}"
            await establish(server.admin_url, name)
            async with await Database.connect(server.url, size=1) as database:
                found = await Directory(database).find(name)
            assert found is not None
            return found

        organization = asyncio.run(prepared())
        changed = {f"FABRIC_MAX_{name}": str(value) for name, value in actor.items()}
        with served(data_dir, PORT, changed) as process:
            uvloop.run(measure(server, data_dir, organization, process, idle))


if __name__ == "__main__":
    main()
