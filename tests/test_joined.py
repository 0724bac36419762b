"""Nodes of several classes: their type descends from all of these, and everybody finds the same one."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, Triple
from rdf_files import EX, definitions, imported, notices, records

from fabric.labels import Lattice
from fabric.transfer.records import Problem, Record
from fabric.types.catalogue import Catalogue
from fabric.types.document_reading import read_document
from fabric.types.merging import EMPTY
from fabric.types.projection import Definer, plan
from ontology.iris import Iris
from ontology.output.triples import Triples
from ontology.survey import joined
from ontology.vocabulary import RDF

CLASSES = "ex:Car a owl:Class . ex:Boat a owl:Class . ex:Raft a owl:Class ; rdfs:subClassOf ex:Boat . "
WHEELS = "ex:wheels a owl:FunctionalProperty ; rdfs:domain ex:Car ; rdfs:range xsd:int . "
DRAUGHT = "ex:draught a owl:FunctionalProperty ; rdfs:domain ex:Boat ; rdfs:range xsd:int . "
BOTH = "ex:duck a ex:Car, ex:Boat ; ex:wheels 4 ; ex:draught 2 . "


def catalogue(text: str, **options: Any) -> Catalogue:
    with imported(text, **options) as source:
        return source.catalogue


def types_of(text: str, **options: Any) -> dict[str, str]:
    """By the local names of objects, which are all there are without a problem."""
    objects, _, problems = records(text, **options)
    assert problems == set()
    return {each["key"]["iri"].removeprefix(EX): each["type"] for each in objects}


def triples(text: str, before: Catalogue = EMPTY) -> list[Triple]:
    with imported(text, before) as source:
        written = Triples(Iris(source.catalogue))
        bodies = [each.body for each in source.objects() if not hasattr(each, "message")]
        return [t for body in bodies for t in written.object({"label": "SECRET", **body})]


def test_a_node_of_two_classes_has_what_both_declare() -> None:
    text = CLASSES + WHEELS + DRAUGHT + BOTH
    assert notices(text) == set()
    found = definitions(text)["BoatAndCar"]
    assert found["extends"] == ["Boat", "Car"]
    assert found["description"] == "What is at once Boat and Car."
    (duck,), _, problems = records(text)
    assert problems == set()
    assert (duck["type"], duck["data"]) == ("BoatAndCar", {"wheels": 4, "draught": 2})


def test_the_lowest_classes_count_and_one_alone_has_its_own_type() -> None:
    text = (
        CLASSES + "ex:a a ex:Raft, ex:Boat . ex:b a ex:Raft, ex:Boat, ex:Car . ex:c a ex:Car, ex:Raft . ex:d a ex:Car ."
    )
    assert types_of(text) == {"a": "Raft", "b": "CarAndRaft", "c": "CarAndRaft", "d": "Car"}


def test_what_both_would_declare_is_declared_above_them() -> None:
    text = CLASSES + "ex:name a owl:DatatypeProperty ; rdfs:domain ex:Car . ex:name rdfs:domain ex:Boat . " + BOTH
    found = definitions(text)
    assert "name" in found["Resource"]["fields"]
    assert not any("name" in found[each].get("fields", {}) for each in ("Car", "Boat"))


def test_later_data_finds_the_type_and_may_give_it_fields() -> None:
    before = catalogue(CLASSES + WHEELS + DRAUGHT + BOTH)
    with imported("ex:other a ex:Boat, ex:Car ; ex:wheels 3 .", before) as source:
        assert source.definitions() == []
    after = catalogue('ex:other a ex:Boat, ex:Car ; ex:colour "red" .', before=before)
    assert after.types.keys() == before.types.keys()
    assert "colour" in after.types["BoatAndCar"].own_fields
    assert types_of("ex:third a ex:Boat, ex:Car .", before=after) == {"third": "BoatAndCar"}


def test_it_is_written_as_of_all_its_classes_and_read_again() -> None:
    text = CLASSES + WHEELS + DRAUGHT + BOTH
    written = triples(text)
    types = {t.object.value for t in written if t.predicate == RDF.type}
    assert {EX + "Car", EX + "Boat"} < types
    assert len(types) == 3
    again = "".join(f"{t} .\n" for t in written if not isinstance(t.object, Literal))
    assert types_of(again, before=catalogue(text)) == {"duck": "BoatAndCar"}
    elsewhere = "".join(f"{t} .\n" for t in written if t.predicate == RDF.type and t.object.value.startswith(EX))
    assert types_of(CLASSES + elsewhere) == {"duck": "BoatAndCar"}


def test_classes_that_have_one_name_each_for_themselves_cannot_be_joined() -> None:
    before = catalogue(NAMED)
    assert "name" in before.types["Boat"].own_fields, "nothing is of both yet"
    objects, _, problems = records(BOTH, before=before)
    assert objects[0]["type"] == "Boat"
    assert "duck: is of the class Car too; an object has one type, Boat" in problems


NAMED = CLASSES + "ex:name a owl:DatatypeProperty ; rdfs:domain ex:Car . ex:name rdfs:domain ex:Boat ."


def test_their_heirs_cannot_be_joined_either() -> None:
    text = "ex:Taxi rdfs:subClassOf ex:Car . ex:Raft rdfs:subClassOf ex:Boat . ex:duck a ex:Taxi, ex:Raft ."
    objects, _, problems = records(text, before=catalogue(NAMED))
    assert [each["type"] for each in objects] == ["Raft"]
    assert problems == {"duck: is of the class Taxi too; an object has one type, Raft"}


def test_a_class_below_both_descends_from_one_and_that_is_told() -> None:
    text = "ex:Duck rdfs:subClassOf ex:Boat, ex:Car . ex:Toy rdfs:subClassOf ex:Duck . ex:a a ex:Toy, ex:Car ."
    before = catalogue(NAMED)
    assert definitions(text, before=before)["Duck"]["extends"] == "Boat"
    told = "descends from Car besides Boat; this is left out: Boat and Car both have a member name"
    assert notices(text, before=before) == {("Duck", told)}


def test_what_has_another_key_is_not_joined_with_what_has_its_iri() -> None:
    before = plan(EMPTY, [read_document(KEYED)], Definer(0, Lattice(())))
    text = "ex:A a owl:Class . ex:B rdfs:subClassOf ex:A, ex:Part . ex:a a ex:A, ex:Part ."
    told = "descends from Part besides A; this is left out: Part and Resource each have a natural key"
    assert notices(text, before=before) == {("B", told)}
    _, _, problems = records(text, before=before)
    assert problems == {"a: is of the class Part too; an object has one type, A"}


KEYED = {
    "typeName": "Part", "iri": EX + "Part", "fields": {"code": {"type": "string", "required": True}},
    "naturalKey": ["code"],
}  # fmt: skip


def test_what_everything_is_of_hinders_nobody() -> None:
    assert types_of("ex:a a ex:Car, ex:Boat, owl:Thing .", before=catalogue(CLASSES)) == {"a": "BoatAndCar"}


def test_there_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "MAX_JOINED", 1)
    text = (
        CLASSES + "ex:Plane a owl:Class . ex:a a ex:Car, ex:Boat . ex:b a ex:Car, ex:Plane . ex:c a ex:Car, ex:Boat ."
    )
    objects, _, problems = records(text)
    assert len(objects) == 3
    assert len({each["type"] for each in objects if "And" in each["type"]}) == 1
    assert problems
    assert len(problems) in (1, 2)
    assert catalogue(text, before=catalogue(text)).types.keys() == catalogue(text).types.keys()


def test_a_class_that_is_a_member_of_itself_is_one_of_its_other_classes() -> None:
    text = CLASSES + "ex:Car a ex:Boat, ex:Car . ex:Raft a ex:Raft ."
    assert types_of(text) == {"Car": "Boat", "Raft": "Raft"}
    assert notices(text) == {("Car", "is a class, and one of its own members; this is left out")}


def test_a_type_that_only_says_it_is_of_both_is_not_taken_for_one_that_descends_from_them() -> None:
    iri = joined.joined_iri([EX + "Boat", EX + "Car"])
    before = catalogue(CLASSES)
    with imported(f'ex:X fabric:definition """{{"typeName": "X", "iri": "{iri}"}}"""^^rdf:JSON .', before) as source:
        after = source.catalogue
    assert after.types["X"].iri == iri
    objects, _, problems = records(BOTH, before=after)
    assert objects[0]["type"] != "X"
    assert problems


SETS = st.lists(st.sets(st.sampled_from(["A", "B", "C", "D"]), min_size=1), min_size=1, max_size=5)
HEIRS = st.sets(st.sampled_from([("A", "B"), ("A", "C"), ("C", "D"), ("B", "D")]))


@settings(max_examples=40)
@given(HEIRS, SETS, SETS, st.sets(st.sampled_from("ABCD")))
def test_whatever_nodes_are_of_an_import_takes_them_and_a_later_one_too(
    heirs: set[tuple[str, str]], first: list[set[str]], later: list[set[str]], domains: set[str]
) -> None:
    ontology = "".join(f"ex:{c} a owl:Class ; rdfs:comment '{c}' . " for c in "ABCD")
    ontology += "".join(f"ex:{heir} rdfs:subClassOf ex:{parent} . " for parent, heir in heirs)
    ontology += "".join(f"ex:p a owl:DatatypeProperty ; rdfs:domain ex:{domain} . " for domain in domains)
    one, other = (
        "".join(f"ex:{name}{i} a {', '.join(f'ex:{c}' for c in sorted(classes))} . " for i, classes in enumerate(sets))
        for name, sets in (("first", first), ("later", later))
    )
    before = catalogue(ontology + one)
    for text, seen in ((ontology + one, EMPTY), (ontology + other, before), (other, before)):
        with imported(text, seen) as source:
            read = [(each.where.removeprefix(EX), each) for each in source.objects()]
            problems = {where for where, each in read if isinstance(each, Problem)}
            objects = {where: each.body for where, each in read if isinstance(each, Record)}
        assert len(objects) == len(later if other in text else first)
        for where, body in objects.items():
            classes = (later if other in text else first)[int(where[5:])]
            assert where in problems or all(source.catalogue.is_a(body["type"], c) for c in classes)
        assert not problems or (domains and seen is before), "only what each declares for itself stands in the way"
