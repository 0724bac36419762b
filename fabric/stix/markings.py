"""The label that an object's data markings ask for: TLP 1 and 2 by a table, statements not at all."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from fabric.errors import BadInput
from fabric.labels import Label, Level

DEFAULT_TLP: Mapping[str, Label] = MappingProxyType(
    {
        "CLEAR": Label(Level.UNCLASSIFIED),
        "WHITE": Label(Level.UNCLASSIFIED),
        "GREEN": Label(Level.CONFIDENTIAL),
        "AMBER": Label(Level.SECRET),
        "AMBER+STRICT": Label(Level.SECRET),
        "RED": Label(Level.TOP_SECRET),
    }
)
"""Green is for a community, not for the public, hence not the lowest level."""

_STANDARD = {
    # STIX 2.1 section 7.2.1.4: the only instances of TLP 1 there may be, so a bundle need not hold them.
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "WHITE",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "GREEN",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "AMBER",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "RED",
    # The TLP 2.0 extension of the OASIS common objects.
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "CLEAR",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "GREEN",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "AMBER",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "AMBER+STRICT",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "RED",
}
_TLP_2_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


class Markings:
    """The markings whose meaning is known: the standard ones, and those `add` was shown."""

    def __init__(self, tlp: Mapping[str, Label] | None = None) -> None:
        self._table = {**DEFAULT_TLP, **{_tlp_name(name): label for name, label in (tlp or {}).items()}}
        self._labels = {marking: self._table[name] for marking, name in _STANDARD.items()}

    def add(self, definition: Mapping[str, Any]) -> None:
        """Learn what a marking-definition means. BadInput if it is a TLP marking that the table does not have:
        unlabelled, its objects would be open to everybody."""
        marking = definition["id"]
        for name in _tlp_names(definition):
            label = self._table.get(_tlp_name(name)) if isinstance(name, str) else None
            if label is None:
                raise BadInput(f"{marking} is the TLP marking {name!a}, which has no label: say which it means")
            # A bundle's own word on a standard marking may raise what it asks for, never lower it.
            self._labels[marking] = joined([self._labels.get(marking, label), label])

    def label(self, value: Mapping[str, Any]) -> Label | None:
        """The join of what the object's markings ask for; None where they ask for nothing.

        A marking of a part counts as one of the whole: objects are labelled as wholes.
        """
        asked = [self._labels[marking] for marking in marking_refs(value) if marking in self._labels]
        return joined(asked) if asked else None


def marking_refs(value: Mapping[str, Any]) -> Iterator[str]:
    """The ids of all markings of an object or its parts. ValueError if they do not have the form STIX gives them."""
    whole, parts = (value.get(name) for name in ("object_marking_refs", "granular_markings"))
    whole, parts = [] if whole is None else whole, [] if parts is None else parts
    if not isinstance(whole, list) or not all(isinstance(ref, str) for ref in whole):
        raise ValueError("object_marking_refs is no list of ids")
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ValueError("granular_markings is no list of objects")
    yield from whole
    for part in parts:
        ref = part.get("marking_ref")
        if isinstance(ref, str):
            yield ref
        elif ref is not None or "lang" not in part:
            raise ValueError("a granular marking has no marking_ref")


def joined(labels: Iterable[Label]) -> Label:
    """The least upper bound of at least one label."""
    labels = list(labels)
    return Label(max(label.level for label in labels), frozenset().union(*(label.compartments for label in labels)))


def _tlp_name(name: str) -> str:
    """`TLP:AMBER+STRICT`, `amber+strict` → `AMBER+STRICT`."""
    return name.strip().upper().removeprefix("TLP:")


def _tlp_names(definition: Mapping[str, Any]) -> Iterator[object]:
    if str(definition.get("definition_type")).lower() == "tlp":
        body = definition.get("definition")
        yield body.get("tlp") if isinstance(body, dict) else None
    extensions = definition.get("extensions")
    extension = extensions.get(_TLP_2_EXTENSION) if isinstance(extensions, dict) else None
    if extension is not None:
        yield extension.get("tlp_2_0") if isinstance(extension, dict) else None
