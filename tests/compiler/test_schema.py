"""Whatever can be defined makes a valid schema, at every label, and no name means two things."""

import gc
import re
import resource
import time
from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    get_named_type,
    is_composite_type,
    is_interface_type,
    print_schema,
    print_type,
    specified_scalar_types,
    validate_schema,
)
from graphql.type import introspection_types
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ground import Ground
from compiler.worlds import LABELS, documents
from fabric.demo import COMPARTMENTS, records
from fabric.errors import FabricError, NotFound
from fabric.labels import Label, Lattice
from fabric.names import AGGREGATE, RESERVED_NAMES, camel, generated_names, pascal
from fabric.settings import Settings
from fabric.types.catalogue import Catalogue, Fragment, visible
from fabric.types.document_reading import read_document
from fabric.types.kinds import Kind
from fabric.types.merging import build
from fabric.types.part import part_of
from fabric.types.projection import Definer, plan
from graphql_api.compiler.compiler import Compiler
from graphql_api.schema.outputs import concrete_name
from graphql_api.schema.schema import Surface, build_surface, build_whole


def _catalogue(documents: Iterable[Any], lattice: Lattice = Ground.lattice) -> Catalogue:
    """What one sees who sees all. FabricError where the definitions are refused."""
    everything = lattice.encode(Label.parse("TOP_SECRET/" + ",".join(lattice.compartments)))
    return plan(build([]), [read_document(d) for d in documents], Definer(everything, lattice))


def _surfaces(catalogue: Catalogue, lattice: Lattice = Ground.lattice) -> list[Surface]:
    """One for each sight that there is from the labels."""
    seen = [list(visible(catalogue.fragments, lattice.encode(Label.parse(label)))) for label in LABELS]
    sights = {tuple((f.type_name, f.label) for f in fragments): fragments for fragments in seen}
    return [build_surface(build(fragments)) for fragments in sights.values()]


ALWAYS = build_surface(build([])).schema.query_type.fields
"""The fields of Query that there are without any definition."""


def _faults(surface: Surface) -> list[GraphQLError]:
    """What graphql-core finds wrong with the whole schema."""
    return validate_schema(GraphQLSchema(**{**build_whole(surface.catalogue).to_kwargs(), "assume_valid": False}))


def _check(surface: Surface) -> None:
    schema, types = surface.schema, surface.catalogue.types
    assert _faults(surface) == []
    sdl = surface.sdl()
    assert print_schema(build_schema(sdl)) == sdl
    query = schema.query_type
    assert query is not None
    natural = [t for t in types.values() if t.natural_key]
    assert len(query.fields) == len(ALWAYS) + 3 * len(types) + len(natural)
    for t in types.values():
        members = schema.type_map[concrete_name(t)]
        assert isinstance(members, GraphQLObjectType)
        own = ["id", "label", "revision", "createdAt", "updatedAt", "history", "similar", *t.fields]
        for name in t.links:
            own += [name, f"{name}Aggregate"] if surface.catalogue.has_aggregate(t, name) else [name]
        assert list(members.fields) == own
        assert {i.name for i in members.interfaces} - {t.name} == {*t.ancestors, "FabricObject", "Node"}
        for name, link in t.links.items():
            reached: Any = members.fields[name]
            if link.many:
                reached = get_named_type(reached.type).fields["nodes"]
            assert get_named_type(reached.type).name == link.target
        for enum in (f for f in t.fields.values() if f.kind is Kind.ENUM and f.protection is None):
            given: Any = get_named_type(members.fields[enum.name].type)
            assert set(given.values) == {*enum.values, *enum.retired_values}
        payload, bulk = schema.type_map[f"{t.name}Payload"], schema.type_map[f"{t.name}BulkPayload"]
        assert isinstance(payload, GraphQLObjectType)
        assert isinstance(bulk, GraphQLObjectType)
        assert get_named_type(payload.fields[camel(t.name)].type).name == t.name
        assert set(payload.fields) == {camel(t.name), "changed", "position"}
        assert get_named_type(bulk.fields[camel(t.plural)].type).name == t.name
        assert set(bulk.fields) == {camel(t.plural), "position"}


@settings(max_examples=12, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_random_definitions_make_valid_schemas(random: Random) -> None:
    for surface in _surfaces(_catalogue(documents(random))):
        _check(surface)


@settings(max_examples=25, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_what_may_be_asked_of_a_part_may_be_asked_of_the_whole(random: Random) -> None:
    for surface in _surfaces(_catalogue(documents(random))):
        catalogue = surface.catalogue
        objects = [t.name for t in catalogue.types.values() if t.domain == "object"]
        names = random.sample(objects, random.randint(0, min(2, len(objects))))
        part, whole = build_whole(part_of(catalogue, names)), build_whole(catalogue)
        assert validate_schema(part) == []
        assert find_breaking_changes(part, whole) == []
        for name in names:
            assert is_interface_type(part.type_map[name]) == is_interface_type(whole.type_map[name])
            assert set(_own(part, catalogue, name)) == set(_own(whole, catalogue, name))


def _own(schema: GraphQLSchema, catalogue: Catalogue, name: str) -> Iterable[str]:
    """The fields of a type, but for its links."""
    type_: Any = schema.type_map[name]
    links = catalogue.types[name].links
    return (n for n in type_.fields if n not in links and n.removesuffix(AGGREGATE) not in links)


def test_a_part_keeps_what_takes_the_name_of_an_aggregate_from_a_link() -> None:
    text, lattice = {"name": {"type": "string"}}, Ground.lattice
    types = [{"typeName": "Part", "fields": text}, {"typeName": "Asset", "fields": text}]
    heirs = [{"typeName": name, "extends": "Asset", "fields": {}} for name in ("Pump", "Other")]
    linked = {**types[1], "links": {"parts": {"relation": "has", "target": "Part", "label": "SECRET/ALPHA"}}}
    named = {**heirs[0], "fields": {"partsAggregate": {"type": "string", "label": "SECRET/BRAVO"}}}
    fragments: dict[tuple[str, int], Fragment] = {}
    for label, documents_ in (("UNCLASSIFIED", types + heirs), ("SECRET/ALPHA", [linked]), ("SECRET/BRAVO", [named])):
        code = lattice.encode(Label.parse(label))
        read = [read_document({"label": "UNCLASSIFIED", **document}) for document in documents_]
        made = plan(build(visible(fragments.values(), code)), read, Definer(code, lattice))
        fragments |= {(f.type_name, f.label): f for f in made.fragments}
    catalogue = build(list(fragments.values()))
    for each in (catalogue, part_of(catalogue, ["Other", "Part"])):
        fields = build_surface(each).schema.type_map["Other"].fields  # type: ignore[attr-defined]
        assert "parts" in fields
        assert "partsAggregate" not in fields


def test_there_is_no_part_for_a_name_that_is_not_there() -> None:
    catalogue = _catalogue([{"typeName": "Part", "fields": {}}, {"typeName": "Made", "domain": "event", "fields": {}}])
    for name in ("Whole", "Made", ""):
        with pytest.raises(NotFound):
            part_of(catalogue, [name])


_TYPES = "Asset AssetPart Asset_Part AssetObject Order Page Changed Position Wheres Type Ids".split()
_ENUMS = "part object where orderBy direction info definition a_b aB edge payload bWhere".split()
_LINKS = "part parts part_ list a_b aB edge bulk".split()
_PLURALS = "asset Position position changed order assetByKey Asset_s assets x".split()


@st.composite
def _alike(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Definitions whose generated names are likely to clash."""
    names = draw(st.lists(st.sampled_from(_TYPES), min_size=1, max_size=3, unique=True))
    made = []
    for name in names:
        enums = draw(st.lists(st.sampled_from(_ENUMS), max_size=2, unique=True))
        links = draw(st.lists(st.sampled_from(_LINKS), max_size=2, unique=True))
        parent = draw(st.sampled_from([None, None, *names]))
        label = st.sampled_from(LABELS)
        made.append({
            "typeName": name,
            "plural": draw(st.sampled_from([None, None, *_PLURALS])),
            "extends": parent,
            "label": LABELS[0],
            "domain": draw(st.sampled_from(["object"] * 5 + ["event"])),
            "fields": {n: {"type": "enum", "values": [f"V_{n}"], "label": draw(label)} for n in enums},
            "links": {
                n: {"relation": name + n, "target": draw(st.sampled_from(names)), "label": draw(label)} for n in links
            },
        })  # fmt: skip
    return made


@settings(max_examples=80, deadline=None)
@given(documents=_alike())
def test_definitions_whose_names_would_clash_are_refused(documents: list[dict[str, Any]]) -> None:
    try:
        catalogue = _catalogue(documents)
    except FabricError:
        return
    for surface in _surfaces(catalogue):
        assert _faults(surface) == []
        if all(t.domain == "object" for t in surface.catalogue.types.values()):
            _check(surface)


@settings(max_examples=60, deadline=None)
@given(first=_alike(), second=_alike(), low=st.booleans())
def test_definitions_that_could_not_see_each_other_still_make_valid_schemas(
    first: list[dict[str, Any]], second: list[dict[str, Any]], low: bool
) -> None:
    lattice = Ground.lattice
    fragments: dict[tuple[str, int], Fragment] = {}
    for label, submitted in (("SECRET/BRAVO", first), ("UNCLASSIFIED" if low else "SECRET/ALPHA", second)):
        code = lattice.encode(Label.parse(label))
        try:
            read = [read_document(_at(document, label)) for document in submitted]
            made = plan(build(visible(fragments.values(), code)), read, Definer(code, lattice))
        except FabricError:
            continue
        fragments |= {(f.type_name, f.label): f for f in made.fragments}
    everything = lattice.encode(Label.parse("TOP_SECRET/ALPHA,BRAVO,CHARLIE"))
    schema = build_surface(build(visible(fragments.values(), everything))).schema
    assert validate_schema(schema) == []


def _at(document: dict[str, Any], label: str) -> dict[str, Any]:
    def moved(members: dict[str, Any]) -> dict[str, Any]:
        return {name: {**member, "label": label} for name, member in members.items()}

    return {**document, "label": label, "fields": moved(document["fields"]), "links": moved(document["links"])}


def test_all_that_the_fixed_part_defines_is_reserved() -> None:
    own = {*specified_scalar_types, *introspection_types}
    schema = build_whole(build([]))
    fixed = {f"type:{name}" for name in schema.type_map if name not in own and not name.startswith("__")}
    for kind, type_ in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        assert type_ is not None
        fixed |= {f"{kind}:{name}" for name in type_.fields}
    assert fixed <= RESERVED_NAMES


def test_what_has_an_id_is_an_object_or_a_link() -> None:
    """Caches of clients keep by id: two types that share one would overwrite each other there."""
    for surface in _surfaces(_catalogue(documents(Random(7)))):
        types = [t for t in surface.schema.type_map.values() if isinstance(t, GraphQLObjectType)]
        identified = [t for t in types if "id" in t.fields and "Node" not in {i.name for i in t.interfaces}]
        assert [t.name for t in identified] in ([], ["Link"])


def test_the_names_that_a_type_brings_are_those_it_is_checked_by() -> None:
    empty = build_whole(build([]))
    for surface in _surfaces(_catalogue(documents(Random(7)))):
        schema, checked = build_whole(surface.catalogue), set(RESERVED_NAMES)
        for t in surface.catalogue.types.values():
            enums = [f.name for f in t.own_fields.values() if f.kind is Kind.ENUM]
            checked |= generated_names(t.name, t.plural, enums, t.own_links)
        assert {f"type:{n}" for n in schema.type_map.keys() - empty.type_map.keys()} <= checked
        for kind, type_, before in (
            ("query", schema.query_type, empty.query_type), ("mutation", schema.mutation_type, empty.mutation_type),
        ):  # fmt: skip
            assert type_ is not None
            assert before is not None
            assert {f"{kind}:{n}" for n in type_.fields.keys() - before.fields.keys()} <= checked


def test_a_type_that_shows_no_fields_can_be_made_but_not_updated() -> None:
    secret = {"typeName": "Thing", "label": "UNCLASSIFIED", "fields": {"x": {"type": "text", "label": "SECRET/ALPHA"}}}
    low, *_, high = _surfaces(_catalogue([secret]))
    for surface, updates in ((low, False), (high, True)):
        _check(surface)
        mutations = surface.schema.mutation_type
        assert mutations is not None
        assert ("updateThing" in mutations.fields, "updateThings" in mutations.fields) == (updates, updates)
        assert {"createThing", "upsertThing", "deleteThing"} <= mutations.fields.keys()


def test_a_member_above_the_reader_is_nowhere_in_the_schema() -> None:
    hidden = 0
    suffixes = ("", "Where", "ListWhere", "Connection", "Edge")
    for seed in range(10):
        catalogue = _catalogue(documents(Random(seed)))
        for surface in _surfaces(catalogue):
            words = set(re.findall(r"\w+", surface.sdl()))
            shown = {n for t in surface.catalogue.types.values() for n in (*t.fields, *t.links)}
            for t in catalogue.types.values():
                for name in {*t.own_fields, *t.own_links} - shown:
                    hidden += 1
                    assert name not in words
                    assert not words & {t.name + pascal(name) + suffix for suffix in suffixes}
    assert hidden > 50


def test_the_demo_builds() -> None:
    lattice = Lattice(COMPARTMENTS)
    catalogue = _catalogue([r["define"] for r in records() if "define" in r], lattice)
    surface = build_surface(catalogue)
    assert _faults(surface) == []
    assert len(surface.catalogue.types) == 20
    assert print_schema(build_schema(surface.sdl())) == surface.sdl()


def _many(number: int) -> list[dict[str, Any]]:
    """Definitions of twenty fields of all kinds and three links each."""
    kinds: list[dict[str, Any]] = [
        {"type": str(kind)} | ({"values": ["A", "B"]} if kind is Kind.ENUM else {}) for kind in Kind
    ]
    return [
        {
            "typeName": f"Type{i}",
            "fields": {f"field{j}": kinds[(i + j) % len(kinds)] | {"list": j % 7 == 3} for j in range(20)},
            "links": {f"link{j}": {"relation": f"r{i}_{j}", "target": f"Type{(i * 7 + j) % number}"} for j in range(3)},
        }
        for i in range(number)
    ]


def test_a_thousand_definitions_build_in_seconds() -> None:
    started = time.process_time()
    catalogue = _catalogue(_many(1_000))
    whole = build_whole(catalogue)
    assert len(whole.type_map) > 20_000
    assert time.process_time() - started < 10


def test_what_is_inherited_is_made_once_for_all_that_inherit_it() -> None:
    parent = {
        "typeName": "Thing", "fields": {"name": {"type": "string"}},
        "links": {"parts": {"relation": "part", "target": "Thing"}},
    }  # fmt: skip
    children = [{"typeName": f"Thing{i}", "extends": "Thing", "fields": {"own": {"type": "date"}}} for i in range(3)]
    whole: Any = build_whole(_catalogue([parent, *children])).type_map
    for suffix in ("", "Where", "CreateInput", "UpdateInput", "UpsertInput", "LinksInput", "UnlinksInput"):
        inherited = whole["Thing" + suffix].fields
        for i in range(3):
            fields = whole[f"Thing{i}{suffix}"].fields
            for name in ("name", "parts", "partsAggregate"):
                assert fields.get(name) is inherited.get(name)
    assert whole["Thing"].fields is whole["ThingObject"].fields


def test_what_an_heir_narrows_is_its_own_in_whatever_order_types_are_made() -> None:
    parent = {"typeName": "Thing", "fields": {"name": {"type": "string", "description": "Of a thing."}}}
    narrower = {"typeName": "Pump", "extends": "Thing", "fields": {
        "name": {"type": "string", "required": True, "description": "Of a pump."},
    }}  # fmt: skip
    other = {"typeName": "Valve", "extends": "Thing", "fields": {}}
    catalogue = _catalogue([parent, narrower, other])
    names = ["Thing", "Pump", "Valve", "PumpCreateInput", "ValveCreateInput", "ThingCreateInput"]
    for order in (names, names[::-1]):
        types: Any = build_surface(catalogue).schema.type_map
        made = {name: types[name].fields["name"] for name in order}
        assert (str(made["Pump"].type), made["Pump"].description) == ("String!", "Of a pump.")
        assert (str(made["Valve"].type), made["Valve"].description) == ("String", "Of a thing.")
        assert made["PumpCreateInput"].description == "Of a pump."
        assert made["ValveCreateInput"].description == made["ThingCreateInput"].description == "Of a thing."


def test_of_a_thousand_definitions_only_what_is_asked_for_is_made() -> None:
    catalogue = _catalogue(_many(1_000))
    gc.collect()
    before = _resident()
    surface = build_surface(catalogue)
    Compiler(surface, Settings()).operation("{ type1s { nodes { field0 link1 { nodes { field2 } } } } }", None)
    assert _resident() - before < 20_000_000


def _resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


@settings(max_examples=12, deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_what_is_made_when_it_is_asked_for_is_what_the_whole_schema_has(random: Random) -> None:
    for surface in _surfaces(_catalogue(documents(random))):
        lazy, whole = surface.schema, build_whole(surface.catalogue)
        roots = [(lazy.query_type, whole.query_type), (lazy.mutation_type, whole.mutation_type)]
        for name in random.sample(list(whole.type_map), len(whole.type_map)):
            if name not in ("Query", "Mutation"):
                assert print_type(lazy.type_map[name]) == print_type(whole.type_map[name])
        for asked, all_of in roots:
            assert asked is not None
            assert all_of is not None
            for name in random.sample(list(all_of.fields), len(all_of.fields)):
                assert str(asked.fields[name].type) == str(all_of.fields[name].type)
                assert {n: str(a.type) for n, a in asked.fields[name].args.items()} == {
                    n: str(a.type) for n, a in all_of.fields[name].args.items()
                }
            assert set(asked.fields) == set(all_of.fields)
        assert whole.type_map.keys() <= set(lazy.type_map)
        _check_one_of_each(lazy)
        for interface in filter(is_interface_type, whole.type_map.values()):
            own = lazy.type_map[interface.name]
            assert is_interface_type(own)
            assert {t.name for t in lazy.get_possible_types(own)} == {
                t.name for t in whole.get_possible_types(interface)
            }
            for type_ in filter(is_composite_type, whole.type_map.values()):
                assert lazy.is_sub_type(own, lazy.type_map[type_.name]) == whole.is_sub_type(interface, type_)


def _check_one_of_each(schema: GraphQLSchema) -> None:
    """However a type is reached, it is the one that has its name."""
    pending: list[Any] = [schema.query_type, schema.mutation_type]
    seen: set[str] = set()
    while pending:
        type_ = pending.pop()
        assert schema.type_map[type_.name] is type_
        if type_.name not in seen:
            seen.add(type_.name)
            fields = getattr(type_, "fields", {}).values()
            pending += [get_named_type(f.type) for f in fields]
            pending += [get_named_type(a.type) for f in fields for a in getattr(f, "args", {}).values()]
            pending += getattr(type_, "interfaces", ())


def test_names_of_no_type_are_not_in_the_schema() -> None:
    schema = build_surface(_catalogue(_many(3))).schema
    for name in ("Nope", "Type9", "Type1Nope", "type1", "", "Type1Payloads", "__Nope"):
        assert name not in schema.type_map
        assert schema.get_type(name) is None
    assert schema.query_type is not None
    assert "type9" not in schema.query_type.fields
    assert "type1ByKey" not in schema.query_type.fields


def test_a_long_chain_of_linked_types_builds() -> None:
    length = 400
    chain = [
        {"typeName": f"T{i}", "links": {"next": {"relation": "leads_to", "target": f"T{min(i + 1, length - 1)}"}}}
        for i in range(length)
    ]
    assert isinstance(build_whole(_catalogue(chain)).type_map["FabricObject"], GraphQLInterfaceType)
