"""Datatypes of XML Schema: what they ask of values, and that they come out again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdf_files import EX, definitions, imported, notices
from test_constraints import field, refused

from ontology.iris import Iris
from ontology.output.triples import Triples
from ontology.vocabulary import RDFS, XSD_NS


def text(datatype: str) -> str:
    return f"ex:A a owl:Class . ex:p a owl:FunctionalProperty ; rdfs:domain ex:A ; rdfs:range xsd:{datatype} ."


def made(datatype: str) -> dict[str, Any]:
    assert notices(text(datatype)) == set()
    document: dict[str, Any] = definitions(text(datatype))["A"]["fields"]["p"]
    return {key: value for key, value in document.items() if key not in ("iri", "annotations")}


@pytest.mark.parametrize(
    ("datatype", "lowest", "highest"),
    [
        ("byte", -128, 127), ("short", -32768, 32767), ("int", -(2**31), 2**31 - 1), ("long", -(2**63), 2**63 - 1),
        ("unsignedByte", 0, 255), ("unsignedShort", 0, 65535), ("unsignedInt", 0, 2**32 - 1),
        ("unsignedLong", 0, None), ("nonNegativeInteger", 0, None), ("positiveInteger", 1, None),
        ("nonPositiveInteger", None, 0), ("negativeInteger", None, -1),
    ],
)  # fmt: skip
def test_integers_keep_their_bounds(datatype: str, lowest: int | None, highest: int | None) -> None:
    said = made(datatype)
    assert said.pop("datatype") == XSD_NS + datatype
    member = field(**said)
    for bound, beyond in ((lowest, -1), (highest, 1)):
        if bound is not None:
            assert refused(member, bound) == []
            assert refused(member, bound + beyond) == [("data", "a")]


@pytest.mark.parametrize(
    ("datatype", "fit", "other"),
    [
        ("normalizedString", ["", " a  b "], ["a\tb", "a\nb"]),
        ("token", ["", "a b"], [" a", "a ", "a  b", "a\tb"]),
        ("language", ["de", "de-AT-1996"], ["", "deutschland", "de_AT", "1a"]),
        ("NMTOKEN", ["1a:b.-", "é"], ["", "a b"]),
        ("Name", ["a:b", "_1"], ["1a", "a b", ""]),
        ("NCName", ["a.b", "_1", "élan"], ["a:b", "1a", ""]),
        ("QName", ["a:b", "b"], ["a:b:c", ":a", "a:", "a:1", "1:a"]),
        ("hexBinary", ["", "0aFF"], ["0", "0g"]),
        ("base64Binary", ["", "YQ==", "YWI=", "YWJj", "YW Jj YQ = ="], ["YQ=", "YR==", "Y", "YWJj "]),
        ("gYear", ["2024", "-0044", "12024", "2024Z", "2024+14:00"], ["24", "02024", "2024+15:00"]),
        ("gYearMonth", ["2024-12"], ["2024-13", "2024"]),
        ("gMonth", ["--12"], ["--13", "12"]),
        ("gDay", ["---31"], ["---32"]),
        ("gMonthDay", ["--02-29Z"], ["--02-32"]),
        ("time", ["23:59:59.5", "24:00:00", "00:00:00-05:00"], ["24:00:01", "1:00:00"]),
        ("duration", ["P1Y", "-P1Y2M3DT4H5M6.7S", "PT1S", "P1YT1M", "P2M3D"], ["P", "PT", "1Y", "P1S", "P1M1Y"]),
        ("yearMonthDuration", ["P1Y", "P1Y2M", "-P2M"], ["P", "P1D"]),
    ],
)  # fmt: skip
def test_texts_keep_their_form(datatype: str, fit: list[str], other: list[str]) -> None:
    said = made(datatype)
    assert said.pop("datatype") == XSD_NS + datatype
    member = field(**said)
    assert [value for value in fit if refused(member, value)] == []
    assert [value for value in other if not refused(member, value)] == []


@given(st.sampled_from(["string", "integer", "double", "decimal", "boolean", "date", "dateTime", "anyURI"]))
def test_what_the_kind_says_already_is_not_said_again(datatype: str) -> None:
    assert made(datatype).keys() == {"type"}


def test_a_datatype_comes_out_again_with_the_field_and_with_its_values() -> None:
    data = text("positiveInteger") + 'ex:a a ex:A ; ex:p "7"^^xsd:positiveInteger .'
    with imported(data) as source:
        triples, catalogue = Triples(Iris(source.catalogue)), source.catalogue
        documents = {record.body["define"]["typeName"]: record.body["define"] for record in source.definitions()}
        ranges = {t.object.value for t in triples.definition(documents["A"]) if t.predicate == RDFS.range}
        body = {"type": "A", "key": {"iri": EX + "a"}, "label": "UNCLASSIFIED", "data": {"p": 7}}
        (value,) = [t.object for t in triples.object(body) if t.predicate.value == EX + "p"]
    assert ranges == {XSD_NS + "positiveInteger"}
    assert (value.value, value.datatype.value) == ("7", XSD_NS + "positiveInteger")
    assert catalogue.types["A"].fields["p"].constraints.minimum == 1
