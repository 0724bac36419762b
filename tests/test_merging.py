"""Catalogues built on earlier ones: the same as those built of nothing, and of the same parts where nothing differs."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.types.catalogue import Catalogue, Fragment
from fabric.types.merging import EMPTY, build

NAMES = ("Asset", "Pump", "Pumps", "Site", "Valve")
"""`Pump` and `Pumps` can clash, and `Asset` with what its enums bring."""

_fields = st.lists(
    st.sampled_from(
        [
            {"name": "name", "type": "string", "required": True},
            {"name": "name", "type": "text"},
            {"name": "status", "type": "enum", "values": ["A"]},
            {"name": "where", "type": "enum", "values": ["B"]},
            {"name": "count", "type": "integer"},
        ]
    ),
    max_size=3,
    unique_by=lambda f: f["name"],
)
_links = st.lists(
    st.builds(
        lambda name, target, many, least: {
            "name": name, "relation": name, "target": target, "cardinality": "many" if many else "one",
            "minLinks": least,
        },
        st.sampled_from(["near", "parts"]), st.sampled_from(NAMES), st.booleans(), st.integers(0, 2),
    ),
    max_size=2, unique_by=lambda k: k["name"],
)  # fmt: skip


@st.composite
def _schemas(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "base": draw(st.booleans()),
        "retired": draw(st.sampled_from([False, False, True])),
        "extends": draw(st.sampled_from([None, None, *NAMES, [*NAMES], [*reversed(NAMES)]])),
        "naturalKey": draw(st.sampled_from([[], [], ["name"]])),
        "fields": draw(_fields),
        "links": draw(_links),
        "narrowedLinks": draw(_links),
    }


_fragments = st.builds(
    Fragment, st.sampled_from(NAMES), st.sampled_from([0, 1, 2, 3]), st.sampled_from(["object", "object", "event"]),
    _schemas(), st.none(), st.integers(1, 2),
)  # fmt: skip
_worlds = st.lists(_fragments, max_size=10, unique_by=lambda f: (f.type_name, f.label))


def _same(one: Catalogue, other: Catalogue) -> None:
    assert one.types == other.types
    assert list(one.types) == list(other.types)
    assert one.fragments == other.fragments
    assert one.names == other.names
    assert sorted(one.omitted) == sorted(other.omitted)
    assert one.relations == other.relations
    assert one.fingerprint == other.fingerprint


@settings(max_examples=400)
@given(_worlds, st.lists(st.tuples(st.booleans(), _worlds), min_size=1, max_size=4))
def test_a_catalogue_built_on_others_is_the_same_as_one_built_of_nothing(
    first: list[Fragment], steps: list[tuple[bool, list[Fragment]]]
) -> None:
    world, before = {(f.type_name, f.label): f for f in first}, build(first)
    for anew, fragments in steps:
        changed = {(f.type_name, f.label): f for f in fragments}
        world = changed if anew else world | changed
        after = build(world.values(), before=before)
        _same(after, build(world.values()))
        before = after


@settings(max_examples=200)
@given(_worlds, _worlds)
def test_what_one_reader_sees_is_not_changed_by_what_another_sees(low: list[Fragment], above: list[Fragment]) -> None:
    seen = {(f.type_name, f.label) for f in low}
    everything = build([*low, *(f for f in above if (f.type_name, f.label) not in seen)])
    _same(build(low, before=everything), build(low))


def _type(name: str, *, links: tuple[str, ...] = (), extends: str | None = None) -> Fragment:
    listed = [{"name": f"to{target}", "relation": "to", "target": target} for target in links]
    fields = [{"name": f"name{name}", "type": "string"}]
    return Fragment(name, 0, "object", {"base": True, "fields": fields, "links": listed, "extends": extends}, None, 1)


def _taken_over(before: Catalogue, after: Catalogue) -> set[str]:
    return {name for name, t in after.types.items() if before.types.get(name) is t}


def test_what_does_not_depend_on_what_changed_is_taken_over() -> None:
    fragments = [_type("A"), _type("B", links=("A",)), _type("C", extends="A"), _type("D")]
    before = build(fragments)
    changed = Fragment("A", 0, "object", {"base": True, "fields": [{"name": "other", "type": "string"}]}, None, 2)
    assert _taken_over(before, build([changed, *fragments[1:]], before=before)) == {"B", "D"}
    assert _taken_over(before, build([*fragments, _type("E", extends="D")], before=before)) == {"A", "B", "C"}
    assert _taken_over(before, build(fragments[1:], before=before)) == {"D"}
    assert _taken_over(before, build(fragments, before=before)) == {"A", "B", "C", "D"}
    assert _taken_over(before, build(fragments)) == set()
    assert build([], before=before).types == EMPTY.types
