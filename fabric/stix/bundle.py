"""A STIX bundle in a file, read as import records (see docs/importing-stix.md)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from os import PathLike, stat_result
from pathlib import Path
from typing import Any

from fabric.errors import BadInput
from fabric.labels import Label
from fabric.stix.elements import MAX_BYTES, Element, Progress, read_elements
from fabric.stix.judgement import RELATIONSHIP, fault_of, is_relationship, problem
from fabric.stix.markings import Markings
from fabric.stix.references import KILL_CHAIN_PHASES, KILL_CHAIN_RELATION, Reference, domains, phases, references
from fabric.stix.schema import STIX_ID, Schema
from fabric.stix.survey import Counts, Survey
from fabric.transfer.records import Problem, Record


class StixBundle:
    """A bundle, surveyed when it is opened and read once more by each of `objects` and `links`.

    The file is plain or gzip, which its first bytes tell. `labels` gives the objects of a type (`attack-pattern` or
    `AttackPattern`; `relationship` for the links that relationships become) a label whatever their markings say. `tlp`
    adds to the table of TLP markings or overrides it. `max_bytes` is the most text the file may hold, decompressed.

    BadInput for a file that is no bundle, is damaged, or has a TLP marking or an override that means nothing; OSError
    for one that cannot be read.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        labels: Mapping[str, Label] | None = None,
        tlp: Mapping[str, Label] | None = None,
        progress: Progress | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._path, self._max_bytes = Path(path), max_bytes
        if self._path.exists() and not self._path.is_file():
            raise BadInput("a bundle is read more than once, so it has to be a regular file")
        self._state = _state(self._path.stat())
        self._survey = Survey(Markings(tlp))
        for element in read_elements(self._path, max_bytes, progress):
            self._survey.add(element)
        self._survey.close()
        self._schema = Schema(self._survey)
        self._labels = self._by_stix_type(labels or {})

    @property
    def counts(self) -> Counts:
        """Exactly what `objects` and `links` will yield; the problems are those of both."""
        survey = self._survey
        links: Counter[str] = Counter()
        for (relation, _, _), number in survey.ends.items():
            links[relation] += number
        objects = {self._schema.types[stix_type]: number for stix_type, number in sorted(survey.objects.items())}
        return Counts(objects, dict(sorted(links.items())), survey.problems, survey.superseded, survey.unresolved)

    def definitions(self) -> list[Record]:
        """One definition for each type of object. They name each other: all have to be there before the first link."""
        return [Record(stix_type, {"define": body}) for stix_type, body in self._schema.definitions()]

    def objects(self) -> Iterator[Record | Problem]:
        """The newest version of every object, in the order of the file, and what cannot be one."""
        for position, element in self._elements():
            value = element.value
            if is_relationship(value):
                continue
            if self._survey.is_newest(position):
                yield Record(value["id"], self._object(value))
            elif fault := fault_of(element):
                yield problem(position, value, fault)

    def links(self) -> Iterator[Record | Problem]:
        """What relationships, references and kill chain phases link, in the order of the file, and what cannot be."""
        for position, element in self._elements():
            value = element.value
            if not self._survey.is_newest(position):
                if is_relationship(value) and (fault := fault_of(element)):
                    yield problem(position, value, fault)
            elif not is_relationship(value):
                yield from self._implied(value)
            elif loose := next((n for n in ("source_ref", "target_ref") if not self._survey.holds(value[n])), None):
                yield problem(position, value, f"{loose}: the bundle holds no object {value[loose]!a}")
            else:
                yield Record(value["id"], self._relationship(value))

    def _elements(self) -> Iterator[tuple[int, Element]]:
        if _state(self._path.stat()) != self._state:
            raise BadInput("the file has changed since it was opened")
        return enumerate(read_elements(self._path, self._max_bytes))

    def _object(self, value: Mapping[str, Any]) -> dict[str, Any]:
        names = self._schema.fields[value["type"]]
        body = {
            "type": self._schema.types[value["type"]],
            "key": {STIX_ID: value["id"]},
            "data": {names[name]: member for name, member in value.items() if member is not None and name in names},
        }
        return self._labelled(body, value)

    def _relationship(self, value: Mapping[str, Any]) -> dict[str, Any]:
        relation = value["relationship_type"]
        names = self._schema.properties[relation]
        properties = {names[name]: member for name, member in value.items() if member is not None and name in names}
        body = {
            "link": relation,
            "key": value["id"],
            "from": self._end(value["source_ref"]),
            "to": self._end(value["target_ref"]),
            "properties": properties,
            "validFrom": value.get("start_time"),
            "validTo": value.get("stop_time"),
        }
        return self._labelled({name: member for name, member in body.items() if member}, value)

    def _implied(self, value: Mapping[str, Any]) -> Iterator[Record]:
        """Links with a key made of the object and its property: imported once more, they are the same links."""
        stix_id = value["id"]
        implied = list(references(value))
        for phase in phases(value):
            tactics = self._survey.tactics.of(phase, domains(value))
            implied += (Reference(KILL_CHAIN_RELATION, KILL_CHAIN_PHASES, tactic) for tactic in tactics)
        for relation, name, target in implied:
            if self._survey.holds(target):
                key = f"{stix_id} {name}"
                ends = {"from": self._end(stix_id), "to": self._end(target)}
                yield Record(stix_id, {"link": relation, "key": key, **ends})

    def _end(self, stix_id: str) -> dict[str, Any]:
        return {"type": self._schema.types[stix_id.partition("--")[0]], "key": {STIX_ID: stix_id}}

    def _labelled(self, body: dict[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
        label = self._labels.get(value["type"]) or self._survey.markings.label(value)
        if label is not None:
            body["label"] = str(label)
        return body

    def _by_stix_type(self, labels: Mapping[str, Label]) -> dict[str, Label]:
        stix_types = {type_name: stix_type for stix_type, type_name in self._schema.types.items()}
        known = {*stix_types.values(), RELATIONSHIP}
        chosen = {stix_types.get(name, name): label for name, label in labels.items()}
        if unknown := chosen.keys() - known:
            raise BadInput(f"a label is given for types the bundle does not have: {', '.join(sorted(unknown))}")
        return chosen


def _state(status: stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns
