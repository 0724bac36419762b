"""Type definitions: what a document may say, and what of it each reader sees."""

from collections.abc import Mapping
from typing import Any

import pytest
from databases import COMPARTMENTS

from fabric.errors import BadInput, FabricError, Several
from fabric.labels import Label, Lattice
from fabric.types.catalogue import Catalogue, Fragment, visible
from fabric.types.definitions import MAX_FIELDS
from fabric.types.document_reading import read_document
from fabric.types.kinds import Kind
from fabric.types.merging import build
from fabric.types.projection import Definer, plan
from fabric.types.type_documents import as_document

LATTICE = Lattice(COMPARTMENTS)
STRING: Mapping[str, Any] = {"type": "string"}
PARTS = {"relation": "has_part", "target": "Thing"}


def code(label: str) -> int:
    return LATTICE.encode(Label.parse(label))


class World:
    """Definitions at all labels, without a database: what a session defines is added to what others have."""

    def __init__(self) -> None:
        self.fragments: dict[tuple[str, int], Fragment] = {}

    def seen(self, label: str = "UNCLASSIFIED") -> Catalogue:
        return build(visible(self.fragments.values(), code(label)))

    def define(self, *documents: Mapping[str, Any], at: str = "UNCLASSIFIED") -> set[tuple[str, str]]:
        """Gives (type, label) of the fragments that changed."""
        before = self.seen(at)
        after = plan(before, [read_document(d) for d in documents], Definer(code(at), LATTICE))
        changed = {
            (f.type_name, f.label): f for f in after.fragments if self.fragments.get((f.type_name, f.label)) != f
        }
        self.fragments |= changed
        return {(name, str(LATTICE.decode(label))) for name, label in changed}

    def retire(self, name: str, at: str = "UNCLASSIFIED") -> None:
        for fragment in visible(list(self.fragments.values()), code(at)):
            if fragment.type_name == name:
                self.fragments[name, fragment.label] = fragment.retired()


@pytest.fixture
def world() -> World:
    return World()


def faults(error: FabricError) -> dict[tuple[str | int, ...], str]:
    errors = error.errors if isinstance(error, Several) else [error]
    assert all(isinstance(e, BadInput) for e in errors)
    return {e.path: e.message for e in errors}


def refused(document: object) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(FabricError) as caught:
        read_document(document)
    return faults(caught.value)


def refused_in(
    world: World, *documents: Mapping[str, Any], at: str = "UNCLASSIFIED"
) -> dict[tuple[str | int, ...], str]:
    before = dict(world.fragments)
    with pytest.raises(FabricError) as caught:
        world.define(*documents, at=at)
    assert world.fragments == before
    return faults(caught.value)


def thing(name: str = "Thing", **given: Any) -> dict[str, Any]:
    return {"typeName": name, **given}


# What one document may say


def test_a_document_is_an_object() -> None:
    assert refused([]) == {(): "a type definition is an object"}


@pytest.mark.parametrize("name", [None, 3, "", "thing", "Thing-x", "_Thing", "Th__ing", "T" * 64, "Thing\n", "Ärger"])
def test_a_type_name_is_a_graphql_name(name: object) -> None:
    assert list(refused({"typeName": name})) == [("typeName",)]


@pytest.mark.parametrize(
    "name", ["", "a-b", "_a", "a__b", "1a", "a" * 64, "id", "label", "revision", "history", "and", "not"]
)
@pytest.mark.parametrize("group", ["fields", "links"])
def test_a_member_name_is_a_graphql_name_that_is_free(group: str, name: str) -> None:
    member = STRING if group == "fields" else {"relation": "r", "target": "Thing"}
    assert list(refused(thing(**{group: {name: member}}))) == [(group, name)]


