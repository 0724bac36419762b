"""Small organizations made at random from a seed: definitions at several labels, objects, links, versions of both.

Everything is made through `fabric.types`, `fabric.objects` and `fabric.links`: it is as valid as anything stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from compiler.ground import Ground
from compiler.interpreter import visible
from compiler.values import Row
from fabric.encryption.places import Place
from fabric.encryption.protection import Hint, matched_kinds
from fabric.errors import FabricError
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from fabric.labels import Label, dominates
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field
from fabric.types.kinds import Kind
from fabric.writing.links import LinkChange
from fabric.writing.objects import Change

LABELS = ("UNCLASSIFIED", "CONFIDENTIAL", "SECRET/ALPHA", "SECRET/BRAVO", "TOP_SECRET/ALPHA,BRAVO")
TOP = LABELS[-1]
NAMES = ("Asset", "Sensor", "Site", "Pump_Station", "Valve", "Report")

_TEXTS = [
    "", "a", "A", "b", "ab", "AB", "Ab%_\\", "İstanbul", "istanbul", "ΣΑΣ", "σας", "ß", "é", "e\u0301", "𝔸", "\uffff",
    'say "hi"\\', "line\nfeed", "{o} %s $1", "'; --", "\u2028", "ann@Example.org",
]  # fmt: skip
POOL: Mapping[Kind, Sequence[Any]] = {
    Kind.STRING: _TEXTS,
    Kind.TEXT: _TEXTS,
    Kind.INTEGER: [-(2**31), -1, 0, 1, 2, 9, 10, 2**31 - 1],
    Kind.BIGINT: [-(2**63), -1, 0, 9, 10, 2**53, 2**53 + 1, 2**63 - 1],
    Kind.FLOAT: [-1.5, -0.0, 0.1, 1.0, 2.5, 1e22, 1e-7, 1.7976931348623157e308, 5e-324, 3],
    Kind.DECIMAL: [
        "0", "9", "10", "-10", "0.1", "0.10", "-0.05", "1e38", "1e-38", "12345678901234567890.123456789",
        "12345678901234567890.123456788",
    ],
    Kind.BOOLEAN: [False, True],
    Kind.DATE: ["0001-01-01", "2024-02-28", "2024-02-29", "9999-12-31"],
    Kind.DATETIME: [
        "0001-01-01T00:00:00Z", "2024-05-01T08:00:00Z", "2024-05-01T10:00:00+02:00", "2024-05-01T08:00:00.000001Z",
        "9999-12-31T23:59:59.999999Z",
    ],
    Kind.DURATION: [
        "P1D", "PT24H", "PT36H", "-P1D", "PT0S", "P1DT0.5S", "-PT0.000001S",
        "P106751991DT4H0M54.775807S", "P30D", "P2W",
    ],
    Kind.UUID: ["00000000-0000-4000-8000-000000000001", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"],
    Kind.URI: ["https://example.org/a", "HTTPS://example.org/A", "urn:isbn:0451450523", "mailto:ä@example.org"],
    Kind.JSON: [
        0, 1, 1.0, True, False, "", "a", [], {}, [1], [1, 2], ["a", ["b"]], {"a": 1}, {"a": 1, "b": None},
        {"bb": [1, {"c": "x"}], "a": 2.5}, [{"a": 1, "b": 2}], [[1, 2], 3], 2**53 + 1,
    ],
}  # fmt: skip


@dataclass
class World:
    organization: Organization
    objects: list[Row] = field(default_factory=list)
    """All versions, as the tables' owner reads them."""
    links: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    secrets: dict[Place, Any] = field(default_factory=dict)
    subjects: dict[str, Subject] = field(default_factory=dict)
    catalogues: dict[str, Catalogue] = field(default_factory=dict)


def make_world(ground: Ground, seed: int) -> World:
    return ground.run(_Maker(ground, Random(seed)).make())


