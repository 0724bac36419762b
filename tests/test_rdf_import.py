"""What an ontology becomes: types, fields and links by its classes and properties, objects by its individuals."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rdf_files import EX, PREFIXES, definitions, imported, notices, records
from test_export import Ground

from fabric.database.db import Database
from fabric.identity.organizations import Organization
from fabric.labels import Label
from fabric.transfer.loader import Loader, Summary
from fabric.types.catalogue import Catalogue
from fabric.types.merging import EMPTY
from fabric.types.types import Types
from ontology.input.reading import reading
from ontology.iris import Iris
from ontology.output.triples import Triples
from ontology.source import RdfSource
from ontology.vocabulary import DEFINITION

ZOO = """
ex:Animal a owl:Class ; rdfs:label "Animal" ; rdfs:comment "Lives."@en .
ex:Bird a owl:Class ; rdfs:subClassOf ex:Animal ; rdfs:label "Feathered friend" .
ex:Swimmer a rdfs:Class ; rdfs:subClassOf ex:Animal .
ex:Penguin a owl:Class ; rdfs:subClassOf ex:Bird, ex:Swimmer .
ex:Keeper a owl:Class .
ex:born a owl:DatatypeProperty, owl:FunctionalProperty ; rdfs:domain ex:Animal ; rdfs:range xsd:date .
ex:nick a owl:DatatypeProperty ; rdfs:domain ex:Animal ; rdfs:range xsd:string ; rdfs:comment "Called." .
ex:keeps a owl:ObjectProperty ; rdfs:domain ex:Keeper ; rdfs:range ex:Animal ; owl:inverseOf ex:keptBy .
ex:keptBy a owl:ObjectProperty, owl:FunctionalProperty ; rdfs:domain ex:Animal ; rdfs:range ex:Keeper .
"""
DATA = """
ex:pingu a ex:Penguin ; ex:born "1986-05-28"^^xsd:date ; ex:nick "P", "Noot" .
ex:pingu rdfs:label "Pingu" ; ex:keptBy ex:kim .
ex:kim a ex:Keeper ; ex:keeps ex:tux .
ex:tux a ex:Penguin ; ex:keptBy ex:kim .
"""


RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"


class TestLanguages:
    TOLD = """ex:A a owl:Class ; rdfs:comment "one", "two"@en, "drei"@de-AT, "quatre"@fr ; rdfs:label "A", "Ah"@de ."""

    @pytest.mark.parametrize(
        ("languages", "description"),
        [
            (("en",), "two"), (("de",), "Ah. drei"), (("fr", "de"), "Ah. quatre"), (("it",), "one"),
            (("DE",), "Ah. drei"), (("d",), "one"), (("it", "fr"), "quatre"),
        ],
    )  # fmt: skip
    def test_a_description_is_of_the_first_language_that_there_is(
        self, languages: tuple[str, ...], description: str
    ) -> None:
        assert definitions(self.TOLD, languages=languages)["A"]["description"] == description


class TestAxioms:
    @pytest.mark.parametrize(
        ("axiom", "told"),
        [
            ("a owl:AllDisjointClasses ; owl:members (ex:A ex:B)", ("A", "AllDisjointClasses with B")),
            ("a owl:AllDifferent ; owl:distinctMembers (ex:b ex:a)", ("b", "AllDifferent with a")),
            ("a owl:NegativePropertyAssertion ; owl:sourceIndividual ex:a", ("a", "NegativePropertyAssertion")),
            (
                "a owl:Axiom ; owl:annotatedSource ex:B ; owl:annotatedProperty rdfs:subClassOf ; rdfs:comment 'c'",
                ("B", f"Axiom with {RDFS}subClassOf"),
            ),
        ],
    )
    def test_one_that_is_a_node_is_told_of_by_what_it_is_about(self, axiom: str, told: tuple[str, str]) -> None:
        found = notices(f"ex:A a owl:Class . ex:B a owl:Class . [] {axiom} .")
        assert (told[0], f"is in an owl:{told[1]}; this is left out") in found

    def test_a_list_without_end_is_told_of_and_nothing_more(self) -> None:
        endless = "[] a owl:AllDifferent ; owl:members _:l . _:l rdf:first ex:A ; rdf:rest _:l ."
        different = "http://www.w3.org/2002/07/owl#AllDifferent"
        assert (different, "a list has no end, or more than 100,000 members") in notices(endless)


class TestDefinitions:
    def test_classes_become_types_with_all_their_parents(self) -> None:
        types = definitions(ZOO)
        assert types["Penguin"] == {"typeName": "Penguin", "iri": EX + "Penguin", "extends": ["Bird", "Swimmer"]}
        assert types["Bird"]["extends"] == "Animal"
        assert types["Animal"]["extends"] == "Resource"
        assert types["Animal"]["description"] == "Lives."
        assert types["Bird"]["description"] == "Feathered friend"
        assert types["Resource"]["naturalKey"] == ["iri"]

    def test_properties_become_fields_and_links(self) -> None:
        types = definitions(ZOO)
        assert types["Animal"]["fields"] == {
            "born": {
                "type": "date", "iri": EX + "born",
                "annotations": {f"{RDF}type": [{"@id": f"{OWL}FunctionalProperty"}]},
            },
            "nick": {
                "type": "string", "list": True, "iri": EX + "nick", "description": "Called.",
                "annotations": {f"{RDFS}comment": [{"@value": "Called."}]},
            },
        }
        assert types["Keeper"]["links"] == {
            "keeps": {"relation": "keeps", "target": "Animal", "direction": "out", "iri": EX + "keeps"}
        }
        assert types["Animal"]["links"] == {
            "keptBy": {
                "relation": "keeps", "target": "Keeper", "direction": "in", "cardinality": "one", "iri": EX + "keptBy",
                "annotations": {f"{RDF}type": [{"@id": f"{OWL}FunctionalProperty"}]},
            }
        }  # fmt: skip
        assert notices(ZOO) == set()

    def test_single_fields_where_nothing_is_said(self) -> None:
        assert "list" not in definitions(ZOO, single=True)["Animal"]["fields"]["nick"]

    @pytest.mark.parametrize(
        ("range", "kind"),
        [
            ("xsd:int", "integer"), ("xsd:integer", "bigint"), ("xsd:double", "float"), ("xsd:decimal", "decimal"),
            ("xsd:boolean", "boolean"), ("xsd:dateTime", "datetime"), ("xsd:anyURI", "uri"), ("xsd:gYear", "string"),
            ("rdf:langString", "text"), ("rdfs:Literal", "text"), ("rdf:JSON", "json"), ("schema:Number", "float"),
            ("schema:URL", "uri"), ("ex:Grade", "integer"), ("xsd:int, xsd:double", "float"),
            ("xsd:date, xsd:string", "string"), ("xsd:dayTimeDuration", "duration"), ("xsd:duration", "string"),
        ],
    )  # fmt: skip
    def test_ranges_are_kinds(self, range: str, kind: str) -> None:
        text = f"ex:Grade a rdfs:Datatype ; owl:onDatatype xsd:int . ex:p a rdf:Property ; rdfs:range {range} ."
        assert definitions("ex:A a owl:Class ." + text)["Resource"]["fields"]["p"]["type"] == kind

    def test_a_property_of_values_and_things_is_a_field_and_a_link(self) -> None:
        text = """ex:A a owl:Class . ex:p a rdf:Property ; schema:domainIncludes ex:A ;
                  schema:rangeIncludes schema:Text, ex:A ."""
        types = definitions(text)
        assert list(types["A"]["fields"]) == ["p"]
        assert types["A"]["links"]["pLinks"]["target"] == "A"
        objects, links, problems = records(text + 'ex:a a ex:A ; ex:p "x", ex:a, <http://elsewhere.org/> .')
        assert objects[0]["data"] == {"p": ["http://elsewhere.org/", "x"]}
        assert [link["link"] for link in links] == ["pLinks"]
        assert problems == set()

    def test_a_member_of_several_classes_is_declared_where_it_is_there_once(self) -> None:
        text = ZOO + "ex:wing a rdf:Property ; schema:domainIncludes ex:Bird, ex:Swimmer ; rdfs:range xsd:int ."
        types = definitions(text)
        assert "wing" in types["Animal"]["fields"]
        assert "wing" not in types["Bird"].get("fields", {})
        apart = ZOO + "ex:pay a rdf:Property ; schema:domainIncludes ex:Keeper, ex:Bird ; rdfs:range xsd:int ."
        assert {n for n, t in definitions(apart).items() if "pay" in t.get("fields", {})} == {"Keeper", "Bird"}
        told = "is of Bird, Swimmer, from which others descend together; Animal has it for all"
        assert notices(text) == {("wing", told)}

    def test_unions_are_taken_apart(self) -> None:
        text = (
            ZOO + "ex:of a owl:ObjectProperty ; rdfs:domain [ owl:unionOf (ex:Bird ex:Keeper) ] ; rdfs:range ex:Bird ."
        )
        assert {n for n, t in definitions(text).items() if "of" in t.get("links", {})} == {"Bird", "Keeper"}

    def test_a_link_to_several_classes_leads_to_what_they_have_in_common(self) -> None:
        text = ZOO + "ex:sees a owl:ObjectProperty ; rdfs:domain ex:Keeper ; schema:rangeIncludes ex:Bird, ex:Swimmer ."
        assert definitions(text)["Keeper"]["links"]["sees"]["target"] == "Animal"
        assert notices(text) == {("sees", "leads to Bird, Swimmer; sees leads to Animal")}

    def test_restrictions_to_one_value(self) -> None:
        text = (
            ZOO
            + """ex:Animal rdfs:subClassOf [ a owl:Restriction ; owl:onProperty ex:nick ; owl:maxCardinality 1 ],
            [ a owl:Restriction ; owl:onProperty ex:born ; owl:someValuesFrom xsd:date ] ."""
        )
        assert "list" not in definitions(text)["Animal"]["fields"]["nick"]
        assert notices(text) == set()
        some = "owl:onProperty ex:nick ; owl:someValuesFrom xsd:string"
        many = f"ex:Animal rdfs:subClassOf [ a owl:Restriction ; {some} ] ."
        assert notices(ZOO + many) == {("Animal", "restricts nick by someValuesFrom; this is left out")}

    def test_names_that_clash_or_are_none_get_a_prefix(self) -> None:
        text = """ex:A a owl:Class . ex:B a owl:Class . schema:A a owl:Class . ex:Event a owl:Class .
            ex:3D a owl:Class .
            ex:id a rdf:Property ; rdfs:domain ex:A ; rdfs:range xsd:int ."""
        types = definitions(text)
        assert set(types) == {"Resource", "A", "B", "SchemaA", "ExEvent", "Ex3D"}
        assert list(types["A"]["fields"]) == ["exId"]
        assert (EX + "Event").removeprefix(EX) in {iri for iri, message in notices(text) if "becomes" in message}

    def test_circles_are_broken_and_told_of(self) -> None:
        text = "ex:A a owl:Class ; rdfs:subClassOf ex:B . ex:B rdfs:subClassOf ex:C . ex:C rdfs:subClassOf ex:A, ex:C ."
        assert {n: t["extends"] for n, t in definitions(text).items() if n != "Resource"} == {
            "A": "B", "B": "C", "C": "Resource",
        }  # fmt: skip
        assert notices(text) == {("C", "would descend from itself by way of A; this statement is left out")}

    def test_what_has_no_counterpart_is_told_of_by_iri(self) -> None:
        text = (
            ZOO
            + """
            ex:Bird owl:disjointWith ex:Keeper . ex:keeps a owl:TransitiveProperty ;
            rdfs:subPropertyOf ex:knows . ex:o a owl:Ontology ; owl:imports <http://elsewhere.org/> ."""
        )
        assert notices(text) >= {
            ("Bird", "says owl:disjointWith Keeper; this is kept, and nothing follows from it"),
            ("keeps", "says rdfs:subPropertyOf knows; this is kept, and nothing follows from it"),
            (
                "http://elsewhere.org/",
                "is imported, and was not fetched; give it as another file",
            ),
        }

    def test_what_follows_from_links_is_said_by_their_definitions(self) -> None:
        text = """
            ex:Place a owl:Class .
            ex:near a owl:ObjectProperty, owl:SymmetricProperty ; rdfs:domain ex:Place ; rdfs:range ex:Place .
            ex:twin a owl:ObjectProperty ; rdfs:domain ex:Place ; rdfs:range ex:Place ; owl:inverseOf ex:twin .
            ex:partOf a owl:ObjectProperty, owl:TransitiveProperty ; rdfs:domain ex:Place ; rdfs:range ex:Place ;
                rdfs:subPropertyOf ex:within, ex:name, ex:nowhere, ex:partOf .
            ex:within a owl:ObjectProperty ; rdfs:domain ex:Place ; rdfs:range ex:Place .
            ex:around a owl:ObjectProperty ; rdfs:domain ex:Place ; rdfs:range ex:Place ; owl:inverseOf ex:wholly .
            ex:wholly a owl:ObjectProperty ; rdfs:subPropertyOf ex:within .
            ex:name a owl:DatatypeProperty, owl:SymmetricProperty ; rdfs:domain ex:Place ; rdfs:range xsd:string ."""
        links = definitions(text)["Place"]["links"]
        keys = ("symmetric", "transitive", "subPropertyOf")
        assert {name: {k: link[k] for k in keys if k in link} for name, link in links.items()} == {
            "near": {"symmetric": True}, "twin": {"symmetric": True}, "around": {}, "within": {}, "wholly": {},
            "partOf": {"transitive": True, "subPropertyOf": ["within"]},
        }  # fmt: skip
        assert notices(text) == {
            ("partOf", "says rdfs:subPropertyOf name; this is kept, and nothing follows from it"),
            ("partOf", "says rdfs:subPropertyOf nowhere; this is kept, and nothing follows from it"),
            ("wholly", "says rdfs:subPropertyOf within; this is kept, and nothing follows from it"),
            ("name", "is symmetric, and no link; this is left out"),
        }

    def test_chains_of_two_properties_are_said_by_definitions_from_whichever_end_they_are_read(self) -> None:
        declared = "a owl:ObjectProperty ; rdfs:domain ex:P ; rdfs:range ex:P"
        text = f"""ex:P a owl:Class . ex:parent {declared} . ex:brother {declared} . ex:name a owl:DatatypeProperty .
            ex:child {declared} ; owl:inverseOf ex:parent .
            ex:uncle {declared} ; owl:propertyChainAxiom (ex:parent ex:brother), (ex:name ex:brother),
                (ex:parent ex:brother ex:brother), (ex:parent "x"), (ex:parent ex:nothing) .
            ex:sibling {declared} ; owl:propertyChainAxiom ([owl:inverseOf ex:child] ex:child), (ex:brother) .
            ex:above {declared} . ex:below {declared} ; owl:inverseOf ex:above ;
                owl:propertyChainAxiom (ex:brother ex:uncle) ."""
        links = definitions(text)["P"]["links"]
        relation = {name: link["relation"] for name, link in links.items()}
        assert relation["parent"] == relation["child"] == "child", "the first name is the relation's"
        assert {name: link["inferredFrom"] for name, link in links.items() if "inferredFrom" in link} == {
            "uncle": [["^child", "brother"]], "sibling": [["brother"], ["^child", "child"]],
            "below": [["^uncle", "^brother"]],
        }  # fmt: skip
        assert notices(text) == {
            ("uncle", "says owl:propertyChainAxiom (name brother); this is left out"),
            ("uncle", "says owl:propertyChainAxiom of 3 properties; this is left out"),
            ("uncle", "says owl:propertyChainAxiom with a step that is no property; this is left out"),
            ("uncle", "says owl:propertyChainAxiom (parent nothing); this is left out"),
        }

    def test_what_is_exported_of_relations_becomes_the_same_links_for_others(self) -> None:
        declared = "a owl:ObjectProperty ; rdfs:domain ex:Place ; rdfs:range ex:Place"
        text = f"""ex:Place a owl:Class . ex:near a owl:SymmetricProperty ; {declared} . ex:within {declared} .
            ex:partOf a owl:TransitiveProperty ; rdfs:subPropertyOf ex:within ; {declared} ;
                owl:propertyChainAxiom (ex:within [owl:inverseOf ex:near]), (ex:near ex:within) ."""
        with imported(text) as source:
            triples = Triples(Iris(source.catalogue))
            said = [t for r in source.definitions() for t in triples.definition(r.body["define"])]
        plain = "".join(f"{t} .\n" for t in said if t.predicate != DEFINITION)
        assert definitions(plain)["Place"]["links"] == definitions(text)["Place"]["links"]


