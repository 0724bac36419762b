"""Random changes to objects and links at many labels, and what each label sees after each of them."""

import random
from typing import Any
from uuid import UUID

from databases import MakeSubject

from fabric.database.db import Database
from fabric.errors import FabricError
from fabric.events.journal import Position
from fabric.identity.organizations import Organization
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects
from fabric.writing.regrading import regrade

NOTES = [
    {
        "typeName": "Note",
        "fields": {"text": {"type": "string"}},
        "links": {"cites": {"relation": "cites", "target": "Note"}},
    }
]
LABELS = (
    "UNCLASSIFIED", "CONFIDENTIAL", "SECRET/ALPHA", "SECRET/BRAVO", "SECRET/ALPHA,BRAVO", "TOP_SECRET/ALPHA,BRAVO",
)  # fmt: skip
WHOLE = LABELS[-1]

View = dict[UUID, tuple[int, Any]]


class World:
    """Random changes by many hands, and what each label saw after each of them."""

    def __init__(
        self, admin_url: str, database: Database, types: Types, organization: Organization, subject: MakeSubject,
        rng: random.Random,
    ) -> None:  # fmt: skip
        self.admin_url, self.database, self.types = admin_url, database, types
        self.organization, self.subject, self.rng = organization, subject, rng
        self.objects, self.links = Objects(types), Links(types)
        self.ids = [UUID(int=rng.getrandbits(128), version=4) for _ in range(4)]
        self.views: list[tuple[Position, dict[str, tuple[View, View]]]] = []

    async def step(self) -> None:
        """One change at a random label; most are refused for good reasons, and change nothing."""
        position = None
        subject, id = self.subject(self.rng.choice(LABELS)), self.rng.choice(self.ids)
        try:
            match self.rng.randrange(9):
                case 0 | 1:
                    change = Change("create", "Note", {"text": self.text()}, id)
                    _, position = await self.objects.write(subject, self.organization, [change])
                case 2 | 3:
                    change = Change("update", "Note", {"text": self.text()}, id)
                    _, position = await self.objects.write(subject, self.organization, [change])
                case 4:
                    change = Change("delete", "Note", object_id=id)
                    _, position = await self.objects.write(subject, self.organization, [change])
                case 5:
                    able = self.subject(self.text_label(subject.label), clearance=WHOLE)
                    label = self.rng.choice(LABELS)
                    position = await regrade(self.types, able, self.organization, id, label, "because")
                case 6:
                    _, position = await self.links.write(subject, self.organization, [self.link("unlink", id)])
                case _:
                    wish = self.link(self.rng.choice(["link", "upsert"]), id, weight=self.rng.random())
                    _, position = await self.links.write(subject, self.organization, [wish])
        except FabricError:
            return
        if position is not None:
            self.views.append((position, {label: await self.view(label) for label in LABELS}))

    def text(self) -> str:
        return self.rng.choice("abc")

    def text_label(self, code: int) -> str:
        return str(self.organization.lattice.decode(code))

    def link(self, action: Any, source: UUID, **values: Any) -> LinkChange:
        return LinkChange(action, "cites", source, self.rng.choice(self.ids), values=values)

    async def view(self, label: str) -> tuple[View, View]:
        """What a session at the label sees: objects, and links between objects that it sees."""
        async with self.database.transaction(self.subject(label).session) as transaction:
            objects = await transaction.fetch("select object_id, label, data, tombstone from fabric.objects")
            links = await transaction.fetch(
                "select link_id, label, source_id, target_id, weight, tombstone from fabric.links"
            )
        there = {row["object_id"]: (row["label"], row["data"]) for row in objects if not row["tombstone"]}
        return there, {
            row["link_id"]: (row["label"], row["weight"])
            for row in links
            if not row["tombstone"] and {row["source_id"], row["target_id"]} <= there.keys()
        }
