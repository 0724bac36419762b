"""Inferred links: working in one change beside concluding all anew, and what reading and walking them costs.

    python benchmarks/inference.py DATA_DIR [OBJECTS]

DATA_DIR is a folder for the embedded database; an organization of its own is made in it. Its objects, 10,000 unless
told otherwise, are one tree in which each has four parts. `has_part` is transitive, so each follows from all above it.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.events.link_pages import Slice, Sought, count_links, list_links
from fabric.graph import LinkGraph
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.policy import Policy
from fabric.identity.subject import Subject
from fabric.inference.closure import Closure, Fact
from fabric.inference.inference import Inference
from fabric.inference.rules import Axioms, of_relation
from fabric.inference.scopes import EVERYBODY
from fabric.inference.worker import Worker
from fabric.labels import Label
from fabric.live_graphs.inferred import InferredLinks
from fabric.live_graphs.loading import load
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects

OBJECTS, BATCH, PARTS, ROUNDS, MOST = 10_000, 1_000, 4, 30, 10**7
RELATION = "has_part"
DEFINITION = {
    "typeName": "Part",
    "label": str(Label()),
    "links": {"parts": {"relation": RELATION, "target": "Part", "transitive": True}},
}


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def median(work: Callable[[], Awaitable[Any]], rounds: int = ROUNDS) -> float:
    """Seconds, after once that does not count."""
    await work()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def closures(objects: int) -> None:
    """Without a database: everything concluded, and a link of a leaf, or near the root, taken away and put back."""
    rules = dict.fromkeys(of_relation(RELATION, Axioms(transitive=True)), EVERYBODY)
    facts = {Fact(RELATION, (n - 1) // PARTS, n): EVERYBODY for n in range(1, objects)}
    closure = Closure(rules, MOST)
    whole = timed(lambda: closure.change(facts))
    print(f"{objects:,} objects, {len(facts):,} links, {len(closure):,} that follow, concluded in {whole:.2f} s")
    for name, n in (("a leaf", objects - 1), ("one with a 64th of all below", PARTS**2 + 5)):
        fact = Fact(RELATION, (n - 1) // PARTS, n)
        seconds = statistics.median(
            timed(lambda fact=fact: [closure.change({fact: ()}), closure.change({fact: EVERYBODY})])  # type: ignore[misc]
            for _ in range(5)
        )
        ratio = whole / seconds
        print(f"  the link to {name} taken away and put back: {seconds * 1e3:.2f} ms, {ratio:,.0f} x as quick")


class Ground:
    """The tree in the database. `ids` are its objects', in the order of the tree."""

    def __init__(self, database: Database, organization: Organization, subject: Subject) -> None:
        self.database, self.organization, self.subject = database, organization, subject
        self.types = Types(database)
        self.links = Links(self.types)
        self.ids: Sequence[UUID] = ()

    async def fill(self, objects: int) -> None:
        await self.types.define(self.subject, self.organization.lattice, [DEFINITION])
        self.ids = [uuid4() for _ in range(objects)]
        writing = Objects(self.types)
        for first in range(0, objects, BATCH):
            changes = [Change("create", "Part", {}, id) for id in self.ids[first : first + BATCH]]
            await writing.write(self.subject, self.organization, changes)
        for first in range(1, objects, BATCH):
            links = [self.link(n) for n in range(first, min(first + BATCH, objects))]
            await self.links.write(self.subject, self.organization, links)

    def link(self, n: int, action: Any = "link") -> LinkChange:
        return LinkChange(action, RELATION, self.ids[(n - 1) // PARTS], self.ids[n])

    async def inference(self) -> None:
        inference = await Inference.load(self.database, self.types, self.organization.organization_id, MOST)
        await inference.begin()

    async def commit_to_list(self) -> float:
        """Seconds from the commit of a link to a leaf until a list shows all that follows from it; a median."""
        leaf, taken = len(self.ids) - 1, []
        sought = Sought(["Part"], [RELATION], ((None, self.ids[leaf]),), inferred=True)

        async def shown(number: int) -> None:
            while True:
                async with self.database.transaction(self.subject.session) as transaction:
                    if await count_links(transaction, sought) == number:
                        return
                await asyncio.sleep(0.002)

        async with self.database.transaction(self.subject.session) as transaction:
            all_of_it = await count_links(transaction, sought)
        async with Worker(self.database, self.types, MOST).running():
            for action, number in [("unlink", 0), ("link", all_of_it)] * (ROUNDS // 2):
                await self.links.write(self.subject, self.organization, [self.link(leaf, action)])
                began = time.perf_counter()
                await shown(number)
                taken.append(time.perf_counter() - began)
        return statistics.median(taken[1:])

    async def reading(self) -> None:
        for name, ends in (("of all", (None, None)), ("of one object", (self.ids[1], None))):
            figures = []
            for inferred in (False, True):
                sought = Sought(["Part"], None, (ends,), inferred=inferred)

                async def page(sought: Sought = sought) -> None:
                    async with self.database.transaction(self.subject.session) as transaction:
                        await list_links(transaction, sought, Slice(100))

                async def number(sought: Sought = sought) -> None:
                    async with self.database.transaction(self.subject.session) as transaction:
                        await count_links(transaction, sought)

                figures.append((await median(page), await median(number, 5)))
            for what, without, beside in zip(("100 links", "the count"), *figures, strict=True):
                print(f"  {what} {name}: {without * 1e3:.1f} ms; with inferred ones {beside / without:.1f} x that")

    async def walking(self) -> None:
        inferred = InferredLinks(self.database, 2**40)
        session = self.subject.session
        began = time.perf_counter()
        further = await inferred.of(session)
        first = time.perf_counter() - began
        again = await median(lambda: inferred.of(session))
        print(f"  inferred links read for a session: {first * 1e3:.0f} ms, {further.nbytes / 2**20:.0f} MiB; "
              f"asked whether they still are what there is: {again * 1e3:.1f} ms")  # fmt: skip
        async with self.database.following(session.organization_id, snapshot=True) as transaction:
            graph = LinkGraph((await load(transaction, lambda _: None)).build())
        leaf, root = self.ids[-1], self.ids[0]
        for name, ask in (
            ("three links from the root", lambda view: view.traverse([root], max_depth=3)),
            ("a path from the root to a leaf", lambda view: view.shortest_path(root, leaf)),
        ):
            taken = []
            for links in (None, further):
                view = graph.view(0, further=links)
                ask(view)
                taken.append(statistics.median(timed(lambda view=view, ask=ask: ask(view)) for _ in range(ROUNDS)))  # type: ignore[misc]
            print(f"  {name}: {taken[0] * 1e3:.2f} ms; over inferred links too {taken[1] / taken[0]:.1f} x that")


async def measure(server: EmbeddedPostgres, objects: int) -> None:
    closures(objects)
    await migrate(server.admin_url)
    name = f"inference {uuid4()}"
    await establish(server.admin_url, name)
    async with await Database.connect(server.url, statement_timeout=60.0) as database:
        organization = await Directory(database).find(name)
        assert organization is not None
        roles = frozenset({"admin"})
        subject = Subject(
            organization_id=organization.organization_id, organization=name, subject="benchmark", roles=roles,
            permissions=Policy.load(None).permissions(roles), clearance=0, label=0, expires_at=float("inf"),
        )  # fmt: skip
        ground = Ground(database, organization, subject)
        await ground.fill(objects)
        began = time.perf_counter()
        await ground.inference()
        whole = time.perf_counter() - began
        taking_over = await median(ground.inference, 3)
        delay = await ground.commit_to_list()
        print(f"in the database: loaded, concluded and stored in {whole:.1f} s; taken over in {taking_over:.1f} s")
        print(f"  from the commit of one link until a list shows what follows: {delay * 1e3:.0f} ms, "
              f"{whole / delay:,.0f} x as quick as all of it")  # fmt: skip
        await ground.reading()
        await ground.walking()


def main() -> None:
    objects = int(sys.argv[2]) if len(sys.argv) > 2 else OBJECTS
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(measure(server, objects))


if __name__ == "__main__":
    main()
