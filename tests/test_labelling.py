"""Labels of what an ontology brings to types that are not for everybody."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rdf_files import definitions, imported, notices

from fabric.labels import Label, Lattice
from fabric.transfer.loader import explicitly_labelled
from fabric.types.catalogue import Catalogue
from fabric.types.document_reading import read_document
from fabric.types.merging import EMPTY
from fabric.types.projection import Definer, plan

LATTICE = Lattice(("ALPHA", "BRAVO"))
CLASSES = "".join(f"ex:{name} a owl:Class . " for name in ("Car", "Boat"))


def labelled(text: str, **labels: str) -> Catalogue:
    """What the text declares, with labels for some of its types."""
    documents = [d | {"label": labels.get(name, "UNCLASSIFIED")} for name, d in definitions(text).items()]
    read = [read_document(explicitly_labelled(document, None)) for document in documents]
    return plan(EMPTY, read, Definer((1 << 62) - 1, LATTICE))


def added(text: str, before: Catalogue) -> tuple[dict[str, Any], Catalogue]:
    with imported(text, before) as source:
        return {r.body["define"]["typeName"]: r.body["define"] for r in source.definitions()}, source.catalogue


def test_a_type_is_for_those_alone_who_see_what_it_descends_from() -> None:
    before = labelled(CLASSES, Car="SECRET/ALPHA", Boat="CONFIDENTIAL/BRAVO")
    text = "ex:Van rdfs:subClassOf ex:Car ; a owl:Class . ex:Box rdfs:subClassOf ex:Van ; a owl:Class ."
    found, after = added(text + "ex:a a ex:Car, ex:Boat . ex:Free a owl:Class .", before)
    labels = {name: document.get("label", "UNCLASSIFIED") for name, document in found.items()}
    assert {name: label for name, label in labels.items() if name not in before.types} == {
        "Van": "SECRET/ALPHA", "Box": "SECRET/ALPHA", "BoatAndCar": "SECRET/ALPHA,BRAVO", "Free": "UNCLASSIFIED",
    }  # fmt: skip
    assert LATTICE.decode(after.types["Box"].label) == Label.parse("SECRET/ALPHA")


def test_a_link_is_for_those_alone_who_see_what_it_leads_to() -> None:
    before = labelled(CLASSES, Boat="SECRET")
    text = """ex:carries a owl:ObjectProperty ; rdfs:domain ex:Car ; rdfs:range ex:Boat .
        ex:on a owl:ObjectProperty ; owl:inverseOf ex:carries .
        ex:wheels a owl:DatatypeProperty ; rdfs:domain ex:Car ."""
    _, after = added(text, before)
    assert {n: str(LATTICE.decode(m.label)) for n, m in after.types["Car"].own_links.items()} == {"carries": "SECRET"}
    assert {n: str(LATTICE.decode(m.label)) for n, m in after.types["Boat"].own_links.items()} == {"on": "SECRET"}
    assert after.types["Car"].own_fields["wheels"].label == 0


def test_below_what_everything_descends_from_nothing_is_more_open() -> None:
    before = labelled("ex:Old a owl:Class .", Resource="SECRET", Old="SECRET")
    found, _ = added(CLASSES + "ex:a a ex:Car, ex:Boat .", before)
    assert {found[name]["label"] for name in ("Car", "Boat", "BoatAndCar")} == {"SECRET"}


def test_a_link_names_no_relation_that_is_hidden_from_those_who_see_it() -> None:
    spies = "ex:spies a owl:ObjectProperty ; rdfs:domain ex:Boat ; rdfs:range ex:Boat . "
    before = labelled(CLASSES + spies, Boat="SECRET")
    text = """ex:knows a owl:ObjectProperty ; rdfs:subPropertyOf ex:spies ; rdfs:domain ex:{0} ; rdfs:range ex:{0} .
        ex:asks a owl:ObjectProperty ; rdfs:domain ex:Car ; rdfs:range ex:Car ; rdfs:subPropertyOf ex:told .
        ex:told a owl:ObjectProperty ; rdfs:domain ex:{0} ; rdfs:range ex:{0} ;
        owl:propertyChainAxiom ( ex:spies ex:spies ) ."""
    axioms = {}
    for name in ("Car", "Boat"):
        _, after = added(text.format(name), before)
        links = {**after.types["Car"].own_links, **after.types["Boat"].own_links}
        axioms[name] = {each: links[each].axioms.relations for each in ("knows", "asks", "told")}
    assert axioms["Car"] == {"knows": set(), "asks": {"told"}, "told": set()}
    assert axioms["Boat"] == {"knows": {"spies"}, "asks": set(), "told": {"spies"}}
    assert notices(text.format("Car"), before=before) >= {
        ("knows", "says rdfs:subPropertyOf spies; this is kept, and nothing follows from it"),
        ("told", "says owl:propertyChainAxiom (spies spies); this is left out"),
    }
    assert notices(spies, before=before) == set()


def test_what_an_heir_asks_is_for_those_alone_who_see_what_it_asks_it_of() -> None:
    before = labelled(CLASSES + "ex:p rdfs:domain ex:Boat ; a owl:ObjectProperty ; rdfs:range ex:Boat .", Boat="SECRET")
    text = """ex:Raft rdfs:subClassOf ex:Boat ; a owl:Class . ex:S a sh:NodeShape ; sh:targetClass ex:Raft ;
        sh:property [ sh:path ex:p ; sh:class ex:Raft ; sh:maxCount 1 ] .
        ex:p rdfs:domain ex:Boat ; a owl:ObjectProperty ; rdfs:range ex:Boat ."""
    _, after = added(text, before)
    (narrowed,) = after.types["Raft"].narrowed_links["p"]
    assert LATTICE.decode(narrowed.label) == Label.parse("SECRET")


LABELS = st.sampled_from(["UNCLASSIFIED", "CONFIDENTIAL", "SECRET/ALPHA", "SECRET/BRAVO"])
PAIRS = st.sets(st.tuples(st.sampled_from("ABC"), st.sampled_from("ABCDE")), max_size=4)


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(dict.fromkeys("ABC", LABELS)),
    PAIRS,
    PAIRS,
    PAIRS,
    st.lists(st.sets(st.sampled_from("ABCDE"), min_size=1), max_size=3),
)
def test_whatever_types_are_not_for_everybody_an_ontology_is_taken(
    labels: dict[str, str], heirs: set[tuple[str, str]], links: set[tuple[str, str]],
    shapes: set[tuple[str, str]], nodes: list[set[str]],
) -> None:  # fmt: skip
    before = labelled("".join(f"ex:{name} a owl:Class . " for name in "ABC"), **labels)
    text = "".join(f"ex:{name} a owl:Class . " for name in "DE")
    text += "".join(f"ex:{heir} rdfs:subClassOf ex:{parent} . " for parent, heir in heirs if heir in "DE")
    for number, (domain, range) in enumerate(sorted(links)):
        text += f"ex:p{number} a owl:ObjectProperty ; rdfs:domain ex:{domain} ; rdfs:range ex:{range} . "
        text += f"ex:q{number} a owl:ObjectProperty ; owl:inverseOf ex:p{number} . "
        for _, owner in sorted(shapes):
            text += f"ex:S{owner}{number} a sh:NodeShape ; sh:targetClass ex:{owner} ; "
            text += f"sh:property [ sh:path ex:p{number} ; sh:class ex:{owner} ; sh:maxCount 1 ] . "
    text += "".join(f"ex:n{i} a {', '.join(f'ex:{c}' for c in sorted(each))} . " for i, each in enumerate(nodes))
    _, after = added(text, before)
    for name, t in after.types.items():
        assert all(t.label & after.types[parent].label == after.types[parent].label for parent in t.parents), name
