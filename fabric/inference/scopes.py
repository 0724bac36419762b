"""Scopes: for whom, and when, something is there. What versions, links and conclusions have of labels and validity.

A scope says: for each clearance that dominates `label` and none of `over`, from `start` up to, not including, `end`.
That is what a labelled version says by the rules of polyinstantiation: `over` are the labels of those that outrank it.
Several scopes of one thing are alternatives. A conclusion is there where all of its premises are (`meet`), or by
another derivation (`union`). So what a clearance sees of the conclusions is exactly what follows from what it sees.

Scopes that reach a reader (their label is dominated) are never altered by what lies above that reader, but in `over`.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from fabric.graph.base import ALWAYS
from fabric.labels import dominates, rank

_KEPT = 1 << 16


class Scope(NamedTuple):
    """`over` are labels above `label`, none of which dominates another. Times in microseconds since 1970."""

    label: int
    over: tuple[int, ...] = ()
    start: int = ALWAYS[0]
    end: int = ALWAYS[1]

    def holds(self, clearance: int) -> bool:
        """Whether it is for the clearance, at whatever time."""
        return dominates(clearance, self.label) and not any(dominates(clearance, o) for o in self.over)


Scopes = tuple[Scope, ...]
"""Alternatives, none within another, in `_order`; nothing is `()`."""

EVERYBODY: Scopes = (Scope(0),)


class Part(NamedTuple):
    """What is shown of a thing within a scope: `label` is that of the derivation by which it is seen there."""

    scope: Scope
    label: int


def scope(label: int, over: Iterable[int], start: int = ALWAYS[0], end: int = ALWAYS[1]) -> Scopes:
    """The scope of these, `over` being any labels; nothing where it is for nobody or never."""
    if start >= end:
        return ()
    above = {o | label for o in over}
    if label in above:
        return ()
    least = sorted(o for o in above if not any(p != o and dominates(o, p) for p in above))
    return (Scope(label, tuple(least), start, end),)


@lru_cache(_KEPT)
def meet(a: Scopes, b: Scopes) -> Scopes:
    """Where both are."""
    if a in (EVERYBODY, b):
        return b
    if b == EVERYBODY:
        return a
    found = [
        each
        for x in a
        for y in b
        for each in scope(x.label | y.label, x.over + y.over, max(x.start, y.start), min(x.end, y.end))
    ]
    return _simplified(found)


@lru_cache(_KEPT)
def union(a: Scopes, b: Scopes) -> Scopes:
    """Where one of them is. Equal to `a` where `b` adds nothing to it."""
    if a == b or not b:
        return a
    return _simplified([*a, *b])


def at(scopes: Scopes, clearance: int) -> Scopes:
    """What of it is for the clearance, as if there were no other."""
    return _simplified(Scope(0, (), each.start, each.end) for each in scopes if each.holds(clearance))


@lru_cache(_KEPT)
def timeless(scopes: Scopes) -> Scopes:
    """For whom it is, at whatever time."""
    return tuple(dict.fromkeys(Scope(each.label, each.over) for each in scopes))


def within(a: Scope, b: Scope) -> bool:
    """Whether `b` is wherever `a` is."""
    if not dominates(a.label, b.label) or not b.start <= a.start <= a.end <= b.end:
        return False
    return all(any(dominates(o | a.label, p) for p in a.over) for o in b.over)


def _order(each: Scope) -> tuple[tuple[int, int, int], int, int, tuple[int, ...]]:
    """Lowest label first, and of one label what is longest: what is within another comes after it."""
    return rank(each.label), each.start, -each.end, each.over


def _simplified(found: Iterable[Scope]) -> Scopes:
    """Without what is within another, and with what is hidden above only to show there again made whole."""
    left = list(dict.fromkeys(found))
    merged = True
    while merged:
        left = [x for i, x in enumerate(left) if not any(_covers(y, x, j < i) for j, y in enumerate(left) if j != i)]
        merged = False
        for i, x in enumerate(left):
            for y in left:
                if y.label in x.over and y.start <= x.start and x.end <= y.end:
                    (left[i],) = scope(x.label, {*x.over, *y.over} - {y.label}, x.start, x.end)
                    merged = True
                    break
    return tuple(sorted(left, key=_order))


def _covers(y: Scope, x: Scope, earlier: bool) -> bool:
    return within(x, y) and (earlier or not within(y, x))


@lru_cache(_KEPT)
def parts(given: Scopes, besides: Scopes) -> tuple[Part, ...]:
    """The scopes taken apart: for each clearance and moment at most one, and none where something of `besides` is.

    Of several that are for one clearance, that of the lowest-ranking label stays whole. What one clearance finds is
    made only of scopes whose labels it dominates.
    """
    earlier = list(besides)
    found: list[Part] = []
    for each in given:
        left = [each]
        for taken in earlier:
            left = [rest for x in left for rest in _without(x, taken)]
        found += [Part(x, each.label) for x in left]
        earlier.append(each)
    return tuple(found)


def _without(x: Scope, taken: Scope) -> Sequence[Scope]:
    """Disjoint scopes that together are where `x` is, and `taken` is not."""
    if max(x.start, taken.start) >= min(x.end, taken.end):
        return (x,)
    found = [*scope(x.label, (*x.over, taken.label), x.start, x.end)]
    both = x.label | taken.label
    for i, above in enumerate(taken.over):
        found += scope(both | above, x.over + taken.over[:i], x.start, x.end)
    for start, end in ((x.start, min(x.end, taken.start)), (max(x.start, taken.end), x.end)):
        found += scope(both, x.over + taken.over, start, end)
    return found
