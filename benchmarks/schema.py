"""What the number of definitions costs: to build a schema of them, to ask it, and to change it while others ask.

    python benchmarks/schema.py DATA_DIR [--types 1000] [--seconds 6] [--changes 3]

DATA_DIR may be empty: the organizations `ten` and `many` are made in it, with 10 and with 1,000 types of 20 fields and
two links each, and 200 objects of the first type. Clients on the loopback ask for 20 of those, over and over, of a
server as it is served; meanwhile `defineType` adds a field to another type of `many`, and somebody introspects. Ratios
are to the median when nothing changes. Times of building are of the processor.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from graphql import get_introspection_query
from serving import served

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.identity.organizations import Directory, establish
from fabric.identity.policy import Policy
from fabric.identity.subject import Subject
from fabric.identity.tokens import issue_token
from fabric.labels import Label, Lattice
from fabric.secrets import token_secret
from fabric.settings import Settings
from fabric.types.document_reading import read_document
from fabric.types.kinds import Kind
from fabric.types.merging import build
from fabric.types.projection import Definer, plan
from fabric.types.types import Types
from fabric.writing.objects import Change, Objects
from graphql_api.compiler.compiler import Compiler
from graphql_api.schema.schema import build_surface, build_whole

FIELDS, OBJECTS, PORT, CLIENTS = 20, 200, 8768, 4
QUERY = "{ type0s(first: 20, orderBy: [{field0: ASC}]) { nodes { id field0 field1 field2 field3 } } }"
KINDS = [kind for kind in Kind if kind is not Kind.JSON]


def definition(number: int, types: int, added: str | None = None) -> dict[str, Any]:
    """A type of all kinds of fields, linked to the next ones, with a field `added`."""
    fields: dict[str, Any] = {added: {"type": Kind.STRING}} if added else {}
    for i in range(FIELDS):
        kind = KINDS[i % len(KINDS)]
        fields[f"field{i}"] = {"type": kind, **({"values": ["A", "B"]} if kind is Kind.ENUM else {})}
    links = {
        "next": {"relation": "next", "target": f"Type{(number + 1) % types}"},
        "one": {"relation": "one", "target": f"Type{(number + 2) % types}", "cardinality": "one"},
    }
    return {"typeName": f"Type{number}", "label": "UNCLASSIFIED", "fields": fields, "links": links}


def resident() -> float:
    """MB of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def building(types: int) -> None:
    """In this process: the catalogue, the schema that requests are asked of, and all of its types."""
    documents = [read_document(definition(i, types)) for i in range(types)]
    fragments = plan(build([]), documents, Definer(0, Lattice(()))).fragments
    build_surface(build(fragments[:10]))
    gc.collect()
    before, started = resident(), time.process_time()
    catalogue = build(fragments)
    read = time.process_time()
    surface = build_surface(catalogue)
    Compiler(surface, Settings(log_format="json")).operation(QUERY, None)
    asked, grown = time.process_time(), resident()
    number = len(build_whole(catalogue).type_map)
    whole = time.process_time()
    print(f"{types:,} definitions: catalogue {read - started:.2f} s, schema and first query {asked - read:.3f} s,")
    print(f"  {grown - before:.0f} MB; all of its {number:,} types {whole - asked:.2f} s, {resident() - grown:.0f} MB")


async def fill(server: EmbeddedPostgres, sizes: dict[str, int]) -> None:
    await migrate(server.admin_url)
    permissions = Policy.load(None).permissions(frozenset({"admin"}))
    async with await Database.connect(server.url) as database:
        for name, types in sizes.items():
            if not (await establish(server.admin_url, name))[0]:
                continue
            organization = await Directory(database).find(name)
            assert organization is not None
            id_ = organization.organization_id
            subject = Subject(id_, name, "benchmark", frozenset({"admin"}), permissions, 0, 0, 4e9)
            store = Types(database)
            await store.define(subject, organization.lattice, [definition(i, types) for i in range(types)])
            changes = [Change("create", "Type0", {"field0": f"{i:04}"}) for i in range(OBJECTS)]
            await Objects(store).write(subject, organization, changes)


def token(settings: Settings, organization: str) -> str:
    return issue_token(
        token_secret(settings.data_dir, settings.jwt_secret_file),
        organization=organization,
        subject="benchmark",
        roles=["admin"],
        clearance=Label(),
        lifetime=timedelta(hours=2),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )


