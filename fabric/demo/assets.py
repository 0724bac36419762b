"""Pumps, turbines, valves and sensors in their facilities."""

from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any
from uuid import UUID

from fabric.demo import moments
from fabric.demo.collection import (
    CISTERN,
    CONFIDENTIAL,
    LANTERN,
    SECRET,
    TOP_LANTERN,
    UNCLASSIFIED,
    Collection,
    Thing,
)
from fabric.demo.grammar import Grammar

PREFIXES = {"Pump": "P", "Turbine": "T", "Valve": "V", "Sensor": "S"}
EQUIPMENT = {
    "TreatmentPlant": {"Pump": 3, "Valve": 4},
    "PumpingStation": {"Pump": 3, "Valve": 3},
    "Reservoir": {"Valve": 3, "Turbine": 1},
    "Substation": {"Pump": 1},
}
NAMES = {
    "Pump": ("Lift pump", "Booster pump", "Drain pump", "Transfer pump"),
    "Turbine": ("Recovery turbine", "Outlet turbine", "Bypass turbine"),
    "Valve": ("Inlet valve", "Outlet valve", "Bypass valve", "Scour valve", "Fire-main valve"),
}
SUBSTATION_PUMPS = ("Cooling pump", "Cable-cellar pump")
QUANTITIES = {
    # What is measured: unit, least and greatest usual value.
    "PRESSURE": ("bar", 1.5, 12.0),
    "FLOW": ("m³/h", 10.0, 1_900.0),
    "LEVEL": ("m", 0.4, 6.5),
    "TURBIDITY": ("NTU", 0.02, 1.8),
    "CHLORINE": ("mg/l", 0.05, 0.6),
    "VIBRATION": ("mm/s", 0.3, 6.9),
    "TEMPERATURE": ("°C", 2.0, 84.0),
}
MEASURED = {
    "Pump": ("PRESSURE", "FLOW", "VIBRATION", "TEMPERATURE"),
    "Turbine": ("VIBRATION", "TEMPERATURE", "FLOW"),
    "Valve": ("PRESSURE", "FLOW", "LEVEL", "TURBIDITY", "CHLORINE"),
}
HIDEOUTS = {UNCLASSIFIED: 80, CONFIDENTIAL: 10, CISTERN: 5, LANTERN: 3, TOP_LANTERN: 2}
"""Labels of assets in places that everybody knows, and how often each occurs."""


def build_assets(world: Collection, grammar: Grammar, names: dict[str, list[str]]) -> None:
    models = [f"{stem} {size}" for stem in names["model_stem"] for size in (40, 65, 100, 250, 400)]
    for facility in world.of("TreatmentPlant", "PumpingStation", "Reservoir", "Substation"):
        machines = []
        for type_name, count in EQUIPMENT[facility.type_name].items():
            for _ in range(count + world.random.randint(0, 2)):
                label = _label(world.random, facility)
                machines.append(_add_asset(world, grammar, type_name, facility, models, label))
        for source, target in pairwise(machines):
            _feed(world, source, target)
        for machine in machines:
            for quantity in world.sample(MEASURED[machine.type_name], world.random.choice((0, 0, 1, 1))):
                _add_sensor(world, grammar, machine, quantity, models)


def _label(random: Random, facility: Thing) -> int:
    above = [label for label in facility.versions if label not in (UNCLASSIFIED, CONFIDENTIAL)]
    if facility.label == UNCLASSIFIED and above and random.random() < 0.5:
        return above[0]
    return facility.label | random.choices(list(HIDEOUTS), list(HIDEOUTS.values()))[0]


def _add_asset(
    world: Collection, grammar: Grammar, type_name: str, facility: Thing, models: list[str], label: int
) -> Thing:
    random = world.random
    site = facility.name.split()[0]
    kinds = SUBSTATION_PUMPS if facility.type_name == "Substation" else NAMES[type_name]
    name = world.unused(lambda: f"{random.choice(kinds)} {random.randint(1, 9)}, {site}")
    asset = _install(world, grammar, type_name, name, facility, models, label, DETAILS[type_name](random))
    supplier = random.choice(world.of("Supplier"))
    price = str(asset.data["price"])
    ordered = moments.day(random, 2019, 2025)
    properties = {"orderNumber": world.number("ORD"), "price": price}
    properties["warrantyUntil"] = (ordered + timedelta(days=730)).isoformat()
    world.link("purchased_from", asset, supplier, properties=properties)
    for member in world.sample(world.visible(world.of("CrewMember"), label), random.choice((0, 0, 0, 1))):
        since = moments.midnight(moments.day(random, 2020, 2025))
        capacity = "DEPUTY" if world.targets("responsible_for", member) else "LEAD"
        world.link("responsible_for", member, asset, validFrom=since, properties={"capacity": capacity})
    return asset