class _Maker:
    def __init__(self, ground: Ground, random: Random) -> None:
        self._ground = ground
        self._random = random

    async def make(self) -> World:
        ground = self._ground
        organization = await ground.organization()
        world = self.world = World(organization)
        world.subjects = {label: ground.subject(organization, label) for label in LABELS}
        await ground.types.define(world.subjects[TOP], organization.lattice, documents(self._random))
        world.catalogues = {label: await ground.types.catalogue(s.session) for label, s in world.subjects.items()}
        for label in self._random.sample(LABELS, len(LABELS)):
            await self._write_objects(label, [c for _ in range(5) if (c := self._creation(label))])
        for label in self._random.choices(LABELS, k=3):
            await self._load()
            await self._write_objects(label, self._revisions(label))
        for label in self._random.sample(LABELS, len(LABELS)):
            await self._load()
            await self._write_links(label, [k for _ in range(9) if (k := self._linking(label))])
        for label in self._random.choices(LABELS[1:], k=3):
            await self._load()
            await self._write_links(label, self._relinkings(label))
            await self._write_objects(label, self._revisions(label)[:2])
        await self._load()
        world.events = await ground.events(organization)
        world.secrets = await ground.secrets(organization)
        return world

    async def _load(self) -> None:
        self.world.objects = await self._ground.rows("objects", self.world.organization)
        self.world.links = await self._ground.rows("links", self.world.organization)

    async def _write_objects(self, label: str, changes: list[Change]) -> None:
        await self._write(self._ground.objects, label, changes)

    async def _write_links(self, label: str, changes: list[LinkChange]) -> None:
        await self._write(self._ground.links, label, changes)

    async def _write(self, writer: Any, label: str, changes: list[Any]) -> None:
        """All at once; where that is refused, each by itself as far as it can be."""
        subject = self.world.subjects[label]
        try:
            await writer.write(subject, self.world.organization, changes)
        except FabricError:
            for change in changes if len(changes) > 1 else []:
                await self._write(writer, label, [change])

    # Objects

    def _creation(self, label: str) -> Change | None:
        types = list(self.world.catalogues[label].types.values())
        if not types:
            return None
        t = self._random.choice(types)
        return Change("create", t.name, self._data(t, list(t.fields.values()), clearing=False))

    def _revisions(self, label: str) -> list[Change]:
        catalogue, code = self.world.catalogues[label], self.world.subjects[label].label
        changes = []
        for row in visible(self.world.objects, "object_id", code):
            t = catalogue.types[row["type_name"]]
            if self._random.random() < 0.35:
                free = [f for f in t.fields.values() if f.name not in t.natural_key]
                some = self._random.sample(free, min(len(free), 2))
                changes.append(Change("update", t.name, self._data(t, some, clearing=True), row["object_id"]))
            elif self._random.random() < 0.1:
                changes.append(Change("delete", t.name, {}, row["object_id"]))
        return changes

    def _data(self, t: ObjectType, fields: list[Field], *, clearing: bool) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for each in fields:
            if each.required or self._random.random() < 0.7:
                data[each.name] = self._value(each)
            elif clearing:
                data[each.name] = None
        return data

    def _value(self, each: Field) -> Any:
        pool = each.values if each.kind is Kind.ENUM else POOL[each.kind]
        if each.many:
            return self._random.choices(pool, k=self._random.randint(0, 3))
        return self._random.choice(pool)

    # Links

    def _linking(self, label: str) -> LinkChange | None:
        catalogue, code = self.world.catalogues[label], self.world.subjects[label].label
        if not catalogue.relations:
            return None
        relation = self._random.choice(list(catalogue.relations.values()))
        source_type, target_type = self._random.choice(sorted(relation.ends))
        rows = visible(self.world.objects, "object_id", code)
        # From few to few: so that links of several labels meet.
        sources = [r["object_id"] for r in rows if catalogue.is_a(r["type_name"], source_type)][:4]
        targets = [r["object_id"] for r in rows if catalogue.is_a(r["type_name"], target_type)][:4]
        if not sources or not targets:
            return None
        values: dict[str, Any] = {"properties": {n: self._value(f) for n, f in relation.properties.items()}}
        if self._random.random() < 0.5:
            values["weight"] = self._random.choice([0.5, 1.0, -2.25, 1e20])
        if self._random.random() < 0.3:
            values["valid_from"] = self._ground.moment(self._random.randint(1, 9))
        key = self._random.choice([None, None, "second"])
        ends: tuple[UUID, UUID] = self._random.choice(sources), self._random.choice(targets)
        return LinkChange("link", relation.name, *ends, key=key, values=values)

    def _relinkings(self, label: str) -> list[LinkChange]:
        changes = []
        for row in visible(self.world.links, "link_id", self.world.subjects[label].label):
            if self._random.random() < 0.2:
                changes.append(LinkChange("update", link_id=row["link_id"], values={"weight": self._random.random()}))
            elif self._random.random() < 0.25:
                changes.append(LinkChange("unlink", link_id=row["link_id"]))
        return changes


