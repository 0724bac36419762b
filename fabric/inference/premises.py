"""What an organization's links say, at all labels: of each fact, for whom and when it is asserted."""

from collections.abc import Iterable
from functools import lru_cache

from fabric.graph.profiles import overriders
from fabric.graph.versions import Change, LinkRemoved, LinkVersion, ObjectRemoved, ObjectVersion, end_of, start_of
from fabric.inference.closure import Fact
from fabric.inference.scopes import Scopes, meet, scope, union_of

_Version = tuple[int, bool, int, int]
"""Label, whether it is a tombstone, and its time."""


class Premises:
    """Objects, and the links of the `relations` that rules speak of."""

    def __init__(self, relations: Iterable[str]) -> None:
        self._relations = frozenset(relations)
        self._objects: dict[int, tuple[_Version, ...]] = {}
        self._links: dict[int, tuple[_Version, ...]] = {}
        self._facts: dict[int, Fact] = {}
        """By link."""
        self._asserting: dict[Fact, set[int]] = {}
        self._at: dict[int, set[Fact]] = {}

    def apply(self, changes: Iterable[Change]) -> dict[Fact, Scopes]:
        """The facts that may be asserted otherwise now, with how they are."""
        touched: set[Fact] = set()
        for change in changes:
            touched.update(self._apply(change))
        return {fact: self.asserted(fact) for fact in touched}

    def all(self) -> dict[Fact, Scopes]:
        return {fact: self.asserted(fact) for fact in self._asserting}

    def asserted(self, fact: Fact) -> Scopes:
        """Where a link says so, and both its ends are there."""
        ends = meet(_scopes(self._objects.get(fact.source, ())), _scopes(self._objects.get(fact.target, ())))
        return union_of(meet(_scopes(self._links[link]), ends) for link in self._asserting.get(fact, ()))

    def _apply(self, change: Change) -> Iterable[Fact]:
        number = change.id.int
        match change:
            case ObjectVersion():
                _put(self._objects, number, (change.label, change.tombstone, start_of(None), end_of(None)))
            case ObjectRemoved():
                _put(self._objects, number, None, change.label)
            case LinkVersion():
                if change.relation not in self._relations:
                    return ()
                self._learn(number, Fact(change.relation, change.source.int, change.target.int))
                span = start_of(change.valid_from), end_of(change.valid_to)
                _put(self._links, number, (change.label, change.tombstone, *span))
                return (self._facts[number],)
            case LinkRemoved():
                if number not in self._facts:
                    return ()
                _put(self._links, number, None, change.label)
                return (self._facts[number],) if number in self._links else (self._forget(number),)
        return self._at.get(number, ())

    def _learn(self, link: int, fact: Fact) -> None:
        if link not in self._facts:
            self._facts[link] = fact
            self._asserting.setdefault(fact, set()).add(link)
            for end in (fact.source, fact.target):
                self._at.setdefault(end, set()).add(fact)

    def _forget(self, link: int) -> Fact:
        fact = self._facts.pop(link)
        self._asserting[fact].discard(link)
        if not self._asserting[fact]:
            del self._asserting[fact]
            for end in (fact.source, fact.target):
                self._at.get(end, set()).discard(fact)
        return fact


def _put(
    kept: dict[int, tuple[_Version, ...]], number: int, version: _Version | None, label: int | None = None
) -> None:
    label = version[0] if version else label
    others = [each for each in kept.get(number, ()) if each[0] != label]
    left = tuple(sorted([*others, version] if version else others))
    if left:
        kept[number] = left
    else:
        kept.pop(number, None)


@lru_cache(1 << 14)
def _scopes(versions: tuple[_Version, ...]) -> Scopes:
    """Where one of the versions is what is seen."""
    labels = [each[0] for each in versions]
    there = [each for each in versions if not each[1]]
    return union_of(scope(label, overriders(labels, label), start, end) for label, _, start, end in there)