class TestShapes:
    SHAPES = """
    ex:A a rdfs:Class, sh:NodeShape ; sh:property
        [ sh:path ex:name ; sh:datatype xsd:string ; sh:minCount 1 ; sh:maxCount 1 ; sh:description "Its name." ],
        [ sh:path ex:state ; sh:in ("ON" "OFF") ; sh:maxCount 1 ],
        [ sh:path ex:grade ; sh:in ("1 a" "2 b") ],
        [ sh:path ex:part ; sh:class ex:A ; sh:maxCount 1 ],
        [ sh:path ex:code ; sh:datatype xsd:string ; sh:pattern "^A" ] .
    """

    def test_required_single_enum_and_class(self) -> None:
        types = definitions(self.SHAPES)
        assert types["A"]["fields"] == {
            "name": {"type": "string", "required": True, "description": "Its name.", "iri": EX + "name"},
            "state": {"type": "enum", "values": ["ON", "OFF"], "iri": EX + "state"},
            "grade": {"type": "text", "list": True, "values": ["1 a", "2 b"], "iri": EX + "grade"},
            "code": {"type": "string", "list": True, "pattern": "^A", "iri": EX + "code"},
        }
        assert types["A"]["links"]["part"] == {
            "relation": "part", "target": "A", "direction": "out", "cardinality": "one", "iri": EX + "part",
        }  # fmt: skip

    def test_nothing_of_that_has_no_effect(self) -> None:
        assert notices(self.SHAPES) == set()