# Definitions


def documents(random: Random, most: int = len(NAMES)) -> list[dict[str, Any]]:
    """Definitions of two to `most` types, labelled, up to three levels deep, with links in both directions."""
    made: dict[str, dict[str, Any]] = {}
    for name in NAMES[: random.randint(2, most)]:
        made[name] = _document(random, name, made)
    for number in range(random.randint(1, 2 * len(made))):
        _add_link(random, made, number)
    return list(made.values())


def _document(random: Random, name: str, made: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    parents = [n for n in made if len(lineage(n, made)) < 3]
    parent = random.choice(parents) if parents and random.random() < 0.6 else None
    label = _above(random, made[parent]["label"] if parent else LABELS[0], 0.2)
    document: dict[str, Any] = {"typeName": name, "label": label, "fields": {}, "links": {}}
    if parent:
        document["extends"] = parent
    elif random.random() < 0.4:
        document["naturalKey"] = ["code"]
        document["fields"]["code"] = {"type": "string", "required": True}
    initial = name[:2].lower()
    for kind in random.sample(list(Kind), random.randint(1, 5)):
        many = random.random() < 0.3
        each: dict[str, Any] = {"type": str(kind), "list": many, "label": _above(random, label, 0.25)}
        if kind is Kind.ENUM:
            each["values"] = random.sample(["HIGH", "LOW", "mid", "A"], random.randint(1, 4))
        if random.random() < 0.2:
            each["required"] = True
        if random.random() < 0.4:
            each["encrypted"] = True
            each["hint"] = random.choice([Hint.NONE, Hint.LAST4, Hint.LAST4, Hint.DOMAIN])
            each["blindIndex"] = not many and kind in matched_kinds()
        elif random.random() < 0.5 and not many and kind is not Kind.JSON:
            each["indexed"] = True
        document["fields"][f"{kind}_{initial}" + ("s" if many else "")] = each
    return document


def lineage(name: str, made: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The type and its ancestors, nearest first."""
    found = [name]
    while "extends" in made[found[-1]]:
        found.append(made[found[-1]]["extends"])
    return found


def _add_link(random: Random, made: dict[str, dict[str, Any]], number: int) -> None:
    source, target = random.choice(list(made)), random.choice(list(made))
    some = {"note": {"type": "string"}, "grades": {"type": "bigint", "list": True}}
    properties = some if random.random() < 0.4 else {}
    relation = f"r_{number}'\""
    for here, there, direction in ((source, target, "out"), (target, source, "in")):
        if direction == "in" and random.random() < 0.5:
            continue
        made[here]["links"][f"{direction}_{number}"] = {
            "relation": relation,
            "target": there,
            "direction": direction,
            "cardinality": random.choice(["many", "many", "one"]),
            "properties": properties,
            "label": _above(random, _join(made[here]["label"], made[there]["label"]), 0.15),
        }


def _above(random: Random, label: str, chance: float) -> str:
    """A label that dominates the given one: mostly itself."""
    higher = [each for each in LABELS if _dominates(each, label)]
    return random.choice(higher) if random.random() < chance else label


def _join(a: str, b: str) -> str:
    return next(each for each in LABELS if _dominates(each, a) and _dominates(each, b))


def _dominates(a: str, b: str) -> bool:
    return dominates(*(Ground.lattice.encode(Label.parse(x)) for x in (a, b)))
