"""Where the engine reads SPARQL otherwise than the W3C, it is given what means the same; all else stays as it is."""

import re
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
import rdflib
from hypothesis import assume, given
from hypothesis import strategies as st
from pyoxigraph import RdfFormat, Store

from ontology.sparql.dialect import translated
from ontology.sparql.engine import MOST_FUNCTIONS, Question, Verdict, answer
from ontology.sparql.lexing import begins_with, tokens, words

DATA = """
@prefix : <urn:x:> .
:a :name "one"@en, "two"@en ; :next :b ; :mark "x", "y" ; :on true ; :v.1.2.3 7 .
:b :name "one"@fr, "one" ; :next :a, :c ; :mark "x" ; :on false .
:c :name "drei"@de ; :mark "z" .
"""
PREFIX = "PREFIX : <urn:x:> "
XSD = "http://www.w3.org/2001/XMLSchema#"


@pytest.fixture(scope="module")
def store() -> Store:
    store = Store()
    store.load(DATA, RdfFormat.TURTLE)
    return store


def verdict(store: Store, text: str) -> Verdict:
    return answer(store, Question(PREFIX + text, "json", "ntriples", 1_000, 2**20))[0]


def rows(store: Store, text: str) -> list[dict[str, Any]]:
    found, content = answer(store, Question(PREFIX + text, "json", "ntriples", 1_000, 2**20))
    assert found.fault == "", found.words
    told: list[dict[str, Any]] = orjson.loads(content)["results"]["bindings"]
    return told


def value(store: Store, expression: str, pattern: str = "{}") -> dict[str, str] | None:
    [row] = rows(store, f"SELECT ({expression} AS ?value) {pattern}")
    found: dict[str, str] | None = row.get("value")
    return found


@pytest.mark.parametrize("word", ["true", "TRUE", "True", "tRuE"])
def test_truth_is_written_in_any_case(store: Store, word: str) -> None:
    assert value(store, word) == {"type": "literal", "value": "true", "datatype": f"{XSD}boolean"}
    assert len(rows(store, f"SELECT * {{ ?s :on {word} FILTER(!{word.swapcase()} = FALSE) }}")) == 1


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("GROUP_CONCAT(?name)", "one two"),
        ("group_concat ( ?name )", "one two"),
        ("GROUP_CONCAT(?name; SEPARATOR=')')", "one)two"),
        ("GROUP_CONCAT(DISTINCT (?name) ; separator = \"(\")", "one(two"),
        ("CONCAT(GROUP_CONCAT(?name), '!')", "one two!"),
        ("UCASE(GROUP_CONCAT(CONCAT(?name, '')))", "ONE TWO"),
        ("GROUP_CONCAT#(\n(STR(?name))", "one two"),
    ],
)
def test_concatenations_have_no_language(store: Store, expression: str, expected: str) -> None:
    pattern = "{ SELECT ?name { :a :name ?name } ORDER BY ?name }"
    assert value(store, expression, f"{{ {pattern} }}") == {"type": "literal", "value": expected}


def test_what_is_distinct_by_its_language_is_concatenated_as_such(store: Store) -> None:
    found = value(store, "GROUP_CONCAT(DISTINCT ?name)", "{ VALUES ?name { 'a'@en 'a'@fr 'a'@en } }")
    assert found == {"type": "literal", "value": "a a"}


def test_concatenations_stand_where_they_may(store: Store) -> None:
    ordered = "ORDER BY GROUP_CONCAT(?n)GROUP_CONCAT(?m)"
    text = f"SELECT ?s {{ ?s :name ?n; :mark ?m }} GROUP BY ?s HAVING (GROUP_CONCAT(?n) = 'drei') {ordered}"
    assert [row["s"]["value"] for row in rows(store, text)] == ["urn:x:c"]


@pytest.mark.parametrize("call", [":f()", ":f(?s, 1)", "<urn:x:f>(:g(?s))", "<urn:x:\\u0066>(1)"])
def test_a_function_that_nobody_knows_makes_its_expression_fail_alone(store: Store, call: str) -> None:
    assert value(store, f"COALESCE({call}, 'none')", "{ :a :next ?s }") == {"type": "literal", "value": "none"}
    assert rows(store, f"SELECT * {{ ?s :next ?o FILTER {call} }}") == []
    assert len(rows(store, f"SELECT * {{ ?s :next ?o FILTER EXISTS {{ BIND({call} AS ?x) }} }} ORDER BY {call}")) == 3
    [row] = rows(store, f"SELECT (SUM({call}) AS ?sum) (1 AS ?one) {{ :a :next ?s }}")
    assert row.keys() == {"one"}


