"""That findings of queries are told apart: else the tests of the W3C would pass whatever is answered."""

import pytest
from sparql_results import received, same

CSV, TSV = "text/csv", "text/tab-separated-values"
PREFIX = "@prefix : <urn:> .\n"


@pytest.mark.parametrize(
    ("media_type", "found", "wanted"),
    [
        (CSV, "a,b\r\n1,_:x\r\n2,_:y\r\n", "b,a\r\n_:q,2\r\n_:p,1\r\n"),
        (TSV, '?a\n"01"^^<http://www.w3.org/2001/XMLSchema#integer>\n', "?a\n1\n"),
        (TSV, "?a\t?b\n_:x\t_:y\n_:y\t_:x\n", "?a\t?b\n_:q\t_:p\n_:p\t_:q\n"),
        ("text/turtle", f"{PREFIX}:a :p [ :q 1 ], [ :q 2 ] .", f"{PREFIX}:a :p _:y, _:x . _:x :q 1 . _:y :q 2 ."),
    ],
)
def test_the_same_is_the_same(media_type: str, found: str, wanted: str) -> None:
    assert same(received(found.encode(), media_type), received(wanted.encode(), media_type), ordered=False, lax=False)


@pytest.mark.parametrize(
    ("media_type", "found", "wanted"),
    [
        (CSV, "a\r\n1\r\n1\r\n", "a\r\n1\r\n"),
        (CSV, "a\r\n1\r\n", "a\r\n2\r\n"),
        (CSV, "a,b\r\n1,\r\n", "a\r\n1\r\n"),
        (CSV, "a\r\n_:x\r\n", "a\r\nx\r\n"),
        (TSV, "?a\n1\n", "?a\n1.0\n"),
        (TSV, '?a\n"x"@en\n', '?a\n"x"\n'),
        (TSV, "?a\t?b\n_:x\t_:x\n", "?a\t?b\n_:x\t_:y\n"),
        (TSV, "?a\t?b\n_:x\t_:y\n", "?a\t?b\n_:x\t_:x\n"),
        ("text/turtle", f"{PREFIX}:a :p [ :q 1 ; :q 2 ] .", f"{PREFIX}:a :p [ :q 1 ], [ :q 2 ] ."),
    ],
)
def test_what_differs_is_told_apart(media_type: str, found: str, wanted: str) -> None:
    ours, theirs = received(found.encode(), media_type), received(wanted.encode(), media_type)
    assert not same(ours, theirs, ordered=False, lax=False)


def test_order_counts_where_there_is_one() -> None:
    found, wanted = received(b"a\r\n1\r\n2\r\n", CSV), received(b"a\r\n2\r\n1\r\n", CSV)
    assert same(found, wanted, ordered=False, lax=False)
    assert not same(found, wanted, ordered=True, lax=False)


def test_what_is_reduced_is_found_once_at_least_and_no_more_often_than_wanted() -> None:
    wanted = received(b"a\r\n1\r\n1\r\n2\r\n", CSV)
    assert same(received(b"a\r\n1\r\n2\r\n", CSV), wanted, ordered=False, lax=True)
    assert not same(received(b"a\r\n1\r\n", CSV), wanted, ordered=False, lax=True)
    assert not same(received(b"a\r\n1\r\n2\r\n2\r\n", CSV), wanted, ordered=False, lax=True)
