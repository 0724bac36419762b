"""Which kind of field a STIX property gets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabric.stix.forms import EVERY_FORM, field_of, narrow
from fabric.types.kinds import Kind, canonical, canonical_list


def inferred(values: list[Any]) -> dict[str, Any]:
    candidates = EVERY_FORM
    for value in values:
        candidates = narrow(candidates, value)
    return field_of(candidates)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, False], {"type": "boolean"}),
        ([1, -(2**31)], {"type": "integer"}),
        ([1, 2**31], {"type": "bigint"}),
        ([1, 0.5], {"type": "float"}),
        ([0.5, 2**53 + 1], {"type": "json"}),
        ([True, 1], {"type": "json"}),
        (["2024-01-01T00:00:00Z", "2024-02-29T12:00:00.123+02:00"], {"type": "datetime"}),
        (["2024-01-01T00:00:00Z", "2023-02-29T00:00:00Z"], {"type": "string"}),
        (["2024-01-01T00:00:00Z", ""], {"type": "string"}),
        (["https://example.org/a", "http://example.org"], {"type": "uri"}),
        (["https://example.org/a", "ftp://example.org"], {"type": "string"}),
        (["https://example.org/a b"], {"type": "string"}),
        (["s" * 255], {"type": "string"}),
        (["short", "s" * 256], {"type": "text"}),
        (["two\nlines"], {"type": "text"}),
        ([["a"], []], {"type": "string", "list": True}),
        ([[]], {"type": "string", "list": True}),
        ([[1], [0.5, 2]], {"type": "float", "list": True}),
        ([["2024-01-01T00:00:00Z"]], {"type": "datetime", "list": True}),
        ([[{"a": 1}], [{"b": []}]], {"type": "json", "list": True}),
        ([["a", 1]], {"type": "json", "list": True}),
        ([["a", None]], {"type": "json"}),
        ([["a"], "a"], {"type": "json"}),
        ([{"a": 1}], {"type": "json"}),
        (["a", 1], {"type": "json"}),
        ([["a"] * 10_001], {"type": "json"}),
    ],
)
def test_the_narrowest_kind_that_holds_all_values(values, expected):
    assert inferred(values) == expected


NUMBERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([2**31 - 1, 2**31, -(2**31), 2**53, 2**53 + 1, 2**63 - 1])
    | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)
    | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    | st.sampled_from(["https://example.org", "http://[", "https:// ", "2024-01-01T00:00:60Z", "x" * 256])
)
MOMENTS = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat(timespec="microseconds"))
SCALARS = st.booleans() | NUMBERS | TEXTS
VALUES = SCALARS | st.lists(SCALARS | st.none()) | st.dictionaries(st.sampled_from("abc"), SCALARS)
ALIKE = [st.booleans(), st.integers(-(2**31), 2**31 - 1), NUMBERS, TEXTS, MOMENTS, SCALARS]
COLUMNS = st.sampled_from([*ALIKE, *(st.lists(each, max_size=3) for each in ALIKE), VALUES]).flatmap(
    lambda values: st.lists(values, min_size=1, max_size=5)
)


@given(COLUMNS)
def test_an_inferred_kind_accepts_every_value_it_was_inferred_from(values):
    definition = inferred(values)
    for value in values:
        (canonical_list if definition.get("list") else canonical)(Kind(definition["type"]), value)


@given(COLUMNS, st.randoms(use_true_random=False))
def test_the_order_of_values_does_not_matter(values, random):
    assert inferred(values) == inferred(random.sample(values, len(values)))
