"""A world of places that are parts of one another and near one another, of which more follows."""

import asyncio
import random
from typing import Any, Self
from uuid import UUID

from databases import MakeSubject
from plain_closure import interpreted

from fabric.database.db import Database
from fabric.errors import FabricError
from fabric.identity.organizations import Organization
from fabric.inference.closure import Fact
from fabric.inference.inference import Inference
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects
from fabric.writing.regrading import regrade

LABELS = ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET/ALPHA", "SECRET/BRAVO", "SECRET/ALPHA,BRAVO")
WHOLE = LABELS[-1]
PLACES: dict[str, Any] = {
    "typeName": "Place",
    "fields": {"name": {"type": "string"}},
    "links": {
        "parts": {"relation": "has_part", "target": "Place", "transitive": True},
        "wholes": {"relation": "part_of", "target": "Place", "inverse": "has_part"},
        "near": {"relation": "near", "target": "Place", "symmetric": True},
    },
}
REACHED: dict[str, Any] = {
    "label": "SECRET/ALPHA",
    "relation": "near", "target": "Place", "inferredFrom": [["has_part", "near"]],
}  # fmt: skip


class World:
    """Places of one organization, linked and relabelled at random."""

    def __init__(
        self, database: Database, types: Types, organization: Organization, subject: MakeSubject, seed: int
    ) -> None:
        self.database, self.types, self.organization, self.subject = database, types, organization, subject
        self.objects, self.links, self.rng = Objects(types), Links(types), random.Random(seed)
        self.ids = [UUID(int=self.rng.getrandbits(128), version=4) for _ in range(5)]

    async def begin(self) -> Self:
        """Defines places, and puts each where everybody sees it."""
        await self.define()
        for id in self.ids:
            await self.place(id)
        return self

    async def define(self, label: str = LABELS[0], **links: Any) -> None:
        document = PLACES | {"label": LABELS[0], "links": PLACES["links"] | links}
        able = self.subject(label)
        await self.types.define(able, self.organization.lattice, [document])

    async def place(self, id: UUID, label: str = LABELS[0]) -> None:
        change = Change("create", "Place", {"name": "x"}, id)
        await self.objects.write(self.subject(label), self.organization, [change])

    async def link(
        self, source: UUID, target: UUID, relation: str = "has_part", label: str = LABELS[0], action: Any = "link",
        **values: Any,
    ) -> None:  # fmt: skip
        change = LinkChange(action, relation, source, target, values=values)
        await self.links.write(self.subject(label), self.organization, [change])

    async def step(self) -> None:
        """One change at a random label, where it is allowed."""
        subject, id = self.subject(self.rng.choice(LABELS)), self.rng.choice(self.ids)
        label = str(self.organization.lattice.decode(subject.label))
        try:
            match self.rng.randrange(8):
                case 0 | 1:
                    await self.place(id, label)
                case 2:
                    await self.objects.write(subject, self.organization, [Change("delete", "Place", object_id=id)])
                case 3:
                    able = self.subject(label, clearance=WHOLE)
                    await regrade(self.types, able, self.organization, id, self.rng.choice(LABELS), "because")
                case 4:
                    await self.link(id, self.rng.choice(self.ids), self.relation(), label, "unlink")
                case _:
                    await self.link(id, self.rng.choice(self.ids), self.relation(), label)
        except FabricError:
            return

    def relation(self) -> str:
        return self.rng.choice(["has_part", "part_of", "near"])

    async def inferred(self, label: str) -> list[Fact]:
        return await self.facts(label, "fabric.inferred_links")

    async def facts(self, label: str, table: str) -> list[Fact]:
        """Of the table's links, whose ends are seen, each as often as it is there."""
        async with self.database.transaction(self.subject(label).session) as transaction:
            seen = {r[0] for r in await transaction.fetch("select object_id from fabric.objects where not tombstone")}
            rows = await transaction.fetch(f"select relation, source_id, target_id from {table} l")
        return [Fact(r, s.int, t.int) for r, s, t in rows if {s, t} <= seen]

    async def check(self) -> None:
        for label in LABELS:
            asserted = set(
                await self.facts(
                    label,
                    "(select relation, source_id, target_id from fabric.links where not tombstone)",
                )
            )
            rules = (await self.types.catalogue(self.subject(label).session)).rules
            expected = interpreted(rules, asserted) - asserted
            assert sorted(await self.inferred(label)) == sorted(expected), label

    async def infer(self, most: int = 10_000) -> None:
        inference = await Inference.load(self.database, self.types, self.organization.organization_id, most)
        await inference.begin()

    async def until_right(self) -> None:
        for attempt in range(400):
            try:
                await self.check()
            except AssertionError:
                if attempt == 399:
                    raise
                await asyncio.sleep(0.025)
            else:
                return