class TestIndividuals:
    def test_individuals_become_objects_and_links(self) -> None:
        objects, links, problems = records(ZOO + DATA)
        assert problems == set()
        assert objects == [
            {"type": "Keeper", "key": {"iri": EX + "kim"}, "data": {}},
            {
                "type": "Penguin", "key": {"iri": EX + "pingu"},
                "data": {"born": "1986-05-28", "nick": ["Noot", "P"], "labels": ["Pingu"]},
            },
            {"type": "Penguin", "key": {"iri": EX + "tux"}, "data": {}},
        ]  # fmt: skip
        ends = sorted((link["from"]["key"]["iri"][-3:], link["to"]["key"]["iri"][-3:]) for link in links)
        assert ends == [("kim", "ngu"), ("kim", "tux"), ("kim", "tux")], "stated from both ends it is the same link"

    @pytest.mark.parametrize("known", [True, False])
    def test_what_is_only_said_to_be_something_has_values_too(self, known: bool) -> None:
        text = 'ex:A a owl:Class . ex:a a owl:Thing ; ex:p "x" ; ex:q "y"@de .'
        with imported(text) as source:
            before = source.catalogue if known else EMPTY
        (found,), _, problems = records(text, before=before)
        assert problems == set()
        assert (found["type"], found["data"]) == ("Resource", {"p": ["x"], "qDe": ["y"]})

    def test_what_has_one_value_in_several_forms_has_it_once(self) -> None:
        text = """ex:a a ex:A ; ex:j '{"a":1,"b":2}'^^rdf:JSON, '{"b":2, "a":1}'^^rdf:JSON, '[1]'^^rdf:JSON ;
            ex:n 1, 01, 2 ; ex:f "1e0"^^xsd:double, "1.0"^^xsd:double . """
        (found,), _, problems = records(text)
        assert problems == set()
        assert {name: len(values) for name, values in found["data"].items()} == {"j": 2, "n": 2, "f": 1}

    def test_values_that_a_field_cannot_hold_are_told_of_and_the_rest_is_kept(self) -> None:
        objects, _, problems = records(ZOO + 'ex:a a ex:Bird ; ex:born "soon", "later" ; ex:nick "n" .')
        assert objects[0]["data"] == {"nick": ["n"]}
        assert problems == {"a: born: expected a date as YYYY-MM-DD, got other text"}
        _, _, problems = records(ZOO + "ex:k a ex:Keeper ; ex:born '2000-01-01' .")
        assert problems == {"k: born: Keeper has no such field or link"}
        two = 'ex:a a ex:Bird ; ex:born "2000-01-01", "2000-01-02" .'
        assert records(ZOO + two)[2] == {"a: born: has 2 values, and born holds one"}

    def test_an_object_is_of_the_narrowest_class(self) -> None:
        objects, _, problems = records(ZOO + "ex:a a ex:Animal, ex:Bird, ex:Penguin, owl:NamedIndividual .")
        assert ([o["type"] for o in objects], problems) == (["Penguin"], set())

    def test_nodes_without_iris_get_the_same_ones_again(self) -> None:
        text = ZOO + 'ex:kim a ex:Keeper ; ex:keeps [ a ex:Bird ; ex:nick "x" ], [ a ex:Bird ; ex:nick "y" ] .'
        objects, links, problems = records(text)
        assert (len(objects), len(links), problems) == (3, 2, set())
        assert all(o["key"]["iri"].startswith("urn:semantic-fabric:genid:") for o in objects if o["type"] == "Bird")
        assert records(text) == (objects, links, problems)

    def test_data_without_an_ontology_declares_itself(self) -> None:
        text = "ex:a a ex:Foo ; ex:size 3 ; ex:page <http://elsewhere.org/> ; ex:friend ex:b . ex:b a ex:Foo ."
        types = definitions(text)
        assert {n: f["type"] for n, f in types["Foo"]["fields"].items()} == {"size": "bigint", "page": "uri"}
        assert list(types["Foo"]["links"]) == ["friend"]
        assert ("Foo", "is used as a class, and declared nowhere") in notices(text)
        assert ("size", "is used as a property, and declared nowhere") in notices(text)

    def test_what_is_of_no_class_is_told_of(self) -> None:
        assert notices("ex:a ex:p 1 . ex:b a owl:NamedIndividual .") == {
            ("a", "is of no class; it is left out"), ("b", "is of no class; it is left out"),
        }  # fmt: skip

    def test_an_object_or_a_link_of_several_labels_is_a_problem(self) -> None:
        several = 'fabric:label "SECRET", "CONFIDENTIAL" .'
        objects, links, problems = records(
            f"{ZOO}{DATA}ex:pingu {several} [] a rdf:Statement ; rdf:subject ex:kim ; rdf:predicate ex:keeps ;"
            f" rdf:object ex:tux ; {several}"
        )
        assert {"pingu: has several labels", "kim keeps tux: has several labels"} <= problems
        assert not [each for each in (*objects, *links) if each.get("label") or each.get("key") == {"iri": "pingu"}]

    def test_a_label_for_what_gives_none(self) -> None:
        text = ZOO + DATA + 'ex:pingu fabric:label "SECRET/ALPHA" .'
        objects, links, _ = records(text, label=Label.parse("CONFIDENTIAL"))
        assert [o["label"] for o in objects] == ["CONFIDENTIAL", "SECRET/ALPHA", "CONFIDENTIAL"]
        assert {link["label"] for link in links} == {"CONFIDENTIAL"}

    def test_statements_about_links_are_their_properties(self) -> None:
        text = (
            ZOO
            + DATA
            + """[] a rdf:Statement ; rdf:subject ex:kim ; rdf:predicate ex:keeps ; rdf:object ex:tux ;
            fabric:weight 0.5 ; fabric:label "SECRET" . [] a rdf:Statement ; rdf:subject ex:kim ;
            rdf:predicate ex:keeps ; rdf:object ex:pingu ; fabric:weight "much" ."""
        )
        _, links, problems = records(text)
        (link,) = (link for link in links if "weight" in link)
        assert (link["weight"], link["label"], link["to"]["key"]["iri"]) == (0.5, "SECRET", EX + "tux")
        assert len(problems) == 1
        assert "not made itself" in problems.pop()

    def test_skos_brings_its_own_ontology(self) -> None:
        text = """ex:s a skos:ConceptScheme . ex:a a skos:Concept ; skos:prefLabel "A"@en, "Ä"@de ; skos:inScheme ex:s .
            ex:b a skos:Concept ; skos:broader ex:a ; skos:notation "b" . ex:a skos:narrower ex:c .
            ex:c a skos:Concept ."""
        types = definitions(text)
        assert types["Concept"]["links"]["narrower"]["direction"] == "in"
        objects, links, problems = records(text)
        assert problems == set()
        assert objects[0]["data"] == {"prefLabelDe": "Ä", "prefLabelEn": "A"}
        ends = [(link["from"]["key"]["iri"][-1], link["link"], link["to"]["key"]["iri"][-1]) for link in links]
        assert sorted(ends) == [("a", "inScheme", "s"), ("b", "broader", "a"), ("c", "broader", "a")]


