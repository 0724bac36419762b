"""Mappers of fields: as they are asked for, held against a type, and applied to one object's data.

A mapper fills fields, and never changes a value that is there: so applied again it does nothing more, and what clients
write into the new fields meanwhile stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fabric.mapping.conversions import Conversion, conversion
from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field
from fabric.types.faults import Faults
from fabric.types.kinds import JSONValue, Kind, KindError
from fabric.types.values import Stored, check_required, read_value

MOST_MAPPERS = 100
MOST_FIELDS = 100
"""That one mapper splits into."""
SEPARATOR_LENGTH = 100

_TEXTS = (Kind.STRING, Kind.TEXT)


@dataclass(frozen=True, slots=True)
class Convert:
    """Gives `target` what `source` has, in the form of its own kind."""

    source: Field
    target: Field
    conversion: Conversion

    @property
    def sources(self) -> tuple[Field, ...]:
        return (self.source,)

    @property
    def targets(self) -> tuple[Field, ...]:
        return (self.target,)

    def values(self, data: Stored) -> dict[str, JSONValue]:
        return {self.target.key: self.conversion(data[self.source.key])}


@dataclass(frozen=True, slots=True)
class Split:
    """Gives `targets` the parts of a text, one each; a single target that is a list all of them. Empty parts: none."""

    source: Field
    targets: tuple[Field, ...]
    separator: str
    conversions: tuple[Conversion, ...]

    @property
    def sources(self) -> tuple[Field, ...]:
        return (self.source,)

    def values(self, data: Stored) -> dict[str, JSONValue]:
        parts = [part.strip() for part in data[self.source.key].split(self.separator)]
        if self.targets[0].many:
            return {self.targets[0].key: read_value(self.targets[0], self._items(parts))}
        if len(parts) > len(self.targets):
            raise KindError(f"expected at most {len(self.targets)} parts, got {len(parts):,}")
        each = zip(self.targets, self.conversions, parts, strict=False)
        return {target.key: convert(part) for target, convert, part in each if part}

    def _items(self, parts: Sequence[str]) -> list[JSONValue]:
        items: list[JSONValue] = []
        for part in filter(None, parts):
            converted = self.conversions[0](part)
            items += converted if isinstance(converted, list) else [converted]
        return items


@dataclass(frozen=True, slots=True)
class Default:
    """Gives `target` a value."""

    target: Field
    value: JSONValue
    sources: tuple[Field, ...] = ()

    @property
    def targets(self) -> tuple[Field, ...]:
        return (self.target,)

    def values(self, data: Stored) -> dict[str, JSONValue]:
        return {self.target.key: self.value}


Mapper: TypeAlias = Convert | Split | Default


@dataclass(frozen=True, slots=True)
class Mapped:
    """One object's data after all mappers. `failures` are (number of the mapper, why) of values that do not convert."""

    data: Stored
    failures: list[tuple[int, str]] = field(default_factory=list)


def mapped(mappers: Sequence[Mapper], data: Stored) -> Mapped:
    """The mappers in their order, each on what those before it left. One acts where none of its targets has a value."""
    result = Mapped(dict(data))
    for i, mapper in enumerate(mappers):
        here = result.data
        if any(f.key in here for f in mapper.targets) or not all(f.key in here for f in mapper.sources):
            continue
        try:
            here.update(mapper.values(here))
        except KindError as error:
            result.failures.append((i, str(error)))
    return result


def lacking(object_type: ObjectType, data: Stored) -> list[str]:
    """The required fields without which nobody could write an object of the type."""
    faults = Faults()
    check_required(object_type.fields, data, faults)
    return [str(error.path[-1]) for error in faults.errors]


