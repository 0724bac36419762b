"""What SHACL asks of values, as constraints of fields."""

import re
from typing import Any

import pytest
import re2
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pyoxigraph import NamedNode
from rdf_files import EX, definitions, imported, notices
from test_constraints import field, refused

from fabric.errors import BadInput
from fabric.labels import Lattice
from fabric.types.document_reading import read_document
from fabric.types.merging import EMPTY
from fabric.types.projection import Definer, plan
from ontology.iris import Iris
from ontology.output.triples import Triples
from ontology.survey.patterns import Untranslatable, re2_pattern, xpath_pattern
from ontology.vocabulary import DEFINITION, ITSELF


def shape(said: str) -> str:
    """Of a class A with one property p."""
    return f"ex:A a rdfs:Class, sh:NodeShape ; sh:property [ sh:path ex:p ; {said} ] ."


def property_of(said: str) -> dict[str, Any]:
    made: dict[str, Any] = definitions(shape(said))["A"]["fields"]["p"]
    assert notices(shape(said)) == set()
    return {key: value for key, value in made.items() if key != "iri"}


INTEGER = "sh:datatype xsd:integer ; sh:maxCount 1"
STRING = "sh:datatype xsd:string ; sh:maxCount 1"


@pytest.mark.parametrize(
    ("said", "made"),
    [
        (f"{STRING} ; sh:pattern '^a' ; sh:flags 'i'", {"type": "string", "pattern": "(?i)^a"}),
        (f"{STRING} ; sh:minLength 2 ; sh:maxLength 4", {"type": "string", "minLength": 2, "maxLength": 4}),
        (f"{INTEGER} ; sh:minInclusive 1 ; sh:maxExclusive 9", {"type": "bigint", "minimum": 1, "exclusiveMaximum": 9}),
        ("sh:datatype xsd:double ; sh:maxCount 1 ; sh:minExclusive 1", {"type": "float", "exclusiveMinimum": 1.0}),
        ("sh:datatype xsd:decimal ; sh:maxCount 1 ; sh:maxInclusive 1.50", {"type": "decimal", "maximum": "1.5"}),
        ("sh:datatype xsd:date ; sh:maxCount 1 ; sh:minInclusive '2024-01-01'^^xsd:date",
         {"type": "date", "minimum": "2024-01-01"}),
        ("sh:datatype xsd:integer ; sh:maxCount 3", {"type": "bigint", "list": True, "maxItems": 3}),
        ("sh:datatype xsd:integer ; sh:minCount 1", {"type": "bigint", "list": True, "required": True, "minItems": 1}),
        ("sh:datatype xsd:integer ; sh:minCount 2",
         {"type": "bigint", "list": True, "required": True, "minItems": 2, "uniqueItems": True}),
        (f"{INTEGER} ; sh:minCount 1", {"type": "bigint", "required": True}),
        (f"{INTEGER} ; sh:minCount 0", {"type": "bigint"}),
        (f"{STRING} ; sh:pattern 'b', 'a'", {"type": "string", "pattern": ["a", "b"]}),
        (f"{STRING} ; sh:hasValue 'x y'", {"type": "string", "required": True, "values": ["x y"]}),
        (f"{INTEGER} ; sh:in (1 2)", {"type": "bigint", "values": [1, 2]}),
        ("sh:maxCount 1 ; sh:in (ex:a ex:b)", {"type": "uri", "values": [EX + "a", EX + "b"]}),
    ],
)  # fmt: skip
def test_what_a_shape_asks_of_values_is_a_constraint(said: str, made: dict[str, Any]) -> None:
    assert property_of(said) == made


