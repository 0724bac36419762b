"""Incidents and work orders, and how they refer to each other."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from fabric.demo import moments
from fabric.demo.collection import CISTERN, CONFIDENTIAL, LANTERN, UNCLASSIFIED, Collection, Thing
from fabric.demo.facts import Scene
from fabric.demo.grammar import Grammar

INCIDENTS, WORK_ORDERS = 240, 420
LABELS = {UNCLASSIFIED: 84, CONFIDENTIAL: 8, LANTERN: 4, CISTERN: 4}
"""At what labels reports on assets that everybody knows are filed, and how often."""

Fault = Mapping[str, Any]


class Reporter:
    """Files reports: what is written about a fault comes from one entry of `texts/faults.toml`."""

    def __init__(self, world: Collection, phrases: Mapping[str, Sequence[str]], faults: Sequence[Fault]) -> None:
        self._world = world
        self._faults = [(fault, Grammar(world.random, {**phrases, **_lists(fault)})) for fault in faults]
        self._assets = [
            asset
            for asset in world.of("Pump", "Turbine", "Valve", "Sensor")
            if world.sources("houses", asset)[0].seen_at(asset.label)["status"] != "RETIRED"
        ]

    def incident(self) -> None:
        world, random = self._world, self._world.random
        scene = self._scene(random.choice(self._assets), moments.day(random, 2021, 2025))
        fault, grammar = self._fault(scene.asset)
        started = moments.moment(random, scene.on)
        scene.facts["clock"] = f"{started:%H:%M}"
        minutes = random.randrange(25, 3_000, 5)
        scene.facts["weather"] = grammar.say("winter" if scene.on.month in (11, 12, 1, 2, 3) else "summer", {})
        middle = ["sign", "response", "found", *["effect"] * random.randint(1, 2), "done"]
        order = ["opening", *middle, "lesson", *["outlook"] * random.randint(1, 3)]
        data = {
            "title": grammar.say("title", scene.facts),
            "body": grammar.tell(order, scene.facts),
            "filedAt": moments.stamp(started + timedelta(minutes=minutes + random.randint(30, 4_000))),
            "keywords": [*fault["keywords"], scene.facility.data["district"].lower().replace("_", " ")],
            "severity": random.choices(("MINOR", "MODERATE", "MAJOR", "CRITICAL"), (45, 33, 17, 5))[0],
            "cause": fault["cause"],
            "startedAt": moments.stamp(started),
            "lasted": moments.lasting(minutes),
            "customersAffected": int(scene.facts["affected"]),
            "waterLost": random.randrange(0, 60_000_000, 1_000),
            "timeline": _timeline(random, started, minutes),
        }
        number = world.number(f"INC-{scene.on.year}")
        archive = f"https://archive.skarrow.example/{number.lower()}"
        data["attachments"] = [f"{archive}/photo-{i}" for i in range(random.randint(0, 3))]
        incident = world.add("Incident", "number", number, data, scene.label)
        scene.link(world, incident)

    def work_order(self, resolved: Thing | None) -> None:
        """Resolves the incident, or is about any asset."""
        world, random = self._world, self._world.random
        if resolved:
            asset, label = world.targets("concerns", resolved)[0], resolved.label
            scene = Scene.around(world, asset, label, _filed_on(resolved) + timedelta(days=random.randint(1, 14)))
        else:
            scene = self._scene(random.choice(self._assets), moments.day(random, 2022, 2025))
        fault, grammar = self._fault(scene.asset)
        order = ["task", "sign", *["safety"] * random.randint(1, 2), "parts", "done", "test", "handover"]
        data = {
            "title": grammar.say("work", scene.facts),
            "body": grammar.tell(order, scene.facts),
            "filedAt": moments.stamp(moments.moment(random, scene.on)),
            "keywords": [fault["name"], scene.facility.data["district"].lower().replace("_", " ")],
            "priority": random.randint(1, 5),
            **_progress(random, scene.on),
        }
        made = world.add("WorkOrder", "number", world.number(f"WO-{scene.on.year}"), data, scene.label)
        scene.link(world, made)
        if resolved:
            world.link("resolves", made, resolved)
        for i, member in enumerate(world.sample(world.visible(world.of("CrewMember"), scene.label), 2)):
            hours = f"{random.randint(2, 60) / 2:.1f}"
            world.link("assigned_to", made, member, properties={"hours": hours, "lead": i == 0})

    def _scene(self, asset: Thing, on: date) -> Scene:
        label = self._world.random.choices(list(LABELS), list(LABELS.values()))[0]
        return Scene.around(self._world, asset, label, on)

    def _fault(self, asset: Thing) -> tuple[Fault, Grammar]:
        return self._world.random.choice([f for f in self._faults if asset.type_name in f[0]["types"]])


def build_reports(
    world: Collection, phrases: Mapping[str, Sequence[str]], faults: Sequence[Fault], names: Mapping[str, list[str]]
) -> None:
    reporter = Reporter(world, phrases, faults)
    for _ in range(INCIDENTS):
        reporter.incident()
    for i in range(WORK_ORDERS):
        reporter.work_order(world.random.choice(world.of("Incident")) if i % 5 < 3 else None)
    for report in world.of("Incident", "WorkOrder"):
        (facility,) = world.targets("occurred_at", report)
        same_place = [r for r in world.sources("occurred_at", facility) if _filed_on(r) < _filed_on(report)]
        any_place = [r for r in world.sample(world.of("Incident"), 4) if _filed_on(r) < _filed_on(report)]
        for cited in world.sample(same_place, 1) + world.sample(any_place, 1):
            weight = round(world.random.uniform(0.1, 1), 2)
            properties = {"because": world.random.choice(names["because"])}
            world.link("cites", report, cited, weight=weight, properties=properties)


def _lists(fault: Fault) -> dict[str, list[str]]:
    return {name: fault[name] for name in ("title", "sign", "found", "done", "lesson")}


def _filed_on(report: Thing) -> date:
    return date.fromisoformat(report.data["filedAt"][:10])


def _timeline(random: Random, started: datetime, minutes: int) -> list[dict[str, str]]:
    steps = ["alarm", "crew called", "made safe", "supply restored", "closed"]
    offsets = sorted(random.sample(range(1, minutes), len(steps) - 2))
    return [
        {"at": moments.stamp(started + timedelta(minutes=offset)), "event": step}
        for offset, step in zip([0, *offsets, minutes], steps, strict=True)
    ]


def _progress(random: Random, on: date) -> dict[str, Any]:
    due = on + timedelta(days=random.randint(3, 120))
    state = random.choices(("OPEN", "IN_PROGRESS", "DONE", "CANCELLED"), (14, 10, 70, 6))[0]
    data: dict[str, Any] = {"state": state, "dueOn": due.isoformat()}
    if state == "DONE":
        data["completedAt"] = moments.stamp(moments.moment(random, min(due, moments.TODAY)))
        data["labour"] = moments.lasting(random.randrange(45, 3_600, 15))
        data["cost"] = f"{random.randint(8_000, 9_000_000) / 100:.2f}"
        data["readings"] = {
            "before": {"flow": random.randint(40, 400), "pressure": random.randint(20, 90) / 10},
            "after": {"flow": random.randint(60, 420), "pressure": random.randint(25, 95) / 10},
        }
    return data
