"""The labels that STIX markings ask for, and those that are given instead."""

import re
from functools import partial
from pathlib import Path

import pytest
from stix_bundles import bodies, id_of, item, open_bundle, relationship

from fabric.errors import BadInput
from fabric.labels import Label
from fabric.stix import StixBundle
from fabric.stix.markings import DEFAULT_TLP

TLP_1 = {
    "WHITE": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
    "GREEN": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
    "AMBER": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
    "RED": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}
TLP_2 = {
    "CLEAR": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "GREEN": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "AMBER": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "AMBER+STRICT": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "RED": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
TLP_2_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


@pytest.fixture
def opened(tmp_path):
    return partial(open_bundle, tmp_path)


def label_of(bundle: StixBundle) -> str | None:
    label: str | None = bodies(bundle.objects())[-1].get("label")
    return label


@pytest.mark.parametrize(
    ("marking", "label"),
    [
        (TLP_1["WHITE"], "UNCLASSIFIED"),
        (TLP_1["GREEN"], "CONFIDENTIAL"),
        (TLP_1["AMBER"], "SECRET"),
        (TLP_1["RED"], "TOP_SECRET"),
        (TLP_2["CLEAR"], "UNCLASSIFIED"),
        (TLP_2["GREEN"], "CONFIDENTIAL"),
        (TLP_2["AMBER"], "SECRET"),
        (TLP_2["AMBER+STRICT"], "SECRET"),
        (TLP_2["RED"], "TOP_SECRET"),
    ],
)
def test_the_standard_markings_are_known_without_their_definitions(opened, marking, label):
    assert label_of(opened(item("tool", object_marking_refs=[marking]))) == label


@pytest.mark.parametrize(
    "meaning",
    [
        {"definition_type": "tlp", "definition": {"tlp": "red"}},
        {"definition_type": "TLP", "definition": {"tlp": "TLP:RED"}},
        {"extensions": {TLP_2_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": "red"}}},
    ],
)
def test_a_bundles_own_tlp_definitions_are_understood_wherever_they_stand(opened, meaning):
    marking, tool = item("marking-definition", **meaning), item("tool", object_marking_refs=[TLP_1["GREEN"]])
    tool["object_marking_refs"].append(marking["id"])
    for objects in ((marking, tool), (tool, marking)):
        labels = {body["type"]: body.get("label") for body in bodies(opened(*objects).objects())}
        assert labels == {"Tool": "TOP_SECRET", "MarkingDefinition": None}


def test_no_marking_and_statements_ask_for_no_label(opened):
    statement = item("marking-definition", definition_type="statement", definition={"statement": "© all"})
    assert label_of(opened(statement, item("tool"))) is None
    assert label_of(opened(statement, item("tool", object_marking_refs=[statement["id"]]))) is None


def test_the_highest_marking_counts_and_compartments_add_up(opened):
    tool = item("tool", object_marking_refs=[TLP_1["RED"], TLP_1["AMBER"], TLP_1["GREEN"]])
    tlp = {"AMBER": Label.parse("SECRET/BRAVO"), "tlp:green": Label.parse("UNCLASSIFIED/ALPHA")}
    assert label_of(opened(tool, tlp=tlp)) == "TOP_SECRET/ALPHA,BRAVO"


def test_the_marking_of_a_part_counts_for_the_whole(opened):
    parts = [{"lang": "fr", "selectors": ["name"]}, {"marking_ref": TLP_2["AMBER"], "selectors": ["name"]}]
    assert label_of(opened(item("tool", name="a", granular_markings=parts))) == "SECRET"


def test_a_bundle_cannot_lower_a_standard_marking(opened):
    lowered = {**item("marking-definition", definition_type="tlp", definition={"tlp": "white"}), "id": TLP_1["RED"]}
    assert label_of(opened(lowered, item("tool", object_marking_refs=[TLP_1["RED"]]))) == "TOP_SECRET"


def test_an_unknown_tlp_marking_is_refused_until_it_is_given_a_label(opened):
    marking = item("marking-definition", definition_type="tlp", definition={"tlp": "purple"})
    objects = marking, item("tool", object_marking_refs=[marking["id"]])
    with pytest.raises(BadInput, match="'purple'"):
        opened(*objects)
    assert label_of(opened(*objects, tlp={"PURPLE": Label.parse("SECRET")})) == "SECRET"


@pytest.mark.parametrize("name", ["attack-pattern", "AttackPattern"])
def test_a_types_label_overrides_its_objects_markings(opened, name):
    technique = item("attack-pattern", object_marking_refs=[TLP_1["RED"]])
    assert label_of(opened(technique, labels={name: Label.parse("SECRET/ALPHA")})) == "SECRET/ALPHA"


def test_a_label_for_a_type_that_is_not_there_is_refused(opened):
    with pytest.raises(BadInput, match="AttackPatern"):
        opened(item("attack-pattern"), labels={"AttackPatern": Label.parse("SECRET")})


def test_a_link_has_the_label_of_its_own_markings_only(opened):
    ends = id_of("tool", 1), id_of("malware", 1)
    objects = item("tool", object_marking_refs=[TLP_1["AMBER"]], made_refs=[ends[1]]), item("malware")
    red = relationship("drops", *ends, 1, object_marking_refs=[TLP_1["RED"]])
    bundle = opened(*objects, red, relationship("drops", *ends, 2))
    assert [link.get("label") for link in bodies(bundle.links())] == [None, "TOP_SECRET", None]
    labelled = opened(*objects, red, labels={"relationship": Label.parse("CONFIDENTIAL")})
    assert [link.get("label") for link in bodies(labelled.links())] == [None, "CONFIDENTIAL"]


def test_the_documented_table_is_the_one_in_use():
    document = (Path(__file__).parent.parent / "docs" / "importing-stix.md").read_text()
    assert re.findall(r"^\| `([A-Z+]+)` \| `([A-Z_]+)` \|$", document, re.MULTILINE) == [
        (name, str(label)) for name, label in DEFAULT_TLP.items()
    ]
