"""Protection programmes and the assessments they commission: types that only exist from SECRET on."""

from datetime import timedelta
from uuid import UUID

from fabric.demo import moments
from fabric.demo.collection import (
    CISTERN,
    HALYARD,
    LANTERN,
    SECRET,
    TOP,
    TOP_CISTERN,
    TOP_LANTERN,
    Collection,
    Thing,
)
from fabric.demo.facts import Scene
from fabric.demo.grammar import Grammar

LABELS = (SECRET, CISTERN, LANTERN, HALYARD, CISTERN, LANTERN, HALYARD, SECRET, TOP_CISTERN, TOP_LANTERN, TOP, CISTERN)
FACILITIES = ("TreatmentPlant", "PumpingStation", "Reservoir", "Substation")
ASSESSMENTS = 48


def build_programmes(world: Collection, grammar: Grammar, names: dict[str, list[str]]) -> None:
    random = world.random
    for codeword, label in zip(names["codeword"], LABELS, strict=True):
        place, zone = random.choice(world.of("TreatmentPlant")), random.choice(world.of("SupplyZone"))
        budget = random.randint(200_000, 90_000_000)
        data = {
            "purpose": grammar.say("purpose", {"place": place.name, "zone": zone.name}),
            "budget": f"{budget}.00",
            "startedOn": moments.day(random, 2008, 2023).isoformat(),
            "reviewCycle": moments.lasting(random.choice((90, 180, 360)) * 24 * 60),
            "charter": str(UUID(int=random.getrandbits(128), version=4)),
        }
        programme = world.add("ProtectionProgramme", "codeword", codeword, data, label)
        if label in (SECRET, LANTERN):
            world.cover(programme, TOP, budget=f"{budget * 7}.00", purpose=grammar.say("purpose_whole", {}))
        for facility in world.sample(world.visible(world.of(*FACILITIES), label), 7):
            properties = {"measure": random.choice(names["measure"]), "priority": random.randint(1, 5)}
            world.link("protects", programme, facility, weight=round(random.uniform(0.2, 1), 2), properties=properties)
        for member in world.sample(world.visible(world.of("CrewMember"), label), 6):
            world.link("enrols", programme, member, validFrom=moments.midnight(moments.day(random, 2018, 2025)))


def build_assessments(world: Collection, grammar: Grammar, names: dict[str, list[str]]) -> None:
    random = world.random
    for _ in range(ASSESSMENTS):
        programme = random.choice(world.of("ProtectionProgramme"))
        label = programme.label
        asset = random.choice(world.visible(world.of("Pump", "Valve", "Turbine"), label))
        scene = Scene.around(world, asset, label, moments.day(random, 2021, 2025))
        order = ["scope", "observation", "observation", "vector", "exposure", "judgement", "advice", "advice"]
        data = {
            "title": f"Threats to {scene.facts['place']}",
            "body": grammar.tell(order, scene.facts),
            "filedAt": moments.stamp(moments.moment(random, scene.on)),
            "keywords": ["threat", "assessment"],
            "actor": random.choice(("CRIMINAL", "INSIDER", "STATE", "UNKNOWN")),
            "likelihood": round(random.uniform(0.02, 0.85), 2),
            "impact": random.randint(1, 5),
            "reviewOn": (scene.on + timedelta(days=365)).isoformat(),
            "sources": world.sample(names["sources"], random.randint(1, 4)),
        }
        assessment = world.add("ThreatAssessment", "number", world.number(f"THR-{scene.on.year}"), data, label)
        scene.link(world, assessment)
        world.link("commissions", programme, assessment)
        for supplier in {id(s): s for s in (scene.supplier, random.choice(world.of("Supplier")))}.values():
            _assess(world, assessment, supplier)


def _assess(world: Collection, assessment: Thing, supplier: Thing) -> None:
    exposure = round(world.random.uniform(0, 1), 2)
    world.link("assesses", assessment, supplier, weight=exposure, properties={"exposure": exposure})