def read_mappers(catalogue: Catalogue, object_type: ObjectType, documents: Sequence[Mapping[str, Any]]) -> list[Mapper]:
    """Each document is one of ``{"convert": {"from", "to"}}``, ``{"split": {"from", "to": […], "separator"}}`` and
    ``{"default": {"field", "value"}}``. Several: what does not fit the type, by paths below ``mappers``.
    """
    faults = Faults()
    if not 1 <= len(documents) <= MOST_MAPPERS:
        faults.add(f"expected 1 to {MOST_MAPPERS} mappers", "mappers")
    faults.raise_any()
    read = [_Reading(catalogue, object_type, faults, i).mapper(document) for i, document in enumerate(documents)]
    faults.raise_any()
    return [mapper for mapper in read if mapper is not None]


class _Reading:
    """Of one mapper."""

    def __init__(self, catalogue: Catalogue, object_type: ObjectType, faults: Faults, number: int) -> None:
        self._type, self._faults, self._path = object_type, faults, ("mappers", number)
        heirs = (catalogue.types[name] for name in object_type.family if name in catalogue.types)
        self._keys = {name for heir in heirs for name in heir.natural_key}

    def mapper(self, document: Mapping[str, Any]) -> Mapper | None:
        named = {name: value for name, value in document.items() if value is not None}
        match named:
            case {"convert": {"from": source, "to": target}} if len(named) == 1:
                return self._convert(source, target)
            case {"split": {"from": source, "to": targets, "separator": separator}} if len(named) == 1:
                return self._split(source, targets, separator)
            case {"default": {"field": target, "value": value}} if len(named) == 1:
                return self._default(target, value)
        self._fault("a mapper is one of convert, split and default")
        return None

    def _convert(self, source_name: str, target_name: str) -> Convert | None:
        source = self._field(source_name, "convert", "from")
        target = self._target(target_name, "convert", "to")
        if source is None or target is None:
            return None
        convert = self._conversion(source, target, "convert", "to")
        return None if convert is None else Convert(source, target, convert)

    def _split(self, source_name: str, names: Sequence[str], separator: str) -> Split | None:
        source = self._field(source_name, "split", "from")
        targets = [self._target(name, "split", "to", i) for i, name in enumerate(names)]
        if not 1 <= len(separator) <= SEPARATOR_LENGTH:
            self._fault(f"expected 1 to {SEPARATOR_LENGTH} characters", "split", "separator")
        if not 1 <= len(names) <= MOST_FIELDS or len(set(names)) != len(names):
            self._fault(f"expected 1 to {MOST_FIELDS} different fields", "split", "to")
            return None
        found = [target for target in targets if target is not None]
        if source is None or len(found) != len(names):
            return None
        if source.many or source.kind not in _TEXTS:
            self._fault("expected a single string or text", "split", "from")
            return None
        if len(found) > 1 and any(target.many for target in found):
            self._fault("expected one list, or several fields that are none", "split", "to")
            return None
        converts = [self._conversion(source, target, "split", "to", i) for i, target in enumerate(found)]
        known = tuple(each for each in converts if each is not None)
        return Split(source, tuple(found), separator, known) if len(known) == len(found) else None

    def _default(self, name: str, value: Any) -> Default | None:
        target = self._target(name, "default", "field")
        if target is None:
            return None
        try:
            return Default(target, read_value(target, value))
        except KindError as error:
            self._fault(str(error), "default", "value")
            return None

    def _conversion(self, source: Field, target: Field, *path: str | int) -> Conversion | None:
        if source.key == target.key:
            self._fault("expected another field than the one it is from", *path)
            return None
        found = conversion(source, target)
        if found is None:
            self._fault(f"{source.kind} does not convert to {target.kind}", *path)
        return found

    def _field(self, name: str, *path: str | int) -> Field | None:
        found = self._type.fields.get(name)
        if found is None:
            self._fault("no such field", *path)
        elif found.protection is not None:
            self._fault("an encrypted field is not mapped: its values are not at hand to whoever asks", *path)
            return None
        return found

    def _target(self, name: str, *path: str | int) -> Field | None:
        if name in self._keys:
            self._fault("a natural key cannot change", *path)
            return None
        return self._field(name, *path)

    def _fault(self, message: str, *path: str | int) -> None:
        self._faults.add(message, *self._path, *path)
