"""All that follows from some links by some rules, kept current while these change.

A fixpoint of the rules over facts that each have their scopes (see `scopes`): one pass serves every clearance. What is
new is worked in from itself on (semi-naively). Where something is gone, all that may rest on it is taken back, and what
still follows from the rest is concluded again.

A link of an object with itself is no conclusion.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from fabric.inference.rules import Premise, Rule
from fabric.inference.scopes import Scope, Scopes, Whose, at, meet, union
from fabric.labels import dominates, rank

MOST_JOINS = 64
"""Labels that are looked at, about, where a rule concludes too much."""


class Fact(NamedTuple):
    """A link by its relation and ends; nodes are the integers of their ids."""

    relation: str
    source: int
    target: int


class Runaway(Exception):
    """A rule concludes more than there may be for those who see `label`."""

    def __init__(self, rule: Rule, label: int) -> None:
        super().__init__(str(rule))
        self.rule, self.label = rule, label


_NONE: frozenset[int] = frozenset()


class Closure:
    """`rules` with their scopes; `most` conclusions, at most, for any one clearance."""

    def __init__(self, rules: Mapping[Rule, Scopes], most: int, *, alone: bool = False) -> None:
        """`alone`: all of it is for everybody."""
        self._rules, self._most, self._alone = rules, most, alone
        self._known: dict[Fact, Scopes] = {}
        self._asserted: dict[Fact, Scopes] = {}
        self._derived: dict[Fact, Scopes] = {}
        self._out: dict[tuple[str, int], set[int]] = {}
        self._into: dict[tuple[str, int], set[int]] = {}
        self._by: Counter[Rule] = Counter()
        """How much each rule was the first to conclude."""
        self._numbers: Counter[Whose] = Counter()
        """How many conclusions there are for whom, those of different times each for itself."""
        self._number = 0
        """How many there are in all."""
        self._look = most
        self._using: dict[str, list[tuple[Rule, int]]] = {}
        self._concluding: dict[str, list[Rule]] = {}
        for rule in sorted(rules):
            self._concluding.setdefault(rule.conclusion, []).append(rule)
            for place, premise in enumerate(rule.premises):
                self._using.setdefault(premise.relation, []).append((rule, place))

    def __len__(self) -> int:
        """The number of facts that are concluded, at whatever times."""
        return len(self._derived)

    def asserted(self, fact: Fact) -> Scopes:
        return self._asserted.get(fact, ())

    def derived(self, fact: Fact) -> Scopes:
        """Where the fact follows from others, be it asserted there too or not."""
        return self._derived.get(fact, ())

    def conclusions(self) -> Iterable[Fact]:
        return self._derived.keys()

    def change(self, asserted: Mapping[Fact, Scopes]) -> set[Fact]:
        """Asserts facts as given, in place of what was; the facts that are asserted or concluded otherwise than before.

        Runaway where there would be too many: what is known is then no longer whole.
        """
        changed = {fact: scopes for fact, scopes in asserted.items() if scopes != self.asserted(fact)}
        shrunk = [fact for fact, scopes in changed.items() if union(scopes, self.asserted(fact)) != scopes]
        before: dict[Fact, Scopes] = {}
        taken = self._resting_on(shrunk)
        for fact in taken:
            before[fact] = self._derived.pop(fact, ())
            self._count(before[fact], ())
            self._forget(fact)
        for fact, scopes in changed.items():
            if scopes:
                self._asserted[fact] = scopes
            else:
                self._asserted.pop(fact, None)
        pending: deque[Fact] = deque()
        for fact in {*taken, *changed}:
            self._learn(fact, self.asserted(fact), pending)
        for fact in taken:
            for rule, scopes in self._derivations(fact):
                self._conclude(rule, fact, scopes, before, pending)
        self._settle(before, pending)
        if self._number > self._most:
            self._check()
        return changed.keys() | {fact for fact, was in before.items() if self.derived(fact) != was}

    def _settle(self, before: dict[Fact, Scopes], pending: "deque[Fact]") -> None:
        while pending:
            fact = pending.popleft()
            for rule, conclusion, scopes in self._consequences(fact):
                self._conclude(rule, conclusion, scopes, before, pending)

    def _conclude(
        self, rule: Rule, fact: Fact, scopes: Scopes, before: dict[Fact, Scopes], pending: "deque[Fact]"
    ) -> None:
        was = self._derived.get(fact, ())
        now = union(was, scopes)
        if now == was:
            return
        before.setdefault(fact, was)
        self._derived[fact] = now
        self._count(was, now)
        self._by[rule] += max(len(now) - len(was), 0)
        if self._number > self._look:
            self._check()
        self._learn(fact, now, pending)

    def _learn(self, fact: Fact, scopes: Scopes, pending: "deque[Fact]") -> None:
        was = self._known.get(fact, ())
        now = union(was, scopes)
        if now == was:
            return
        if not was:
            self._out.setdefault((fact.relation, fact.source), set()).add(fact.target)
            self._into.setdefault((fact.relation, fact.target), set()).add(fact.source)
        self._known[fact] = now
        pending.append(fact)

    def _forget(self, fact: Fact) -> None:
        if self._known.pop(fact, None) is None:
            return
        for index, key, other in (
            (self._out, (fact.relation, fact.source), fact.target),
            (self._into, (fact.relation, fact.target), fact.source),
        ):
            index[key].discard(other)
            if not index[key]:
                del index[key]

    def _resting_on(self, gone: Iterable[Fact]) -> set[Fact]:
        """These, and all that was concluded from them, however indirectly."""
        found = set(gone)
        pending = list(found)
        while pending:
            for _, conclusion, _ in self._consequences(pending.pop()):
                if conclusion not in found and conclusion in self._derived:
                    found.add(conclusion)
                    pending.append(conclusion)
        return found

    def _consequences(self, fact: Fact) -> Iterator[tuple[Rule, Fact, Scopes]]:
        """What follows from the fact, with others that are known, in one step."""
        mine = self._known.get(fact, ())
        for rule, place in self._using.get(fact.relation, ()) if mine else ():
            start, end = _ends(rule.premises[place], fact)
            here = meet(self._rules[rule], mine)
            if len(rule.premises) == 1:
                steps: Iterable[tuple[int, int, Scopes]] = [(start, end, here)]
            elif place == 0:
                second = rule.premises[1]
                steps = [
                    (start, far, meet(here, self._known[_fact(second, end, far)])) for far in self._from(second, end)
                ]
            else:
                first = rule.premises[0]
                steps = [
                    (near, end, meet(here, self._known[_fact(first, near, start)])) for near in self._to(first, start)
                ]
            for near, far, scopes in steps:
                if near != far and scopes:
                    yield rule, Fact(rule.conclusion, near, far), scopes

    def _derivations(self, fact: Fact) -> Iterator[tuple[Rule, Scopes]]:
        """What the fact follows from in one step, of what is known."""
        for rule in self._concluding.get(fact.relation, ()):
            for steps in self._steps(rule, fact):
                scopes = self._rules[rule]
                for step in steps:
                    scopes = meet(scopes, self._known.get(step, ()))
                if scopes and fact.source != fact.target:
                    yield rule, scopes

    def _steps(self, rule: Rule, fact: Fact) -> Iterator[tuple[Fact, ...]]:
        first, *rest = rule.premises
        if not rest:
            yield (_fact(first, fact.source, fact.target),)
            return
        firsts, seconds = self._from(first, fact.source), self._to(rest[0], fact.target)
        for between in [each for each in min(firsts, seconds, key=len) if each in firsts and each in seconds]:
            yield _fact(first, fact.source, between), _fact(rest[0], between, fact.target)

    def _from(self, premise: Premise, node: int) -> set[int] | frozenset[int]:
        """Where the premise leads from there."""
        return (self._into if premise.reversed else self._out).get((premise.relation, node), _NONE)

    def _to(self, premise: Premise, node: int) -> set[int] | frozenset[int]:
        return (self._out if premise.reversed else self._into).get((premise.relation, node), _NONE)

    def _count(self, was: Scopes, now: Scopes) -> None:
        for each in was:
            self._numbers[each.label, each.over] -= 1
        for each in now:
            self._numbers[each.label, each.over] += 1
        self._number += len(now) - len(was)

    def _check(self) -> None:
        """Runaway where some clearance would see too many; otherwise it is looked at again once there are more."""
        numbers = +self._numbers
        for label in sorted({label for label, _ in numbers}, key=rank):
            if sum(n for whose, n in numbers.items() if Scope(*whose).holds(label)) > self._most:
                self._require_few(label)
        self._look = self._number + self._most // 10 + 1

    def _require_few(self, label: int) -> None:
        """Runaway for the lowest-ranking label, of those that `label` dominates, at which there would be too many.

        The rule is the one that concludes most of what that label sees. Both are found from what it sees alone, as if
        there were no other: what is above has no part in them, or they would tell of it.
        """
        if self._alone:
            raise Runaway(max(sorted(self._rules), key=lambda rule: self._by[rule]), label)
        for below in sorted(self._below(label), key=rank):
            rules = {rule: scopes for rule, given in self._rules.items() if (scopes := at(given, below))}
            try:
                Closure(rules, self._most, alone=True).change(
                    {fact: at(self._asserted[fact], below) for fact in sorted(self._asserted)}
                )
            except Runaway as runaway:
                raise Runaway(runaway.rule, below) from None

    def _below(self, label: int) -> set[int]:
        """Labels that are dominated, itself included: those of facts and rules, and as far as they are few their joins.
        """
        given = {each.label for scopes in (*self._asserted.values(), *self._rules.values()) for each in scopes}
        found = {below for below in given if dominates(label, below)}
        for each in list(found):
            if len(found) < MOST_JOINS:
                found |= {each | other for other in found}
        return found | {label}


def _ends(premise: Premise, fact: Fact) -> tuple[int, int]:
    return (fact.target, fact.source) if premise.reversed else (fact.source, fact.target)


def _fact(premise: Premise, start: int, end: int) -> Fact:
    return Fact(premise.relation, end, start) if premise.reversed else Fact(premise.relation, start, end)