def test_of_several_bounds_the_closest_holds() -> None:
    other = """ex:S a sh:NodeShape ; sh:targetClass ex:A ; sh:property
        [ sh:path ex:p ; sh:minInclusive 5 ; sh:maxInclusive 99 ] ."""
    made = definitions(shape(f"{INTEGER} ; sh:minInclusive 1 ; sh:maxInclusive 90") + other)["A"]["fields"]["p"]
    assert (made["minimum"], made["maximum"]) == (5, 90)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"{STRING} ; sh:pattern '[a-z-[aeiou]]'",
         "sh:pattern for p; the subtraction of one class from another is not understood; this is left out"),
        (f"{STRING} ; sh:pattern 'a(?=b)'", "sh:pattern for p; this is left out: expected a regular expression of RE2, "
         "without look-around and back references"),
        (f"{STRING} ; sh:pattern 'a', 'b', 'c', 'd', 'e', 'f'",
         "sh:pattern for p; this is left out: a field has at most 5 patterns"),
        (f"{STRING} ; sh:minInclusive 1",
         "sh:minInclusive for p; this is left out: only fields of numbers, dates and times have this"),
        (f"{INTEGER} ; sh:minInclusive 0.5",
         "sh:minInclusive for p; this is left out: expected an integer between -9223372036854775808 and "
         "9223372036854775807, as a number or its digits in a string, got other text"),
        (f"{INTEGER} ; sh:minInclusive 3 ; sh:maxInclusive 2",
         "sh:minInclusive for p; this is left out: no value is between these bounds"),
        (f"{STRING} ; sh:minLength 'x'", "sh:minLength for p; what is no number is not understood; this is left out"),
        (f"{STRING} ; sh:minCount 2", "sh:minCount for p; this is left out: there is one value at most"),
        (f"{STRING} ; sh:minLength 2 ; sh:severity sh:Warning",
         "sh:minLength for p; this is left out, since it only warns"),
        ("sh:datatype xsd:string ; sh:hasValue 'x'", "sh:hasValue for p; this is left out"),
        ("sh:class ex:A ; sh:minLength 3", "sh:minLength for p; this is left out: it is a link"),
        ("sh:class ex:A ; sh:minCount 3 ; sh:maxCount 2",
         "sh:minCount for p; this is left out: more than the most there may be"),
        ("sh:class ex:A ; sh:minCount 2 ; sh:maxCount 1", "sh:minCount for p; this is left out: there is one at most"),
        ("sh:class ex:A ; sh:maxCount 0", "sh:maxCount for p; this is left out"),
        ("sh:class ex:A ; sh:qualifiedMinCount 2 ; sh:qualifiedValueShape [ sh:class ex:A ]",
         "sh:qualifiedMinCount for p; this is left out"),
    ],
)  # fmt: skip
def test_what_fits_no_constraint_is_told_of_with_its_class(said: str, told: str) -> None:
    assert ("A", f"has a shape with {told}") in notices(shape(said))


def test_a_property_shape_can_have_a_target_of_its_own() -> None:
    target = "ex:A a owl:Class . ex:S a sh:PropertyShape ; sh:targetClass ex:A"
    text = f"{target} ; sh:path ex:p ; {STRING} ; sh:minLength 2 ."
    assert definitions(text)["A"]["fields"]["p"] == {"type": "string", "minLength": 2, "iri": EX + "p"}
    assert notices(text) == set()


def test_a_node_shape_is_known_by_its_target_too() -> None:
    told = ("A", "has a shape with sh:closed; this is left out")
    assert told in notices("ex:A a owl:Class . ex:S sh:targetClass ex:A ; sh:closed true .")


def test_a_shape_that_is_deactivated_asks_nothing() -> None:
    text = shape(f"{STRING} ; sh:minCount 1 ; sh:minLength 2 ; sh:deactivated true") + "ex:p a owl:DatatypeProperty ."
    assert definitions(text)["Resource"]["fields"]["p"] == {"type": "text", "list": True, "iri": EX + "p"}
    assert ("A", "has a deactivated shape for p; it is left out") in notices(text)