def _install(
    world: Collection, grammar: Grammar, type_name: str, name: str, facility: Thing,
    models: list[str], label: int, details: dict[str, Any],
) -> Thing:  # fmt: skip
    random = world.random
    author = random.choice(world.visible(world.of("CrewMember"), label))
    neighbour = random.choice(world.visible(world.of(facility.type_name), label))
    installed = moments.moment(random, moments.day(random, 1998, 2021))
    since = str(random.randint(installed.year + 1, 2025))
    facts = {**moments.timing(random), "author": author.name, "neighbour": neighbour.name, "year": since}
    data = {
        "name": name,
        "status": random.choices(("OK", "DEGRADED", "FAILED", "ISOLATED"), (84, 10, 3, 3))[0],
        "model": random.choice(models),
        "serial": str(UUID(int=random.getrandbits(128), version=4)),
        "installedAt": moments.stamp(installed),
        "price": f"{random.randint(90_000, 48_000_000) / 100:.2f}",
        "notes": grammar.tell(["note"] * random.randint(1, 3), facts),
        **details,
    }
    if label & SECRET == SECRET:
        data["weakness"] = grammar.say("weakness", facts)
    asset = world.add(type_name, "tag", world.number(PREFIXES[type_name]), data, label)
    world.link("houses", facility, asset)
    if label == UNCLASSIFIED and random.random() < 0.03:
        world.cover(asset, SECRET, weakness=grammar.say("weakness", facts))
    return asset


def _rotating(random: Random) -> dict[str, Any]:
    speed = random.choice((490, 740, 980, 1_480, 2_960))
    return {
        "ratedSpeed": speed,
        "vibration": round(random.uniform(0.4, 6.8), 2),
        "revolutions": speed * random.randrange(200_000, 6_000_000),
        "overhaulInterval": moments.lasting(random.choice((8_000, 12_000, 16_000, 24_000)) * 60),
    }


def _pump(random: Random) -> dict[str, Any]:
    return _rotating(random) | {
        "ratedFlow": float(random.randrange(40, 1_400, 5)),
        "head": round(random.uniform(12, 160), 1),
        "drive": random.choice(("FIXED_SPEED", "VARIABLE_SPEED")),
        "duty": random.random() < 0.5,
        "firmware": f"{random.randint(2, 6)}.{random.randint(0, 12)}.{random.randint(0, 30)}",
    }


def _turbine(random: Random) -> dict[str, Any]:
    power = random.randint(300, 45_000)
    return _rotating(random) | {
        "design": random.choice(("FRANCIS", "KAPLAN", "PELTON", "CROSSFLOW")),
        "ratedPower": f"{power / 10:.1f}",
        "annualOutput": power * 100 * random.randint(2_800, 6_100),
    }


def _valve(random: Random) -> dict[str, Any]:
    return {
        "design": random.choice(("GATE", "BUTTERFLY", "CHECK", "PRESSURE_REDUCING")),
        "diameter": random.choice((80, 100, 150, 200, 300, 400, 600, 800, 1_000)),
        "remote": random.random() < 0.4,
        "strokeTime": f"PT{random.randint(8, 59)}S",
    }


DETAILS = {"Pump": _pump, "Turbine": _turbine, "Valve": _valve}


def _feed(world: Collection, source: Thing, target: Thing) -> None:
    random = world.random
    properties = {"nominalFlow": float(random.randrange(20, 1_200, 5)), "normallyOpen": random.random() < 0.8}
    world.link("feeds", source, target, weight=round(random.uniform(0.1, 1), 2), properties=properties)


def _add_sensor(world: Collection, grammar: Grammar, machine: Thing, quantity: str, models: list[str]) -> None:
    random = world.random
    (facility,) = world.sources("houses", machine)
    unit, low, high = QUANTITIES[quantity]
    tag = machine.key["tag"]
    details = {
        "quantity": quantity,
        "unit": unit,
        "lastValue": round(random.uniform(low, high), 2),
        "lastReadAt": moments.stamp(moments.moment(random, moments.TODAY - timedelta(days=1))),
        "interval": random.choice(("PT1S", "PT10S", "PT1M", "PT15M")),
        "samples": random.randint(40_000, 8_000_000_000),
        "alarmLimits": [low, high],
        "calibration": {"offset": random.randint(-40, 40) / 100, "gain": random.randint(970, 1_030) / 1_000},
        "endpoint": f"https://telemetry.skarrow.example/{tag.lower()}/{quantity.lower()}",
    }
    label = machine.label | (CONFIDENTIAL if random.random() < 0.08 else UNCLASSIFIED)
    name = f"{quantity.capitalize()} probe of {machine.name[0].lower()}{machine.name[1:]}"
    sensor = _install(world, grammar, "Sensor", name, facility, models, label, details)
    world.link("has_sensor", machine, sensor)
