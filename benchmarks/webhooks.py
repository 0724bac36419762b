"""Webhooks from a commit to the receiver, beside the same requests sent by the client alone.

    python benchmarks/webhooks.py DATA_DIR

DATA_DIR is a folder for the embedded database; an organization of its own is made in it. The receiver, which answers
204 at once, is a process of its own; all else is one process.
"""

import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.events.feed import Feed
from fabric.identity.organizations import Directory, establish
from fabric.identity.policy import Policy
from fabric.identity.revocations import Revocations
from fabric.identity.subject import Subject
from fabric.labels import Label
from fabric.outbound.addresses import Networks
from fabric.settings import Settings
from fabric.types.types import Types
from fabric.webhooks.client import Client
from fabric.webhooks.counts import WebhookCounts
from fabric.webhooks.courier import Office
from fabric.webhooks.pace import Schedule, Slots
from fabric.webhooks.registry import Given, Registry
from fabric.webhooks.worker import Worker
from fabric.writing.objects import Change, Objects
from graphql_api.compiler.surfaces import Surfaces
from graphql_api.fields.webhook_notices import Notices

SINGLE, BULK, HOOKS = 200, 1_000, 8
HERE = Networks.parse(["127.0.0.0/8"])


@dataclass(frozen=True)
class Arrived:
    """How many requests have come, and when the last one did; shared with the receiver."""

    number: Any = field(default_factory=lambda: multiprocessing.Value("q"))
    last: Any = field(default_factory=lambda: multiprocessing.Value("d"))

    async def wait_for(self, number: int, look: float = 0.005) -> float:
        """The time at which so many have come since the process began."""
        while self.number.value < number:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(look)
        return float(self.last.value)


def receive(port: "multiprocessing.Queue[int]", arrived: Arrived) -> None:
    """Serves until it is terminated; says on which port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next(line for line in head.splitlines() if line.lower().startswith("content-length"))
                await reader.readexactly(int(length.partition(":")[2]))
                arrived.last.value = time.time()
                arrived.number.value += 1
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def measure(server: EmbeddedPostgres, url: str, arrived: Arrived) -> None:
    await migrate(server.admin_url)
    name = f"webhooks {uuid4()}"
    await establish(server.admin_url, name)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(await Database.connect(server.url))
        client = await stack.enter_async_context(Client(HERE))
        directory, types, feed, policy = Directory(database), Types(database), Feed(database), Policy.load(None)
        organization = await directory.find(name)
        assert organization is not None
        roles = frozenset({"admin"})
        subject = Subject(
            organization_id=organization.organization_id, organization=name, subject="benchmark", roles=roles,
            permissions=policy.permissions(roles), clearance=0, label=0, expires_at=float("inf"),
        )  # fmt: skip
        document = {"typeName": "Thing", "label": str(Label()), "fields": {"name": {"type": "string"}}}
        await types.define(subject, organization.lattice, [document])
        notices, objects = Notices(database, types, Surfaces(Settings())), Objects(types)
        registry = Registry(database, notices, HERE, HOOKS + 1)
        office = Office(
            database, feed, notices, client, policy, Revocations(database), Schedule(), Slots(64), WebhookCounts()
        )
        await stack.enter_async_context(feed.running())
        await stack.enter_async_context(Worker(office, directory).running())

        async def write(number: int) -> None:
            changes = [Change("create", "Thing", {"name": "x" * 100}) for _ in range(number)]
            await objects.write(subject, organization, changes)

        async def a_second(number: int, work: Awaitable[object]) -> float:
            """How many a second arrive of so many, from the end of the work that makes them."""
            before = arrived.number.value
            await work
            started = time.time()
            return number / (await arrived.wait_for(before + number) - started)

        async def hook(n: int) -> None:
            before = arrived.number.value
            given = Given(str(n), f"{url}{n}", "changes", {"type": "Thing"})
            await registry.create(subject, organization, given)
            await arrived.wait_for(before + 1)

        await hook(0)
        delays = []
        for _ in range(SINGLE):
            before = arrived.number.value
            await write(1)
            committed = time.time()
            delays.append(await arrived.wait_for(before + 1, 0.0005) - committed)
            await asyncio.sleep(0.01)
        print(f"commit → receiver: median {statistics.median(delays) * 1000:.1f} ms, of {SINGLE}")
        one = await a_second(BULK, write(BULK))
        for n in range(1, HOOKS):
            await hook(n)
        many = await a_second(BULK * HOOKS, write(BULK))

        async def post() -> None:
            for _ in range(BULK // 8):
                await client.post(url, {"content-type": "application/json"}, b"x" * 600)

        async def posts() -> None:
            sending.extend(asyncio.create_task(post()) for _ in range(8))

        sending: list[asyncio.Task[None]] = []
        bare = await a_second(BULK, posts())
        await asyncio.gather(*sending)
        print(f"the client alone:  {bare:6.0f} requests a second")
        print(f"one webhook:       {one:6.0f} messages a second, {one / bare:.2f} x")
        print(f"{HOOKS} webhooks:        {many:6.0f} messages a second, {many / bare:.2f} x")


def main() -> None:
    port: multiprocessing.Queue[int] = multiprocessing.Queue()
    arrived = Arrived()
    receiver = multiprocessing.Process(target=receive, args=(port, arrived), daemon=True)
    receiver.start()

    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(measure(server, f"http://127.0.0.1:{port.get()}/", arrived))
    receiver.terminate()


if __name__ == "__main__":
    main()