BASE = shape(f"{STRING} ; sh:minLength 1") + """
    ex:A sh:property [ sh:path ex:n ; sh:datatype xsd:integer ; sh:minInclusive 0 ], [ sh:path ex:to ; sh:class ex:A ],
        [ sh:path ex:of ; sh:class ex:A ; sh:maxCount 5 ] .
    ex:B rdfs:subClassOf ex:A ; a rdfs:Class, sh:NodeShape . """


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("sh:path ex:p ; sh:minCount 1 ; sh:maxLength 9", {"p": {"type": "string", "required": True, "maxLength": 9}}),
        ("sh:path ex:p ; sh:in ('a' 'b')", {"p": {"type": "string", "values": ["a", "b"]}}),
        ("sh:path ex:n ; sh:maxInclusive 5 ; sh:maxCount 1",
         {"n": {"type": "bigint", "list": True, "maximum": 5, "maxItems": 1}}),
        ("sh:path ex:to ; sh:class ex:B ; sh:maxCount 1",
         {"to": {"relation": "to", "target": "B", "direction": "out", "cardinality": "one"}}),
        ("sh:path ex:of ; sh:minCount 2 ; sh:maxCount 4",
         {"of": {"relation": "of", "target": "A", "direction": "out", "minLinks": 2, "maxLinks": 4}}),
        ("sh:path ex:to ; sh:minCount 1 ; sh:maxCount 1",
         {"to": {"relation": "to", "target": "A", "direction": "out", "cardinality": "one", "minLinks": 1}}),
        ("sh:path ex:of ; sh:maxCount 5", {}),
        ("sh:path ex:p ; sh:minLength 1 ; sh:maxCount 1", {}),
    ],
)  # fmt: skip
def test_a_class_narrows_what_it_inherits(said: str, made: dict[str, Any]) -> None:
    text = BASE + f"ex:B sh:property [ {said} ] ."
    document = definitions(text)["B"]
    assert {**document.get("fields", {}), **document.get("links", {})} == made
    assert notices(text) == set()


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("ex:n ; owl:maxCardinality 3", {"n": {"type": "bigint", "list": True, "maxItems": 3}}),
        ("ex:n ; owl:allValuesFrom [ a rdfs:Datatype ; owl:onDatatype xsd:integer ;"
         " owl:withRestrictions ([ xsd:maxInclusive 7 ]) ]", {"n": {"type": "bigint", "list": True, "maximum": 7}}),
        ("ex:p ; owl:hasValue 'x y'", {"p": {"type": "string", "values": ["x y"]}}),
        ("ex:p ; owl:someValuesFrom [ a rdfs:Datatype ; owl:oneOf ('a' 'b') ]",
         {"p": {"type": "string", "values": ["a", "b"]}}),
        ("ex:to ; owl:allValuesFrom ex:B", {"to": {"relation": "to", "target": "B", "direction": "out"}}),
        ("ex:of ; owl:maxCardinality 3", {"of": {"relation": "of", "target": "A", "direction": "out", "maxLinks": 3}}),
        ("ex:to ; owl:maxQualifiedCardinality 3 ; owl:onClass ex:A",
         {"to": {"relation": "to", "target": "A", "direction": "out", "maxLinks": 3}}),
        ("ex:to ; owl:cardinality 1",
         {"to": {"relation": "to", "target": "A", "direction": "out", "cardinality": "one"}}),
    ],
)  # fmt: skip
def test_a_restriction_narrows_what_a_class_inherits(said: str, made: dict[str, Any]) -> None:
    names = "ex:p a owl:FunctionalProperty ; rdfs:range xsd:string ; rdfs:domain ex:A . "
    text = names + BASE + f"ex:B rdfs:subClassOf [ a owl:Restriction ; owl:onProperty {said} ] ."
    document = definitions(text)["B"]
    assert {**document.get("fields", {}), **document.get("links", {})} == made
    assert notices(text) == set()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("sh:path ex:n ; sh:maxInclusive -1", "asks of n what its superclasses rule out; this is left out"),
        ("sh:path ex:to ; sh:class ex:Other", "leads by to to what does not descend from A; this is left out"),
        ("sh:path ex:of ; sh:minCount 7", "asks of of what its superclasses rule out; this is left out"),
    ],
)
def test_what_is_no_narrower_is_told_of(said: str, told: str) -> None:
    text = BASE + f"ex:Other a rdfs:Class . ex:B sh:property [ {said} ] ."
    assert definitions(text)["A"]["links"]["to"]["target"] == "A"
    assert notices(text) == {("B", told)}


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("sh:minCount 2", {"minLinks": 2}),
        ("sh:minCount 1 ; sh:maxCount 3", {"minLinks": 1, "maxLinks": 3}),
        ("sh:minCount 1 ; sh:maxCount 1", {"cardinality": "one", "minLinks": 1}),
        ("sh:minCount 0 ; sh:maxCount 2", {"maxLinks": 2}),
    ],
)
def test_how_many_things_a_shape_asks_for_are_counts_of_a_link(said: str, made: dict[str, Any]) -> None:
    text = shape(f"sh:class ex:A ; {said}")
    link = {"relation": "p", "target": "A", "direction": "out", "iri": EX + "p"}
    assert definitions(text)["A"]["links"]["p"] == link | made
    assert notices(text) == set()


