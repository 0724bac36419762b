"""What definitions say in RDF beyond what they mean here: kept and given back, without any effect.

The form is that of expanded JSON-LD: by the IRI of the property a list of values, each `{"@id": IRI}` or
`{"@value": text}`, the latter with `"@language"` or with `"@type"`, the IRI of its datatype, or with neither.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from fabric.types.kinds import Kind, KindError, canonical

MAX_VALUES = 200
"""Of one type, field, link or other subject."""
MAX_TEXT = 10_000
MAX_CHARACTERS = 50_000
"""Of all the values of one subject together."""
MAX_SUBJECTS = 500
"""What a definition speaks of besides itself."""

Value: TypeAlias = Mapping[str, str]
Annotations: TypeAlias = Mapping[str, Sequence[Value]]

_FORMS = ({"@id"}, {"@value"}, {"@value", "@language"}, {"@value", "@type"})
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*\Z")

Add = Callable[..., None]
"""Takes what is wrong, and the path of where."""


def read_annotations(value: Mapping[str, Any], add: Add) -> Annotations:
    """What is under `annotations`."""
    return _read(value.get("annotations") or {}, add, "annotations")


def read_about(value: Mapping[str, Any], add: Add) -> Mapping[str, Annotations]:
    """What is under `about`: annotations by the IRI of what they are of."""
    given = value.get("about") or {}
    if not isinstance(given, Mapping) or len(given) > MAX_SUBJECTS:
        add(f"about is an object of annotations by IRIs, {MAX_SUBJECTS} at most", "about")
        return {}
    for iri in given:
        if not is_iri(iri):
            add("what is spoken of is named by its IRI", "about", str(iri))
    return {iri: _read(each, add, "about", str(iri)) for iri, each in given.items()}


def is_iri(iri: object) -> bool:
    try:
        return canonical(Kind.URI, iri) == iri
    except KindError:
        return False


def fault_of(value: object) -> str | None:
    """What is wrong with one value; None of one that can be kept."""
    if not isinstance(value, Mapping) or value.keys() not in _FORMS:
        return 'an annotation is {"@id": IRI}, or {"@value": text} with "@language", with "@type", or with neither'
    if not all(is_iri(value[key]) for key in ("@id", "@type") if key in value):
        return "an absolute IRI is needed"
    text = value.get("@value", "")
    if not isinstance(text, str) or len(text) > MAX_TEXT or "\0" in text or not _is_unicode(text):
        return f"an annotation's text has at most {MAX_TEXT:,} characters"
    language = value.get("@language", "en")
    if not isinstance(language, str) or not _LANGUAGE.match(language):
        return "a language is named by its tag, such as de or de-AT"
    return None


def size(value: Value) -> int:
    """In characters, as it counts toward MAX_CHARACTERS."""
    return sum(map(len, value.values()))


def merged(old: Annotations, new: Annotations) -> Annotations:
    """The old ones with those of the new ones that they lack, as far as there is room."""
    found = {iri: list(values) for iri, values in old.items()}
    number = sum(map(len, found.values()))
    characters = sum(size(value) for values in found.values() for value in values)
    for iri, values in new.items():
        for value in values:
            lacking = value not in found.get(iri, ())
            if lacking and number < MAX_VALUES and characters + size(value) <= MAX_CHARACTERS:
                found.setdefault(iri, []).append(value)
                number, characters = number + 1, characters + size(value)
    return found


def _read(given: object, add: Add, *path: str) -> Annotations:
    if not isinstance(given, Mapping):
        add("annotations are an object: lists of values by the IRIs of properties", *path)
        return {}
    number, characters = 0, 0
    for iri, values in given.items():
        if not is_iri(iri):
            add("an annotation's property is an absolute IRI", *path, str(iri))
        if not isinstance(values, list) or not values:
            add("annotations are lists of values", *path, str(iri))
            continue
        for i, value in enumerate(values):
            if (fault := fault_of(value)) is not None:
                add(fault, *path, str(iri), i)
                continue
            number, characters = number + 1, characters + size(value)
    if number > MAX_VALUES or characters > MAX_CHARACTERS:
        add(f"there are at most {MAX_VALUES} annotations, of {MAX_CHARACTERS:,} characters together", *path)
    return dict(given)


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)
