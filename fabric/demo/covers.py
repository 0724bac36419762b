"""Cover stories: what is published of an object below, what higher readers are told above; and links only they see."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from fabric.demo import moments
from fabric.demo.collection import (
    CISTERN,
    CONFIDENTIAL,
    HALYARD,
    LANTERN,
    TOP,
    TOP_CISTERN,
    TOP_LANTERN,
    UNCLASSIFIED,
    Collection,
    Thing,
)
from fabric.demo.facts import Scene
from fabric.demo.grammar import Grammar

RESERVOIRS, STATIONS, SUBSTATIONS, ZONES = 10, 12, 8, 4
PUMPS, SENSORS, MEMBERS, SUPPLIERS, INCIDENTS, WORK_ORDERS = 24, 24, 16, 8, 40, 30


def cover_places(world: Collection, grammar: Grammar, codeword: str) -> None:
    """Places that are out of use below and in use above. `codeword` names the programme behind the reserves."""
    showcase, *others = _known(world, "Reservoir")
    for i, reservoir in enumerate([showcase, *world.sample(others, RESERVOIRS - 1)]):
        millions = world.random.randint(20, 70)
        litres = millions * 1_000_000
        facts = _place_facts(world, reservoir) | {"programme": codeword, "millions": str(millions)}
        _publish(reservoir, description=grammar.say("reservoir_cover", facts), status="RETIRED", staffed=False)
        world.cover(
            reservoir, CISTERN, status="OPERATING", staffed=True, covered=True, volume=litres,
            name=f"{reservoir.name.split()[0]} Gallery", description=grammar.say("reservoir_truth", facts),
            reservedVolume=litres * 4 // 5, guardPosts=world.random.randint(1, 4),
        )  # fmt: skip
        if i < RESERVOIRS // 2:
            whole = grammar.say("reservoir_whole", facts)
            world.cover(reservoir, TOP_CISTERN, description=whole, reservedVolume=litres // 5)
    for type_name, count in (("PumpingStation", STATIONS), ("Substation", SUBSTATIONS)):
        stem = "station" if type_name == "PumpingStation" else "substation"
        for facility in world.sample(_known(world, type_name), count):
            facts = _place_facts(world, facility)
            _publish(facility, description=grammar.say(f"{stem}_cover", facts), status="RETIRED", staffed=False)
            truth = grammar.say(f"{stem}_truth", facts)
            world.cover(facility, HALYARD, description=truth, status="OPERATING", guardPosts=2)
    for zone in world.sample(world.of("SupplyZone"), ZONES):
        demand = zone.data["annualDemand"] * 11 // 10
        world.cover(zone, TOP_CISTERN, description=grammar.say("zone_truth", {}), annualDemand=demand)


def cover_things(world: Collection, grammar: Grammar) -> None:
    """Assets, people and suppliers."""
    random = world.random
    for i, pump in enumerate(world.sample(_known(world, "Pump"), PUMPS)):
        facts = _scene(world, pump, LANTERN).facts | {"firmware": str(pump.data["firmware"])}
        _publish(pump, notes=grammar.say("pump_cover", facts), status="DEGRADED")
        world.cover(pump, LANTERN, notes=grammar.say("pump_truth", facts), status="ISOLATED", drive="FIXED_SPEED")
        if i < PUMPS // 4:
            world.cover(pump, TOP_LANTERN, notes=grammar.say("pump_whole", facts), status="OK", duty=False)
    wet = [s for s in _known(world, "Sensor") if s.data["quantity"] in ("LEVEL", "FLOW", "PRESSURE")]
    for sensor in world.sample(wet, SENSORS):
        facts = moments.timing(random)
        value = sensor.data["lastValue"]
        _publish(sensor, notes=grammar.say("sensor_cover", facts), status="FAILED", lastValue=0.0)
        world.cover(sensor, CISTERN, notes=grammar.say("sensor_truth", facts), status="OK", lastValue=value)
    for member in world.sample(_known(world, "CrewMember"), MEMBERS):
        facts = {"place": world.targets("based_at", member)[0].name}
        _publish(member, profile=grammar.say("crew_cover", facts))
        world.cover(member, HALYARD, profile=grammar.say("crew_truth", facts), onCall=True, vetting="FULL")
    for supplier in world.sample(_known(world, "Supplier"), SUPPLIERS):
        facts = moments.timing(random) | {"place": random.choice(world.targets("maintains", supplier)).name}
        _publish(supplier, notes=grammar.say("supplier_cover", facts), approved=True)
        risk = round(random.uniform(0.6, 0.98), 2)
        world.cover(supplier, LANTERN, notes=grammar.say("supplier_truth", facts), approved=False, riskScore=risk)


def cover_reports(world: Collection, grammar: Grammar) -> None:
    """Incidents told differently to those who inquire, to those who keep the reserve, and to those who do both."""
    for i, incident in enumerate(world.sample(_known(world, "Incident"), INCIDENTS)):
        how = ["intrusion", "intrusion_how", "intrusion_how", "intrusion_trace", "intrusion_next", "intrusion_next"]
        attribution = world.random.choice(("insider, unnamed", "hired group", "unknown, one actor", "foreign service"))
        _retell(world, grammar, incident, LANTERN, "incident_title", how, cause="HUMAN", attribution=attribution)
        if i < 12:
            reserve = ["reserve_account", *["reserve_detail"] * 3, *["reserve_next"] * 2]
            _retell(world, grammar, incident, CISTERN, "reserve_title", reserve, severity="CRITICAL")
        if i < 6:
            whole = ["whole_account", *["whole_detail"] * 3, *["whole_next"] * 2]
            _retell(world, grammar, incident, TOP, "whole_title", whole, cause="HUMAN", severity="CRITICAL")
    wet = [o for o in _known(world, "WorkOrder") if world.targets("occurred_at", o)[0].type_name != "Substation"]
    for order in world.sample(wet, WORK_ORDERS):
        told = ["order_account", *["order_detail"] * 3, *["order_next"] * 2]
        _retell(world, grammar, order, CISTERN, "order_title", told, priority=1)


def link_in_secret(world: Collection) -> None:
    """Links above both their ends: who really supplies whom, whose work is tied to whose, what belongs together."""
    random = world.random
    published = [k for k in world.links.values() if k.relation == "supplies" and k.label == UNCLASSIFIED]
    for link in random.sample(published, 40):
        capacity = link.details["properties"]["capacity"] * 2
        details = link.details | {
            "weight": min(1.0, round(link.details["weight"] * 1.5, 2)),
            "properties": link.details["properties"] | {"capacity": capacity},
        }
        world.link("supplies", link.source, link.target, CISTERN, **details)
    stations, zones = _known(world, "PumpingStation"), world.of("SupplyZone")
    for label in (HALYARD,) * 20 + (CISTERN,) * 20 + (TOP_CISTERN,) * 10:
        properties = {"capacity": float(random.randrange(5, 90, 5)), "medium": "WATER", "route": "unlisted"}
        source, target = random.choice(stations), random.choice(zones)
        if target not in world.targets("supplies", source):
            world.link("supplies", source, target, label, weight=0.1, properties=properties)
    incidents = [i for i in world.of("Incident") if LANTERN in i.versions]
    for _ in range(50):
        source, target = random.sample(incidents, 2)
        weight = round(random.uniform(0.6, 1), 2)
        world.link("cites", source, target, LANTERN, weight=weight, properties={"because": "the same intruder"})


def _known(world: Collection, type_name: str) -> list[Thing]:
    """Objects that everybody knows, in use, that have no second story yet."""
    return [
        thing
        for thing in world.of(type_name)
        if thing.label == UNCLASSIFIED
        and thing.data.get("status") != "RETIRED"
        and set(thing.versions) <= {UNCLASSIFIED, CONFIDENTIAL}
    ]


def _publish(thing: Thing, **changes: Any) -> None:
    """What all are told below SECRET."""
    for data in thing.versions.values():
        data.update(changes)


def _place_facts(world: Collection, place: Thing) -> dict[str, str]:
    (zone,) = world.targets("located_in", place)
    return {"zone": zone.name, **moments.timing(world.random)}


def _scene(world: Collection, asset: Thing, label: int) -> Scene:
    return Scene.around(world, asset, label, moments.day(world.random, 2024, 2025))


def _retell(
    world: Collection, grammar: Grammar, report: Thing, label: int, title: str, order: Sequence[str], **changes: Any
) -> None:
    filed = date.fromisoformat(report.data["filedAt"][:10])
    asset = world.targets("concerns", report)[0]
    facts = Scene.around(world, asset, label, filed).facts | {"number": report.name}
    facts["affected"] = str(report.data.get("customersAffected", 0))
    body = grammar.tell(order, facts)
    world.cover(report, label, title=grammar.say(title, facts), body=body, **changes)
