"""What the types that are there declare, and ask more of, by the properties and the members that it is said of."""

from collections import defaultdict
from collections.abc import Iterator, Set

from fabric.types.catalogue import Catalogue, ObjectType
from ontology.survey.resource import RESOURCE

Member = tuple[str, str]
"""Group, `fields` or `links`, and name."""


class Declared:
    """With `resource` the members of Resource, which will be there, have their names too."""

    def __init__(self, catalogue: Catalogue, *, resource: bool) -> None:
        self._names: dict[tuple[str, str, str | None], str] = {}
        self._labels: dict[str, int] = defaultdict(int)
        self._owners: dict[Member, set[str]] = defaultdict(set)
        self._narrowing: dict[Member, set[str]] = defaultdict(set)
        if resource:
            self._names |= {("fields", said["iri"], None): name for name, said in RESOURCE["fields"].items()}
        for t in catalogue.types.values():
            for field in t.own_fields.values():
                if field.iri:
                    self._names["fields", field.iri, field.language] = field.name
                    self._labels[field.iri] |= field.label
            self._names |= {("links", link.iri, None): link.name for link in t.own_links.values() if link.iri}
            for member in _own(t):
                self._owners[member].add(t.name)
            for member in _narrowed(t):
                self._narrowing[member].add(t.name)

    def name(self, group: str, iri: str, language: str | None = None) -> str | None:
        """What the property's member is called already."""
        return self._names.get((group, iri, language))

    def label(self, iri: str) -> int:
        """The join of the labels of the property's fields, as a code: its texts are as secret as that."""
        return self._labels.get(iri, 0)

    def owners(self, member: Member) -> Set[str]:
        """The types that declare it."""
        return self._owners.get(member, set())

    def saying(self, member: Member) -> Set[str]:
        """Those, and the ones that ask more of it."""
        return self.owners(member) | self._narrowing.get(member, set())


def _own(t: ObjectType) -> Iterator[Member]:
    yield from (("fields", name) for name in t.own_fields)
    yield from (("links", name) for name in t.own_links)


def _narrowed(t: ObjectType) -> Iterator[Member]:
    yield from (("fields", name) for name in t.narrowed_fields)
    yield from (("links", name) for name in t.narrowed_links)
