"""Inference as pure functions: at every clearance, what follows is what follows from what that clearance sees."""

from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_closure import interpreted

from fabric.inference.closure import Closure, Fact, Runaway
from fabric.inference.rules import Axioms, Premise, Rule, of_relation
from fabric.inference.scopes import EVERYBODY, Scope, Scopes, meet, parts, scope, union, union_of, within
from fabric.inference.store import changed_for
from fabric.labels import Level, code, dominates, rank

LABELS = [code(level, bits) for level, bits in product((Level.UNCLASSIFIED, Level.SECRET), range(4))]
MOMENTS = range(6)
RELATIONS = ("r", "s", "t")

at_moments = st.tuples(st.integers(0, 5), st.integers(1, 6))
single = st.builds(
    lambda label, over, span: scope(label, over, *span),
    st.sampled_from(LABELS), st.lists(st.sampled_from(LABELS), max_size=2), at_moments,
)  # fmt: skip
several = st.lists(single, max_size=3).map(lambda given: _union(given))
premises = st.lists(st.builds(Premise, st.sampled_from(RELATIONS), st.booleans()), min_size=1, max_size=2)
rules = st.builds(lambda given, conclusion: Rule(tuple(given), conclusion), premises, st.sampled_from(RELATIONS))
facts = st.builds(Fact, st.sampled_from(RELATIONS), st.integers(0, 3), st.integers(0, 3))


def _union(given: Iterable[Scopes]) -> Scopes:
    found: Scopes = ()
    for each in given:
        found = union(found, each)
    return found


def _holds(each: Scope, clearance: int, moment: int) -> bool:
    return each.holds(clearance) and each.start <= moment < each.end


def _there(scopes: Scopes, clearance: int, moment: int) -> bool:
    return any(_holds(each, clearance, moment) for each in scopes)


POINTS = list(product(LABELS, MOMENTS))


@given(several, several)
def test_scopes_meet_and_unite_as_what_is_there_does(a: Scopes, b: Scopes) -> None:
    for point in POINTS:
        assert _there(meet(a, b), *point) == (_there(a, *point) and _there(b, *point))
        assert _there(union(a, b), *point) == (_there(a, *point) or _there(b, *point))
    assert union(union(a, b), b) == union(a, b)


@given(single, single)
def test_a_scope_is_within_another_where_the_other_is_wherever_it_is(a: Scopes, b: Scopes) -> None:
    for x, y in product(a, b):
        assert not within(x, y) or all(_there((y,), *p) for p in POINTS if _there((x,), *p))
        joins = {first | second for first, second in product(LABELS, LABELS)}
        points = list(product(joins, MOMENTS))
        if all(_there((y,), *p) for p in points if _there((x,), *p)):
            assert within(x, y)


@given(several, several)
def test_a_reader_finds_one_part_where_something_is_and_none_beside_what_is_there_already(
    a: Scopes, besides: Scopes
) -> None:
    found = parts(a, besides)
    for point in POINTS:
        here = [part for part in found if _holds(part.scope, *point)]
        assert len(here) == (_there(a, *point) and not _there(besides, *point))


@given(several, several, st.sampled_from(LABELS))
def test_the_parts_that_a_clearance_finds_do_not_depend_on_what_is_above_it(
    a: Scopes, besides: Scopes, clearance: int
) -> None:
    def seen(given: Scopes, less: Scopes) -> list[tuple[int, int, int]]:
        return sorted((p.label, p.scope.start, p.scope.end) for p in parts(given, less) if p.scope.holds(clearance))

    def below(given: Scopes) -> Scopes:
        return tuple(
            Scope(x.label, tuple(o for o in x.over if dominates(clearance, o)), x.start, x.end)
            for x in given
            if dominates(clearance, x.label)
        )

    visible = tuple(x for x in below(a) if x.holds(clearance))
    assert seen(a, besides) == seen(_union((x,) for x in visible), below(besides))


