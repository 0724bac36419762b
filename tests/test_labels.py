"""The lattice's laws, and that PostgreSQL's functions compute what `fabric.labels` computes."""

from collections.abc import AsyncIterator
from itertools import permutations

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fabric.labels import (
    COMPARTMENT_BITS,
    Label,
    Lattice,
    Level,
    code,
    dominates,
    join,
    level_of,
    rank,
    winner,
)

NAMES = tuple(f"C{i}" for i in range(COMPARTMENT_BITS))
LATTICE = Lattice(NAMES)
FULL = (1 << COMPARTMENT_BITS) - 1

# Few compartments, so that labels often compare, and all sixty, so that the ends of the integer are met.
few = st.builds(code, st.sampled_from(Level), st.integers(0, 7))
codes = few | st.builds(code, st.sampled_from(Level), st.integers(0, FULL))
labels = st.builds(Label, st.sampled_from(Level), st.frozensets(st.sampled_from(NAMES[:5])))

in_sql = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(codes)
def test_dominance_is_reflexive(a: int) -> None:
    assert dominates(a, a)


@given(few, few)
def test_dominance_is_antisymmetric(a: int, b: int) -> None:
    assert (dominates(a, b) and dominates(b, a)) == (a == b)


@given(few, few, few)
def test_dominance_is_transitive(a: int, b: int, c: int) -> None:
    if dominates(a, b) and dominates(b, c):
        assert dominates(a, c)


@given(labels, labels)
def test_dominance_of_codes_is_higher_or_equal_level_and_all_compartments(a: Label, b: Label) -> None:
    by_definition = a.level >= b.level and a.compartments >= b.compartments
    assert dominates(LATTICE.encode(a), LATTICE.encode(b)) == by_definition


@given(labels, labels)
def test_the_join_takes_the_higher_level_and_all_compartments(a: Label, b: Label) -> None:
    joined = LATTICE.decode(join([LATTICE.encode(a), LATTICE.encode(b)]))
    assert joined == Label(max(a.level, b.level), a.compartments | b.compartments)


@given(st.lists(few, max_size=4), few)
def test_the_join_is_the_least_upper_bound(members: list[int], other: int) -> None:
    bound = join(members)
    assert all(dominates(bound, member) for member in members)
    assert dominates(other, bound) == all(dominates(other, member) for member in members)


@given(few, few)
def test_what_dominates_ranks_higher(a: int, b: int) -> None:
    if dominates(a, b) and a != b:
        assert rank(a) > rank(b)


@given(codes, codes)
def test_only_equal_labels_rank_equal(a: int, b: int) -> None:
    assert (rank(a) == rank(b)) == (a == b)


@given(labels, labels)
def test_rank_is_by_level_then_number_of_compartments_then_their_ordinals(a: Label, b: Label) -> None:
    def by_definition(label: Label) -> tuple[int, int, list[int]]:
        ordinals = sorted((NAMES.index(name) for name in label.compartments), reverse=True)
        return label.level, len(ordinals), ordinals

    by_code = rank(LATTICE.encode(a)) > rank(LATTICE.encode(b))
    assert by_code == (by_definition(a) > by_definition(b))


@given(st.sets(few, max_size=5), few)
def test_the_winner_is_dominated_and_no_visible_version_dominates_it(versions: set[int], clearance: int) -> None:
    visible = {v for v in versions if dominates(clearance, v)}
    won = winner(versions, clearance)
    assert (won is None) == (not visible)
    if won is not None:
        assert won in visible
        assert not any(dominates(v, won) for v in visible - {won})


@given(st.sets(few, max_size=4), few)
def test_the_winner_does_not_depend_on_order(versions: set[int], clearance: int) -> None:
    assert len({winner(order, clearance) for order in permutations(versions)}) == 1


@given(few, st.sets(few, max_size=5))
def test_a_version_at_the_session_label_always_wins(label: int, versions: set[int]) -> None:
    assert winner(versions | {label}, label) == label


@given(labels)
def test_text_is_read_back(label: Label) -> None:
    assert Label.parse(str(label)) == label
    assert Label.of(str(label)) == label


@given(labels)
def test_json_is_read_back(label: Label) -> None:
    assert Label.of({"level": label.level.name, "compartments": sorted(label.compartments)}) == label


@given(labels)
def test_codes_are_read_back(label: Label) -> None:
    assert LATTICE.decode(LATTICE.encode(label)) == label


