"""Scopes: for whom, and when, something is there. What versions, links and conclusions have of labels and validity.

A scope says: for each clearance that dominates `label` and none of `over`, from `start` up to, not including, `end`.
That is what a labelled version says by the rules of polyinstantiation: `over` are the labels of those that outrank it.
Several scopes of one thing are alternatives. A conclusion is there where all of its premises are (`meet`), or by
another derivation (`union`). So what a clearance sees of the conclusions is exactly what follows from what it sees.

Scopes that reach a reader (their label is dominated) are never altered by what lies above that reader, but in `over`.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from fabric.graph.base import ALWAYS
from fabric.labels import dominates, rank

_KEPT = 1 << 16
_FEW = 16
"""Alternatives, up to which what came of them is kept: of more it would take too much memory."""


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
"""Alternatives, none within another, in `_order`; nothing is `()`.

There can be as many as there are links of different times between two objects. So those that are for the same
clearances are looked at as spans of time in their order, and never each beside each.
"""

Span: TypeAlias = tuple[int, int]
Whose: TypeAlias = tuple[int, tuple[int, ...]]
"""Label and `over` of a scope."""

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
    least: list[int] = []
    for o in sorted(above, key=rank):
        if not any(dominates(o, p) for p in least):
            least.append(o)
    return (Scope(label, tuple(sorted(least)), start, end),)


def meet(a: Scopes, b: Scopes) -> Scopes:
    """Where both are."""
    if a in (EVERYBODY, b):
        return b
    if b == EVERYBODY:
        return a
    return (_met_kept if len(a) + len(b) <= _FEW else _met)(a, b)


def _met(a: Scopes, b: Scopes) -> Scopes:
    ours, theirs = _spans(a), _spans(b)
    found: list[Scope] = []
    for (label, over), spans in ours.items():
        for (other, beyond), others in theirs.items():
            for each in scope(label | other, over + beyond):
                found += [Scope(each.label, each.over, *span) for span in _common(spans, others)]
    return _simplified(found)


_met_kept = lru_cache(_KEPT)(_met)


def union(a: Scopes, b: Scopes) -> Scopes:
    """Where one of them is. Equal to `a` where `b` adds nothing to it."""
    if a == b or not b:
        return a
    return (_united_kept if len(a) + len(b) <= _FEW else _united)(a, b)


def _united(*several: Scopes) -> Scopes:
    return _simplified([each for scopes in several for each in scopes])


_united_kept = lru_cache(_KEPT)(_united)


def union_of(several: Iterable[Scopes]) -> Scopes:
    """Where any of them is."""
    return _united(*several)


def at(scopes: Scopes, clearance: int) -> Scopes:
    """What of it is for the clearance, as if there were no other."""
    return _simplified(Scope(0, (), each.start, each.end) for each in scopes if each.holds(clearance))


def within(a: Scope, b: Scope) -> bool:
    """Whether `b` is wherever `a` is."""
    return b.start <= a.start <= a.end <= b.end and _is_for((a.label, a.over), (b.label, b.over))


def _is_for(a: Whose, b: Whose) -> bool:
    """Whether what is for `b` is for all that `a` is for."""
    (label, over), (other, beyond) = a, b
    return dominates(label, other) and all(any(dominates(o | label, p) for p in over) for o in beyond)


def _order(each: Scope) -> tuple[tuple[int, int, int], int, int, tuple[int, ...]]:
    """Lowest label first, and of one label what is longest: what is within another comes after it."""
    return rank(each.label), each.start, -each.end, each.over


def _simplified(found: Iterable[Scope]) -> Scopes:
    """Without what is within another, and with what is hidden above only to show there again made whole."""
    left = tuple(dict.fromkeys(found))
    if len(left) < 2:
        return left
    spans = _spans(left)
    _drop_what_is_within(spans)
    while _made_whole(spans):
        _drop_what_is_within(spans)
    return tuple(sorted((Scope(*whose, *span) for whose, each in spans.items() for span in each), key=_order))


def _drop_what_is_within(spans: dict[Whose, list[Span]]) -> None:
    for whose in list(spans):
        for other in [each for each in spans if each != whose and _is_for(whose, each)]:
            spans[whose] = [span for span in spans[whose] if not _has(spans[other], span)]
        if not spans[whose]:
            del spans[whose]


def _made_whole(spans: dict[Whose, list[Span]]) -> bool:
    """Whether there was something of which a higher label hides what it shows again."""
    made = False
    for label, over in list(spans):
        for other, beyond in [whose for whose in spans if whose[0] in over]:
            here, there = spans[label, over], spans[other, beyond]
            shown = [span for span in here if _has(there, span)]
            if shown:
                (whole,) = scope(label, {*over, *beyond} - {other})
                spans[label, over] = [span for span in here if not _has(there, span)]
                spans[label, whole.over] = _longest([*spans.get((label, whole.over), ()), *shown])
                made = True
        if not spans[label, over]:
            del spans[label, over]
    return made


def _spans(scopes: Iterable[Scope]) -> dict[Whose, list[Span]]:
    """By whose they are, as `_longest` gives them."""
    found: defaultdict[Whose, list[Span]] = defaultdict(list)
    for label, over, start, end in scopes:
        found[label, over].append((start, end))
    return {whose: _longest(each) for whose, each in found.items()}


_START = itemgetter(0)


def _longest(spans: Iterable[Span]) -> list[Span]:
    """Those that are within no other: of these, what begins earlier ends earlier too."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not found or span[1] > found[-1][1]:
            found.append(span)
    return found


