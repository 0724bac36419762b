"""The first pass over a bundle: which versions count, what holds each property, which types each relation joins.

Of the bundle it keeps ids, times and numbers, never text: of an object with its properties a few hundred bytes.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fabric.errors import BadInput
from fabric.stix.elements import Element
from fabric.stix.forms import EVERY_FORM, narrow
from fabric.stix.judgement import RELATIONSHIP, fault_of, is_relationship
from fabric.stix.markings import Markings
from fabric.stix.references import KILL_CHAIN_RELATION, Domains, Tactics, domains, phases, references
from fabric.types.definitions import MAX_FIELDS

Ends = tuple[str, str, str]
"""A relation, and the STIX types of a link's source and target."""

Forms = dict[str, int]
"""By property: the kinds of field that hold all its values (see `fabric.stix.forms`)."""

_NO_FIELD = frozenset({"type"})
_NO_PROPERTY = frozenset({"type", "id", "relationship_type", "source_ref", "target_ref", "start_time", "stop_time"})


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a bundle holds. Objects by type name and links by relation are records; the rest are none."""

    objects: Mapping[str, int]
    links: Mapping[str, int]
    problems: int
    superseded: int
    """Versions of objects or relationships of which the bundle holds a newer one, or the same once more."""
    unresolved: int
    """References to what the bundle does not hold as an object; their ids stay in the data."""


class _Edges:
    """Links as numbers: where they are stated, their relation, source and target."""

    def __init__(self) -> None:
        self._columns = array("q"), array("q"), array("q"), array("q")

    def add(self, *edge: int) -> None:
        for column, number in zip(self._columns, edge, strict=True):
            column.append(number)

    def __iter__(self) -> Iterator[tuple[int, int, int, int]]:
        return zip(*self._columns, strict=True)


class Survey:
    """`add` every element of the bundle in order, then `close`."""

    def __init__(self, markings: Markings) -> None:
        self.markings = markings
        self.tactics = Tactics()
        self.forms: dict[str, Forms] = {}
        """By STIX type."""
        self.property_forms: dict[str, Forms] = {}
        """By relation."""
        self.objects: Counter[str] = Counter()
        self.ends: Counter[Ends] = Counter()
        self.problems = self.superseded = self.unresolved = 0
        self._numbers: dict[str, int] = {}
        self._ids: list[str] = []
        self._positions = array("q")  # by number: where the newest version is, or -1
        self._modified: list[str] = []
        self._newest = bytearray()  # by position
        self._relations: dict[str, int] = {}
        self._stated, self._implied, self._in_phase = _Edges(), _Edges(), _Edges()
        self._phases: dict[tuple[str, Domains], int] = {}

    def add(self, element: Element) -> None:
        position = len(self._newest)
        self._newest.append(0)
        if fault_of(element) is not None:
            self.problems += 1
            return
        value = element.value
        self._narrow(value)
        if value["type"] == "marking-definition":
            self.markings.add(value)
        if self._supersede(position, value):
            self._join(position, value)

    def close(self) -> None:
        """Settle what only the whole bundle tells: which links have both their ends."""
        self.objects.update(self._type(n) for n, position in enumerate(self._positions) if position >= 0)
        del self.objects[RELATIONSHIP]
        relations = list(self._relations)
        for position, relation, source, target in self._stated:
            if self._newest[position] and not self._joined(relations[relation], source, target):
                self.problems += 1
        for position, relation, source, target in self._implied:
            if self._newest[position] and not self._joined(relations[relation], source, target):
                self.unresolved += 1
        by_number = list(self._phases)
        for position, _, source, phase in self._in_phase:
            if self._newest[position]:
                for tactic in self.tactics.of(*by_number[phase]):
                    self._joined(KILL_CHAIN_RELATION, source, self._numbers[tactic])

    def is_newest(self, position: int) -> bool:
        """Whether no other version of what stands at the position (from 0) takes its place."""
        return bool(self._newest[position])

    def holds(self, stix_id: str) -> bool:
        """Whether the bundle holds the id as an object that can be linked."""
        number = self._numbers.get(stix_id)
        return number is not None and self._is_object(number)

    def _narrow(self, value: dict[str, Any]) -> None:
        if is_relationship(value):
            forms, without = self.property_forms.setdefault(value["relationship_type"], {}), _NO_PROPERTY
        else:
            forms, without = self.forms.setdefault(value["type"], {}), _NO_FIELD
        for name, member in value.items():
            if member is not None and name not in without:
                forms[name] = narrow(forms.get(name, EVERY_FORM), member)
        if len(forms) > MAX_FIELDS:
            raise BadInput(f"objects of the type {value['type']} have more than {MAX_FIELDS} different properties")

    def _supersede(self, position: int, value: dict[str, Any]) -> bool:
        """Whether this is the newest version so far; of equally old ones the later."""
        number = self._number(value["id"])
        modified = value.get("modified")
        # Without its Z, of two UTC times the earlier is the lesser text, however many digits its second has.
        modified = modified.rstrip("Zz") if isinstance(modified, str) else ""
        known = self._positions[number]
        if known >= 0:
            self.superseded += 1
            if modified < self._modified[number]:
                return False
            self._newest[known] = 0
        self._positions[number], self._modified[number] = position, modified
        self._newest[position] = 1
        return True

    def _join(self, position: int, value: dict[str, Any]) -> None:
        if is_relationship(value):
            source, target = self._number(value["source_ref"]), self._number(value["target_ref"])
            self._stated.add(position, self._relation(value["relationship_type"]), source, target)
            return
        self.tactics.add(value)
        number = self._number(value["id"])
        for relation, _, target_id in references(value):
            self._implied.add(position, self._relation(relation), number, self._number(target_id))
        for name in phases(value):
            phase = self._phases.setdefault((name, domains(value)), len(self._phases))
            self._in_phase.add(position, 0, number, phase)

    def _joined(self, relation: str, source: int, target: int) -> bool:
        if not (self._is_object(source) and self._is_object(target)):
            return False
        self.ends[relation, self._type(source), self._type(target)] += 1
        return True

    def _number(self, stix_id: str) -> int:
        number = self._numbers.setdefault(stix_id, len(self._numbers))
        if number == len(self._ids):
            self._ids.append(stix_id)
            self._positions.append(-1)
            self._modified.append("")
        return number

    def _relation(self, name: str) -> int:
        return self._relations.setdefault(name, len(self._relations))

    def _is_object(self, number: int) -> bool:
        return self._positions[number] >= 0 and self._type(number) != RELATIONSHIP

    def _type(self, number: int) -> str:
        return self._ids[number].partition("--")[0]
