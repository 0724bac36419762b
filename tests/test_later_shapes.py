"""Shapes that come later than the classes that they are of: they narrow what is there, and take nothing of it away."""

import json
from typing import Any

from pyoxigraph import Literal
from rdf_files import EX, definitions, imported, notices

from fabric.labels import Lattice
from fabric.transfer.loader import explicitly_labelled
from fabric.types.catalogue import Catalogue
from fabric.types.document_reading import read_document
from fabric.types.merging import EMPTY
from fabric.types.projection import Definer, plan
from ontology.vocabulary import RDF

PLACE = {
    "typeName": "Place", "iri": EX + "Place",
    "fields": {"depth": {"type": "integer", "iri": EX + "depth"}},
    "links": {"near": {"relation": "near", "target": "Place", "iri": EX + "near"}},
}  # fmt: skip
WELL = {"typeName": "Well", "iri": EX + "Well", "extends": "Place"}
OLD_WELL = {
    "typeName": "OldWell", "iri": EX + "OldWell", "extends": "Well",
    "fields": {"depth": {"type": "integer", "maximum": 10}},
    "links": {"near": {"relation": "near", "target": "Place", "maxLinks": 3}},
}  # fmt: skip
RULED_OUT = "asks of {} what types that are there rule out; this is left out"


def there(*documents: dict[str, Any]) -> Catalogue:
    read = [read_document(explicitly_labelled(document, None)) for document in documents]
    return plan(EMPTY, read, Definer((1 << 62) - 1, Lattice(("ALPHA", "BRAVO"))))


def shape(said: str, of: str = "Well") -> str:
    return f"ex:S a sh:NodeShape ; sh:targetClass ex:{of} ; sh:property [ {said} ] . "


def test_a_shape_alone_narrows_what_its_class_inherits() -> None:
    text = shape("sh:path ex:depth ; sh:minInclusive 2") + shape("sh:path ex:near ; sh:maxCount 5")
    before = there(PLACE, WELL)
    assert notices(text, before=before) == set()
    well = definitions(text, before=before)["Well"]
    assert well["fields"] == {"depth": {"type": "integer", "minimum": 2}}
    assert well["links"]["near"]["maxLinks"] == 5


def test_of_a_new_class_it_does_too() -> None:
    text = "ex:Shaft rdfs:subClassOf ex:Well . " + shape("sh:path ex:depth ; sh:minInclusive 2", of="Shaft")
    assert definitions(text, before=there(PLACE, WELL))["Shaft"]["fields"]["depth"]["minimum"] == 2


def test_of_what_its_class_declares_it_is_told() -> None:
    text = shape("sh:path ex:near ; sh:minCount 4", of="Place")
    assert notices(text, before=there(PLACE)) == {("Place", "has near already, with another minLinks; it stays so")}


def test_what_heirs_that_are_there_rule_out_is_left_out_and_theirs_stays() -> None:
    text = shape("sh:path ex:depth ; sh:minInclusive 20") + shape("sh:path ex:near ; sh:minCount 5")
    before = there(PLACE, WELL, OLD_WELL)
    for more in ("", "ex:OldWell rdfs:subClassOf ex:Well ; a owl:Class . "):
        assert notices(text + more, before=before) == {("Well", RULED_OUT.format(each)) for each in ("depth", "near")}
        with imported(text + more, before) as source:
            after = source.catalogue.types
        assert not after["Well"].narrowed_fields
        assert not after["Well"].narrowed_links
        assert after["OldWell"].fields["depth"].constraints.maximum == 10
        assert after["OldWell"].links["near"].counts.most == 3


def test_what_a_type_above_rules_out_is_left_out() -> None:
    deep = PLACE | {"fields": {"depth": {"type": "integer", "iri": EX + "depth", "maximum": 10}}}
    text = "ex:Shaft rdfs:subClassOf ex:Well . " + shape("sh:path ex:depth ; sh:minInclusive 20", of="Shaft")
    told = ("Shaft", "asks of depth what its superclasses rule out; this is left out")
    assert notices(text, before=there(deep, WELL)) == {told}


def test_a_class_descends_from_what_is_defined_beside_it_and_keeps_what_that_protects() -> None:
    secret = {
        "typeName": "Person", "iri": EX + "Person",
        "fields": {"note": {"type": "text", "encrypted": True, "purpose": "pii", "iri": EX + "note"}},
    }  # fmt: skip
    text = f"""ex:Person fabric:definition {Literal(json.dumps(secret), datatype=RDF.JSON)} .
        ex:Agent rdfs:subClassOf ex:Person . ex:Tool a owl:Class . ex:a a ex:Agent ; ex:note "x"@de . """
    with imported(text, EMPTY) as source:
        after = source.catalogue.types
    assert after["Agent"].parents == ("Person",)
    assert after["Agent"].fields["note"].protection is not None
    assert after["Agent"].own_fields == {}