@dataclass
class Client:
    """One connection that asks, and notes how long it waited."""

    token: str
    waits: list[float] = field(default_factory=list)

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", PORT)

    async def ask(self, query: str, variables: dict[str, Any] | None = None) -> Any:
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        head = f"POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.token}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        headers = await self._reader.readuntil(b"\r\n\r\n")
        [length] = [h.split(b":")[1] for h in headers.lower().split(b"\r\n") if h.startswith(b"content-length")]
        answer = json.loads(await self._reader.readexactly(int(length)))
        assert "errors" not in answer, answer
        return answer["data"]

    async def keep_asking(self, until: float) -> None:
        while (started := time.perf_counter()) < until:
            await self.ask(QUERY)
            self.waits.append(time.perf_counter() - started)


async def asking(clients: list[Client], seconds: float) -> None:
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client.keep_asking(until) for client in clients))


def median(clients: list[Client]) -> float:
    return statistics.median(wait for client in clients for wait in client.waits)


async def connected(settings: Settings, organization: str, number: int) -> list[Client]:
    clients = [Client(token(settings, organization)) for _ in range(number)]
    for client in clients:
        await client.connect()
        await client.ask(QUERY)
    return clients


async def request_cost(settings: Settings, seconds: float, rounds: int = 9) -> None:
    """The same query of the organization with few types and of the one with many, in turn."""
    medians: dict[str, list[float]] = {"ten": [], "many": []}
    for _ in range(rounds):
        for organization, found in medians.items():
            clients = await connected(settings, organization, 1)
            await asking(clients, seconds / rounds)
            found.append(median(clients))
    few, many = (statistics.median(found) for found in medians.values())
    print(f"request: {few * 1e3:.2f} ms of ten types, {many * 1e3:.2f} ms of many: {many / few:.3f} x")


async def changing(settings: Settings, types: int, seconds: float, changes: int) -> None:
    groups = {name: await connected(settings, name, CLIENTS) for name in ("ten", "many")}
    everyone = [client for group in groups.values() for client in group]
    await asking(everyone, seconds)
    calm = {name: median(group) for name, group in groups.items()}
    print("while nothing changes:")
    compare(groups, calm)

    async def change() -> tuple[float, float]:
        await asyncio.sleep(seconds / 3)
        [definer] = await connected(settings, "many", 1)
        started, added = time.perf_counter(), f"added{time.time_ns()}"
        text = "mutation($d: JSON!) { defineType(definition: $d) { changed } }"
        data = await definer.ask(text, {"d": definition(7, types, added)})
        assert data["defineType"]["changed"] == ["Type7"]
        ended = time.perf_counter()
        await definer.ask(f"{{ type7s(first: 1) {{ nodes {{ {added} }} }} }}")
        return ended - started, time.perf_counter() - ended

    for _ in range(changes):
        (took, seen), _ = await asyncio.gather(change(), asking(everyone, seconds))
        print(f"defineType {took * 1e3:.0f} ms, the definer's next request {seen * 1e3:.0f} ms")
    print("while types change:")
    compare(groups, calm)
    [reader] = await connected(settings, "many", 1)
    introspection = asyncio.create_task(reader.ask(get_introspection_query()))
    await asking(everyone, seconds)
    print("while one introspects:")
    compare(groups, calm)
    introspection.cancel()


def compare(groups: dict[str, list[Client]], calm: dict[str, float]) -> None:
    """What the clients waited for, and forgets it."""
    for name, group in groups.items():
        waits = sorted(wait for client in group for wait in client.waits)
        ratios = [wait / calm[name] for wait in (waits[len(waits) // 2], waits[len(waits) * 99 // 100], waits[-1])]
        middle, most, longest = (f"{ratio:.1f} x" for ratio in ratios)
        print(f"{name}: {calm[name] * 1e3:.2f} ms; meanwhile {middle}, p99 {most}, longest {longest}")
        for client in group:
            client.waits.clear()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--types", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--changes", type=int, default=3)
    asked = parser.parse_args()
    asked.data_dir.mkdir(parents=True, exist_ok=True)
    building(asked.types)
    settings = Settings(data_dir=asked.data_dir, log_format="json")
    with EmbeddedPostgres(asked.data_dir) as server:
        asyncio.run(fill(server, {"ten": 10, "many": asked.types}))
        with served(asked.data_dir, PORT):
            asyncio.run(request_cost(settings, asked.seconds))
            asyncio.run(changing(settings, asked.types, asked.seconds, asked.changes))


if __name__ == "__main__":
    main()
