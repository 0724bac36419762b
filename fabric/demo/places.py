"""Supply zones, facilities and how they supply each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from fabric.demo import moments
from fabric.demo.collection import CISTERN, CONFIDENTIAL, HALYARD, TOP_CISTERN, UNCLASSIFIED, Collection, Thing
from fabric.demo.grammar import Grammar
from fabric.labels import join

SHOWCASE = "RSV-2207"
"""Code of the reservoir that the readers' example queries look at."""

ZONES = 24


@dataclass(frozen=True, slots=True)
class Design:
    """One type of facility: how many are known, how many only higher up (and where), and what they are like."""

    type_name: str
    prefix: str
    suffixes: Sequence[str]
    known: int
    hidden: Sequence[int]
    details: Callable[[Random], dict[str, Any]]


def build_places(world: Collection, grammar: Grammar, names: dict[str, list[str]]) -> None:
    pool = [stem + ending for stem, ending in product(names["stem"], names["ending"])]
    world.random.shuffle(pool)
    for name in pool[:ZONES]:
        _add_zone(world, grammar, name, names["restrictions"])
    rest = iter(pool[ZONES:])
    zones = world.of("SupplyZone")
    for design in DESIGNS:
        for i, label in enumerate([UNCLASSIFIED] * design.known + list(design.hidden)):
            zone = zones[i % ZONES] if label == UNCLASSIFIED else world.random.choice(zones)
            facility = _add_facility(world, grammar, design, next(rest), zone, label, names["permits"])
            world.link("located_in", facility, zone)


def _add_zone(world: Collection, grammar: Grammar, name: str, restrictions: list[str]) -> None:
    random = world.random
    population = random.randint(900, 61_000)
    data = {
        **_place(random, name, grammar.say("SupplyZone", {})),
        "population": population,
        "meterCount": population * 10 // random.randint(22, 34),
        "annualDemand": population * random.randint(38_000, 71_000),
        "tariff": f"{random.randint(180, 420) / 100:.2f}",
        "restrictions": world.sample(restrictions, random.choice((0, 0, 1, 2))),
    }
    world.add("SupplyZone", "code", world.number("ZON"), data)


def _place(random: Random, name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "district": random.choice(("NORTH_SHORE", "UPLANDS", "RIVER_PLAIN", "HARBOUR", "EAST_MOOR")),
        "latitude": round(random.uniform(61.2, 61.9), 5),
        "longitude": round(random.uniform(-7.4, -6.1), 5),
    }


def _add_facility(
    world: Collection, grammar: Grammar, design: Design, name: str, zone: Thing, label: int, permits: list[str]
) -> Thing:
    random = world.random
    first_reservoir = design.type_name == "Reservoir" and not world.of("Reservoir")
    number = SHOWCASE if first_reservoir else world.number(design.prefix)
    commissioned = moments.day(random, 1931, 1990)
    facts = {"zone": zone.name, "year": str(commissioned.year)}
    data = {
        **_place(random, f"{name} {random.choice(design.suffixes)}", grammar.say(design.type_name, facts)),
        "status": random.choices(("OPERATING", "STANDBY", "UNDER_REPAIR", "RETIRED"), (82, 9, 6, 3))[0],
        "commissionedOn": commissioned.isoformat(),
        "staffed": design.type_name == "TreatmentPlant" or random.random() < 0.15,
        "elevation": round(random.uniform(4, 412), 1),
        "permits": world.sample(permits, random.randint(0, 3)),
        "datasheet": f"https://drawings.skarrow.example/{number.lower()}.pdf",
        **design.details(random),
    }
    facility = world.add(design.type_name, "code", number, data, label)
    if label == UNCLASSIFIED and random.random() < 0.35:
        closer = {"blackStart": random.random() < 0.3} if design.type_name == "Substation" else {}
        world.cover(facility, CONFIDENTIAL, guardPosts=random.randint(0, 6), **closer)
    return facility


def _plant(random: Random) -> dict[str, Any]:
    processes = ["SCREENING", "COAGULATION", "FLOTATION", "SAND_FILTRATION", "MEMBRANE", "OZONATION", "ULTRAVIOLET"]
    return {
        "capacity": random.randrange(4_000, 96_000, 500),
        "processes": [p for p in processes if random.random() < 0.6] or ["SCREENING"],
        "dosing": {"chlorine": random.randint(2, 9) / 10, "alum": random.randint(8, 40), "lime": random.randint(5, 20)},
    }