def _has(spans: Sequence[Span], span: Span) -> bool:
    """Whether the span is within one of these, which are as `_longest` gives them."""
    place = bisect_right(spans, span[0], key=_START)
    return place > 0 and spans[place - 1][1] >= span[1]


def _common(a: Sequence[Span], b: Sequence[Span]) -> list[Span]:
    """What spans of both have in common: each begins with one of them, and the last that began before ends last."""
    found: list[Span] = []
    for these, those in ((a, b), (b, a)):
        for start, end in these:
            place = bisect_right(those, start, key=_START)
            if place and those[place - 1][1] > start:
                found.append((start, min(end, those[place - 1][1])))
    return _longest(found)


def parts(given: Scopes, besides: Scopes) -> tuple[Part, ...]:
    """The scopes taken apart: for each clearance and moment at most one, and none where something of `besides` is.

    Of several that are for one clearance, that of the lowest-ranking label stays whole. What one clearance finds is
    made only of scopes whose labels it dominates.
    """
    return (_parts_kept if len(given) + len(besides) <= _FEW else _parts)(given, besides)


def _parts(given: Scopes, besides: Scopes) -> tuple[Part, ...]:
    there = [(whose, _apart(spans)) for whose, spans in _spans(besides).items()]
    earlier: dict[Whose, list[Span]] = {}
    found: list[Part] = []
    for label, over, start, end in given:
        own = earlier.setdefault((label, over), [])
        _add_apart(own, (start, end))
        each = Scope(label, over, *own[-1])
        left = [each]
        for whose, spans in [*there, *((whose, spans) for whose, spans in earlier.items() if spans is not own)]:
            for span in _overlapping(spans, each):
                left = [rest for x in left for rest in _without(x, Scope(*whose, *span))]
        found += [Part(x, label) for x in left]
    return tuple(found)


_parts_kept = lru_cache(_KEPT)(_parts)


def _apart(spans: Iterable[Span]) -> list[Span]:
    """The same time as these have, which are as `_longest` gives them, in spans that have none in common."""
    found: list[Span] = []
    for span in spans:
        _add_apart(found, span)
    return found


def _add_apart(spans: list[Span], span: Span) -> None:
    start = max(span[0], spans[-1][1]) if spans else span[0]
    if start < span[1]:
        spans.append((start, span[1]))


def _overlapping(spans: Sequence[Span], each: Scope) -> list[Span]:
    """Of spans that have no time in common, in their order."""
    first = max(bisect_right(spans, each.start, key=_START) - 1, 0)
    last = bisect_right(spans, each.end - 1, key=_START)
    return [span for span in spans[first:last] if span[1] > each.start]


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