def test_from_the_inverse_property_the_other_ends_are_counted() -> None:
    text = """ex:p a owl:ObjectProperty ; rdfs:domain ex:A ; rdfs:range ex:B . ex:q owl:inverseOf ex:p ;
        a owl:ObjectProperty . ex:B a owl:Class, sh:NodeShape ; sh:property [ sh:path ex:q ; sh:minCount 2 ] .
        ex:A a owl:Class ; rdfs:subClassOf [ a owl:Restriction ; owl:onProperty ex:p ; owl:maxCardinality 4 ] ."""
    made = definitions(text)
    assert (made["B"]["links"]["q"]["direction"], made["B"]["links"]["q"]["minLinks"]) == ("in", 2)
    assert made["A"]["links"]["p"]["maxLinks"] == 4
    assert notices(text) == set()


def test_what_owl_says_to_be_there_is_asked_of_no_link() -> None:
    text = BASE + "ex:B rdfs:subClassOf [ a owl:Restriction ; owl:onProperty ex:to ; owl:minCardinality 2 ] ."
    assert "links" not in definitions(text)["B"]
    assert notices(text) == {("B", "restricts to by minCardinality; this is left out")}


def test_a_link_that_is_there_keeps_its_counts_and_that_is_told() -> None:
    with imported(shape("sh:class ex:A ; sh:maxCount 5")) as first:
        known = first.catalogue
    assert notices(shape("sh:class ex:A ; sh:maxCount 5"), before=known) == set()
    told = ("A", "has p already, with another maxLinks; it stays so")
    assert notices(shape("sh:class ex:A ; sh:maxCount 4"), before=known) == {told}


def test_counts_that_two_superclasses_rule_out_together_are_told_of() -> None:
    text = BASE + """ex:B sh:property [ sh:path ex:of ; sh:minCount 3 ] .
        ex:C a rdfs:Class, sh:NodeShape ; rdfs:subClassOf ex:A ; sh:property [ sh:path ex:of ; sh:maxCount 2 ] .
        ex:D rdfs:subClassOf ex:B, ex:C ."""
    assert notices(text) == {("C", "asks of of what its superclasses rule out; this is left out")}


def test_what_two_superclasses_rule_out_together_is_told_of_once() -> None:
    text = BASE + """ex:B sh:property [ sh:path ex:n ; sh:maxInclusive 3 ] .
        ex:C a rdfs:Class, sh:NodeShape ; rdfs:subClassOf ex:A ; sh:property [ sh:path ex:n ; sh:minInclusive 4 ] .
        ex:D rdfs:subClassOf ex:B, ex:C ."""
    assert notices(text) == {("C", "asks of n what its superclasses rule out; this is left out")}


def test_an_exported_narrowing_is_a_shape_of_the_heir_and_the_same_definition_again() -> None:
    text = BASE + """ex:B sh:property [ sh:path ex:p ; sh:in ('a' 'b') ], [ sh:path ex:to ; sh:class ex:B ] ."""
    with imported(text) as source:
        catalogue = source.catalogue
        documents = {record.body["define"]["typeName"]: record.body["define"] for record in source.definitions()}
    told = set(Triples(Iris(catalogue)).definition(documents["B"]))
    shown = {(t.predicate.value.rpartition("#")[2], t.object.value) for t in told if "shape:B" in t.subject.value}
    assert {("path", EX + "p"), ("path", EX + "to"), ("class", EX + "B")} <= shown
    again = plan(EMPTY, [read_document(document) for document in documents.values()], Definer(0, Lattice(())))
    assert again.types["B"] == catalogue.types["B"]


def test_a_field_that_is_there_keeps_its_constraints_and_that_is_told() -> None:
    with imported(shape(f"{INTEGER} ; sh:maxInclusive 5")) as first:
        known = first.catalogue
    assert notices(shape(f"{INTEGER} ; sh:maxInclusive 5"), before=known) == set()
    told = ("A", "has p already, with another maximum; it stays so")
    assert notices(shape(f"{INTEGER} ; sh:maxInclusive 4"), before=known) == {told}
    assert notices(shape(INTEGER), before=EMPTY) == set()