def test_functions_that_are_known_are_called(store: Store) -> None:
    assert value(store, f"<{XSD}integer>('07')") == {"type": "literal", "value": "7", "datatype": f"{XSD}integer"}
    assert value(store, f"COALESCE(:f(1), <{XSD}integer>('x'), <{XSD}integer>('7'))") is not None


def test_no_more_functions_are_unknown_than_may_be(store: Store) -> None:
    calls = ", ".join(f":f{number}(1)" for number in range(MOST_FUNCTIONS))
    assert value(store, f"COALESCE({calls}, 1)") is not None
    assert verdict(store, f"SELECT (COALESCE({calls}, :more(1), 1) AS ?x) {{}}").fault == "malformed"


def test_the_longest_terminal_is_read(store: Store) -> None:
    pattern = "{ VALUES (?a ?b ?c ?d) { (1 2 4 3) } FILTER (%s) }"
    assert len(rows(store, "SELECT * " + pattern % "?a< ?b&&?c>?d")) == 1
    for glued in ("?a<?b&&?c>?d", "(?a<?b)&&(?c>?d)"):
        found = verdict(store, "SELECT * " + pattern % glued)
        assert found.fault == "malformed"
        assert "space after a <" in found.words


@pytest.mark.parametrize("iri", ["<urn:x:f(1,2)>", "<urn:x?a&&b>"])
def test_iris_that_look_like_comparisons_are_iris(store: Store, iri: str) -> None:
    assert value(store, f"STR({iri})") == {"type": "literal", "value": iri[1:-1]}
    assert rows(store, f"SELECT * {{ ?s{iri}?o FILTER(?s IN({iri})) }}") == []


def test_names_have_any_number_of_dots(store: Store) -> None:
    assert [row["n"]["value"] for row in rows(store, "SELECT ?n { ?s :v.1.2.3 ?n. }")] == ["7"]
    assert value(store, "STR(:a..b.c\\.d.e)") == {"type": "literal", "value": "urn:x:a..b.c.d.e"}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * { ?s ?p trueSERVICE<http://127.0.0.1/>{?a ?b ?c} }",
        "SELECT * { SERVICESILENT<http://127.0.0.1/>{?a ?b ?c} }",
        "SELECT * FROMNAMED<http://127.0.0.1/>{?a ?b ?c}",
        r"""SELECT * { ?s ?p "\u0022" . SERVICE <http://127.0.0.1/> { ?a ?b "\u0022" } }""",
        'SELECT * { VALUES ?x { """x" } SERVICE <http://127.0.0.1/> {?a ?b ?c} }#\\q"""',
        "SELECT * { ?s ?p :b.c.SERVICE <http://127.0.0.1/> { ?a ?b ?c } }",
        "PREFIX servicex: <urn:y:> PREFIX x: <http://127.0.0.1/> SELECT * { servicex:y { ?a ?b ?c } }",
        "PREFIX serviceSilentx: <urn:y:> PREFIX x: <http://127.0.0.1/> SELECT * { serviceSilentx:y { ?a ?b ?c } }",
    ],
)
def test_no_word_hides_within_another_terminal(store: Store, text: str) -> None:
    found = verdict(store, text)
    assert found.fault == "malformed"
    assert "os error" not in found.words


@pytest.mark.parametrize(
    "text",
    [
        "SELECT (true AS ?x) (GROUP_CONCAT(?y) AS ?z) { ?x :p }",
        "SELECT (GROUP_CONCAT(?y) AS ?z)\n(GROUP_CONCAT(?y) AS ?z2) { ?x :p }",
        "SELECT (GROUP_CONCAT(?y) AS ?z) {\n?é :p :o }\n}",
    ],
)
def test_a_mistake_is_told_by_its_place_in_the_text_that_was_sent(store: Store, text: str) -> None:
    with pytest.raises(SyntaxError) as raised:
        store.query(PREFIX + text)
    place = str(raised.value).removeprefix("error at ").partition(": ")[0]
    assert verdict(store, text).words == f"this is not SPARQL: see line and column {place}"


LETTERS = st.text(st.sampled_from("aé.:-_'\"\\u0041 {}()<>?&|#\n\tTRUEtrue"), max_size=12)
TRICKY = st.sampled_from(
    ["TRUE", "GROUP_CONCAT(?x)", "group_concat(distinct ?x; separator='TRUE )')", "'TRUE'", '"""a"GROUP_CONCAT("""',
     "<urn:TRUE>", "# TRUE GROUP_CONCAT(\n", "?TRUE", "$false", ":TRUE", "TRUE:a.b.c", "_:TRUE.b.c", "@TRUE", "1.5e3",
     "(", ")", ".", "<", "&&", "a", "'\\u0027'", "'''it's'''", ":a.b.c.d", "SELECT", ";", "5.", "%41"]
)  # fmt: skip


