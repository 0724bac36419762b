"""What a text about an asset can speak of, as far as readers of the text's label may know it."""

from dataclasses import dataclass
from datetime import date
from typing import Self

from fabric.demo import moments
from fabric.demo.collection import Collection, Thing


@dataclass(frozen=True, slots=True)
class Scene:
    """An asset, what is around it, and the names that `facts` gives them. Nothing in it is above `label`."""

    asset: Thing
    facility: Thing
    author: Thing
    second: Thing
    supplier: Thing
    label: int
    on: date
    facts: dict[str, str]

    @classmethod
    def around(cls, world: Collection, asset: Thing, label: int, on: date) -> Self:
        """A scene at the join of `label` and the asset's own."""
        random = world.random
        (facility,) = world.sources("houses", asset)
        label |= asset.label | facility.label
        (zone,) = world.targets("located_in", facility)
        peers = [a for a in world.visible(world.of(asset.type_name), label) if a is not asset]
        neighbours = [f for f in world.visible(world.of(facility.type_name), label) if f is not facility]
        based = world.visible(world.sources("based_at", facility), label)
        crew = world.sample(world.visible(world.of("CrewMember"), label), len(based) + 2)
        author, second = (based + [m for m in crew if m not in based])[:2]
        bought_from = world.targets("purchased_from", asset) or world.sample(world.of("Supplier"), 1)
        programmes = world.visible(world.of("ProtectionProgramme"), label)
        here = [a for a in peers if world.sources("houses", a)[0] is facility]
        facts = {
            "asset": f"{asset.name} ({asset.key['tag']})",
            "place": facility.name,
            "zone": zone.name,
            "other": random.choice(here or peers).name,
            "neighbour": random.choice(neighbours).name,
            "author": author.name,
            "second": second.name,
            "supplier": bought_from[0].name,
            "model": str(asset.data["model"]),
            "affected": str(random.randrange(20, 2_400, 10)),
            **moments.timing(random, on),
        }
        if programmes:
            facts["programme"] = random.choice(programmes).name
        return cls(asset, facility, author, second, bought_from[0], label, on, facts)

    def link(self, world: Collection, report: Thing) -> None:
        """What a report about this scene is tied to."""
        world.link("occurred_at", report, self.facility)
        world.link("written_by", report, self.author)
        world.link("concerns", report, self.asset, weight=1.0, properties={"part": "PRIMARY"})
        near = world.sources("feeds", self.asset) + world.targets("feeds", self.asset)
        for other in world.sample(near, world.random.randint(0, 2)):
            weight = round(world.random.uniform(0.1, 0.6), 2)
            world.link("concerns", report, other, weight=weight, properties={"part": "SECONDARY"})
