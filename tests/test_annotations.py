"""What an ontology says beyond what definitions mean: kept with them, labelled as they are, given back as it came."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from graphql import print_schema
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, Triple, parse
from rdf_files import EX, PREFIXES, definitions, imported, notices
from test_export import TOP, Ground
from test_rdf_export import ENDINGS, exported
from test_rdf_import import OWL, RDF, RDFS, load

from fabric.database.db import Database
from fabric.errors import FabricError, Several
from fabric.labels import Lattice
from fabric.types.annotations import MAX_CHARACTERS, MAX_TEXT, MAX_VALUES, Annotations, merged
from fabric.types.catalogue import Catalogue
from fabric.types.document_reading import read_document
from fabric.types.merging import EMPTY
from fabric.types.projection import Definer, plan
from fabric.types.type_documents import as_document
from fabric.types.types import Types
from graphql_api.schema.schema import build_whole
from ontology.input.reading import reading
from ontology.iris import Iris
from ontology.output.triples import Triples
from ontology.source import RdfSource
from ontology.survey.annotations import statements

LATTICE = Lattice(("ALPHA", "BRAVO"))
LINK = {"relation": "r", "target": "A"}
DC = "http://purl.org/dc/terms/"
ZOO = """
@prefix dc: <http://purl.org/dc/terms/> .
<http://example.org/> a owl:Ontology ; owl:versionInfo "1.2" ; owl:versionIRI <http://example.org/1.2> ;
    dc:title "Zoo"@en, "Tiergarten"@de ; dc:created "2024-05-01"^^xsd:date ; owl:imports <http://elsewhere.org/> .
ex:reviewed a owl:AnnotationProperty ; rdfs:label "reviewed" .
ex:unused a owl:AsymmetricProperty, rdf:Property ; rdfs:comment "Is of nothing." .
ex:Grade a rdfs:Datatype ; rdfs:label "Note"@de ; owl:onDatatype xsd:int .
ex:Animal a owl:Class, rdfs:Class ; rdfs:label "Animal"@en, "Tier"@de-at ; rdfs:comment "Lives."@en, "Lebt."@de ;
    rdfs:isDefinedBy <http://example.org/> ; rdfs:seeAlso <http://elsewhere.org/animal> ; skos:note "x", "y"@fr ;
    owl:disjointWith ex:Keeper ; owl:deprecated true ; ex:reviewed "2024-05-01"^^xsd:date .
ex:Keeper a owl:Class ; rdfs:label "one who keeps" ; skos:definition "Keeps." .
ex:grade a owl:DatatypeProperty ; rdfs:domain ex:Animal ; rdfs:range xsd:integer ; rdfs:label "Zensur"@de .
ex:keeps a owl:ObjectProperty, owl:FunctionalProperty ; rdfs:domain ex:Keeper ; rdfs:range ex:Animal ;
    rdfs:label "h\\u00e4lt"@de ; rdfs:comment "Looks after." .
ex:keptBy a owl:ObjectProperty ; owl:inverseOf ex:keeps ; rdfs:domain ex:Animal ; rdfs:range ex:Keeper ;
    skos:scopeNote "From below."@en ;
    rdfs:subPropertyOf ex:knows .
