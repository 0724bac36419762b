"""One fixed little organization, the same in every run: a utility's plants, equipment and sensors, at three labels."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from compiler.ground import COMPARTMENTS, Ground
from fabric.identity.organizations import Directory, Organization
from fabric.writing.links import LinkChange
from fabric.writing.objects import Change
from graphql_api.compiler.compiler import Outcome

LOW, MIDDLE, HIGH = "UNCLASSIFIED", "SECRET/ALPHA", "TOP_SECRET/ALPHA,BRAVO"
NAME = "house"

DEFINITIONS: list[dict[str, Any]] = [
    {
        "typeName": "Site",
        "label": LOW,
        "naturalKey": ["code"],
        "fields": {
            "code": {"type": "string", "required": True},
            "name": {"type": "string"},
            "opened": {"type": "date"},
            "area": {"type": "decimal"},
        },
        "links": {
            "equipment": {"relation": "located_at", "target": "Equipment", "direction": "in"},
            "keeper": {"relation": "kept_by", "target": "Person", "cardinality": "one", "label": MIDDLE},
        },
    },
    {
        "typeName": "Equipment",
        "label": LOW,
        "plural": "equipmentList",
        "fields": {
            "name": {"type": "string", "required": True},
            "status": {"type": "enum", "values": ["OK", "DEGRADED", "FAILED"]},
            "rating": {"type": "float"},
            "tags": {"type": "string", "list": True},
            "readings": {"type": "bigint", "list": True},
            "meta": {"type": "json"},
            "history_": {"type": "json", "list": True},
            "installedAt": {"type": "datetime"},
            "runtime": {"type": "duration"},
            "serial": {"type": "bigint"},
            "manual": {"type": "uri"},
            "floor": {"type": "integer"},
            "inspected": {"type": "boolean"},
            "notes": {"type": "text", "label": MIDDLE},
        },
        "links": {
            "site": {"relation": "located_at", "target": "Site", "cardinality": "one"},
            "sensors": {
                "relation": "has_sensor",
                "target": "Sensor",
                "properties": {"note": {"type": "string"}, "since": {"type": "date"}},
            },
        },
    },
    {"typeName": "Pump", "label": LOW, "extends": "Equipment", "fields": {"flow": {"type": "float"}}},
    {"typeName": "Booster", "label": LOW, "extends": "Pump", "fields": {"stages": {"type": "integer"}}},
    {
        "typeName": "Sensor",
        "label": LOW,
        "fields": {"name": {"type": "string", "required": True}, "unit": {"type": "string"}},
        "links": {"equipment": {"relation": "has_sensor", "target": "Equipment", "direction": "in"}},
    },
    {"typeName": "Person", "label": MIDDLE, "fields": {"name": {"type": "string", "required": True}}},
]

IDS = {
    name: UUID(f"00000000-0000-4000-8000-{number:012d}")
    for number, name in enumerate("valve pump spare booster hot cold loud ann".split(), start=1)
}

_OBJECTS: list[tuple[str, str, str, dict[str, Any]]] = [
    (LOW, "Site", "", {"code": "N", "name": "North", "opened": "1999-05-01", "area": "12.50"}),
    (LOW, "Site", "", {"code": "S", "name": "South", "area": "9"}),
    (
        LOW, "Equipment", "valve",
        {
            "name": "Valve", "status": "OK", "rating": 4.5, "tags": ["a", "b"], "readings": [2**53 + 1, 1],
            "meta": {"a": 1, "b": [True, "x"]}, "history_": [{"a": 1, "b": 2}, [1, 2]], "runtime": "PT36H",
            "installedAt": "2024-05-01T10:00:00+02:00", "serial": 2**63 - 1, "manual": "https://example.org/Valve.pdf",
            "floor": 0, "inspected": True,
        },
    ),
    (
        LOW, "Pump", "pump",
        {"name": "Pump", "status": "FAILED", "rating": -1, "tags": [], "runtime": "P1D", "flow": 0.1},
    ),
    (LOW, "Pump", "spare", {"name": "ÉCLAIR 100%", "runtime": "-PT1H", "serial": 10}),
    (LOW, "Booster", "booster", {"name": "Booster", "rating": 4.5, "tags": ["b"], "serial": 9, "stages": 3}),
    (LOW, "Sensor", "hot", {"name": "Hot", "unit": "°C"}),
    (LOW, "Sensor", "cold", {"name": "Cold", "unit": "°C"}),
    (MIDDLE, "Sensor", "loud", {"name": "Loud", "unit": "dB"}),
    (MIDDLE, "Person", "ann", {"name": "Ann"}),
]  # fmt: skip

_REVISIONS: list[tuple[str, str, dict[str, Any]]] = [
    (MIDDLE, "pump", {"status": "OK", "notes": "sabotaged", "rating": 99.5}),
    (HIGH, "booster", {"name": "Cascade", "serial": None}),
]


@dataclass(frozen=True)
class House:
    ground: Ground
    organization: Organization

    def outcome(
        self, text: str, variables: dict[str, Any] | None = None, *,
        label: str = LOW, permissions: set[str] | None = None,
    ) -> Outcome:  # fmt: skip
        subject = self.ground.subject(self.organization, label, ("reader",))
        if permissions is not None:
            subject = replace(subject, permissions=frozenset(permissions))
        return self.ground.run(self.ground.outcome(self.organization, subject, text, variables))

    def ask(self, text: str, variables: dict[str, Any] | None = None, label: str = LOW) -> Any:
        subject = self.ground.subject(self.organization, label, ("reader",))
        return self.ground.run(self.ground.ask(self.organization, subject, text, variables))

    def named(self, where: str, variables: dict[str, Any] | None = None, label: str = LOW) -> set[str]:
        """The names of the equipment that passes a filter; the filter may use the variable `$v`, as `String`."""
        declared = "".join(f"(${name}: String)" for name in variables or ())
        data = self.ask(f"query{declared} {{ equipmentList(where: {where}) {{ nodes {{ name }} }} }}", variables, label)
        return {node["name"] for node in data["equipmentList"]["nodes"]}


async def build(ground: Ground) -> House:
    await ground.admin.execute(
        "insert into fabric.organizations (organization_id, name, secret) values ($1, $2, $3)",
        UUID(int=1), NAME, bytes(range(32)),
    )  # fmt: skip
    await ground.admin.executemany(
        "insert into fabric.compartments (organization_id, ordinal, name) values ($1, $2, $3)",
        [(UUID(int=1), ordinal, name) for ordinal, name in enumerate(COMPARTMENTS)],
    )
    organization = await Directory(ground.database).find(NAME)
    assert organization is not None
    subjects = {label: ground.subject(organization, label) for label in (LOW, MIDDLE, HIGH)}
    await ground.types.define(subjects[HIGH], organization.lattice, DEFINITIONS)
    sites = {}
    for label, type_name, name, data in _OBJECTS:
        change = Change("create", type_name, data, IDS.get(name))
        [written], _ = await ground.objects.write(subjects[label], organization, [change])
        sites[data.get("code")] = written.object_id
    for label, name, data in _REVISIONS:
        change = Change("update", "Equipment", data, IDS[name])
        await ground.objects.write(subjects[label], organization, [change])
    for label, link in _links(sites["N"], sites["S"]):
        await ground.links.write(subjects[label], organization, [link])
    await _fix_times(ground)
    return House(ground, organization)


def _links(north: UUID, south: UUID) -> list[tuple[str, LinkChange]]:
    def link(relation: str, source: UUID, target: UUID, **values: Any) -> LinkChange:
        return LinkChange("link", relation, source, target, values=values)

    valve, pump, booster = IDS["valve"], IDS["pump"], IDS["booster"]
    return [
        (LOW, link("located_at", valve, north)),
        (LOW, link("located_at", pump, north, weight=0.5)),
        (MIDDLE, link("located_at", pump, south)),
        (LOW, link("has_sensor", valve, IDS["hot"], properties={"note": "left", "since": "2024-01-01"})),
        (LOW, link("has_sensor", valve, IDS["cold"], weight=2.0, valid_from=Ground.moment(1))),
        (MIDDLE, link("has_sensor", valve, IDS["loud"])),
        (LOW, link("has_sensor", booster, IDS["hot"])),
        (MIDDLE, link("kept_by", north, IDS["ann"])),
    ]


async def _fix_times(ground: Ground) -> None:
    for table, key in (("objects", "object_id"), ("links", "link_id")):
        sql = f"select {key}, label from fabric.{table} where organization_id = $1"
        rows = await ground.admin.fetch(sql, UUID(int=1))
        for number, row in enumerate(sorted(rows, key=tuple), start=1):
            await ground.admin.execute(
                f"update fabric.{table} set created_at = $1, updated_at = $2"
                f" where organization_id = $3 and {key} = $4 and label = $5",
                Ground.moment(number), Ground.moment(number + 1), UUID(int=1), *row,
            )  # fmt: skip