@given(st.lists(st.one_of(TRICKY, LETTERS)), st.sampled_from([" ", "", "\n"]))
def test_all_else_stays_as_it_is_to_the_letter(parts: Sequence[str], between: str) -> None:
    text = between.join(parts)
    ours, theirs = list(tokens(text)), list(tokens(translated(text, list(tokens(text))).text))
    assert all(text[token.place : token.end] == token.text for token in ours)
    place = 0
    for token in theirs:
        if place < len(ours) and token.kind == ours[place].kind and _same(ours[place].text, token.text):
            place += 1
        else:
            assert token.text in ("STR", "(", ")")
    assert place == len(ours)


def _same(ours: str, theirs: str) -> bool:
    return theirs == (ours.lower() if ours.upper() in ("TRUE", "FALSE") else ours) or (
        ":" in ours and re.sub(r"\\\.", ".", theirs) == re.sub(r"\\\.", ".", ours)
    )


@given(st.lists(st.one_of(TRICKY.filter(lambda each: "group" not in each.lower()), LETTERS), max_size=6))
def test_a_text_that_the_engine_reads_rightly_is_left_alone(parts: Sequence[str]) -> None:
    text = " ".join(parts)
    found = list(tokens(text))
    assume(not any(t.is_word("TRUE", "FALSE", "GROUP_CONCAT") for t in found))
    told = translated(text, found).text
    assert told == text or any(t.kind == "name" and t.text.count(".") > 1 for t in found)


TRUTH = st.sampled_from(["true", "TRUE", "False", "FALSE"])
TESTS = st.one_of(
    TRUTH,
    st.builds("{} = {}".format, st.sampled_from(["?on", "BOUND(?name)"]), TRUTH),
    st.sampled_from(["COALESCE(:f(?name), TRUE)", ":f(?name)", "LANG(?name) = 'en'", "STRLEN(?name) < 4"]),
)
GIVEN = st.sampled_from(["?name", "?mark", "STR(?name)", "CONCAT(?name, 'é')", "LCASE(?mark)"])


@given(TESTS, TESTS, GIVEN, st.sampled_from(["", "DISTINCT "]), st.sampled_from(["", ";SEPARATOR='TRUE)'"]))
def test_answers_are_those_of_another_engine(
    store: Store, one: str, other: str, expression: str, distinct: str, separator: str
) -> None:
    text = (
        f"SELECT * {{ {{ SELECT ?s (GROUP_CONCAT({distinct}{expression}{separator}) AS ?all) (COUNT(*) AS ?n)"
        f" {{ ?s :name ?name; :mark ?mark OPTIONAL {{ ?s :on ?on }} FILTER(({one}) || !({other})) }} GROUP BY ?s }}"
        " BIND(LANG(?all) AS ?language) }"
    )
    theirs = rdflib.Graph().parse(data=DATA, format="turtle").query(PREFIX + text)
    cut = "TRUE)" if separator else " "
    wanted = {str(row.s): (_parts(str(row.all), cut), str(row.n), str(row.language)) for row in theirs}  # type: ignore[union-attr]
    found = {
        row["s"]["value"]: (_parts(row["all"]["value"], cut), row["n"]["value"], row["language"]["value"])
        for row in rows(store, text)
    }
    assert found == wanted


def _parts(text: str, cut: str) -> list[str]:
    return sorted(text.split(cut))


@pytest.mark.parametrize(
    ("text", "terminals"),
    [
        ("a.b.c a.b:c.d. true.:b x..y:z", "a|.|b|.|c|a.b:c.d|.|true|.|:b|x..y:z"),
        ("true.5e+3 5.a:b -5.é:é", "true|.5e+3|5|.|a:b|-|5|.|é:é"),
        ("_:a.b. ?x.?y <a.b>.'a.b'", "_:a.b|.|?x|.|?y|<a.b>|.|'a.b'"),
    ],
)
def test_terminals_are_as_long_as_they_can_be(text: str, terminals: str) -> None:
    assert "|".join(token.text for token in tokens(text)) == terminals


def test_letters_and_dots_without_end_take_no_longer_than_others() -> None:
    """Were each of them asked for a prefix, this would take hours."""
    assert len(list(tokens("a." * 300_000))) == 600_000


def test_the_form_of_a_query_is_told_by_its_first_word_after_the_prologue() -> None:
    assert begins_with(list(words("base <urn:a> prefix select: <urn:b> # ask\n insert data {}"))) == "INSERT"
    assert begins_with([]) == ""


def test_a_prefix_may_begin_as_a_word_does(store: Store) -> None:
    found = verdict(store, "PREFIX service: <urn:x:> SELECT * { service:a ?p ?o . ?o service:port ?q FILTER(true) }")
    assert not found.fault
