"""Values from kind to kind: nothing is lost, and nothing that is told repeats a value."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.mapping.conversions import conversion
from fabric.types.definitions import Field
from fabric.types.kinds import Kind, KindError, canonical

SAMPLES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.STRING: st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=30),
    Kind.INTEGER: st.integers(-(2**31), 2**31 - 1),
    Kind.BIGINT: st.integers(-(2**63), 2**63 - 1),
    Kind.FLOAT: st.floats(-1e30, 1e30),
    Kind.DECIMAL: st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**9), max_value=10**9),
    Kind.BOOLEAN: st.booleans(),
    Kind.DATE: st.dates(),
    Kind.DATETIME: st.datetimes(),
    Kind.UUID: st.uuids(),
    Kind.DURATION: st.integers(0, 10**6).map(lambda n: f"PT{n}S"),
    Kind.URI: st.integers(0, 99).map(lambda n: f"https://example.org/{n}"),
}
GIVEN = {Kind.DECIMAL: str, Kind.DATE: str, Kind.UUID: str, Kind.DATETIME: lambda moment: moment.isoformat("T") + "Z"}
NUMBERS = (Kind.INTEGER, Kind.BIGINT, Kind.FLOAT, Kind.DECIMAL)


def one(source: Kind, target: Kind, value: Any, *, many: tuple[bool, bool] = (False, False)) -> Any:
    convert = conversion(Field("a", source, many=many[0]), Field("b", target, many=many[1]))
    assert convert is not None
    return convert(value)


@st.composite
def stored(draw: st.DrawFn, kinds: tuple[Kind, ...]) -> tuple[Kind, Any]:
    kind = draw(st.sampled_from(kinds))
    try:
        return kind, canonical(kind, GIVEN.get(kind, lambda value: value)(draw(SAMPLES[kind])))
    except KindError:
        return Kind.BOOLEAN, True


@given(stored(tuple(SAMPLES)), st.sampled_from([Kind.STRING, Kind.TEXT]))
def test_what_becomes_text_comes_back_as_it_was(value: tuple[Kind, Any], text: Kind) -> None:
    kind, was = value
    assert one(text, kind, one(kind, text, was)) == was


@given(stored(NUMBERS), st.sampled_from(NUMBERS))
def test_a_number_keeps_its_value_or_does_not_convert(value: tuple[Kind, Any], target: Kind) -> None:
    kind, was = value
    if kind is Kind.BOOLEAN:
        return
    try:
        now = one(kind, target, was)
    except KindError:
        assert target is not kind
        return
    assert Decimal(str(now)) == Decimal(str(was))


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("string", "integer", "12", 12), ("string", "boolean", "true", True), ("date", "datetime", "2024-02-29",
         "2024-02-29T00:00:00.000000Z"), ("datetime", "date", "2024-02-29T00:00:00.000000Z", "2024-02-29"),
        ("float", "bigint", 3.0, 3), ("decimal", "json", "1.5", "1.5"), ("float", "bigint", 10**18, 10**18),
        ("boolean", "text", False, "false"), ("string", "uuid", "A" * 8 + "-1111-1111-1111-" + "b" * 12,
         "a" * 8 + "-1111-1111-1111-" + "b" * 12),
    ],
)  # fmt: skip
def test_what_converts(source: str, target: str, value: Any, expected: Any) -> None:
    now = one(Kind(source), Kind(target), value)
    assert now == expected
    assert type(now) is type(expected)


@pytest.mark.parametrize(
    ("source", "target", "value"),
    [
        ("string", "integer", "secret"), ("string", "integer", "1.5"), ("string", "float", "0.12345678901234567891"),
        ("float", "integer", 1.5), ("bigint", "integer", 2**40), ("bigint", "float", 2**62 + 1),
        ("datetime", "date", "2024-02-29T00:00:01.000000Z"), ("string", "boolean", "yes"), ("string", "uri", "secret"),
        ("decimal", "float", "12345678901234567890.5"),
    ],
)  # fmt: skip
def test_what_would_lose_something_does_not_convert(source: str, target: str, value: Any) -> None:
    with pytest.raises(KindError) as refused:
        one(Kind(source), Kind(target), value)
    assert str(value) not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "target"), [("boolean", "integer"), ("json", "string"), ("date", "duration"), ("integer", "uuid")]
)
def test_for_other_kinds_there_is_no_rule(source: str, target: str) -> None:
    assert conversion(Field("a", Kind(source)), Field("b", Kind(target))) is None


def test_a_list_of_one_and_a_single_value_become_each_other() -> None:
    assert one(Kind.STRING, Kind.INTEGER, "1", many=(False, True)) == [1]
    assert one(Kind.STRING, Kind.INTEGER, ["1"], many=(True, False)) == 1
    assert one(Kind.STRING, Kind.INTEGER, ["1", "2"], many=(True, True)) == [1, 2]
    for items in ([], ["1", "2"]):
        with pytest.raises(KindError):
            one(Kind.STRING, Kind.INTEGER, items, many=(True, False))
