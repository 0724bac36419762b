"""Those who work for the utility, and the firms that do."""

from datetime import date, timedelta
from itertools import product
from random import Random

from fabric.demo import moments
from fabric.demo.collection import CONFIDENTIAL, HALYARD, LANTERN, UNCLASSIFIED, Collection, Thing
from fabric.demo.grammar import Grammar

CREW, CREW_HIDDEN = 140, 8
SUPPLIERS = 44
ROLES = ("OPERATOR", "MECHANIC", "ELECTRICIAN", "INSTRUMENT_TECHNICIAN", "ENGINEER", "PLANNER")
TRADES = {
    "Hydraulics": "MACHINERY", "Instruments": "INSTRUMENTS", "Machine Works": "MACHINERY", "Switchgear": "ELECTRICAL",
    "Civil": "CIVIL", "Controls": "SOFTWARE", "Castings": "MACHINERY",
}  # fmt: skip


def build_people(world: Collection, grammar: Grammar, names: dict[str, list[str]]) -> None:
    pool = [f"{first} {last}" for first, last in product(names["first"], names["last"])]
    hidden = [HALYARD] * (CREW_HIDDEN // 2) + [LANTERN] * (CREW_HIDDEN // 2)
    for name, label in zip(world.sample(pool, CREW + CREW_HIDDEN), [UNCLASSIFIED] * CREW + hidden, strict=True):
        _add_member(world, grammar, name, label, names)
    managers = [member for member in world.of("CrewMember") if member.data["role"] == "MANAGER"]
    for member in world.of("CrewMember"):
        if member not in managers:
            world.link("reports_to", member, world.random.choice(managers))
    for name in world.sample([f"{s} {e}" for s, e in product(names["firm_stem"], names["firm_ending"])], SUPPLIERS):
        _add_supplier(world, grammar, name)


def _add_member(world: Collection, grammar: Grammar, name: str, label: int, names: dict[str, list[str]]) -> None:
    random = world.random
    base = random.choice(world.visible(world.of("TreatmentPlant", "PumpingStation", "Reservoir", "Substation"), label))
    hired = moments.day(random, 1996, 2025)
    data = {
        "name": name,
        "role": "MANAGER" if len(world.of("CrewMember")) % 14 == 0 else random.choice(ROLES),
        "skills": world.sample(names["skills"], random.randint(1, 4)),
        "languages": ["en", *world.sample(names["languages"][1:], random.randint(0, 2))],
        "hiredOn": hired.isoformat(),
        "onCall": random.random() < 0.4,
        "shift": random.choice(("PT8H", "PT12H", "PT7H30M")),
        "profile": grammar.say("profile", {"place": base.name, "year": str(hired.year)}),
    }
    badge = world.number("SV")
    member = world.add("CrewMember", "badge", badge, data | _secrets_of(badge, name), label)
    world.link("based_at", member, base)
    if label == UNCLASSIFIED and random.random() < 0.4:
        world.cover(member, CONFIDENTIAL, vetting=random.choice(("NONE", "BASIC", "BASIC", "FULL", "LAPSED")))


def _secrets_of(badge: str, name: str) -> dict[str, str]:
    """What is stored encrypted. It has a chance of its own: all else is the same with and without it."""
    random = Random(badge)
    mailbox = name.lower().replace(" ", ".").replace("'", "").encode("ascii", "ignore").decode()
    host = random.choice(("post.example", "mail.skarrow.example", "letters.example"))
    return {"nationalId": f"SK{random.randint(10**8, 10**9 - 1)}", "mail": f"{mailbox}@{host}"}


def _add_supplier(world: Collection, grammar: Grammar, name: str) -> None:
    random = world.random
    trade = next(trade for ending, trade in TRADES.items() if name.endswith(ending))
    second = random.choice([other for other in dict.fromkeys(TRADES.values()) if other != trade])
    data = {
        "name": name,
        "trades": [trade, second] if random.random() < 0.3 else [trade],
        "website": f"https://{name.lower().replace(' ', '-')}.example/",
        "rating": round(random.uniform(1.5, 5), 1),
        "approved": random.random() < 0.9,
        "turnover": f"{random.randint(40_000_000, 9_000_000_000) / 100:.2f}",
        "notes": grammar.say("firm", moments.timing(random)),
    }
    registration = world.number("REG")
    account = {"account": f"SK{Random(registration).randint(10**15, 10**16 - 1)}"}
    supplier = world.add("Supplier", "registration", registration, data | account)
    for facility in world.sample(world.of("TreatmentPlant", "PumpingStation", "Reservoir", "Substation"), 4):
        _maintain(world, supplier, facility)


def _maintain(world: Collection, supplier: Thing, facility: Thing) -> None:
    random = world.random
    start = moments.day(random, 2015, 2024)
    end: date = start + timedelta(days=365 * random.randint(1, 6))
    properties = {
        "contract": world.number("CON"),
        "annualFee": f"{random.randint(900_000, 60_000_000) / 100:.2f}",
        "responseTime": moments.lasting(random.choice((4, 8, 24, 48)) * 60),
    }
    world.link(
        "maintains", supplier, facility, properties=properties,
        validFrom=moments.midnight(start), validTo=moments.midnight(end),
    )  # fmt: skip