class TestExported:
    FIELDS: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.builds(
            lambda low, more, form: {"type": "string", "minLength": low, "maxLength": low + more, "pattern": form},
            st.integers(0, 9), st.integers(0, 9),
            st.sampled_from(["^[A-Z]{2}-[0-9]+$", "(?i)a|b", "é\\.", r"[\]\^a\-]"]),
        ),
        st.builds(lambda low, more: {"type": "bigint", "minimum": low, "exclusiveMaximum": low + more},
                  st.integers(-(2**60), 2**60), st.integers(1, 9)),
        st.builds(lambda low, more: {"type": "float", "exclusiveMinimum": low, "maximum": low + more},
                  st.floats(-1e9, 1e9), st.floats(1, 9)),
        st.just({"type": "decimal", "minimum": "0.5"}),
        st.just({"type": "date", "maximum": "2024-02-01"}),
        st.just({"type": "datetime", "exclusiveMinimum": "2024-01-01T00:00:00.000000Z"}),
        st.just({"type": "enum", "values": ["B", "A"]}),
        st.just({"type": "uri", "pattern": "^https:"}),
    )  # fmt: skip
    LISTS: st.SearchStrategy[dict[str, Any]] = st.sampled_from([
        {}, {"required": True}, {"list": True}, {"list": True, "maxItems": 4},
        {"list": True, "required": True, "minItems": 1},
        {"list": True, "required": True, "minItems": 2, "maxItems": 2, "uniqueItems": True},
    ])  # fmt: skip

    def triples(self, document: dict[str, Any], *left_out: NamedNode) -> str:
        catalogue = plan(EMPTY, [read_document(document)], Definer((1 << 62) - 1, Lattice(())))
        made = Triples(Iris(catalogue)).definition(document)
        return "".join(f"{triple} .\n" for triple in made if triple.predicate not in left_out)

    @settings(max_examples=40)
    @given(st.lists(st.tuples(FIELDS, LISTS), min_size=1, max_size=4))
    def test_constraints_come_back_from_shapes_alone(self, drawn: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        fields = {f"p{i}": {**one, **other, "iri": f"{EX}p{i}"} for i, (one, other) in enumerate(drawn)}
        text = self.triples({"typeName": "A", "iri": f"{EX}A", "fields": fields}, DEFINITION)
        found = definitions(text)["A"]["fields"]
        assert {name: {k: v for k, v in f.items() if k != "annotations"} for name, f in found.items()} == fields
        assert notices(text) == set()

    def test_beside_its_definition_a_shape_says_nothing_more(self) -> None:
        fields = {"p": {"type": "integer", "list": True, "minItems": 2}, "q": {"type": "uuid"}}
        document = {"typeName": "A", "fields": fields, "links": {"to": {"relation": "to", "target": "A",
                    "cardinality": "one"}}}  # fmt: skip
        text = self.triples(document)
        assert "shape:A#p" in text
        assert definitions(text) == {"A": document}
        assert notices(text) == set()

    def test_no_shape_asks_what_data_need_not_be(self) -> None:
        """Lists whose items may be the same, encrypted values and own IRIs have fewer triples than values."""
        fields = {
            "some": {"type": "integer", "list": True, "required": True, "minItems": 2},
            "maybe": {"type": "integer", "list": True, "minItems": 1},
            "empty": {"type": "integer", "list": True, "required": True},
            "hidden": {"type": "string", "required": True, "encrypted": True},
            "iri": {"type": "uri", "required": True, "iri": ITSELF},
        }
        text = self.triples({"typeName": "A", "fields": fields}, DEFINITION)
        counts = [line for line in text.splitlines() if "#minCount" in line]
        assert len(counts) == 1
        assert '#some> <http://www.w3.org/ns/shacl#minCount> "1"' in counts[0]
        assert "shape:A#hidden" not in text
        assert "shape:A#iri" not in text


class TestDatatypes:
    """OWL's restrictions of datatypes."""

    AGE = "[ a rdfs:Datatype ; owl:onDatatype xsd:integer ; owl:withRestrictions ([ xsd:minInclusive 0 ]) ]"

    def made(self, range: str, more: str = "") -> tuple[dict[str, Any], set[tuple[str, str]]]:
        text = f"ex:A a owl:Class . ex:p a owl:DatatypeProperty ; rdfs:domain ex:A ; rdfs:range {range} . {more}"
        field = definitions(text)["A"]["fields"]["p"]
        return {key: value for key, value in field.items() if key not in ("iri", "list")}, notices(text)

    def test_with_and_without_a_name_they_are_constraints(self) -> None:
        expected = {"type": "bigint", "minimum": 0}
        assert self.made(self.AGE) == (expected, set())
        assert self.made("ex:Age", f"ex:Age a rdfs:Datatype ; owl:equivalentClass {self.AGE} .") == (expected, set())

    def test_one_that_comes_from_another_has_what_both_ask(self) -> None:
        more = f"""ex:Age a rdfs:Datatype ; owl:equivalentClass {self.AGE} . ex:Adult a rdfs:Datatype ;
            owl:onDatatype ex:Age ; owl:withRestrictions ([ xsd:maxExclusive 200 ] [ xsd:minInclusive 18 ]) ."""
        expected = {"type": "bigint", "minimum": 18, "exclusiveMaximum": 200}
        assert self.made("ex:Adult", more) == (expected, set())
        shaped = definitions(shape("sh:datatype ex:Adult ; sh:maxCount 1") + more)["A"]["fields"]["p"]
        assert shaped == expected | {"iri": EX + "p"}

    def test_one_whose_values_are_listed_is_an_enum(self) -> None:
        listed = "[ a rdfs:Datatype ; owl:oneOf ('ON' 'OFF') ]"
        expected = {"type": "enum", "values": ["ON", "OFF"]}
        assert self.made(listed) == (expected, set())
        assert self.made("ex:State", f"ex:State a rdfs:Datatype ; owl:equivalentClass {listed} .") == (expected, set())

    def test_patterns_are_of_the_whole_text(self) -> None:
        range = "[ owl:onDatatype xsd:string ; owl:withRestrictions ([ xsd:pattern '[A-Z]+' ] [ xsd:length 3 ]) ]"
        expected = {"type": "string", "pattern": "^(?:[A-Z]+)$", "minLength": 3, "maxLength": 3}
        assert self.made(range) == (expected, set())

    @pytest.mark.parametrize(
        ("range", "told"),
        [
            ("[ owl:onDatatype xsd:decimal ; owl:withRestrictions ([ xsd:totalDigits 3 ]) ]",
             "restricts its values by xsd:totalDigits; this is left out"),
            ("[ owl:onDatatype xsd:string ; owl:withRestrictions ([ xsd:minInclusive 3 ]) ]",
             "restricts its values by xsd:minInclusive; this is left out: only fields of numbers, dates and times have "
             "this"),
            (AGE + ", xsd:double", "restricts its values by xsd:minInclusive; this is left out: it has values of "
             "several datatypes"),
            ("[ owl:complementOf xsd:string ]", "has a range without a name; this is left out"),
        ],
    )  # fmt: skip
    def test_what_has_no_counterpart_is_told_of(self, range: str, told: str) -> None:
        assert self.made(range)[1] == {("p", told)}

    def test_one_that_comes_from_itself_is_refused(self) -> None:
        more = "ex:A1 a rdfs:Datatype ; owl:onDatatype ex:A2 . ex:A2 a rdfs:Datatype ; owl:onDatatype ex:A1 ."
        with pytest.raises(BadInput, match="comes from itself"):
            self.made("ex:A1", more)


class TestPatterns:
    """XPath's meaning, in RE2."""

    @pytest.mark.parametrize(
        ("pattern", "flags", "fits", "others"),
        [
            ("b", "", ["abc"], ["ac"]),
            ("^a$", "", ["a"], ["a\n", "ab"]),
            ("^a$", "m", ["a\nb", "b\na"], ["ab"]),
            ("^a.b$", "", ["axb"], ["a\nb"]),
            ("^a.b$", "s", ["a\nb"], []),
            ("^É$", "i", ["é"], ["e"]),
            ("a b [ ]", "x", ["ab "], ["a b "]),
            (r"^\d+$", "", ["12", "١٢"], ["x"]),
            (r"^[\d.]+$", "", ["1.٢"], ["x"]),
            (r"^\D$", "", ["x"], ["٢"]),
            (r"^\w+$", "", ["é1+", "漢"], ["a b", "a.b", "a-b"]),
            (r"^[\w.]+$", "", ["é.b"], ["a b"]),
            (r"^\W$", "", [".", " "], ["é"]),
            (r"^[\W\d]+$", "", [".1"], ["é"]),
            (r"^\s$", "", [" ", "\n"], ["\f", "\u00a0"]),
            (r"^[\S]$", "", ["\f", "x"], ["\n"]),
            (r"^\S$", "", ["\f", "x"], ["\n"]),
            (r"^\i\c*$", "", ["a-1", ":é.", "_x"], ["1a", "a b"]),
            (r"^\I\C$", "", ["1 "], ["a ", "1a"]),
            (r"^\p{Lu}\P{L}$", "", ["É1"], ["é1", "ÉA"]),
            (r"^[^\s]$", "", ["x"], [" "]),
            (r"^\-\.\/\_$", "", ["-./_"], ["-x/_"]),
            ("^[a{2}]+$", "", ["a{2}"], ["b"]),
        ],
    )
    def test_a_pattern_means_what_it_does_in_xpath(
        self, pattern: str, flags: str, fits: list[str], others: list[str]
    ) -> None:
        made = field(type="text", pattern=re2_pattern(pattern, flags))
        assert [text for text in fits if refused(made, text)] == []
        assert [text for text in others if not refused(made, text)] == []

    @pytest.mark.parametrize(
        "pattern",
        ["[a-[b]]", "[[:alpha:]]", "[]a]", "[a", r"\bx", r"\1", r"\p{IsGreek}", r"\pL", r"\p{Cn}", "a{,2}", "a\\"],
    )
    def test_what_re2_would_read_otherwise_is_refused(self, pattern: str) -> None:
        with pytest.raises(Untranslatable):
            re2_pattern(pattern)

    def test_flags_that_there_are_not_are_refused(self) -> None:
        with pytest.raises(Untranslatable):
            re2_pattern("a", "iq")

    def test_patterns_of_xml_schema_are_of_whole_texts_and_have_no_anchors(self) -> None:
        pattern = re2.compile(re2_pattern("a|^b$.", whole=True))
        assert [bool(pattern.search(text)) for text in ("a", "ab", "^b$x", "^b$\r")] == [True, False, True, False]
        with pytest.raises(Untranslatable):
            re2_pattern("(?:a)", whole=True)

    ATOMS = st.sampled_from([
        "a", ".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "[a-c]", "[^a-c]", r"[\d_]", r"[\w-]", "[]a]", "[[a]",
        "[-a]", "[a-]", r"[\x{41}-C]", r"[a^]", r"\x2e", r"\{", "{", "}", "]", "-", "(?:ab)", "(?P<n>a|b)",
    ])  # fmt: skip
    PARTS = st.tuples(ATOMS, st.sampled_from(["", "", "?"])).map("".join) | st.sampled_from(["^", "$", r"\A", r"\z"])
    PATTERNS = st.builds(
        lambda flags, parts: flags + "".join(parts), st.sampled_from(["", "(?i)", "(?s)"]),
        st.lists(PARTS, min_size=1, max_size=4),
    )  # fmt: skip

    @settings(max_examples=150)
    @given(PATTERNS, st.text(st.sampled_from("aAbBC1_-[]{}^. é\n"), max_size=5).map(lambda text: text + "x"))
    def test_a_pattern_of_re2_means_the_same_in_xpath(self, pattern: str, text: str) -> None:
        try:
            ours = re2.compile(pattern)
        except re2.error:
            reject()
        written, flags = xpath_pattern(pattern)
        assert bool(re2.compile(re2_pattern(written, flags)).search(text)) is bool(ours.search(text))
        # Python's are read by others who check shapes.
        python = re.compile(written, sum(getattr(re, flag.upper()) for flag in flags))
        assert bool(python.search(text)) is bool(ours.search(text))

    @pytest.mark.parametrize("pattern", [r"\bx", "[[:alpha:]]", r"[\s\S]", "a(?i)b", r"\p{Greek}", r"\x{0}", r"\Qa\E"])
    def test_what_xpath_has_no_words_for_is_refused(self, pattern: str) -> None:
        with pytest.raises(Untranslatable):
            xpath_pattern(pattern)