@settings(max_examples=150)
@given(
    st.dictionaries(rules, several, max_size=4),
    st.lists(st.dictionaries(facts, several, min_size=1, max_size=4), min_size=1, max_size=5),
)
def test_after_any_changes_each_clearance_has_the_closure_of_what_it_sees(
    given_rules: dict[Rule, Scopes], changes: list[dict[Fact, Scopes]]
) -> None:
    closure = Closure(given_rules, most=1_000)
    asserted: dict[Fact, Scopes] = {}
    for change in changes:
        was = {fact: closure.derived(fact) for fact in closure.conclusions()}
        told = closure.change(change)
        asserted |= change
        now = {fact: closure.derived(fact) for fact in closure.conclusions()}
        assert {fact for fact in was.keys() | now.keys() if was.get(fact, ()) != now.get(fact, ())} <= told
        for point in POINTS:
            seen = {fact for fact, scopes in asserted.items() if _there(scopes, *point)}
            of_rules = [rule for rule, scopes in given_rules.items() if _there(scopes, *point)]
            expected = interpreted(of_rules, seen)
            concluded = {fact for fact, scopes in now.items() if _there(scopes, *point)}
            assert seen | concluded == expected


def test_a_conclusion_goes_with_its_last_premise_though_others_rest_on_each_other() -> None:
    rules = of_relation("r", Axioms(symmetric=True, transitive=True))
    closure = Closure(dict.fromkeys(rules, EVERYBODY), most=100)
    closure.change({Fact("r", 1, 2): EVERYBODY, Fact("r", 2, 3): EVERYBODY})
    assert closure.derived(Fact("r", 3, 1)) == EVERYBODY
    closure.change({Fact("r", 1, 2): ()})
    assert set(closure.conclusions()) == {Fact("r", 3, 2), Fact("r", 2, 3)}
    closure.change({Fact("r", 2, 3): ()})
    assert not len(closure)


def test_what_a_definition_says_of_a_relation_comes_to_rules() -> None:
    axioms = Axioms(True, True, "u", ("broad",), (("mother", "^child"),))
    assert {str(rule) for rule in of_relation("r", axioms)} == {
        "^r → r", "r, r → r", "^u → r", "^r → u", "r → broad", "mother, ^child → r",
    }  # fmt: skip
    assert axioms.relations == {"u", "broad", "mother", "child"}


def test_a_rule_that_concludes_too_much_is_named_with_the_lowest_label_that_would_see_it() -> None:
    secret = code(Level.SECRET, 0)
    (transitive,) = of_relation("r", Axioms(transitive=True))
    chain = {Fact("r", i, i + 1): (Scope(secret),) for i in range(40)}
    with pytest.raises(Runaway) as raised:
        Closure({transitive: EVERYBODY}, most=100).change(chain)
    assert (raised.value.rule, raised.value.label) == (transitive, secret)


def test_the_rule_that_is_named_follows_from_what_its_label_sees() -> None:
    (transitive,) = of_relation("r", Axioms(transitive=True))
    (broader,) = of_relation("s", Axioms(sub_property_of=("b",)))
    low = {Fact("r", i, i + 1): EVERYBODY for i in range(7)}
    above = {Fact("s", i, i + 1): (Scope(LABELS[1 + i % 2]),) for i in range(36)}
    for given_rules in ({transitive: EVERYBODY, broader: EVERYBODY}, {broader: EVERYBODY, transitive: EVERYBODY}):
        with pytest.raises(Runaway) as raised:
            Closure(given_rules, most=20).change(above | low)
        assert (raised.value.rule, raised.value.label) == (transitive, 0)


def test_too_many_are_found_after_each_change_however_many_others_there_are() -> None:
    (broader,) = of_relation("r", Axioms(sub_property_of=("b",)))
    closure = Closure({broader: EVERYBODY}, most=20)
    closure.change({Fact("r", i, i + 1): (Scope(LABELS[1 + i % 2]),) for i in range(40)})
    with pytest.raises(Runaway):
        closure.change({Fact("r", 100, 101): (Scope(LABELS[1]),)})


def test_many_conclusions_are_no_runaway_where_no_clearance_sees_them_all() -> None:
    (broader,) = of_relation("r", Axioms(sub_property_of=("b",)))
    apart = {Fact("r", i, i + 1): (Scope(LABELS[1 + i % 2]),) for i in range(40)}
    closure = Closure({broader: EVERYBODY}, most=20)
    closure.change(apart)
    assert len(closure) == 40