@given(codes)
def test_every_code_is_a_positive_bigint_that_tells_its_level(value: int) -> None:
    assert 0 <= value < 2**63
    assert code(level_of(value), value & FULL) == value


@pytest.mark.parametrize(
    "text",
    ["", "secret", "SECRETS", "SECRET/", "SECRET/alpha", "SECRET/A,", "SECRET/A B", "SECRET/A/B", "SECRET A", "/A"],
)
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"level|compartment"):
        Label.parse(text)


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        ["SECRET"],
        {"levels": "SECRET"},
        {"level": 2},
        {"level": None},
        {"compartments": "ALPHA"},
        {"compartments": [1]},
        {"compartments": ["ALPHA,BRAVO"]},
        {"compartments": [""]},
        {"level": "SECRET/ALPHA"},
        {"level": "SECRET/ALPHA", "compartments": ["BRAVO"]},
    ],
)
def test_what_is_no_label_in_json_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"label|level|compartment"):
        Label.of(value)


def test_level_and_compartments_may_be_left_out() -> None:
    assert Label.of({}) == Label()
    assert Label.of({"level": "SECRET"}) == Label(Level.SECRET)
    assert Label.of({"compartments": ["ALPHA"]}) == Label(Level.UNCLASSIFIED, frozenset({"ALPHA"}))


def test_an_unknown_compartment_is_named() -> None:
    with pytest.raises(LookupError, match="DELTA"):
        Lattice(("ALPHA",)).encode(Label.parse("SECRET/ALPHA,DELTA"))


@pytest.fixture
async def connection(admin_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(admin_url)
    yield connection
    await connection.close()


def overriders(versions: set[int], mine: int) -> set[int]:
    """By definition: the minimal ones, by dominance, of the labels that outrank `mine`."""
    higher = {v for v in versions if rank(v) > rank(mine)}
    return {v for v in higher if not any(dominates(v, o) for o in higher - {v})}


@pytest.mark.anyio
@in_sql
@given(st.lists(codes, min_size=1, max_size=30))
async def test_outranks_in_sql(connection: asyncpg.Connection, some: list[int]) -> None:
    rows = await connection.fetch(
        "select a, b, fabric.outranks(a, b) as found from unnest($1::bigint[]) a, unnest($1::bigint[]) b", some
    )
    assert all(row["found"] == (rank(row["a"]) > rank(row["b"])) for row in rows)


@pytest.mark.anyio
@in_sql
@given(st.sets(few, min_size=1, max_size=8) | st.sets(codes, min_size=1, max_size=8))
async def test_overriders_in_sql(connection: asyncpg.Connection, versions: set[int]) -> None:
    rows = await connection.fetch(
        "select mine, fabric.overriders($1, mine) as found from unnest($1::bigint[]) mine", list(versions)
    )
    assert {row["mine"]: set(row["found"] or ()) for row in rows} == {v: overriders(versions, v) for v in versions}


@pytest.mark.anyio
@in_sql
@given(st.lists(codes, max_size=6), st.lists(codes, min_size=1, max_size=6))
@example([], [0])
async def test_none_visible_in_sql(connection: asyncpg.Connection, some: list[int], clearances: list[int]) -> None:
    rows = await connection.fetch(
        "select c, fabric.none_visible($1, c) as found from unnest($2::bigint[]) c", some, clearances
    )
    assert all(row["found"] == (not any(dominates(row["c"], x) for x in some)) for row in rows)


@pytest.mark.anyio
@in_sql
@given(st.lists(labels, min_size=1, max_size=10))
async def test_label_text_in_sql(connection: asyncpg.Connection, some: list[Label]) -> None:
    rows = await connection.fetch(
        "select fabric.label_text(c, $2) as text from unnest($1::bigint[]) c",
        [LATTICE.encode(label) for label in some], list(NAMES),
    )  # fmt: skip
    assert [row["text"] for row in rows] == [str(label) for label in some]


@pytest.mark.anyio
async def test_the_ends_of_the_integer_in_sql(connection: asyncpg.Connection) -> None:
    top = code(Level.TOP_SECRET, FULL)
    assert top == 2**63 - 1
    assert await connection.fetchval("select fabric.label_text($1, $2)", top, list(NAMES)) == str(LATTICE.decode(top))
    assert await connection.fetchval("select fabric.outranks($1, $2)", top, top & ~1)