def _station(random: Random) -> dict[str, Any]:
    return {
        "peakFlow": float(random.randrange(90, 2_400, 10)),
        "surgeVessels": random.randint(0, 4),
        "standbyPower": random.random() < 0.6,
        "autonomy": moments.lasting(random.randrange(2, 96) * 60),
    }


def _reservoir(random: Random) -> dict[str, Any]:
    lowest = round(random.uniform(0.4, 1.5), 2)
    normal = round(lowest + random.uniform(1, 4), 2)
    return {
        "volume": random.randrange(800_000, 9_000_000_000, 100_000),
        "covered": random.random() < 0.6,
        "turnover": moments.lasting(random.randrange(12, 240) * 60),
        "levels": [lowest, normal, round(normal + random.uniform(0.3, 1.2), 2)],
    }


def _substation(random: Random) -> dict[str, Any]:
    return {
        "ratedPower": f"{random.randrange(400, 8_000, 50) / 100:.2f}",
        "voltages": random.choice(([132, 33], [33, 11], [11, 3], [132, 33, 11])),
        "feederCount": random.randint(3, 18),
    }


DESIGNS = (
    Design("TreatmentPlant", "TRP", ("Water Works",), 12, (), _plant),
    Design("Reservoir", "RSV", ("Basin", "Reservoir", "Tower", "Tarn"), 40, [TOP_CISTERN] * 4, _reservoir),
    Design("PumpingStation", "PST", ("Pumping Station", "Booster Station"), 60, [CISTERN] * 6, _station),
    Design("Substation", "SUB", ("Substation", "Switchyard"), 36, [HALYARD] * 4, _substation),
)


def connect_places(world: Collection) -> None:
    """How the places supply and back up each other, once it is settled what each is said to be.

    Works fill reservoirs, reservoirs feed stations, stations their zone and another; substations power stations.
    """
    random = world.random
    for reservoir in world.of("Reservoir"):
        for plant in world.sample(world.of("TreatmentPlant"), 2):
            _supply(world, plant, reservoir, "WATER")
    for station in world.of("PumpingStation"):
        (home,) = world.targets("located_in", station)
        near = [r for r in world.sources("located_in", home) if r.type_name == "Reservoir"]
        for reservoir in world.sample(near or world.of("Reservoir"), 2):
            _supply(world, reservoir, station, "WATER")
        _supply(world, station, home, "WATER")
        _supply(world, station, random.choice(world.of("SupplyZone")), "WATER")
    for substation in world.of("Substation"):
        for facility in world.sample(world.of("PumpingStation", "TreatmentPlant"), 3):
            _supply(world, substation, facility, "POWER")
    for type_name in ("Reservoir", "PumpingStation", "Substation"):
        for facility in world.of(type_name):
            if random.random() < 0.6:
                _back_up(world, facility, random.choice(world.of(type_name)))


def _back_up(world: Collection, facility: Thing, other: Thing) -> None:
    random = world.random
    switchover, tested = random.randint(3, 240), moments.day(random, 2021, 2025)
    properties = {"switchover": moments.lasting(switchover), "testedOn": tested.isoformat()}
    weight = round(random.uniform(0.2, 1), 2)
    world.link("backs_up", facility, other, CONFIDENTIAL, weight=weight, properties=properties)


def _running_at(place: Thing) -> int | None:
    """The label of the first version that is in use; None where even the last is not."""
    return next((label for label, data in place.versions.items() if data.get("status") != "RETIRED"), None)


def _supply(world: Collection, source: Thing, target: Thing, medium: str) -> None:
    random = world.random
    ends = [_running_at(source), _running_at(target)]
    labels = [label for label in ends if label is not None]
    if labels != ends:
        return
    world.link(
        "supplies", source, target, join(labels),
        weight=round(random.uniform(0.05, 0.9), 2),
        properties={
            "capacity": float(random.randrange(20, 1_800, 10)),
            "medium": medium,
            "route": f"{'main' if medium == 'WATER' else 'line'} {random.randint(100, 999)}",
        },
        validFrom=moments.midnight(moments.day(random, 1995, 2023)),
    )  # fmt: skip