def test_every_fault_is_told_with_its_path() -> None:
    found = refused(
        {
            "typeName": "thing",
            "colour": "red",
            "domain": "other",
            "label": "SECRETS",
            "extends": "",
            "naturalKey": ["code", "nowhere"],
            "uiSchema": [],
            "embedding": {"field": []},
            "fields": {
                "code": {"type": "string"},
                "a": "string",
                "b": {"type": "money"},
                "c": {"type": "enum"},
                "d": {"type": "boolean", "values": ["x"]},
                "e": {"type": "enum", "values": ["true", "x"]},
                "f": {"type": "enum", "values": ["x", "x"]},
                "g": {"type": "json", "indexed": True},
                "h": {"type": "integer", "searchable": True},
                "i": {"type": "string", "required": "yes"},
                "j": {"type": "string", "label": 5},
                "k": {"type": "string", "description": 5},
                "l": {"type": "string", "size": 5},
            },
            "links": {
                "code": {"relation": "r", "target": "Thing"},
                "m": {"target": "Thing"},
                "n": {"relation": "r"},
                "o": {"relation": "r", "target": "Thing", "direction": "up", "cardinality": "two"},
                "p": {"relation": "r", "target": "Thing", "properties": {"x": {"type": "string", "indexed": True}}},
                "q": {"relation": "r", "target": "Thing", "properties": {"x": {"type": "string", "label": "SECRET"}}},
                "r": {"relation": "", "target": "Thing"},
            },
        }
    )
    assert set(found) == {
        ("typeName",), ("colour",), ("domain",), ("label",), ("extends",), ("uiSchema",), ("embedding",),
        ("naturalKey", 0), ("naturalKey", 1),
        ("fields", "a"), ("fields", "b", "type"), ("fields", "c", "values"), ("fields", "d", "values"),
        ("fields", "e", "values"), ("fields", "f", "values"), ("fields", "g", "indexed"), ("fields", "h", "searchable"),
        ("fields", "i", "required"), ("fields", "j", "label"), ("fields", "k", "description"), ("fields", "l", "size"),
        ("links", "code"), ("links", "m", "relation"), ("links", "n", "target"), ("links", "o", "direction"),
        ("links", "o", "cardinality"), ("links", "p", "properties", "x"), ("links", "q", "properties", "x", "label"),
        ("links", "r", "relation"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "field",
    [
        {"type": "string"},
        {"type": "string", "required": True, "list": True},
        {"type": "json", "required": True},
        {"type": "float", "required": True},
    ],
)
def test_a_natural_key_is_made_of_required_single_values_that_compare(field: dict[str, Any]) -> None:
    assert list(refused(thing(fields={"code": field}, naturalKey=["code"]))) == [("naturalKey", 0)]


def test_a_type_has_a_bounded_number_of_fields() -> None:
    many = {f"f{n}": STRING for n in range(MAX_FIELDS + 1)}
    assert list(refused(thing(fields=many))) == [("fields",)]
    assert len(read_document(thing(fields=dict(list(many.items())[1:]))).fields) == MAX_FIELDS


# What must agree with other definitions


def test_several_definitions_may_refer_to_each_other(world: World) -> None:
    link = {"relation": "part_of", "target": "Whole"}
    world.define(
        thing("Part", links={"whole": link}),
        thing("Whole", links={"parts": link | {"target": "Part", "direction": "in"}}),
    )
    assert world.seen().relations["part_of"].ends == {("Part", "Whole")}


def test_paths_lead_on_from_a_definitions_place(world: World) -> None:
    found = refused_in(world, thing("A"), thing("B", links={"x": {"relation": "r", "target": "Nowhere"}}))
    assert found == {(1, "links", "x", "target"): "no such type"}


def test_one_type_is_not_defined_twice_at_once(world: World) -> None:
    assert list(refused_in(world, thing(fields={"a": STRING}), thing(fields={"b": STRING}))) == [(1, "typeName")]


@pytest.mark.parametrize(
    "document",
    [
        thing("Query"),
        thing("Node"),
        thing("ID"),
        thing("Link"),
        thing("StringWhere"),
        thing("Page", fields={"info": {"type": "enum", "values": ["x"]}}),
        thing("Order", fields={"direction": {"type": "enum", "values": ["UP"]}}),
    ],
    ids=lambda d: d["typeName"],
)
def test_names_of_the_fixed_schema_are_taken(world: World, document: dict[str, Any]) -> None:
    assert set(refused_in(world, document)) == {(0, "typeName")}


def test_names_that_another_type_generates_are_taken(world: World) -> None:
    world.define(thing("Asset", fields={"status": {"type": "enum", "values": ["x"]}}))
    for document in (thing("AssetConnection"), thing("AssetStatus"), thing("Item", plural="Assets")):
        assert list(refused_in(world, document)) == [(0, "typeName")]
    world.define(thing("Item"))


@pytest.mark.parametrize(
    "document",
    [
        thing(fields={"where": {"type": "enum", "values": ["x"]}}),
        thing(fields={"a": {"type": "enum", "values": ["x"]}, "A": {"type": "enum", "values": ["x"]}}),
        thing(links={"a": {"relation": "r", "target": "Thing"}, "A": {"relation": "r", "target": "Thing"}}),
        thing(plural="Thing"),
        thing(plural="thing"),
        thing(plural="ThingByKey"),
    ],
)
def test_a_type_does_not_generate_one_name_twice(world: World, document: dict[str, Any]) -> None:
    assert set(refused_in(world, document)) == {(0, "typeName")}


@pytest.mark.parametrize(
    "document",
    [
        thing(fields={"partsAggregate": STRING}, links={"parts": PARTS}),
        thing(links={"parts": PARTS, "partsAggregate": PARTS | {"relation": "s"}}),
    ],
)
def test_the_name_of_a_links_aggregate_is_taken(world: World, document: dict[str, Any]) -> None:
    refused = refused_in(world, document)
    assert {path[1] for path in refused} <= {"fields", "links"}
    assert all("partsAggregate" in message for message in refused.values())


def test_the_name_of_a_links_aggregate_is_taken_in_the_whole_family(world: World) -> None:
    world.define(thing("Base"), thing("Part", extends="Base", fields={"partsAggregate": STRING}))
    parts = PARTS | {"target": "Base"}
    assert list(refused_in(world, thing("Base", links={"parts": parts}))) == [(0, "links", "parts")]
    world.define(thing("Base", links={"parts": parts | {"cardinality": "one"}}))


def test_a_hidden_member_of_an_aggregates_name_takes_the_aggregate_away_from_who_sees_both(world: World) -> None:
    world.define(thing("A"))
    world.define(thing("B", extends="A", fields={"partsAggregate": STRING}), at="SECRET")
    world.define(thing("A", links={"parts": PARTS | {"target": "A"}}))
    for label, has in (("UNCLASSIFIED", True), ("SECRET", False)):
        catalogue = world.seen(label)
        assert catalogue.has_aggregate(catalogue.types["A"], "parts") is has


def test_a_link_needs_a_target_and_its_label_dominates_the_targets(world: World) -> None:
    world.define(thing("Hidden"), at="SECRET")
    link = {"relation": "r", "target": "Hidden"}
    unknown = refused_in(world, thing(links={"x": link}), at="CONFIDENTIAL")
    nowhere = refused_in(world, thing(links={"x": link | {"target": "Nowhere"}}), at="CONFIDENTIAL")
    assert unknown == nowhere == {(0, "links", "x", "target"): "no such type"}
    document = thing(label="UNCLASSIFIED", links={"x": link | {"label": "UNCLASSIFIED"}})
    assert list(refused_in(world, document, at="SECRET")) == [(0, "links", "x", "label")]
    world.define(thing(links={"x": link}), at="SECRET")


def test_a_relations_properties_are_one_kind_wherever_declared(world: World) -> None:
    def linked(name: str, kind: str) -> dict[str, Any]:
        return thing(name, links={"x": {"relation": "r", "target": "A", "properties": {"since": {"type": kind}}}})

    world.define(linked("A", "date"))
    assert list(refused_in(world, linked("B", "string"))) == [(0, "links", "x", "properties", "since")]
    world.define(linked("B", "date"))


def test_an_embedding_is_made_of_fields_that_are_there(world: World) -> None:
    document = thing(fields={"a": STRING}, embedding={"fields": ["a", "b"]})
    assert refused_in(world, document) == {(0, "embedding", "fields", 1): "no such field"}


def test_an_event_type_is_no_links_end_and_no_objects_relative(world: World) -> None:
    world.define(thing("Alarm", domain="event"), thing("Asset"))
    assert list(refused_in(world, thing(links={"x": {"relation": "r", "target": "Alarm"}}))) == [
        (0, "links", "x", "target")
    ]
    assert list(refused_in(world, thing("Other", extends="Alarm"))) == [(0, "extends")]
    assert list(refused_in(world, thing("Other", domain="event", extends="Asset"))) == [(0, "extends")]
    world.define(thing("Other", domain="event", extends="Alarm"))


# Inheritance


def test_three_levels_hand_down_fields_links_and_the_natural_key(world: World) -> None:
    world.define(
        thing(
            "A", fields={"code": {"type": "string", "required": True}}, naturalKey=["code"],
            links={"up": {"relation": "r", "target": "A"}},
        ),
        thing("B", extends="A", fields={"b": STRING}),
        thing("C", extends="B", fields={"c": STRING}),
    )  # fmt: skip
    types = world.seen().types
    assert list(types["C"].fields) == ["code", "b", "c"]
    assert list(types["C"].links) == ["up"]
    assert (types["C"].natural_key, types["C"].key_type) == (("code",), "A")
    assert types["C"].ancestors == ("B", "A")
    assert set(types["A"].family) == {"A", "B", "C"}
    assert set(types["B"].family) == {"B", "C"}
    assert list(types["C"].own_fields) == ["c"]
    assert world.seen().is_a("C", "A")
    assert not world.seen().is_a("A", "C")


@pytest.mark.parametrize("parent", ["Nowhere", "Thing"])
def test_a_parent_is_another_type_that_is_there(world: World, parent: str) -> None:
    assert list(refused_in(world, thing(extends=parent))) == [(0, "extends")]


def test_types_do_not_descend_in_a_circle(world: World) -> None:
    world.define(thing("A"), thing("B", extends="A"), thing("C", extends="B"))
    assert list(refused_in(world, thing("A", extends="C"))) == [(0, "extends")]
    assert set(refused_in(World(), thing("A", extends="B"), thing("B", extends="A"))) == {
        (0, "extends"),
        (1, "extends"),
    }


@pytest.mark.parametrize("mine", ["fields", "links"])
@pytest.mark.parametrize("theirs", ["fields", "links"])
def test_a_child_and_its_ancestors_share_no_member_name(world: World, mine: str, theirs: str) -> None:
    def with_x(name: str, group: str, **given: Any) -> dict[str, Any]:
        return thing(name, **given, **{group: {"x": STRING if group == "fields" else {"relation": "r", "target": "A"}}})

    if mine != theirs:  # it would narrow what it inherits, see test_narrowing.py
        world.define(with_x("A", theirs), thing("B", extends="A"))
        assert list(refused_in(world, with_x("C", mine, extends="B"))) == [(0, mine, "x")]

    world = World()
    world.define(thing("A"), thing("B", extends="A"), with_x("C", mine, extends="B"))
    assert list(refused_in(world, with_x("A", theirs))) == [(0, theirs, "x")]
    world.define(thing("C", extends="B"))
    world.define(with_x("A", theirs))


# Several parents


def diamond(**given: Any) -> list[dict[str, Any]]:
    return [
        thing("Root", fields={"code": {"type": "string", "required": True}}, naturalKey=["code"]),
        thing("Left", extends="Root", fields={"left": STRING}),
        thing("Right", extends="Root", fields={"right": STRING}, links={"to": {"relation": "r", "target": "Left"}}),
        thing("Both", extends=["Left", "Right"], fields={"both": STRING}, **given),
    ]


def test_of_several_parents_a_type_has_all_they_have(world: World) -> None:
    world.define(*diamond(), thing("Low", extends="Both"))
    types = world.seen().types
    assert list(types["Both"].fields) == ["code", "right", "left", "both"]
    assert list(types["Low"].links) == ["to"]
    assert types["Both"].parents == ("Left", "Right")
    assert types["Low"].ancestors == ("Both", "Left", "Right", "Root")
    assert (types["Both"].natural_key, types["Both"].key_type) == (("code",), "Root")
    for name in ("Root", "Left", "Right"):
        assert {"Both", "Low"} <= set(types[name].family)
    assert as_document(types["Both"], LATTICE.decode)["extends"] == ["Left", "Right"]


@pytest.mark.parametrize("mine", ["fields", "links"])
@pytest.mark.parametrize("theirs", ["fields", "links"])
def test_parents_of_one_type_share_no_member_name(world: World, mine: str, theirs: str) -> None:
    def with_x(name: str, group: str) -> dict[str, Any]:
        return thing(name, **{group: {"x": STRING if group == "fields" else {"relation": "r", "target": "A"}}})

    world.define(with_x("A", theirs), with_x("B", mine))
    assert list(refused_in(world, thing("C", extends=["A", "B"]))) == [(0, "extends")]
    world.define(thing("B"), thing("C", extends=["A", "B"]))
    assert list(refused_in(world, with_x("B", mine))) == [(0, mine, "x")]


def test_parents_of_one_type_have_one_natural_key(world: World) -> None:
    keyed = {"fields": {"code": {"type": "string", "required": True}}, "naturalKey": ["code"]}
    other = {"fields": {"tag": {"type": "string", "required": True}}, "naturalKey": ["tag"]}
    world.define(thing("A", **keyed), thing("B", **other))
    assert list(refused_in(world, thing("C", extends=["A", "B"]))) == [(0, "extends")]
    world.define(thing("D"), thing("C", extends=["A", "D"]))
    assert list(refused_in(world, thing("D", **other))) == [(0, "naturalKey")]


def test_where_labels_make_parents_clash_the_higher_has_the_name(world: World) -> None:
    """A definer at the bottom cannot know of the field above; whoever sees both gets a schema that holds."""
    world.define(thing("A"), thing("B"), thing("C", extends=["A", "B"]))
    world.define(thing("A", fields={"x": {"type": "integer"}}), at="SECRET")
    world.define(thing("B", fields={"x": STRING}))
    low, high = world.seen().types, world.seen("SECRET").types
    assert [low[name].fields["x"].kind for name in ("B", "C")] == [Kind.STRING, Kind.STRING]
    assert "x" not in high["B"].fields
    assert [high[name].fields["x"].kind for name in ("A", "C")] == [Kind.INTEGER, Kind.INTEGER]


def test_an_iri_is_kept_for_types_and_members(world: World) -> None:
    iri = "http://example.org/vocabulary#"
    document = thing(
        iri=iri + "Thing", fields={"a": STRING | {"iri": iri + "a"}},
        links={"x": {"relation": "r", "target": "Thing", "iri": iri + "x", "properties": {"p": STRING | {"iri": iri}}}},
    )  # fmt: skip
    world.define(document)
    assert as_document(world.seen().types["Thing"], LATTICE.decode) == document | {"label": "UNCLASSIFIED"}
    assert list(refused(thing(iri="no iri", fields={"a": STRING | {"iri": 1}}))) == [("fields", "a", "iri"), ("iri",)]


def test_the_natural_key_is_declared_once_in_a_line(world: World) -> None:
    key = {"fields": {"code": {"type": "string", "required": True}}, "naturalKey": ["code"]}
    other = {"fields": {"other": {"type": "string", "required": True}}, "naturalKey": ["other"]}
    world.define(thing("A", **key), thing("B", extends="A"))
    assert list(refused_in(world, thing("C", extends="B", **other))) == [(0, "naturalKey")]


def test_a_childs_label_dominates_its_parents(world: World) -> None:
    world.define(thing("A"), at="CONFIDENTIAL")
    assert list(refused_in(world, thing("B", extends="A", label="UNCLASSIFIED"), at="CONFIDENTIAL")) == [(0, "label")]
    world.define(thing("B", extends="A"), at="SECRET")
    assert world.seen("SECRET").types["B"].ancestors == ("A",)


# Labels


def test_a_reader_sees_the_fields_and_links_that_its_label_dominates(world: World) -> None:
    document = thing(
        label="UNCLASSIFIED",
        fields={
            "open": STRING,
            "closed": {"type": "string", "label": "SECRET"},
            "apart": {"type": "string", "label": "CONFIDENTIAL/ALPHA"},
        },
        links={"hidden": {"relation": "r", "target": "Thing", "label": "SECRET/ALPHA"}},
    )  # fmt: skip
    changed = world.define(document, at="SECRET/ALPHA")
    assert changed == {("Thing", x) for x in ("UNCLASSIFIED", "SECRET", "CONFIDENTIAL/ALPHA", "SECRET/ALPHA")}

    def members(label: str) -> list[str]:
        seen = world.seen(label).types["Thing"]
        return sorted([*seen.fields, *seen.links])

    assert members("UNCLASSIFIED") == ["open"]
    assert members("SECRET") == ["closed", "open"]
    assert members("CONFIDENTIAL/ALPHA,BRAVO") == ["apart", "open"]
    assert members("TOP_SECRET/ALPHA") == ["apart", "closed", "hidden", "open"]
    assert "r" not in world.seen("SECRET").relations


def test_what_is_new_has_the_session_label_and_what_is_known_keeps_its_own(world: World) -> None:
    world.define(thing(fields={"a": STRING}))
    assert world.define(thing(fields={"a": STRING, "b": STRING}), at="SECRET") == {("Thing", "SECRET")}
    assert "b" not in world.seen().types["Thing"].fields
    assert world.define(thing(fields={"a": STRING, "b": STRING}), at="SECRET") == set()
    assert world.define(thing(fields={"a": STRING}), at="SECRET") == {("Thing", "SECRET")}


def test_a_change_of_a_lower_field_is_a_change_at_its_label(world: World) -> None:
    world.define(thing(fields={"a": STRING}))
    assert world.define(thing(fields={"a": STRING | {"indexed": True}}), at="SECRET") == {("Thing", "UNCLASSIFIED")}


def test_a_type_keeps_its_label(world: World) -> None:
    world.define(thing())
    assert list(refused_in(world, thing(label="SECRET"), at="SECRET")) == [(0, "label")]


@pytest.mark.parametrize("label", ["TOP_SECRET", "SECRET/BRAVO", "UNCLASSIFIED/NOWHERE"])
def test_a_label_that_is_hidden_and_one_that_does_not_exist_are_refused_alike(world: World, label: str) -> None:
    message = "a label must be one that your session label dominates"
    assert refused_in(world, thing(label=label), at="SECRET/ALPHA") == {(0, "label"): message}
    found = refused_in(world, thing(fields={"a": STRING | {"label": label}}), at="SECRET/ALPHA")
    assert found == {(0, "fields", "a", "label"): message}


def test_a_fields_label_dominates_its_types(world: World) -> None:
    found = refused_in(world, thing(label="SECRET", fields={"a": STRING | {"label": "UNCLASSIFIED"}}), at="SECRET")
    assert list(found) == [(0, "fields", "a", "label")]


def test_a_natural_key_has_its_types_label(world: World) -> None:
    key = {"type": "string", "required": True}
    document = thing(fields={"a": key | {"label": "SECRET"}}, naturalKey=["a"])
    assert list(refused_in(world, document | {"label": "UNCLASSIFIED"}, at="SECRET")) == [(0, "naturalKey", 0)]
    world.define(document, at="SECRET")
    world.define(thing("Other", fields={"a": key}))
    added = thing("Other", fields={"a": key, "b": key}, naturalKey=["a", "b"])
    assert list(refused_in(world, added, at="SECRET")) == [(0, "naturalKey", 1)]


def test_a_name_that_two_labels_use_means_to_each_what_it_said(world: World) -> None:
    world.define(thing(fields={"a": STRING}))
    world.define(thing(fields={"a": STRING, "note": {"type": "integer"}}), at="SECRET")
    world.define(thing(fields={"a": STRING, "note": {"type": "date"}}))
    low, high = (world.seen(label).types["Thing"].fields["note"] for label in ("UNCLASSIFIED", "SECRET"))
    assert (low.kind, high.kind) == (Kind.DATE, Kind.INTEGER)
    assert low.key != high.key


def test_a_type_that_two_labels_define_is_one_type_to_those_who_see_both(world: World) -> None:
    world.define(thing(fields={"b": {"type": "string", "required": True}}, description="high"), at="SECRET")
    world.define(thing(fields={"a": {"type": "string", "required": True}}, description="low"))
    low, high = (world.seen(label).types["Thing"] for label in ("UNCLASSIFIED", "SECRET"))
    assert (list(low.fields), low.description) == (["a"], "low")
    assert (sorted(high.fields), high.description) == (["a", "b"], "high")
    assert low.fields["a"].non_null
    assert not any(f.non_null for f in high.fields.values())  # objects of either lack what the other requires


@pytest.mark.parametrize("hidden", ["SECRET", "CONFIDENTIAL/ALPHA"])
def test_types_of_labels_that_cannot_see_each_other_may_clash_and_the_higher_keeps_its_names(
    world: World, hidden: str
) -> None:
    world.define(thing("AssetConnection"), at=hidden)
    world.define(thing("Asset"))
    assert list(world.seen().types) == ["Asset"]
    seen = world.seen(hidden)
    assert list(seen.types) == ["AssetConnection"]
    assert [name for name, _ in seen.omitted] == ["Asset"]


def test_what_leads_to_an_omitted_type_is_left_out_with_it(world: World) -> None:
    world.define(thing("AssetConnection"), at="SECRET")
    world.define(
        thing("Asset", fields={"a": STRING}),
        thing("Pump", extends="Asset", links={"of": {"relation": "r", "target": "Asset"}}),
    )
    pump = world.seen("SECRET").types["Pump"]
    assert (pump.ancestors, pump.parents, list(pump.fields), list(pump.links)) == ((), (), [], [])


def test_members_that_clash_between_labels_leave_the_higher_its_names(world: World) -> None:
    enum = {"type": "enum", "values": ["x"]}
    world.define(thing(fields={"a": STRING}))
    world.define(thing(fields={"a": STRING, "Status": enum}), at="SECRET")
    world.define(thing(fields={"a": STRING, "status": enum}))
    assert list(world.seen("SECRET").types["Thing"].fields) == ["a", "Status"]
    assert list(world.seen().types["Thing"].fields) == ["a", "status"]


def test_a_member_that_a_lower_ancestor_gets_takes_precedence_over_a_hidden_childs(world: World) -> None:
    """The child implements its ancestor's interface, to whoever sees both."""
    world.define(thing("A"))
    world.define(thing("B", extends="A", fields={"x": STRING}), at="SECRET")
    world.define(thing("A", links={"x": {"relation": "r", "target": "A"}}))
    b = world.seen("SECRET").types["B"]
    assert ("x" in b.fields, "x" in b.links) == (False, True)


# What stays of earlier definitions


def key_of(world: World, name: str = "a", label: str = "UNCLASSIFIED") -> str:
    return world.seen(label).types["Thing"].fields[name].key


def test_a_field_keeps_its_key_while_its_values_stay_values(world: World) -> None:
    world.define(thing(fields={"a": STRING}))
    first = key_of(world)
    for change in ({"type": "text"}, {"type": "text", "searchable": True}, {"type": "string", "description": "x"}):
        world.define(thing(fields={"a": change}))
        assert key_of(world) == first


@pytest.mark.parametrize(
    "other",
    [{"type": "integer"}, {"type": "date"}, {"type": "string", "list": True}, {"type": "enum", "values": ["x"]}],
)
def test_a_field_of_another_kind_has_another_key(world: World, other: dict[str, Any]) -> None:
    world.define(thing(fields={"a": STRING}))
    first = key_of(world)
    world.define(thing(fields={"a": other}))
    second = key_of(world)
    world.define(thing(fields={"a": STRING}))
    assert first not in (second, key_of(world))


def test_a_field_that_went_and_came_back_does_not_find_old_values(world: World) -> None:
    world.define(thing(fields={"a": STRING}))
    first = key_of(world)
    world.define(thing())
    world.define(thing(fields={"a": STRING}))
    assert key_of(world) != first


def test_a_type_that_was_retired_and_defined_anew_does_not_find_old_values(world: World) -> None:
    keys = set()
    for _ in range(3):
        world.define(thing(fields={"a": STRING}))
        keys.add(key_of(world))
        world.retire("Thing")
        assert world.seen().types == {}
    assert len(keys) == 3


def test_keys_of_different_labels_differ(world: World) -> None:
    for at in ("SECRET", "CONFIDENTIAL/ALPHA", "UNCLASSIFIED"):
        world.define(thing(fields={"a": STRING}), at=at)
    assert len({key_of(world, label=at) for at in ("SECRET", "CONFIDENTIAL/ALPHA", "UNCLASSIFIED")}) == 3


def test_enum_values_that_were_are_remembered(world: World) -> None:
    def values(*names: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        world.define(thing(fields={"a": {"type": "enum", "values": list(names)}}))
        seen = world.seen().types["Thing"].fields["a"]
        return seen.values, seen.retired_values

    assert values("x", "y", "z") == (("x", "y", "z"), ())
    assert values("z") == (("z",), ("x", "y"))
    assert values("z", "x", "w") == (("z", "x", "w"), ("y",))


def test_only_what_was_required_from_the_first_definition_on_is_never_null(world: World) -> None:
    required = {"type": "string", "required": True}

    def non_null() -> list[str]:
        return [f.name for f in world.seen().types["Thing"].fields.values() if f.non_null]

    world.define(thing(fields={"a": required, "b": required, "c": STRING}))
    assert non_null() == ["a", "b"]
    world.define(thing(fields={"a": required, "b": STRING, "c": required, "d": required}))
    assert non_null() == ["a"]
    world.define(thing(fields={"a": required, "b": required}))
    assert non_null() == ["a"]
    world.define(thing(fields={"a": {"type": "date", "required": True}}))
    assert non_null() == []


def test_what_a_higher_label_requires_of_a_lower_type_may_be_null(world: World) -> None:
    world.define(thing())
    world.define(thing(fields={"a": {"type": "string", "required": True}}), at="SECRET")
    field = world.seen("SECRET").types["Thing"].fields["a"]
    assert (field.required, field.non_null) == (True, False)


@pytest.mark.parametrize(("first", "second"), [("SECRET", "UNCLASSIFIED"), ("UNCLASSIFIED", "SECRET")])
def test_nothing_is_never_null_where_objects_of_an_earlier_definition_may_be_left(
    world: World, first: str, second: str
) -> None:
    """The earlier one was retired with nothing left at its own label; above, objects may be."""
    world.define(thing(fields={"a": STRING}), at=first)
    world.retire("Thing", at=first)
    world.define(thing(fields={"b": {"type": "string", "required": True}}), at=second)
    assert not world.seen("TOP_SECRET").types["Thing"].fields["b"].non_null


def test_what_is_read_back_as_a_document_defines_the_same(world: World) -> None:
    world.define(
        thing("Base", fields={"code": {"type": "string", "required": True}}, naturalKey=["code"]),
        thing(
            extends="Base", plural="Thingies", description="d", uiSchema={"x": 1}, embedding={"fields": ["a"]},
            fields={
                "a": {"type": "text", "searchable": True, "description": "d"},
                "b": {"type": "enum", "values": ["x", "y"], "list": True},
                "c": {"type": "integer", "indexed": True},
            },
            links={
                "x": {
                    "relation": "r", "target": "Base", "direction": "in", "cardinality": "one",
                    "properties": {"p": {"type": "date"}},
                }
            },
        ),
    )  # fmt: skip
    world.define(thing(**as_document(world.seen().types["Thing"], LATTICE.decode)), at="UNCLASSIFIED")
    more = as_document(world.seen("SECRET").types["Thing"], LATTICE.decode)
    more["fields"]["secret"] = STRING
    assert world.define(more, at="SECRET") == {("Thing", "SECRET")}
    for label in ("UNCLASSIFIED", "SECRET"):
        for seen in world.seen(label).types.values():
            assert world.define(as_document(seen, LATTICE.decode), at=label) == set()


def test_equal_definitions_have_equal_fingerprints(world: World) -> None:
    world.define(thing(fields={"a": STRING, "b": STRING}))
    other = World()
    other.define(thing(fields={"a": STRING, "b": STRING}))
    assert world.seen().fingerprint == other.seen().fingerprint == world.seen("SECRET").fingerprint
    other.define(thing(fields={"a": STRING, "b": STRING, "c": STRING}), at="SECRET")
    assert world.seen().fingerprint == other.seen().fingerprint != other.seen("SECRET").fingerprint
