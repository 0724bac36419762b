"""Texts of individuals in several languages: a field for each, in and out again."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal
from rdf_files import EX, definitions, imported, notices, records

from fabric.errors import FabricError, Several
from fabric.labels import Lattice
from fabric.transfer.loader import explicitly_labelled
from fabric.types.catalogue import Catalogue
from fabric.types.document_reading import read_document
from fabric.types.languages import canonical_tag
from fabric.types.merging import EMPTY
from fabric.types.projection import Definer, plan
from ontology.iris import Iris
from ontology.output.triples import Triples
from ontology.survey.languages import MAX_LANGUAGES
from ontology.vocabulary import ESCAPED, LABEL, RDF, RDFS_NS, SHACL

NAME = "ex:A a owl:Class . ex:name a owl:DatatypeProperty ; rdfs:domain ex:A ; rdfs:range rdf:langString . "
LOST = "values lose their language, and keep their text: {}"


def fields(text: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = definitions(text, **options)["A"]["fields"]
    return found


def data(text: str, **options: Any) -> dict[str, Any]:
    """Of the only object, without a problem."""
    (found,), _, problems = records(text, **options)
    assert problems == set()
    values: dict[str, Any] = found["data"]
    return values


def catalogue(text: str, **options: Any) -> Catalogue:
    with imported(text, **options) as source:
        return source.catalogue


def said_of(text: str, before: Catalogue) -> list[str]:
    """The types that the text would change."""
    with imported(text, before) as source:
        return [record.body["define"]["typeName"] for record in source.definitions()]


def faults(**field: Any) -> list[str]:
    try:
        read_document({"typeName": "A", "fields": {"f": field}})
    except Several as several:
        return [error.message for error in several.errors]
    except FabricError as error:
        return [error.message]
    return []


class TestFields:
    def test_each_language_has_a_field_and_texts_in_none_have_theirs(self) -> None:
        text = NAME + 'ex:a a ex:A ; ex:name "Haus"@de, "house"@en, "home"@en, "Haus"@de-AT, "H" .'
        assert notices(text) == set()
        found = fields(text)
        assert {name: said.get("language") for name, said in found.items()} == {
            "name": None, "nameDe": "de", "nameDeAt": "de-at", "nameEn": "en",
        }  # fmt: skip
        assert {said["iri"] for said in found.values()} == {EX + "name"}
        assert {(said["type"], said["list"]) for said in found.values()} == {("text", True)}
        assert data(text) == {"name": ["H"], "nameDe": ["Haus"], "nameDeAt": ["Haus"], "nameEn": ["home", "house"]}

    def test_without_texts_in_no_language_there_is_no_field_for_them(self) -> None:
        assert fields(NAME + 'ex:a a ex:A ; ex:name "Haus"@de .').keys() == {"nameDe"}
        assert fields(NAME).keys() == {"name"}

    def test_what_nothing_declares_has_them_too(self) -> None:
        text = 'ex:a a ex:A ; ex:name "Haus"@de, "house"@en .'
        assert data(text) == {"nameDe": ["Haus"], "nameEn": ["house"]}

    def test_texts_in_lists_have_them_too(self) -> None:
        text = NAME + 'ex:a a ex:A ; ex:name ( "Haus"@de "house"@en ), "home"@en .'
        assert notices(text) == set()
        assert data(text) == {"nameDe": ["Haus"], "nameEn": ["home", "house"]}

    def test_a_text_that_is_escaped_is_in_its_language(self) -> None:
        escaped = Literal('{"@value": "a\\u0001", "@language": "de"}', datatype=ESCAPED)
        assert fields(NAME + f"ex:a a ex:A ; ex:name {escaped} .").keys() == {"nameDe"}

    def test_a_declared_text_keeps_its_field(self) -> None:
        text = NAME.replace("rdf:langString", "xsd:string") + 'ex:a a ex:A ; ex:name "Haus"@de .'
        assert {name: said["type"] for name, said in fields(text).items()} == {"name": "string", "nameDe": "string"}
        assert data(text) == {"nameDe": ["Haus"]}

    def test_labels_of_everything_have_them_too_and_are_searched_like_these(self) -> None:
        text = 'ex:A a owl:Class ; rdfs:label "of the class"@fr . ex:a a ex:A ; rdfs:label "Haus"@de, "H" .'
        resource = definitions(text)["Resource"]["fields"]
        assert resource.keys() == {"iri", "labels", "labelsDe", "comments", "seeAlso"}
        assert resource["labelsDe"] == {
            "type": "text", "list": True, "searchable": True, "language": "de", "iri": RDFS_NS + "label",
        }  # fmt: skip
        assert data(text) == {"labels": ["H"], "labelsDe": ["Haus"]}

    def test_a_name_that_is_taken_is_numbered(self) -> None:
        text = NAME + 'ex:nameDe rdfs:domain ex:A ; a owl:DatatypeProperty . ex:a a ex:A ; ex:name "Haus"@de .'
        assert fields(text).keys() == {"nameDe", "nameDe2"}

    def test_merged_they_are_one_field_and_that_is_told(self) -> None:
        text = NAME + 'ex:a a ex:A ; ex:name "Haus"@de, "house"@en, "H" ; rdfs:label "l"@de .'
        apart = {"languages_apart": False}
        assert fields(text, **apart).keys() == {"name"}
        assert data(text, **apart) == {"name": ["H", "Haus", "house"], "labels": ["l"]}
        assert notices(text, **apart) == {("name", LOST.format(2)), (RDFS_NS + "label", LOST.format(1))}

    def test_of_very_many_those_with_the_most_texts_have_fields(self) -> None:
        tags = [f"x{a}{b}" for a in "abcdefghij" for b in "abcdefghijk"]
        text = NAME + "".join(f'ex:a a ex:A ; ex:name "{tag}"@{tag} .\n' for tag in tags)
        text += f'ex:a ex:name "again"@{tags[-1]} .'
        found = fields(text)
        assert len(found) == MAX_LANGUAGES + 1
        assert found["name" + tags[-1].capitalize()]["language"] == tags[-1]
        lost = len(tags) - MAX_LANGUAGES
        assert notices(text) == {("name", LOST.format(lost))}
        assert len(data(text)["name"]) == lost

    @pytest.mark.parametrize("of", ["ex:p rdfs:range xsd:integer", "ex:p a owl:ObjectProperty"])
    def test_what_is_no_text_has_none(self, of: str) -> None:
        text = f'ex:A a owl:Class . {of} ; rdfs:domain ex:A . ex:p a rdf:Property . ex:a a ex:A ; ex:p "x"@de .'
        assert not any("language" in said for said in definitions(text)["A"].get("fields", {}).values())


class TestShapes:
    def shape(self, said: str) -> str:
        return NAME + f"ex:S a sh:NodeShape ; sh:targetClass ex:A ; sh:property [ sh:path ex:name ; {said} ] . "

    def test_a_shape_tells_languages_before_there_are_texts(self) -> None:
        text = self.shape('sh:languageIn ("en" "de-AT") ; sh:uniqueLang true')
        assert notices(text) == set()
        found = fields(text)
        assert {name: said["language"] for name, said in found.items()} == {"nameDeAt": "de-at", "nameEn": "en"}
        assert not any("list" in said for said in found.values())

    def test_without_them_it_still_is_of_all(self) -> None:
        assert fields(self.shape("sh:uniqueLang true"))["name"]["list"] is True
        assert notices(self.shape("sh:languageIn (1)")) == {
            ("A", "has a shape with sh:languageIn for name; it lists what is no language; this is left out")
        }

    def test_what_is_asked_of_each_text_is_asked_in_each_language(self) -> None:
        text = self.shape("sh:maxLength 5 ; sh:maxCount 1") + 'ex:a a ex:A ; ex:name "Haus"@de .'
        (said,) = fields(text).values()
        assert (said["maxLength"], "list" in said) == (5, False)

    def test_what_is_asked_of_all_together_is_told_and_asked_of_none(self) -> None:
        text = self.shape('sh:minCount 2 ; sh:in ("Haus"@de "house"@en)') + 'ex:a a ex:A ; ex:name "Haus"@de .'
        (said,) = fields(text).values()
        assert said.keys() == {"type", "list", "language", "iri"}
        assert notices(text) == {
            ("A", "requires name, in whichever language; this is left out"),
            ("A", "lists the values of name, whichever their language; this is left out"),
        }

    def test_an_heir_narrows_each_of_them(self) -> None:
        text = (
            NAME
            + """ex:B rdfs:subClassOf ex:A ; a owl:Class .
            ex:S a sh:NodeShape ; sh:targetClass ex:B ; sh:property [ sh:path ex:name ; sh:maxLength 5 ] .
            ex:a a ex:A ; ex:name "Haus"@de, "house"@en ."""
        )
        found = definitions(text)["B"]["fields"]
        assert {name: said["maxLength"] for name, said in found.items()} == {"nameDe": 5, "nameEn": 5}
        assert catalogue(text).types["B"].fields["nameDe"].language == "de"


class TestLater:
    """Data that comes in another run than its ontology."""

    def test_types_get_the_languages_that_they_lack(self) -> None:
        before = catalogue(NAME + 'ex:a a ex:A ; ex:name "Haus"@de .')
        text = 'ex:b a ex:A ; ex:name "maison"@fr, "Haus"@de ; rdfs:label "b"@fr .'
        found = definitions(text, before=before)
        assert found["A"]["fields"].keys() == {"nameDe", "nameFr"}
        assert "labelsFr" in found["Resource"]["fields"]
        assert data(text, before=before) == {"nameDe": ["Haus"], "nameFr": ["maison"], "labelsFr": ["b"]}
        assert said_of(text, catalogue(text, before=before)) == []

    def test_a_single_field_has_single_ones_beside_it(self) -> None:
        before = catalogue(NAME.replace("DatatypeProperty", "FunctionalProperty"))
        assert data('ex:b a ex:A ; ex:name "maison"@fr .', before=before) == {"nameFr": "maison"}

    @pytest.mark.parametrize("said", [{"label": "SECRET"}, {"encrypted": True, "purpose": "pii"}])
    def test_what_is_not_in_the_open_is_not_put_there(self, said: dict[str, Any]) -> None:
        before = secret(NAME, **said)
        text = 'ex:b a ex:A ; ex:name "maison"@fr .'
        for told in (text, NAME + text):
            assert notices(told, before=before) == {("name", LOST.format(1))}
            assert said_of(text, before) == []
            assert data(told, before=before) == {"name": ["maison"] if "label" in said else "maison"}

    @pytest.mark.parametrize("said", [{"label": "SECRET"}, {"encrypted": True, "purpose": "pii"}])
    def test_a_shape_that_tells_languages_puts_nothing_in_the_open(self, said: dict[str, Any]) -> None:
        before = secret(NAME, **said)
        shape = 'ex:S sh:targetClass ex:A ; sh:property [ sh:path ex:name ; sh:languageIn ("fr") ] .'
        assert definitions(NAME + shape, before=before)["A"]["fields"].keys() == {"name"}
        told = "is in several languages; this is left out: it has a field that is not in the open"
        assert ("name", told) in notices(NAME + shape, before=before)

    def test_an_heir_that_claims_the_property_opens_nothing(self) -> None:
        before = secret(NAME, encrypted=True, purpose="pii")
        heir = {"typeName": "B", "extends": "A", "fields": {"also": {"type": "text", "iri": EX + "name"}}}
        before = plan(before, [read_document(explicitly_labelled(heir, None))], Definer((1 << 62) - 1, Lattice(())))
        found = definitions('ex:a a ex:A ; ex:name "maison"@fr .', before=before)
        assert found["A"]["fields"].keys() == {"name"}

    def test_above_a_type_that_is_not_for_everybody_its_texts_are_not_either(self) -> None:
        before = secret(NAME, type_label="SECRET")
        text = NAME + "ex:B a owl:Class . ex:name rdfs:domain ex:B . "
        found = definitions(text + 'ex:a a ex:A, ex:B ; ex:name "maison"@fr .', before=before)
        assert found["Resource"]["fields"]["nameFr"]["label"] == "SECRET"

    @pytest.mark.parametrize("apart", [True, False])
    def test_texts_in_no_language_that_has_a_field_get_one(self, apart: bool) -> None:
        before = catalogue(NAME + 'ex:a a ex:A ; ex:name "Haus"@de .')
        options = {"before": before, "languages_apart": apart}
        assert data('ex:b a ex:A ; ex:name "x", "y"@de .', **options) == {"name": ["x"], "nameDe": ["y"]}
        merged = {"nameFr": ["z"]} if apart else {"name": ["z"]}
        assert data('ex:b a ex:A ; ex:name "y"@de, "z"@fr .', **options) == {"nameDe": ["y"]} | merged

    def test_beside_an_encrypted_language_there_is_no_open_field(self) -> None:
        before = secret(NAME, encrypted=True, purpose="pii", language="de")
        text = 'ex:b a ex:A ; ex:name "x", "y"@de .'
        assert said_of(text, before) == []
        objects, _, problems = records(text, before=before)
        assert objects[0]["data"] == {"name": "y"}
        assert problems == {"b: name: expected a text in one of the languages de"}


def secret(text: str, type_label: str | None = None, **said: Any) -> Catalogue:
    """What the text declares, where the type A has more to say of its field `name`."""
    documents = definitions(text)
    documents["A"] |= {"label": type_label}
    field = documents["A"]["fields"]["name"] | said
    documents["A"]["fields"]["name"] = {k: v for k, v in field.items() if k != "list" or "label" in said}
    labelled = [read_document(explicitly_labelled(document, None)) for document in documents.values()]
    return plan(EMPTY, labelled, Definer((1 << 62) - 1, Lattice(("ALPHA", "BRAVO"))))


class TestExport:
    TEXT = NAME + 'ex:a a ex:A ; ex:name "Haus"@de, "Haus", "house"@en .'

    def triples(self) -> Triples:
        return Triples(Iris(catalogue(self.TEXT)))

    def test_texts_come_out_in_their_languages(self) -> None:
        (body,), _, _ = records(self.TEXT)
        found = [
            t.object for t in self.triples().object({"label": "SECRET", **body}) if t.predicate.value == EX + "name"
        ]
        assert {(each.value, each.language) for each in found if isinstance(each, Literal)} == {
            ("Haus", None), ("Haus", "de"), ("house", "en"),
        }  # fmt: skip

    TAGS = st.sampled_from([None, "de", "de-at", "en", "zh-hant"])
    VALUES = st.tuples(st.sampled_from(["ex:name", "ex:note", "rdfs:label"]), st.text("abé", max_size=2), TAGS)

    @settings(max_examples=40)
    @given(st.sets(VALUES, min_size=1, max_size=12), st.booleans())
    def test_all_that_came_in_comes_out(self, given: set[tuple[str, str, str | None]], known: bool) -> None:
        values = "".join(f"ex:a {p} {Literal(text, language=tag)} .\n" for p, text, tag in given)
        before = catalogue(NAME + 'ex:b a ex:A ; ex:note "x"@de .') if known else EMPTY
        text = f"ex:a a ex:A .\n{values}"
        assert "lose" not in str(notices(text, before=before))
        (body,), _, problems = records(text, before=before)
        triples = Triples(Iris(catalogue(text, before=before)))
        found = {
            (t.predicate.value, t.object.value, t.object.language)
            for t in triples.object({"label": "SECRET", **body})
            if isinstance(t.object, Literal) and t.predicate != LABEL
        }
        assert problems == set()
        assert found == {(p.replace("ex:", EX).replace("rdfs:", RDFS_NS), text, tag) for p, text, tag in given}

    def test_the_property_is_said_to_have_both_and_no_shape_speaks_of_it(self) -> None:
        said = [t for t in self.triples().definition(definitions(self.TEXT)["A"]) if isinstance(t.subject.value, str)]
        ranges = {t.object for t in said if t.subject.value == EX + "name" and t.predicate.value == RDFS_NS + "range"}
        assert {each.value for each in ranges} == {RDF.langString.value, "http://www.w3.org/2001/XMLSchema#string"}
        assert not any(t.predicate == SHACL.path for t in said)


class TestDefinitions:
    @pytest.mark.parametrize(
        ("field", "told"),
        [
            ({"type": "integer", "language": "de"}, "only fields of the types string and text are in a language"),
            ({"type": "text", "language": "deutsch!"}, "a language is named by its tag, such as de or de-AT"),
            ({"type": "text", "language": 5}, "a language is named by its tag, such as de or de-AT"),
            ({"type": "text", "language": "de", "datatype": "urn:x:y"}, "a text in a language has no other datatype"),
        ],
    )
    def test_a_language_is_a_tag_of_a_text(self, field: dict[str, Any], told: str) -> None:
        assert faults(**field) == [told]
        assert faults(type="text", language="de-AT") == []

    SUBTAGS = st.sampled_from(
        ["de", "zh", "yue", "hant", "tw", "419", "1996", "oxendict", "u", "co", "x", "a", "abcdefghi"]
    )

    @given(st.lists(SUBTAGS, min_size=1, max_size=5) | st.lists(st.text("abx19", max_size=9), min_size=1, max_size=4))
    def test_each_tag_can_be_written(self, subtags: Iterable[str]) -> None:
        tag = canonical_tag("-".join(subtags))
        if tag is not None:
            assert Literal("text", language=tag).language == tag

    @pytest.mark.parametrize(
        "tag", ["de", "de-AT", "zh-Hant-TW", "sl-rozaj-biske", "de-CH-1901", "de-419", "en-a-bbb-x-a-ccc"]
    )
    def test_known_forms_are_tags(self, tag: str) -> None:
        assert canonical_tag(tag) == tag.lower()