ex:born a owl:DatatypeProperty ; schema:domainIncludes ex:Animal, ex:Keeper ; rdfs:range xsd:date ; dc:source "a\\"b" .
"""
"""Ranges and domains in words that an export has too, but for those of schema.org."""


def said(graph: bytes | str, format: RdfFormat = RdfFormat.TURTLE) -> set[tuple[Any, ...]]:
    found = {(q.subject, q.predicate, q.object) for q in parse(graph, format)}
    return {t for t in found if not any(isinstance(each, BlankNode) for each in t)}


class TestOntologies:
    def test_texts_keep_their_languages_and_the_description_is_one_of_them(self) -> None:
        animal = definitions(ZOO)["Animal"]
        assert animal["description"] == "Lives."
        assert animal["annotations"][f"{RDFS}label"] == [
            {"@value": "Animal", "@language": "en"}, {"@value": "Tier", "@language": "de-at"},
        ]  # fmt: skip
        assert animal["annotations"][f"{RDFS}seeAlso"] == [{"@id": "http://elsewhere.org/animal"}]
        assert animal["annotations"][f"{EX}reviewed"] == [
            {"@value": "2024-05-01", "@type": "http://www.w3.org/2001/XMLSchema#date"}
        ]

    def test_the_ontology_and_what_is_no_type_are_with_the_root(self) -> None:
        about = definitions(ZOO)["Resource"]["about"]
        assert about.keys() == {EX, f"{EX}reviewed", f"{EX}unused", f"{EX}Grade"}
        assert about[EX][f"{DC}title"] == [
            {"@value": "Tiergarten", "@language": "de"}, {"@value": "Zoo", "@language": "en"},
        ]  # fmt: skip
        assert notices("ex:o a owl:Ontology ; rdfs:comment 'c' .") == {
            ("o", "comes without classes and properties; what is said of it is left out")
        }

    def test_axioms_are_kept_and_told_of_as_what_nothing_follows_from(self) -> None:
        assert notices(ZOO) == {
            ("Animal", "says owl:disjointWith Keeper; this is kept, and nothing follows from it"),
            ("keptBy", "says rdfs:subPropertyOf knows; this is kept, and nothing follows from it"),
            ("unused", "is asymmetric; what follows from that is not inferred"),
            ("unused", "has no domain, no range and no values; it is left out"),
            ("http://elsewhere.org/",
             "is imported, and was not fetched; give it as another file"),
        }  # fmt: skip

    @pytest.mark.parametrize("value", ["[ rdfs:label 'x' ]", "'a\\u0000b'", f"'{'x' * (MAX_TEXT + 1)}'"])
    def test_what_cannot_be_kept_is_told_of(self, value: str) -> None:
        [(iri, told)] = notices(f"ex:A a owl:Class ; skos:note {value} .")
        assert iri == "A"
        assert told.startswith("says http://www.w3.org/2004/02/skos/core#note of ")
        assert told.endswith("; this is left out")

    def test_more_than_can_be_kept_is_told_of_by_number(self) -> None:
        many = ", ".join(f"'{i}'" for i in range(MAX_VALUES + 2))
        text = f"ex:A a owl:Class ; skos:note {many} ."
        assert notices(text) == {("A", f"has more than {MAX_VALUES} annotations, or long ones; 2 are left out")}
        assert len(definitions(text)["A"]["annotations"]["http://www.w3.org/2004/02/skos/core#note"]) == MAX_VALUES

    def test_an_individual_that_is_a_class_has_its_texts_in_fields_alone(self) -> None:
        text = """ex:Colour a owl:Class . ex:Red a ex:Colour, owl:Class ; rdfs:label "Rot"@de ; ex:code "r" ;
                  owl:disjointWith ex:Colour ."""
        assert definitions(text)["Red"]["annotations"] == {f"{OWL}disjointWith": [{"@id": f"{EX}Colour"}]}

    def test_a_type_that_is_there_gets_what_it_lacks_and_loses_nothing(self) -> None:
        with imported(ZOO) as source:
            before = source.catalogue
        with imported(ZOO, before) as again:
            assert again.catalogue.fingerprint == before.fingerprint
        more = """ex:Animal a owl:Class ; rdfs:label "Bête"@fr . ex: a owl:Ontology ; owl:versionInfo "2" .
            ex:grade a owl:DatatypeProperty ; rdfs:domain ex:Animal ; rdfs:range xsd:int ; rdfs:label "note"@fr ."""
        with imported(more, before) as source:
            after = source.catalogue.types
        assert len(after["Animal"].annotations[f"{RDFS}label"]) == 3
        assert len(after["Animal"].own_fields["grade"].annotations[f"{RDFS}label"]) == 2
        assert len(after["Resource"].about[EX][f"{OWL}versionInfo"]) == 2

    def test_the_schema_is_the_same_without_them(self) -> None:
        with imported(ZOO) as source:
            documents = [record.body["define"] for record in source.definitions()]
            plain = defined([without(document) for document in documents])
            assert print_schema(build_whole(source.catalogue)) == print_schema(build_whole(plain))


def defined(documents: list[dict[str, Any]], before: Catalogue = EMPTY) -> Catalogue:
    return plan(before, [read_document(d) for d in documents], Definer((1 << 62) - 1, LATTICE))


def without(document: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in document.items() if k not in ("annotations", "about")}
    groups = {g: {n: without(m) for n, m in kept[g].items()} for g in ("fields", "links") if g in kept}
    return {"label": "UNCLASSIFIED", **kept, **groups}


@pytest.fixture
def ground(database: Database, types: Types, admin_url: str) -> Ground:
    return Ground(database, types, admin_url)


@pytest.mark.anyio
@pytest.mark.parametrize("format", ["turtle", "rdfxml"])
async def test_what_came_in_comes_out_and_is_the_same_elsewhere(ground: Ground, format: str, tmp_path: Path) -> None:
    organization = await ground.organization("acme")
    summary, _ = await load(ground, organization, ZOO, tmp_path)
    assert summary.problems == []
    text = await exported(ground, organization, format)
    missing = said(PREFIXES + ZOO) - said(text, {"turtle": RdfFormat.TURTLE, "rdfxml": RdfFormat.RDF_XML}[format])
    assert {(s.value, p.value) for s, p, _ in missing} == set()
    (tmp_path / f"export.{ENDINGS[format]}").write_bytes(text)
    other = await ground.organization("other")
    subject = ground.subject(other)
    with reading([tmp_path / f"export.{ENDINGS[format]}"]) as read:
        source = RdfSource(read, await ground.types.catalogue(subject.session), other.lattice)
        assert {n.iri for n in source.notices} == {"http://elsewhere.org/", f"{EX}unused"}
        await ground.types.define(subject, other.lattice, [r.body["define"] for r in source.definitions()])
    assert await ground.export(other) == await ground.export(organization)


@pytest.mark.anyio
async def test_they_are_seen_where_their_field_is_seen_and_need_nothing_to_change(ground: Ground) -> None:
    organization = await ground.organization("acme")
    note = {"http://example.org/note": [{"@value": "hush", "@language": "en"}]}
    fields = {"open": {"type": "string"}, "closed": {"type": "string", "label": "SECRET", "annotations": note}}
    document = {"typeName": "Plan", "label": "UNCLASSIFIED", "fields": fields}
    subject = ground.subject(organization)
    await ground.types.define(subject, organization.lattice, [document])
    assert b"hush" in await exported(ground, organization, "turtle", TOP)
    assert b"hush" not in await exported(ground, organization, "turtle", "CONFIDENTIAL/ALPHA")
    changed = document | {"annotations": note}
    assert (await ground.types.plan(subject, organization.lattice, [changed])).changes == ()
    assert await ground.types.define(subject, organization.lattice, [changed]) == ["Plan"]


IRIS = st.sampled_from([f"{EX}a", f"{RDFS}label", f"{DC}title", "urn:x:y"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = (
    st.builds(lambda iri: {"@id": iri}, IRIS)
    | st.builds(lambda text: {"@value": text}, TEXTS)
    | st.builds(lambda text, tag: {"@value": text, "@language": tag}, TEXTS, st.sampled_from(["de", "en-gb"]))
    | st.builds(lambda text, iri: {"@value": text, "@type": iri}, TEXTS, IRIS)
)
ANNOTATIONS = st.dictionaries(
    st.sampled_from([f"{RDFS}label", f"{DC}title", f"{EX}note"]),
    st.lists(VALUES, min_size=1, max_size=3, unique_by=str), max_size=3,
)  # fmt: skip


@given(ANNOTATIONS, ANNOTATIONS)
def test_any_that_can_be_defined_are_stored_read_back_and_come_out_of_rdf(one: Annotations, two: Annotations) -> None:
    link = {**LINK, "iri": f"{EX}r", "annotations": two}
    field = {"type": "string", "iri": f"{EX}f", "annotations": two}
    document = {
        "typeName": "A", "label": "UNCLASSIFIED", "iri": f"{EX}A", "annotations": one, "about": {f"{EX}x": two},
        "fields": {"f": field}, "links": {"r": link},
    }  # fmt: skip
    catalogue = defined([document])
    read = as_document(catalogue.types["A"], LATTICE.decode)
    assert defined([read], catalogue).fingerprint == catalogue.fingerprint
    triples = list(Triples(Iris(catalogue)).definition(read))
    assert {*statements(NamedNode(f"{EX}A"), one), *statements(NamedNode(f"{EX}f"), two)} <= set(triples)
    assert merged(one, one) == one
    assert merged(merged(one, two), two) == merged(one, two)
    kept = merged({}, two)
    assert sum(map(len, kept.values())) == len(list(statements(NamedNode(f"{EX}x"), kept)))


def test_a_name_and_a_description_are_told_where_annotations_do_not_tell_them() -> None:
    label = {f"{RDFS}label": [{"@value": "Ding", "@language": "de"}], f"{RDFS}comment": [{"@value": " Is. "}]}
    for description, told in (("Is.", 0), ("Ding. Is.", 0), ("Ding", 0), ("Other.", 1), ("is.", 1)):
        catalogue = defined(
            [{"typeName": "A", "label": "UNCLASSIFIED", "description": description, "annotations": label}]
        )
        triples = Triples(Iris(catalogue)).definition(as_document(catalogue.types["A"], LATTICE.decode))
        texts = [t for t in triples if t.predicate.value in (f"{RDFS}label", f"{RDFS}comment")]
        assert len(texts) == 2 + told


@pytest.mark.parametrize(
    ("iri", "value"),
    [
        ("urn:semantic-fabric:vocabulary#label", {"@value": "UNCLASSIFIED"}),
        ("urn:semantic-fabric:vocabulary#definition", {"@value": "{}"}),
        (f"{RDF}type", {"@id": f"{EX}A"}),
        (f"{RDF}type", {"@id": f"{RDF}Statement"}),
        (f"{RDF}subject", {"@id": f"{EX}a"}),
        ("http://www.w3.org/ns/shacl#targetClass", {"@id": f"{EX}A"}),
    ],
)
def test_what_is_said_by_objects_links_and_the_fabric_itself_is_not_said_by_annotations(iri: str, value: Any) -> None:
    assert list(statements(NamedNode(f"{EX}x"), {iri: [value]})) == []
    assert len(list(statements(NamedNode(f"{EX}x"), {f"{EX}p": [value]}))) == 1


def test_nothing_is_said_of_what_is_the_fabrics_own() -> None:
    subjects = ["urn:semantic-fabric:object:A:1", f"{RDFS}Class", f"{EX}ok"]
    about = {iri: {f"{EX}p": [{"@value": "x"}]} for iri in subjects}
    catalogue = defined([{"typeName": "A", "label": "UNCLASSIFIED", "about": about}])
    triples = Triples(Iris(catalogue)).definition(as_document(catalogue.types["A"], LATTICE.decode))
    assert [t for t in triples if t.predicate.value == f"{EX}p"] == [
        Triple(NamedNode(f"{EX}ok"), NamedNode(f"{EX}p"), Literal("x"))
    ]


@pytest.mark.parametrize(
    ("annotations", "path"),
    [
        ([], None),
        ("x", ("annotations",)),
        ({"label": [{"@value": "x"}]}, ("annotations", "label")),
        ({f"{EX}p": {"@value": "x"}}, ("annotations", f"{EX}p")),
        ({f"{EX}p": []}, ("annotations", f"{EX}p")),
        ({f"{EX}p": ["x"]}, ("annotations", f"{EX}p", 0)),
        ({f"{EX}p": [{"@value": "x"}, {"@value": 1}]}, ("annotations", f"{EX}p", 1)),
        ({f"{EX}p": [{"@value": "\ud800"}]}, ("annotations", f"{EX}p", 0)),
        ({f"{EX}p": [{"@value": "x", "@language": "no tag"}]}, ("annotations", f"{EX}p", 0)),
        ({f"{EX}p": [{"@value": "x", "@language": "de", "@type": f"{EX}t"}]}, ("annotations", f"{EX}p", 0)),
        ({f"{EX}p": [{"@id": "javascript:alert(1)"}]}, ("annotations", f"{EX}p", 0)),
        ({f"{EX}p": [{"@value": "x" * (MAX_TEXT + 1)}]}, ("annotations", f"{EX}p", 0)),
        ({f"{EX}p": [{"@value": str(i)} for i in range(MAX_VALUES + 1)]}, ("annotations",)),
        ({f"{EX}p": [{"@value": "x" * MAX_TEXT}] * (1 + MAX_CHARACTERS // MAX_TEXT)}, ("annotations",)),
    ],
)
def test_what_is_no_annotation_is_refused_where_it_stands(annotations: Any, path: tuple[Any, ...] | None) -> None:
    for document, before in (
        ({"typeName": "A", "annotations": annotations}, ()),
        ({"typeName": "A", "fields": {"f": {"type": "string", "annotations": annotations}}}, ("fields", "f")),
        ({"typeName": "A", "links": {"l": LINK | {"annotations": annotations}}}, ("links", "l")),
    ):
        if path is None:
            read_document(document)
            continue
        with pytest.raises(FabricError) as caught:
            read_document(document)
        error = caught.value.errors[0] if isinstance(caught.value, Several) else caught.value
        assert error.path == (*before, *path)