@pytest.fixture
def ground(database: Database, types: Types, admin_url: str) -> Ground:
    return Ground(database, types, admin_url)


async def load(ground: Ground, organization: Organization, text: str, folder: Path) -> tuple[Summary, RdfSource]:
    path = folder / "file.ttl"
    path.write_text(PREFIXES + text)
    subject = ground.subject(organization)
    with reading([path]) as read:
        before: Catalogue = await ground.types.catalogue(subject.session)
        source = RdfSource(read, before, organization.lattice)
        run = Loader(ground.database, ground.types, organization, subject)
        return await run.load(source.definitions(), source.objects(), source.links()), source


def tally(summary: Summary) -> dict[str, Any]:
    return {
        "types": len(summary.types),
        "objects": summary.objects.created + summary.objects.updated,
        "links": summary.links.created + summary.links.updated,
        "problems": [problem.message for problem in summary.problems],
    }


@pytest.mark.anyio
class TestOrganizations:
    async def test_imported_again_nothing_changes(self, ground: Ground, tmp_path: Path) -> None:
        organization = await ground.organization("acme")
        first, _ = await load(ground, organization, ZOO + DATA, tmp_path)
        assert tally(first) == {"types": 6, "objects": 3, "links": 2, "problems": []}
        before = await ground.export(organization)
        again, source = await load(ground, organization, ZOO + DATA, tmp_path)
        assert tally(again) == {"types": 0, "objects": 0, "links": 0, "problems": []}
        assert source.notices == []
        assert await ground.export(organization) == before

    async def test_data_alone_finds_the_types_that_are_there(self, ground: Ground, tmp_path: Path) -> None:
        organization = await ground.organization("acme")
        await load(ground, organization, ZOO, tmp_path)
        summary, _ = await load(ground, organization, DATA, tmp_path)
        assert tally(summary) == {"types": 0, "objects": 3, "links": 2, "problems": []}
        more = "ex:lost a ex:Bird ; ex:keptBy ex:kim ; ex:colour 'red' . ex:jo a ex:Keeper ; ex:keeps ex:nobody ."
        summary, source = await load(ground, organization, more, tmp_path)
        assert tally(summary) == {"types": 1, "objects": 2, "links": 1, "problems": ["to: not found"]}
        assert [n.message for n in source.notices] == ["is used as a property, and declared nowhere"]

    async def test_types_of_others_keep_their_names_and_what_they_are(self, ground: Ground, tmp_path: Path) -> None:
        organization = await ground.organization("acme")
        mine = {"typeName": "Bird", "fields": {"born": {"type": "integer"}}}
        await ground.types.define(ground.subject(organization), organization.lattice, [mine])
        await load(ground, organization, ZOO, tmp_path)
        types = (await ground.types.catalogue(ground.subject(organization).session)).types
        assert types["Bird"].iri is None
        assert types["ExBird"].iri == EX + "Bird"
        assert types["Animal"].own_fields["exBorn"].iri == EX + "born"

    async def test_a_type_keeps_what_a_later_ontology_does_not_say(self, ground: Ground, tmp_path: Path) -> None:
        organization = await ground.organization("acme")
        await load(ground, organization, ZOO, tmp_path)
        more = """ex:Bird a owl:Class ; rdfs:subClassOf ex:Keeper .
            ex:wing a rdf:Property ; rdfs:domain ex:Bird ; rdfs:range xsd:int ."""
        summary, source = await load(ground, organization, more, tmp_path)
        assert summary.types == ["Bird"]
        assert len(source.notices) == 1
        bird = (await ground.types.catalogue(ground.subject(organization).session)).types["Bird"]
        assert bird.parents == ("Animal",)
        assert set(bird.fields) >= {"wing", "born", "nick"}


