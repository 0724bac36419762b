"""Which text of a version is searched: the values of some fields of its type, as its own label sees the type.

So nothing enters that a reader of the version could not read, and nothing that is encrypted.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fabric.types.catalogue import Catalogue, ObjectType
from fabric.types.definitions import Field
from fabric.types.kinds import Kind

MOST_CHARACTERS = 100_000
"""Of one version; what comes after is not searched."""

HEAD = 200
"""Characters of a version that stand for it in the texts of its links, or some less: words stay whole."""

_RULES = b"2"
"""Another one has all texts made anew."""

_WORDLESS = frozenset({Kind.JSON, Kind.BOOLEAN, Kind.UUID})


@dataclass(frozen=True, slots=True)
class Composition:
    """The fields of one type in the order of their values in the text."""

    fields: tuple[Field, ...] = ()

    def parts(self, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The name and the text of each field that has any; `data` is as it is stored."""
        for field in self.fields:
            text = _text(data.get(field.key), field.many)
            if text:
                yield field.name, text

    @property
    def keys(self) -> list[str]:
        return [field.key for field in self.fields]

    def keys_in(self, data: Mapping[str, Any]) -> list[str]:
        """Of the fields that have any text."""
        return [field.key for field in self.fields if _text(data.get(field.key), field.many)]

    def text(self, data: Mapping[str, Any]) -> str:
        return "\n".join(text for _, text in self.parts(data))[:MOST_CHARACTERS]

    def digest(self, language: str) -> bytes:
        """Equal ones make equal texts and words of equal data."""
        content = hashlib.sha256(_RULES + language.encode())
        for field in self.fields:
            content.update(b"\0" + field.name.encode() + b"\0" + field.key.encode())
        return content.digest()[:16]


def readable(catalogue: Catalogue, type_name: str) -> frozenset[str]:
    """The keys of all values of a type that the catalogue's reader sees, and that are not encrypted."""
    object_type = catalogue.types.get(type_name)
    fields = () if object_type is None else object_type.fields.values()
    return frozenset(field.key for field in fields if field.protection is None)


def readable_properties(catalogue: Catalogue, _: str) -> frozenset[str]:
    """The same of all relations, as `property_key` has them."""
    return frozenset(
        property_key(name, field.key)
        for name, relation in catalogue.relations.items()
        for field in relation.properties.values()
        if field.protection is None
    )


def property_key(relation: str, key: str) -> str:
    """Relations may have properties of the same key."""
    return f"{relation} {key}"


def composition(catalogue: Catalogue, type_name: str) -> Composition:
    """Of objects stored under a type, as the catalogue's reader sees it; of nothing where it does not.

    First come the fields that the type, or the nearest ancestor that does, names for its embedding, then all other
    searchable ones.
    """
    object_type = catalogue.types.get(type_name)
    return Composition() if object_type is None or object_type.domain != "object" else _of(catalogue, object_type)


def event_composition(catalogue: Catalogue, type_name: str) -> Composition:
    """Of events, if the type or an ancestor names fields for their embedding."""
    event_type = catalogue.types.get(type_name)
    asks = event_type is not None and event_type.domain == "event" and bool(_embedding(catalogue, event_type))
    return _of(catalogue, event_type) if asks and event_type is not None else Composition()


def _of(catalogue: Catalogue, object_type: ObjectType) -> Composition:
    first = [n for n in _embedding(catalogue, object_type) if n in object_type.fields]
    rest = [name for name, field in object_type.fields.items() if field.searchable and name not in first]
    named = [object_type.fields[name] for name in (*first, *rest)]
    return Composition(tuple(f for f in named if f.kind not in _WORDLESS and f.protection is None))


def head(text: str) -> str | None:
    """How a text begins, on one line; None of one without anything in it."""
    begun = " ".join(text[: 2 * HEAD].split())
    if len(begun) > HEAD:
        begun = begun[:HEAD].rpartition(" ")[0] or begun[:HEAD]
    return begun or None


def relation_composition(catalogue: Catalogue, relation: str) -> Composition:
    """Of the links of a relation, as the catalogue's reader sees it: their properties that are text."""
    found = catalogue.relations.get(relation)
    kinds = (Kind.STRING, Kind.TEXT)
    fields = sorted(found.properties.items()) if found is not None else []
    return Composition(tuple(f for _, f in fields if f.kind in kinds and f.protection is None))


def content_hash(text: str) -> bytes | None:
    """None of a text without anything in it."""
    return hashlib.sha256(text.encode()).digest() if text.strip() else None


def _embedding(catalogue: Catalogue, object_type: ObjectType) -> tuple[str, ...]:
    lineage = (catalogue.types[name] for name in (object_type.name, *object_type.ancestors))
    return next((t.embedding for t in lineage if t.embedding), ())


def _text(value: Any, many: bool) -> str:
    if many:
        return ", ".join(filter(None, (_one(each) for each in value))) if isinstance(value, list) else ""
    return _one(value)


def _one(value: Any) -> str:
    """Only text and numbers are words: whatever else lies there stands for a value that is kept elsewhere."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
