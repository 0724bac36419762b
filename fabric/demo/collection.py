"""The demo's objects and links while they are being made, and the rules of labels they keep."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from fabric.labels import Label, Lattice, dominates, rank

COMPARTMENTS = ("CISTERN", "LANTERN", "HALYARD")
"""Hidden reserves of water; inquiries into intrusions; supply of protected sites."""

Item = TypeVar("Item")

_LATTICE = Lattice(COMPARTMENTS)


def code(text: str) -> int:
    return _LATTICE.encode(Label.parse(text))


UNCLASSIFIED = code("UNCLASSIFIED")
CONFIDENTIAL = code("CONFIDENTIAL")
SECRET = code("SECRET")
CISTERN = code("SECRET/CISTERN")
LANTERN = code("SECRET/LANTERN")
HALYARD = code("SECRET/HALYARD")
TOP_CISTERN = code("TOP_SECRET/CISTERN,HALYARD")
TOP_LANTERN = code("TOP_SECRET/LANTERN")
TOP = code("TOP_SECRET/CISTERN,LANTERN,HALYARD")


@dataclass(slots=True, eq=False)
class Thing:
    """One object: its natural key, the label it was first made at, and its data by label."""

    type_name: str
    key: dict[str, str]
    label: int
    versions: dict[int, dict[str, Any]]

    @property
    def data(self) -> dict[str, Any]:
        return self.versions[self.label]

    @property
    def name(self) -> str:
        """What a text calls it."""
        return str(self.data.get("name") or next(iter(self.key.values())))

    def seen_at(self, label: int) -> dict[str, Any]:
        return self.versions[max((v for v in self.versions if dominates(label, v)), key=rank)]


@dataclass(frozen=True, slots=True)
class Link:
    relation: str
    source: Thing
    target: Thing
    label: int
    details: dict[str, Any]


class Collection:
    """Everything made so far, with one source of chance for all of it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.things: list[Thing] = []
        self.links: dict[tuple[str, int, int, int], Link] = {}
        self._by_type: dict[str, list[Thing]] = defaultdict(list)
        self._targets: dict[tuple[str, int], list[Thing]] = defaultdict(list)
        self._sources: dict[tuple[str, int], list[Thing]] = defaultdict(list)
        self._used: set[str] = set()

    def number(self, prefix: str) -> str:
        """A key that nobody has. Not the next one: a gap in a series would tell of what is hidden."""
        return self.unused(lambda: f"{prefix}-{self.random.randint(1000, 9999)}")

    def unused(self, make: Callable[[], str]) -> str:
        """What `make` makes, once that is nobody's name or key."""
        while (made := make()) in self._used:
            pass
        self._used.add(made)
        return made

    def add(self, type_name: str, key: str, value: str, data: dict[str, Any], label: int = UNCLASSIFIED) -> Thing:
        thing = Thing(type_name, {key: value}, label, {label: data})
        self.things.append(thing)
        self._by_type[type_name].append(thing)
        return thing

    def cover(self, thing: Thing, label: int, **changes: Any) -> None:
        """A version at `label`: what is seen there so far, and the changes. A lower reader's story stays as it is."""
        thing.versions[label] = thing.seen_at(label) | changes

    def of(self, *type_names: str) -> list[Thing]:
        return [thing for name in type_names for thing in self._by_type[name]]

    def sample(self, items: Iterable[Item], count: int) -> list[Item]:
        """So many of them; all, where there are fewer."""
        pool = list(items)
        return self.random.sample(pool, min(count, len(pool)))

    def visible(self, things: Iterable[Thing], label: int) -> list[Thing]:
        return [thing for thing in things if dominates(label, thing.label)]

    def link(self, relation: str, source: Thing, target: Thing, label: int = UNCLASSIFIED, **details: Any) -> None:
        """Links at the join of `label` and both ends' first labels; details as in a record. Made once per label."""
        joined = label | source.label | target.label
        found = (relation, id(source), id(target), joined)
        if source is not target and found not in self.links:
            self.links[found] = Link(relation, source, target, joined, details)
            self._targets[relation, id(source)].append(target)
            self._sources[relation, id(target)].append(source)

    def targets(self, relation: str, source: Thing) -> list[Thing]:
        return self._targets[relation, id(source)]

    def sources(self, relation: str, target: Thing) -> list[Thing]:
        return self._sources[relation, id(target)]

    def records(self) -> Iterator[dict[str, Any]]:
        """Import records: the versions of each object as they were made, then the links."""
        for thing in self.things:
            for label, data in thing.versions.items():
                yield {
                    "type": thing.type_name,
                    "key": dict(thing.key),
                    "label": str(_LATTICE.decode(label)),
                    "data": data,
                }
        for link in self.links.values():
            yield {
                "link": link.relation,
                "from": _end(link.source),
                "to": _end(link.target),
                "label": str(_LATTICE.decode(link.label)),
                **link.details,
            }


def _end(thing: Thing) -> dict[str, Any]:
    return {"type": thing.type_name, "key": dict(thing.key)}