def test_links_of_many_times_between_the_same_objects_conclude_as_many() -> None:
    (transitive,) = of_relation("r", Axioms(transitive=True))
    first = _spans_of(2 * i for i in range(3_000))
    second = _spans_of(3 * i for i in range(3_000))
    closure = Closure({transitive: EVERYBODY}, most=10_000)
    closure.change({Fact("r", 1, 2): first, Fact("r", 2, 3): second})
    both = {(i, i + 1) for i in range(0, 6_000, 6)}
    assert {(each.start, each.end) for each in closure.derived(Fact("r", 1, 3))} == both
    apart = parts(first, second)
    assert {(each.scope.start, each.scope.end) for each in apart} == {(2 * i, 2 * i + 1) for i in range(3_000)} - both
    overlapping = union_of((Scope(0, (), i, i + 9_000),) for i in range(3_000))
    assert len(overlapping) == len(parts(overlapping, ())) == 3_000
    assert meet(overlapping, overlapping) == overlapping


def _spans_of(starts: Iterable[int]) -> Scopes:
    return union_of((Scope(0, (), start, start + 1),) for start in starts)


def test_an_object_with_versions_at_very_many_labels_is_of_some_scope_at_each() -> None:
    labels = [code(level, bits) for level in Level for bits in range(32)]
    versions = union_of(scope(label, (o for o in labels if rank(o) > rank(label))) for label in labels)
    assert all(_there(versions, label, 0) for label in labels)
    assert meet(versions, versions) == versions


def test_conclusions_of_different_times_count_each_for_itself() -> None:
    (broader,) = of_relation("r", Axioms(sub_property_of=("b",)))
    with pytest.raises(Runaway) as raised:
        Closure({broader: EVERYBODY}, most=20).change({Fact("r", 1, 2): _spans_of(2 * i for i in range(21))})
    assert (raised.value.rule, raised.value.label) == (broader, 0)
    Closure({broader: EVERYBODY}, most=21).change({Fact("r", 1, 2): _spans_of(2 * i for i in range(21))})


def test_what_is_counted_above_a_label_twice_stops_no_rule_there() -> None:
    """Both derivations are there for who dominates SECRET, each whole for others, and are one conclusion."""
    rules = {*of_relation("r", Axioms(sub_property_of=("b",))), *of_relation("s", Axioms(sub_property_of=("b",)))}
    secret, alpha = code(Level.SECRET, 0), code(Level.UNCLASSIFIED, 1)
    asserted: dict[Fact, Scopes] = {Fact("r", i, i + 1): (Scope(secret),) for i in range(15)}
    asserted |= {Fact("s", i, i + 1): (Scope(alpha),) for i in range(15)}
    closure = Closure(dict.fromkeys(rules, EVERYBODY), most=20)
    closure.change(asserted)
    assert len(closure) == 15


def test_ranks_order_the_alternatives() -> None:
    labels = [each.label for each in _union((Scope(label, (), i, i + 1),) for i, label in enumerate(LABELS))]
    assert labels == sorted(labels, key=rank)


@given(several, several, several)
def test_whoever_sees_other_parts_than_before_is_told_and_nobody_below_what_changed(
    a: Scopes, b: Scopes, besides: Scopes
) -> None:
    was, now = parts(a, besides), parts(b, besides)
    told = changed_for({Fact("r", 1, 2): was}, {Fact("r", 1, 2): now})
    for clearance in LABELS:
        before, after = (
            sorted((p.label, p.scope.start, p.scope.end) for p in each if p.scope.holds(clearance))
            for each in (was, now)
        )
        assert before == after or any(dominates(clearance, label) for label in told)
        visible = [
            [(x, tuple(o for o in x.over if dominates(clearance, o))) for x in each if dominates(clearance, x.label)]
            for each in (a, b)
        ]
        shown = [{(x.label, over, x.start, x.end) for x, over in each} for each in visible]
        assert shown[0] != shown[1] or not any(dominates(clearance, label) for label in told)