def test_one_pass_over_objects_and_links_finds_what_two_find() -> None:
    faulty = ZOO + DATA + "ex:odd a ex:Penguin, ex:Keeper ; ex:born 'never' ; ex:keeps 7 ; ex:unheard ex:tux ."
    with imported(faulty) as source:
        found = sorted(map(str, [*source.objects(), *source.links()]))
        assert sorted(map(str, source.all())) == found
        assert sum("Problem" in each for each in found) > 0


def test_nothing_depends_on_the_order_of_statements() -> None:
    lines = [line for line in (ZOO + DATA).splitlines() if line]
    assert definitions("\n".join(lines)) == definitions("\n".join(reversed(lines)))
    with imported("\n".join(lines)) as one, imported("\n".join(reversed(lines))) as other:
        assert list(map(str, one.objects())) == list(map(str, other.objects()))


class TestTimes:
    TIMES = "ex:A a owl:Class . ex:at a owl:FunctionalProperty ; rdfs:domain ex:A ; rdfs:range xsd:dateTime . "

    @pytest.mark.parametrize(
        ("said", "zone", "moment"),
        [
            ("2024-07-01T12:00:00", "Europe/Paris", "2024-07-01T10:00:00.000000Z"),
            ("2024-01-01T12:00:00.25", "Europe/Paris", "2024-01-01T11:00:00.250000Z"),
            ("2024-01-01", "Asia/Tokyo", "2023-12-31T15:00:00.000000Z"),
            ("2024-10-27T02:30:00", "Europe/Paris", "2024-10-27T00:30:00.000000Z"),
            ("2024-01-01T12:00:00-05:00", "Europe/Paris", "2024-01-01T17:00:00.000000Z"),
        ],
    )
    def test_those_without_an_offset_are_in_the_zone_that_is_named(self, said: str, zone: str, moment: str) -> None:
        text = self.TIMES + f'ex:a a ex:A ; ex:at "{said}"^^xsd:dateTime .'
        objects, _, problems = records(text, zone=ZoneInfo(zone))
        assert (objects[0]["data"], problems) == ({"at": moment}, set())

    @pytest.mark.parametrize(
        ("said", "zone"),
        [
            ("2024-07-01T12:00:00", None), ("2024-13-01T12:00:00", "UTC"), ("2024-07-01T24:00:00", "UTC"),
            ("0001-01-01", "Asia/Tokyo"), ("2024-01-01T12:00:00.1234567", "UTC"), ("soon", "UTC"),
        ],
    )  # fmt: skip
    def test_what_is_no_moment_then_is_a_problem(self, said: str, zone: str | None) -> None:
        text = self.TIMES + f'ex:a a ex:A ; ex:at "{said}" .'
        objects, _, problems = records(text, zone=zone and ZoneInfo(zone))
        assert objects[0]["data"] == {}
        assert len(problems) == 1

    def test_a_node_without_a_name_is_no_value(self) -> None:
        text = "ex:A a owl:Class . ex:p a owl:DatatypeProperty ; rdfs:domain ex:A . "
        objects, _, problems = records(text + "ex:a a ex:A ; ex:p [ rdfs:label 'x' ] .")
        assert (objects[0]["data"], problems) == ({}, {"a: p: expected a value, got a node without a name"})


def test_an_ontology_that_comes_later_speaks_of_classes_that_are_there() -> None:
    with imported("ex:Animal a owl:Class . ex:Bird a owl:Class ; rdfs:subClassOf ex:Animal .") as source:
        before = source.catalogue
    text = """ex:sings a owl:DatatypeProperty ; rdfs:domain ex:Bird .
        ex:eats a owl:ObjectProperty ; rdfs:domain [ a owl:Class ; owl:unionOf (ex:Bird) ] ; rdfs:range ex:Animal ."""
    bird = definitions(text, before=before)["Bird"]
    assert bird["fields"].keys() == {"sings"}
    assert bird["links"]["eats"]["target"] == "Animal"
    assert bird["extends"] == "Animal"
