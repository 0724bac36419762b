"""Facets: what shapes and datatypes ask of values, and the constraints of a field that ask the same."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from pyoxigraph import BlankNode, Literal, NamedNode

from fabric.types.constraints import MAX_PATTERNS, check_place, ordered, read_constraints
from fabric.types.definitions import Field
from fabric.types.kinds import Kind, KindError
from ontology.input.graph import Term
from ontology.survey.patterns import Untranslatable, re2_pattern
from ontology.values import text_of, value_of
from ontology.vocabulary import SHACL_NS, XSD_NS


class Facet(NamedTuple):
    """`said` is its name in the file, `key` that of the constraint. The pattern is one of RE2 already."""

    said: str
    key: str
    value: str


_BOUNDS = {
    "minInclusive": "minimum",
    "maxInclusive": "maximum",
    "minExclusive": "exclusiveMinimum",
    "maxExclusive": "exclusiveMaximum",
}
_KEYS = {
    **{base + name: (key,) for base in (SHACL_NS, XSD_NS) for name, key in _BOUNDS.items()},
    **{base + name: (name,) for base in (SHACL_NS, XSD_NS) for name in ("minLength", "maxLength", "pattern")},
    XSD_NS + "length": ("minLength", "maxLength"),
    SHACL_NS + "minCount": ("minItems",),
    SHACL_NS + "maxCount": ("maxItems",),
}
_COUNT = re.compile(r"[0-9]{1,9}")
_OF_LISTS = ("minItems", "maxItems")
_COUNTED = ("minLength", "maxLength", *_OF_LISTS)
_LOWEST_HOLDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def facets(predicate: NamedNode, values: Iterable[Term], flags: str = "") -> Iterator[Facet]:
    """What a predicate of SHACL or XML Schema says. Untranslatable for what has no counterpart."""
    said = shortened(predicate.value)
    for key in _KEYS.get(predicate.value, ()):
        for value in values:
            text = _text(value)
            if key == "pattern":
                text = re2_pattern(text, flags, whole=said.startswith("xsd:"))
            elif key in _COUNTED and not _COUNT.fullmatch(text):
                raise Untranslatable("what is no number")
            yield Facet(said, key, text)
    if predicate.value not in _KEYS:
        raise Untranslatable


def _text(value: Term) -> str:
    try:
        return text_of(value)
    except KindError as error:
        raise Untranslatable(str(error)) from None


def shortened(iri: str) -> str:
    return "sh:" + iri.removeprefix(SHACL_NS) if iri.startswith(SHACL_NS) else "xsd:" + iri.removeprefix(XSD_NS)


def listed(items: Sequence[Term]) -> tuple[str, ...]:
    """The items as texts of values, each once; none where one of them is no value."""
    if any(isinstance(item, BlankNode) for item in items):
        return ()
    return tuple(dict.fromkeys(item.value for item in items))


def constraints(kind: Kind, many: bool, found: Iterable[Facet], tell: Callable[[str, str], None]) -> dict[str, Any]:
    """As a field's definition has them. `tell` gets the name of each facet that is left out, and why."""
    said: dict[str, str] = {}
    given: dict[str, list[Any]] = {}
    for facet in found:
        if facet.key in _OF_LISTS and not many:
            if facet.key == "minItems" and int(facet.value) > 1:
                tell(facet.said, "there is one value at most")
            continue
        try:
            value = _value(kind, many, facet)
        except KindError as error:
            tell(facet.said, str(error))
        else:
            said[facet.key] = facet.said
            given.setdefault(facet.key, []).append(value)
    document = {key: _closest(kind, key, values) for key, values in given.items()}
    if isinstance(document.get("pattern"), list) and len(document["pattern"]) > MAX_PATTERNS:
        del document["pattern"]
        tell(said["pattern"], f"a field has at most {MAX_PATTERNS} patterns")
    while faults := _faults(document, kind, many):
        for key, message in faults.items():
            del document[key]
            tell(said[key], message)
    # RDF counts values that differ.
    return document | ({"uniqueItems": True} if document.get("minItems", 0) > 1 else {})


def _value(kind: Kind, many: bool, facet: Facet) -> Any:
    check_place(facet.key, kind, many)
    if facet.key == "pattern":
        return facet.value
    if facet.key in _COUNTED:
        return int(facet.value)
    return value_of(Field("", kind), Literal(facet.value))


def _closest(kind: Kind, key: str, values: list[Any]) -> Any:
    """Of several that all have to hold the one from which the others follow; of patterns all of them."""
    if key == "pattern":
        patterns = sorted(set(values))
        return patterns if len(patterns) > 1 else patterns[0]
    choose = min if key in _LOWEST_HOLDS else max
    return choose(values, key=lambda value: value if key in _COUNTED else ordered(kind, value))


def _faults(document: dict[str, Any], kind: Kind, many: bool) -> dict[str, str]:
    """By key."""
    found: dict[str, str] = {}

    def add(message: str, *path: str | int) -> None:
        found[str(path[0])] = message

    read_constraints(document, kind, many, add)
    return found
