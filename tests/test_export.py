"""What an export holds: what its reader sees, nothing above, and in a form that makes the same elsewhere."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from databases import COMPARTMENTS, POLICY, run_sql

from fabric import demo
from fabric.database.db import Database
from fabric.encryption.protection import KEYS
from fabric.errors import FabricError, Forbidden
from fabric.identity.organizations import Directory, Organization, establish
from fabric.identity.subject import Subject
from fabric.labels import Label, dominates, winner
from fabric.transfer.export import export
from fabric.transfer.jsonl import JsonLines
from fabric.transfer.loader import Loader, Summary
from fabric.types.types import Types
from fabric.writing.links import LinkChange, Links
from fabric.writing.objects import Change, Objects

pytestmark = pytest.mark.anyio

TOP = "TOP_SECRET/ALPHA,BRAVO,CHARLIE"
LABELS = ["UNCLASSIFIED", "CONFIDENTIAL", "CONFIDENTIAL/ALPHA", "SECRET", "SECRET/BRAVO", "SECRET/ALPHA,BRAVO", TOP]
THING = {
    "typeName": "Thing",
    "fields": {
        "serial": {"type": "integer", "required": True},
        "issued": {"type": "date", "required": True},
        "mark": {"type": "string", "indexed": True},
        "weights": {"type": "decimal", "list": True},
        "detail": {"type": "json"},
    },
    "naturalKey": ["serial", "issued"],
    "links": {
        "next": {
            "relation": "next", "target": "Thing", "properties": {"mark": {"type": "string"}},
            "minLinks": 1, "maxLinks": 60,
        },
        "notes": {"relation": "about", "target": "Note", "direction": "in"},
    },
}  # fmt: skip
BOX = {
    "typeName": "Box",
    "plural": "Boxen",
    "extends": "Thing",
    "fields": {"size": {"type": "enum", "values": ["S", "L"]}},
    "links": {"next": {"relation": "next", "target": "Thing", "minLinks": 2}},
}
ALARM = {"typeName": "Alarm", "domain": "event", "fields": {"level": {"type": "integer"}}}
NOTE = {
    "typeName": "Note",
    "description": "Said.",
    "uiSchema": {"mark": {"ui:widget": "textarea"}},
    "fields": {"mark": {"type": "text"}},
}
PLAN = {"typeName": "Plan", "fields": {"mark": {"type": "string"}}}
PLAN_LABEL = Label.parse("SECRET/ALPHA")


@dataclass
class Ground:
    """A database with organizations to export from and to import into."""

    database: Database
    types: Types
    admin_url: str

    async def organization(self, name: str, compartments: Iterable[str] = COMPARTMENTS) -> Organization:
        await establish(self.admin_url, name, compartments)
        found = await Directory(self.database).find(name)
        assert found is not None
        return found

    def subject(self, organization: Organization, label: str = TOP, role: str = "admin") -> Subject:
        code = organization.lattice.encode(Label.parse(label))
        roles = frozenset({role})
        return Subject(
            organization.organization_id, organization.name, "ann", roles, POLICY.permissions(roles), code, code, 4e9
        )

    async def export(self, organization: Organization, label: str = TOP, role: str = "admin") -> bytes:
        subject = self.subject(organization, label, role)
        return b"".join([block async for block in export(self.database, organization, subject)])

    async def load(self, organization: Organization, lines: JsonLines, label: str = TOP) -> Summary:
        run = Loader(self.database, self.types, organization, self.subject(organization, label))
        return await run.load(lines.definitions(), lines.objects(), lines.links())


@pytest.fixture
def ground(database: Database, types: Types, admin_url: str) -> Ground:
    return Ground(database, types, admin_url)


class World:
    """Random objects and links at random labels, each version with a mark of its own; and who sees which marks."""

    def __init__(self, ground: Ground, organization: Organization, seed: int) -> None:
        self.ground, self.organization = ground, organization
        self.chance = Random(seed)
        self.objects = Objects(ground.types)
        self.links = Links(ground.types)
        self.ids: list[UUID] = []
        self.marks = 0

    async def make(self) -> "World":
        await self.ground.types.define(
            self.ground.subject(self.organization), self.organization.lattice,
            [_labelled(THING, hidden="SECRET"), *map(_labelled, (BOX, NOTE, ALARM)), _labelled(PLAN, str(PLAN_LABEL))],
        )  # fmt: skip
        for number in range(14):
            await self._object(number)
        for _ in range(60):
            await self._link()
        for _ in range(6):
            at = self._at()
            await self._tried(self.objects.write(at, self.organization, [Change("delete", "Thing", {}, self._pick())]))
        return self

    async def _object(self, number: int) -> None:
        type_name = self.chance.choice(["Thing", "Thing", "Box", "Note", "Plan"])
        key = {"serial": number, "issued": f"2024-01-{number + 1:02}"}
        given = UUID(int=self.chance.getrandbits(128), version=4)
        for _ in range(self.chance.randint(1, 4)):
            data: dict[str, Any] = {"mark": self._mark()}
            if type_name in ("Thing", "Box"):
                detail = {"b": [1, 2.5, None, {"ü": 10**22}], "a": "\n"}
                data |= key | {"weights": ["1.50", "-2"], "detail": detail}
            change = Change("upsert", type_name, data, None if "serial" in data else given)
            written = await self._tried(self.objects.write(self._at(), self.organization, [change]))
            self.ids += [each.object_id for each in written[0]] if written else []

    async def _link(self) -> None:
        values = {"weight": self.chance.random(), "properties": {"mark": self._mark()}}
        key = self.chance.choice([None, None, "a", ""])
        change = LinkChange(
            "upsert", self.chance.choice(["next", "about"]), self._pick(), self._pick(), key, values=values
        )
        await self._tried(self.links.write(self._at(), self.organization, [change]))

    async def _tried(self, writing: Any) -> Any:
        try:
            return await writing
        except FabricError:  # at a label where it makes no sense
            return None

    def _at(self) -> Subject:
        return self.ground.subject(self.organization, self.chance.choice(LABELS))

    def _pick(self) -> UUID:
        return self.chance.choice(self.ids)

    def _mark(self) -> str:
        self.marks += 1
        return f"mark {self.marks}"

    async def seen(self, label: str) -> list[str]:
        """The marks of the winning versions at the label, worked out from all rows without row security."""
        clearance = self.organization.lattice.encode(Label.parse(label))
        objects = await self._winners("objects", "object_id", clearance)
        links = await self._winners("links", "link_id", clearance)
        alive = [link for link in links.values() if link["source_id"] in objects and link["target_id"] in objects]
        data = [json.loads(row["data"]) for row in objects.values()]
        data += [json.loads(row["properties"]) for row in alive]
        return sorted(value for each in data for key, value in each.items() if key.startswith("mark"))

    async def _winners(self, table: str, id: str, clearance: int) -> dict[UUID, Any]:
        sql = f"select * from fabric.{table} where organization_id = $1"
        versions: dict[UUID, dict[int, Any]] = {}
        for row in await run_sql(self.ground.admin_url, sql, self.organization.organization_id):
            versions.setdefault(row[id], {})[row["label"]] = row
        found = {
            key: rows.get(winner(rows, clearance) or 0) for key, rows in versions.items() if _visible(rows, clearance)
        }
        return {key: row for key, row in found.items() if row and not row["tombstone"]}


def _visible(labels: Iterable[int], clearance: int) -> bool:
    return any(dominates(clearance, label) for label in labels)


def _labelled(document: dict[str, Any], label: str = "UNCLASSIFIED", **fields: str) -> dict[str, Any]:
    extra = {name: {"type": "string", "label": each} for name, each in fields.items()}
    return document | {"label": label, "fields": document["fields"] | extra}


def marks(exported: bytes) -> list[str]:
    bodies = [json.loads(line) for line in exported.splitlines()]
    values = [(body.get("data") or body.get("properties") or {}).get("mark") for body in bodies]
    return sorted(value for value in values if value is not None)


@pytest.mark.parametrize("seed", [1, 2, 3])
class TestAnyWorld:
    async def test_a_reader_gets_what_it_sees_and_nothing_above(self, ground: Ground, seed: int) -> None:
        world = await World(ground, await ground.organization("acme"), seed).make()
        for label in LABELS:
            exported = await ground.export(world.organization, label)
            assert marks(exported) == await world.seen(label)
            assert len(marks(exported)) == len(set(marks(exported)))
            clearance = Label.parse(label)
            for name in set(COMPARTMENTS) - clearance.compartments:
                assert name.encode() not in exported
            assert (b'"hidden"' in exported) == (clearance.level >= Label.parse("SECRET").level)
            assert (b'"Plan"' in exported) == dominates(
                *map(world.organization.lattice.encode, (clearance, PLAN_LABEL))
            )

    async def test_imported_elsewhere_it_is_exported_the_same(self, ground: Ground, seed: int, tmp_path: Path) -> None:
        world = await World(ground, await ground.organization("acme"), seed).make()
        for number, label in enumerate(LABELS):
            exported = await ground.export(world.organization, label)
            (tmp_path / "export.jsonl").write_bytes(exported)
            other = await ground.organization(f"other {number}", reversed(COMPARTMENTS))
            summary = await ground.load(other, JsonLines(tmp_path / "export.jsonl"), label)
            assert summary.problems == []
            assert await ground.export(other, label) == exported

    async def test_imported_where_it_comes_from_it_changes_nothing(
        self, ground: Ground, seed: int, tmp_path: Path
    ) -> None:
        world = await World(ground, await ground.organization("acme"), seed).make()
        for label in LABELS:
            (tmp_path / "export.jsonl").write_bytes(await ground.export(world.organization, label))
            summary = await ground.load(world.organization, JsonLines(tmp_path / "export.jsonl"), label)
            assert summary.problems == []
            assert (summary.types, summary.objects.created, summary.objects.updated) == ([], 0, 0)
            assert (summary.links.created, summary.links.updated) == (0, 0)


class TestForm:
    async def test_definitions_come_first_then_objects_then_links(self, ground: Ground, tmp_path: Path) -> None:
        lines: list[dict[str, Any]] = [
            {"define": _labelled(NOTE)},
            {"define": _labelled(THING, hidden="SECRET")},
            {
                "type": "Thing",
                "key": {"serial": 7, "issued": "2024-02-29"},
                "label": "SECRET/ALPHA",
                "data": {"mark": "m", "weights": ["1.5"], "detail": {"a": 1}, "hidden": "h"},
            },
            {
                "type": "Note",
                "id": "0e3c1d3e-8a5f-4c0e-9d3c-2b7f2f0f7a11",
                "label": "UNCLASSIFIED",
                "data": {"mark": "n"},
            },
            {
                "link": "about",
                "key": "k",
                "from": {"id": "0e3c1d3e-8a5f-4c0e-9d3c-2b7f2f0f7a11"},
                "to": {"type": "Thing", "key": {"serial": 7, "issued": "2024-02-29"}},
                "label": "SECRET/ALPHA",
                "weight": 0.5,
                "validFrom": "2024-01-01T00:00:00.000000Z",
                "validTo": "2024-01-01T12:30:00.500000Z",
                "semanticNamespace": "https://example.org/",
                "semanticPredicate": "about",
            },
        ]
        path = tmp_path / "import.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in reversed(lines)))
        organization = await ground.organization("acme")
        assert (await ground.load(organization, JsonLines(path))).problems == []
        exported = [json.loads(line) for line in (await ground.export(organization)).splitlines()]
        assert [line for line in exported if "define" not in line] == [lines[3], lines[2], lines[4]]
        assert [line["define"]["typeName"] for line in exported[:2]] == ["Note", "Thing"]
        assert exported[0] == lines[0]
        assert exported[1]["define"]["fields"]["hidden"] == {"type": "string", "label": "SECRET"}

    async def test_an_embedding_names_no_field_above_its_reader(self, ground: Ground) -> None:
        organization = await ground.organization("acme")
        document = _labelled(NOTE, hidden="SECRET") | {"embedding": {"fields": ["mark", "hidden"]}}
        await ground.types.define(ground.subject(organization), organization.lattice, [document])
        assert b"hidden" not in await ground.export(organization, "UNCLASSIFIED")
        assert b'["mark","hidden"]' in await ground.export(organization)

    async def test_a_covered_link_goes_with_its_ends(self, ground: Ground, tmp_path: Path) -> None:
        """In the target organization the low version of the end is missing, so that the link must not be below it."""
        organization = await ground.organization("acme")
        await ground.types.define(
            ground.subject(organization), organization.lattice, [_labelled(NOTE), _labelled(THING)]
        )
        low, high = ground.subject(organization, "UNCLASSIFIED"), ground.subject(organization, "SECRET/BRAVO")
        objects = Objects(ground.types)
        change = Change("upsert", "Thing", {"serial": 1, "issued": "2024-01-01", "mark": "low"})
        written, _ = await objects.write(low, organization, [change])
        thing = written[0].object_id
        await Links(ground.types).write(low, organization, [LinkChange("link", "next", thing, thing)])
        await objects.write(high, organization, [Change("update", "Thing", {"mark": "high"}, thing)])
        found = json.loads((await ground.export(organization)).splitlines()[-1])
        assert (found["link"], found["label"]) == ("next", "SECRET/BRAVO")
        found = json.loads((await ground.export(organization, "UNCLASSIFIED")).splitlines()[-1])
        assert (found["link"], found["label"]) == ("next", "UNCLASSIFIED")

    async def test_a_type_that_two_labels_make_is_as_high_as_both(self, ground: Ground, tmp_path: Path) -> None:
        """What is written holds the higher one's words, which an import must not put at the lower one's label."""
        organization = await ground.organization("acme")
        high, low = ground.subject(organization, "SECRET/ALPHA"), ground.subject(organization, "CONFIDENTIAL/BRAVO")
        thing = THING | {"links": {"next": THING["links"]["next"]}}
        await ground.types.define(high, organization.lattice, [thing | {"description": "spy boats"}])
        await ground.types.define(low, organization.lattice, [thing | {"description": "fishing boats"}, BOX])
        change = Change("create", "Thing", {"serial": 1, "issued": "2024-01-01"})
        written, _ = await Objects(ground.types).write(high, organization, [change])
        both_ends = written[0].object_id, written[0].object_id
        await Links(ground.types).write(high, organization, [LinkChange("link", "next", *both_ends)])
        exported = await ground.export(organization)
        lines = [json.loads(line) for line in exported.splitlines()]
        assert [line.get("label") or line["define"]["label"] for line in lines] == ["SECRET/ALPHA,BRAVO"] * 4
        assert b"spy boats" in exported
        (tmp_path / "export.jsonl").write_bytes(exported)
        other = await ground.organization("other")
        assert (await ground.load(other, JsonLines(tmp_path / "export.jsonl"))).problems == []
        assert await ground.export(other) == exported
        assert await ground.export(other, "CONFIDENTIAL/BRAVO") == b""

    async def test_a_link_is_as_high_as_its_declaration(self, ground: Ground, tmp_path: Path) -> None:
        organization = await ground.organization("acme")
        low, high = ground.subject(organization, "UNCLASSIFIED"), ground.subject(organization, "SECRET")
        await ground.types.define(low, organization.lattice, [NOTE, THING])
        change = Change("create", "Thing", {"serial": 1, "issued": "2024-01-01"})
        written, _ = await Objects(ground.types).write(low, organization, [change])
        both_ends = written[0].object_id, written[0].object_id
        await Links(ground.types).write(low, organization, [LinkChange("link", "next", *both_ends)])
        raised = {name: link | {"label": "SECRET"} for name, link in THING["links"].items()}
        await ground.types.define(high, organization.lattice, [THING | {"links": raised}])
        exported = await ground.export(organization)
        assert json.loads(exported.splitlines()[-1])["label"] == "SECRET"
        (tmp_path / "export.jsonl").write_bytes(exported)
        other = await ground.organization("other")
        assert (await ground.load(other, JsonLines(tmp_path / "export.jsonl"))).problems == []
        assert await ground.export(other) == exported

    async def test_a_key_that_did_not_make_the_objects_id_does_not_name_it(self, ground: Ground) -> None:
        """A higher label has the key declared by a parent: seen from there, such a key makes another id."""
        organization = await ground.organization("acme")
        low, high = ground.subject(organization, "UNCLASSIFIED"), ground.subject(organization, "SECRET")
        code = {"fields": {"code": {"type": "string", "required": True}}, "naturalKey": ["code"]}
        await ground.types.define(low, organization.lattice, [{"typeName": "Parent", **code}])
        await ground.types.define(high, organization.lattice, [{"typeName": "Child", "extends": "Parent"}])
        await ground.types.define(low, organization.lattice, [{"typeName": "Child", **code}])
        change = Change("create", "Child", {"code": "C1"})
        written, _ = await Objects(ground.types).write(low, organization, [change])
        found = json.loads((await ground.export(organization)).splitlines()[-1])
        assert found["id"] == str(written[0].object_id)
        assert found["data"] == {"code": "C1"}

    async def test_an_object_whose_key_its_reader_does_not_see_goes_by_its_id(self, ground: Ground) -> None:
        organization = await ground.organization("acme")
        low, high = ground.subject(organization, "UNCLASSIFIED"), ground.subject(organization, "SECRET")
        await ground.types.define(high, organization.lattice, [_labelled(NOTE), _labelled(THING, "SECRET")])
        await ground.types.define(low, organization.lattice, [THING])
        change = Change("create", "Thing", {"serial": 1, "issued": "2024-01-01"})
        written, _ = await Objects(ground.types).write(low, organization, [change])
        found = json.loads((await ground.export(organization)).splitlines()[-1])
        assert found == {"type": "Thing", "id": str(written[0].object_id), "label": "SECRET", "data": {}}

    async def test_a_part_of_the_demo_comes_through(self, ground: Ground, tmp_path: Path) -> None:
        organization = await ground.organization("acme", demo.COMPARTMENTS)
        clearance = f"TOP_SECRET/{','.join(demo.COMPARTMENTS)}"
        # What is encrypted does not come through; that is told in the tests of encrypted fields.
        bodies = [unprotected(body) for body in demo.records()]
        objects = [body for body in bodies if "type" in body][::4]
        held = [{"type": body["type"], "key": body["key"]} for body in objects]
        path = tmp_path / "demo.jsonl"
        kept = [b for b in bodies if "define" in b or ("link" in b and b["from"] in held and b["to"] in held)]
        path.write_text("".join(json.dumps(body) + "\n" for body in [*kept, *objects]))
        summary = await ground.load(organization, JsonLines(path), clearance)
        assert summary.problems == []
        assert summary.links.created > 100
        exported = await ground.export(organization, clearance)
        (tmp_path / "export.jsonl").write_bytes(exported)
        other = await ground.organization("other", reversed(demo.COMPARTMENTS))
        assert (await ground.load(other, JsonLines(tmp_path / "export.jsonl"), clearance)).problems == []
        assert await ground.export(other, clearance) == exported


def unprotected(body: dict[str, Any]) -> dict[str, Any]:
    """The record with fields that are stored as they are."""
    for field in body.get("define", {}).get("fields", {}).values():
        for key in KEYS | {"encrypted"}:
            field.pop(key, None)
    return body


class TestReading:
    async def test_it_takes_every_permission_to_read(self, ground: Ground) -> None:
        organization = await ground.organization("acme")
        assert await ground.export(organization, role="reader") == b""
        with pytest.raises(Forbidden, match="type:read"):
            await ground.export(organization, role="auditor")

    async def test_it_is_all_of_one_moment(self, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fabric.transfer.export.BLOCK_BYTES", 1)
        world = await World(ground, await ground.organization("acme"), 4).make()
        before = await ground.export(world.organization)
        blocks = export(ground.database, world.organization, ground.subject(world.organization))
        during = [await anext(blocks)]
        key = {"serial": 99, "issued": "2024-01-01"}
        await world.objects.write(
            ground.subject(world.organization), world.organization, [Change("create", "Box", key)]
        )
        memo = [_labelled(NOTE | {"typeName": "Memo"})]
        await ground.types.define(ground.subject(world.organization), world.organization.lattice, memo)
        during += [block async for block in blocks]
        assert b"".join(during) == before != await ground.export(world.organization)

    async def test_a_reader_that_stops_early_leaves_nothing_open(self, ground: Ground) -> None:
        world = await World(ground, await ground.organization("acme"), 5).make()
        for _ in range(20):  # more than the pool has connections
            blocks = export(ground.database, world.organization, ground.subject(world.organization))
            await anext(blocks)
            await blocks.aclose()
