"""The built-in demo: well-formed by its own definitions, the same each time, and told differently at each label.

The checks are written apart from the code that reads definitions and values, so that neither hides the other's faults.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from graphql import FieldNode, SelectionSetNode, parse

from fabric.demo import COMPARTMENTS, COUNTS, ORGANIZATION, READERS, records
from fabric.demo.grammar import Grammar
from fabric.demo.moments import lasting
from fabric.demo.places import SHOWCASE
from fabric.labels import Label, Lattice, Level, dominates, winner
from fabric.names import GRAPHQL_NAME, camel, plural

LATTICE = Lattice(COMPARTMENTS)
RECORDS = list(records())
DEFINITIONS = {r["define"]["typeName"]: r["define"] for r in RECORDS if "define" in r}
OBJECTS = [r for r in RECORDS if "type" in r]
LINKS = [r for r in RECORDS if "link" in r]
BUILT_IN = {"id", "label", "revision", "createdAt", "updatedAt", "history", "similar"}
DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?")
TEXT = ("description", "notes", "profile", "body", "purpose")

IS_A_VALUE = {
    "string": lambda v: isinstance(v, str) and 0 < len(v) < 10_000,
    "text": lambda v: isinstance(v, str) and v,
    "integer": lambda v: type(v) is int and -(2**31) <= v < 2**31,
    "bigint": lambda v: type(v) is int and -(2**63) <= v < 2**63,
    "float": lambda v: type(v) is float,
    "decimal": lambda v: isinstance(v, str) and Decimal(v).is_finite(),
    "boolean": lambda v: type(v) is bool,
    "date": lambda v: date.fromisoformat(v).isoformat() == v,
    "datetime": lambda v: v.endswith("Z") and datetime.strptime(v, "%Y-%m-%dT%H:%M:%SZ"),
    "duration": DURATION.fullmatch,
    "uuid": lambda v: str(UUID(v)) == v,
    "uri": lambda v: urlsplit(v).scheme == "https" and urlsplit(v).netloc.endswith(".example"),
    "json": lambda v: v is not None and json.loads(json.dumps(v)) == v,
}


def code(value: object) -> int:
    return LATTICE.encode(Label.of(value))


def lineage(name: str) -> list[str]:
    """The type and its ancestors, nearest first."""
    chain = [name]
    while "extends" in DEFINITIONS[chain[-1]]:
        chain.append(DEFINITIONS[chain[-1]]["extends"])
    return chain


def members(name: str, group: str) -> dict[str, Any]:
    return {n: m for t in reversed(lineage(name)) for n, m in DEFINITIONS[t].get(group, {}).items()}


def identity(end: dict[str, Any]) -> tuple[str, ...]:
    """What tells an object from all others: the top of its family and its natural key."""
    return lineage(end["type"])[-1], *end["key"].values()


def faults(fields: dict[str, Any], data: dict[str, Any]) -> list[str]:
    """What is wrong with the data of an object or the properties of a link."""
    found = [f"{name}: required" for name, field in fields.items() if field.get("required") and name not in data]
    for name, value in data.items():
        field = fields.get(name)
        if field is None:
            found.append(f"{name}: no such field")
            continue
        if field.get("list", False) != isinstance(value, list):
            found.append(f"{name}: list or not")
            continue
        is_a_value = IS_A_VALUE.get(field["type"], field.get("values", ()).__contains__)
        found += [f"{name}: {item!r}" for item in (value if field.get("list") else [value]) if not is_a_value(item)]
    return found


@pytest.fixture(scope="module")
def versions() -> dict[tuple[str, ...], dict[int, dict[str, Any]]]:
    """Each object's data by label."""
    found: dict[tuple[str, ...], dict[int, dict[str, Any]]] = defaultdict(dict)
    for record in OBJECTS:
        assert code(record["label"]) not in found[identity(record)], f"{record['key']} comes twice at one label"
        found[identity(record)][code(record["label"])] = record["data"]
    return found


# --- the stream of records


def test_records_are_the_same_bytes_in_any_process() -> None:
    script = "import json; from fabric.demo import records; print(json.dumps(list(records())))"
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", script]
    other = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.rstrip("\n") == json.dumps(RECORDS)


def test_definitions_come_first_then_objects_then_links() -> None:
    kinds = [next(kind for kind in COUNTS if kind in record) for record in RECORDS]
    assert kinds == sorted(kinds, key=list(COUNTS).index)


def test_counts_are_told_beforehand() -> None:
    assert Counter(next(kind for kind in COUNTS if kind in record) for record in RECORDS) == COUNTS


def test_the_demo_is_large_enough_to_page_and_search() -> None:
    assert len({r["type"] for r in OBJECTS}) >= 14
    assert len({identity(r) for r in OBJECTS}) >= 2_500
    assert len(LINKS) >= 8_000
    assert len({r["link"] for r in LINKS}) >= 20


def test_a_caller_who_changes_a_record_changes_no_other() -> None:
    fresh = list(records())
    for record in fresh:
        if "type" in record:
            record["key"].clear()
    assert [r["from"] for r in fresh if "link" in r] == [r["from"] for r in LINKS]


# --- definitions


def test_definitions_name_their_parents_and_types_that_exist() -> None:
    seen: set[str] = set()
    for name, definition in DEFINITIONS.items():
        assert definition.get("extends", name) in seen | {name}, "a parent comes before its children"
        seen.add(name)
        for link in definition.get("links", {}).values():
            assert link["target"] in DEFINITIONS


def test_names_are_graphql_names_of_their_own() -> None:
    for name, definition in DEFINITIONS.items():
        own = [*definition.get("fields", ()), *definition.get("links", ())]
        inherited = {n for t in lineage(name)[1:] for g in ("fields", "links") for n in DEFINITIONS[t].get(g, ())}
        enum_values = [v for field in definition.get("fields", {}).values() for v in field.get("values", ())]
        assert all(GRAPHQL_NAME.match(n) for n in [name, *own, *enum_values])
        assert not set(own) & (BUILT_IN | inherited)
        assert len(own) == len(set(own))


def test_inheritance_is_three_levels_deep_and_every_kind_of_field_is_used() -> None:
    assert lineage("Pump") == ["Pump", "RotatingMachine", "Asset"]
    filled = {members(r["type"], "fields")[n]["type"] for r in OBJECTS for n in r["data"]}
    assert filled == {*IS_A_VALUE, "enum"}


def test_natural_keys_are_declared_at_the_top_of_a_family() -> None:
    for name in DEFINITIONS:
        assert [t for t in lineage(name) if "naturalKey" in DEFINITIONS[t]] == [lineage(name)[-1]]


def test_a_relation_has_both_ends_and_its_properties_once() -> None:
    ends: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for definition in DEFINITIONS.values():
        for link in definition.get("links", {}).values():
            ends[link["relation"]].append(link)
    for relation, links in ends.items():
        assert sorted(link["direction"] for link in links) == ["in", "out"], relation
        assert not any(link.get("properties") for link in links if link["direction"] == "in"), relation


def test_every_definition_states_its_label_and_what_lies_above_it_dominates() -> None:
    for name, definition in DEFINITIONS.items():
        label = code(definition["label"])
        assert all(dominates(label, code(DEFINITIONS[t]["label"])) for t in lineage(name))
        for field in definition.get("fields", {}).values():
            assert dominates(code(field.get("label", definition["label"])), label)
            assert not (field.get("required") and "label" in field)
        for link in definition.get("links", {}).values():
            assert dominates(code(link.get("label", definition["label"])), code(DEFINITIONS[link["target"]]["label"]))


def test_the_form_hints_of_a_type_mention_only_its_own_fields_at_its_own_label() -> None:
    for name, definition in DEFINITIONS.items():
        for hint in definition.get("uiSchema", {}):
            hinted = [hint] if not hint.startswith("ui:") else definition["uiSchema"][hint]
            assert all(n == "*" or "label" not in members(name, "fields")[n] for n in hinted)


# --- objects and links against the definitions


def test_objects_are_well_formed() -> None:
    for record in OBJECTS:
        fields = members(record["type"], "fields")
        assert set(record) == {"type", "key", "label", "data"}
        assert list(record["key"]) == DEFINITIONS[lineage(record["type"])[-1]]["naturalKey"]
        assert not faults(fields, record["data"] | record["key"]), record


def test_an_object_has_one_type_at_all_its_labels() -> None:
    types: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for record in OBJECTS:
        types[identity(record)].add(record["type"])
    assert all(len(names) == 1 for names in types.values())


def test_no_version_holds_a_field_above_its_label() -> None:
    used = set()
    for record in OBJECTS:
        label = code(record["label"])
        assert dominates(label, code(DEFINITIONS[record["type"]]["label"]))
        for name, field in members(record["type"], "fields").items():
            if name in record["data"] and "label" in field:
                assert dominates(label, code(field["label"])), (record["type"], name)
                used.add((record["type"], name))
    declared = {(d, n) for d in DEFINITIONS for n, f in DEFINITIONS[d].get("fields", {}).items() if "label" in f}
    assert {name for _, name in declared} == {name for _, name in used}


def test_links_are_well_formed() -> None:
    declared = {
        (name, link["relation"]): link
        for name, definition in DEFINITIONS.items()
        for link in definition.get("links", {}).values()
        if link["direction"] == "out"
    }
    for record in LINKS:
        link = next(
            declared[t, record["link"]] for t in lineage(record["from"]["type"]) if (t, record["link"]) in declared
        )
        assert link["target"] in lineage(record["to"]["type"]), record
        assert not faults(link.get("properties", {}), record.get("properties", {})), record
        assert set(record) <= {"link", "from", "to", "label", "weight", "properties", "validFrom", "validTo"}
        assert 0 <= record.get("weight", 0.5) <= 1
        moments = [record[k] for k in ("validFrom", "validTo") if k in record]
        assert all(IS_A_VALUE["datetime"](moment) for moment in moments)
        assert moments == sorted(moments)


def test_every_links_ends_are_there_at_labels_it_dominates(versions: dict[tuple[str, ...], dict[int, Any]]) -> None:
    types = {identity(r): r["type"] for r in OBJECTS}
    for record in LINKS:
        for end in (record["from"], record["to"]):
            assert types[identity(end)] == end["type"]
            assert any(dominates(code(record["label"]), label) for label in versions[identity(end)]), record


def test_one_pair_is_linked_once_per_relation_and_label() -> None:
    seen = Counter((r["link"], identity(r["from"]), identity(r["to"]), r["label"]) for r in LINKS)
    assert set(seen.values()) == {1}
    assert not [r for r in LINKS if identity(r["from"]) == identity(r["to"])]


def test_what_is_declared_to_be_one_is_one() -> None:
    single = {
        (link["relation"], "from" if link["direction"] == "out" else "to")
        for definition in DEFINITIONS.values()
        for link in definition.get("links", {}).values()
        if link.get("cardinality") == "one"
    }
    others: dict[tuple[Any, ...], set[tuple[str, ...]]] = defaultdict(set)
    for record in LINKS:
        for end, other in (("from", "to"), ("to", "from")):
            if (record["link"], end) in single:
                others[record["link"], end, identity(record[end])].add(identity(record[other]))
    assert {relation for relation, *_ in others} == {relation for relation, _ in single}
    assert all(len(ends) == 1 for ends in others.values())


# --- labels and stories


def test_labels_name_only_declared_compartments_and_use_every_level() -> None:
    labels = [Label.of(r["label"]) for r in [*OBJECTS, *LINKS]]
    assert set().union(*(label.compartments for label in labels)) == set(COMPARTMENTS)
    assert {label.level for label in labels} == set(Level)
    assert Counter(r["label"] for r in OBJECTS)["UNCLASSIFIED"] > len(OBJECTS) / 2


def test_cover_stories_tell_one_thing_below_and_another_above(versions: dict[tuple[str, ...], dict[int, Any]]) -> None:
    covered = Counter[str]()
    for (family, *_), told in versions.items():
        high = [data for label, data in told.items() if dominates(label, code("SECRET"))]
        if 0 in told and any(data[f] != told[0][f] for data in high for f in TEXT if f in told[0]):
            covered[family] += 1
    assert covered.total() >= 60
    assert set(covered) == {"Place", "Asset", "CrewMember", "Supplier", "Report"}


def test_some_objects_have_three_stories_and_some_have_stories_that_cannot_be_compared(
    versions: dict[tuple[str, ...], dict[int, Any]],
) -> None:
    def stories(told: dict[int, Any]) -> int:
        return len({next(data[f] for f in TEXT if f in data) for data in told.values()})

    assert sum(stories(told) >= 3 for told in versions.values()) >= 10
    rivals = [
        told
        for told in versions.values()
        if any(not dominates(a, b) and not dominates(b, a) and told[a] != told[b] for a, b in combinations(told, 2))
    ]
    assert len(rivals) >= 10


def test_some_objects_and_links_exist_only_high(versions: dict[tuple[str, ...], dict[int, Any]]) -> None:
    known = {name for name, told in versions.items() if 0 in told}
    assert len(versions) - len(known) >= 200
    between_known = [r for r in LINKS if {identity(r["from"]), identity(r["to"])} <= known]
    secret = [r for r in between_known if dominates(code(r["label"]), code("SECRET"))]
    assert {"supplies", "cites"} <= {r["link"] for r in secret}


def test_a_link_can_say_one_thing_below_and_another_above() -> None:
    weights: dict[tuple[Any, ...], dict[str, float]] = defaultdict(dict)
    for record in LINKS:
        if record["link"] == "supplies":
            weights[identity(record["from"]), identity(record["to"])][record["label"]] = record["weight"]
    assert sum(len(set(by_label.values())) > 1 for by_label in weights.values()) >= 30


def test_texts_are_distinct_whole_and_long_enough_to_search() -> None:
    bodies = [r["data"]["body"] for r in OBJECTS if "body" in r["data"]]
    assert len(bodies) >= 700
    assert len(set(bodies)) == len(bodies)
    assert all(60 <= len(body.split()) <= 250 for body in bodies)
    assert not [
        r for r in OBJECTS if re.search(r"[{}]|\.\.", json.dumps(r["data"].get("body", ""), ensure_ascii=False))
    ]


def test_no_text_names_what_its_readers_cannot_see(versions: dict[tuple[str, ...], dict[int, Any]]) -> None:
    texts: dict[int, str] = defaultdict(str)
    for record in OBJECTS:
        texts[code(record["label"])] += "\n".join(str(record["data"].get(f, "")) for f in (*TEXT, "title"))
    said_at: dict[str, set[int]] = defaultdict(set)
    for (_, key), told in versions.items():
        for label, data in told.items():
            for name in {key, data.get("name", key)}:
                said_at[name].add(label)
    named = 0
    for label, text in texts.items():
        for name, labels in said_at.items():
            if not any(dominates(label, known) for known in labels):
                assert name not in text, f"{name} is told of at {LATTICE.decode(label)}"
            elif label == 0:
                named += name in text
    assert named > 500


# --- the readers


def test_three_readers_climb_the_lattice() -> None:
    clearances = [Label.parse(reader.clearance) for reader in READERS]
    assert [c.level for c in clearances] == [Level.UNCLASSIFIED, Level.SECRET, Level.TOP_SECRET]
    assert [len(c.compartments) for c in clearances] == [0, 1, len(COMPARTMENTS)]
    assert ORGANIZATION.isprintable()
    assert all(reader.role.endswith(".") and "\n" not in reader.role for reader in READERS)


def test_each_reader_gets_another_story_of_the_same_reservoir(versions: dict[tuple[str, ...], dict[int, Any]]) -> None:
    told = versions["Place", SHOWCASE]
    seen = [winner(told, code(reader.clearance)) for reader in READERS]
    assert len({told[label]["description"] for label in seen if label is not None}) == len(READERS)
    assert all(SHOWCASE in reader.query for reader in READERS)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_example_queries_ask_only_for_what_their_reader_can_see(reader: Any) -> None:
    clearance = code(reader.clearance)
    roots = {camel(plural(name)): name for name, d in DEFINITIONS.items() if dominates(clearance, code(d["label"]))}
    (operation,) = parse(reader.query).definitions
    for field in operation.selection_set.selections:
        check_connection(field.selection_set, roots[field.name.value], clearance)


def check_connection(selections: SelectionSetNode, type_name: str, clearance: int) -> None:
    for field in selections.selections:
        assert isinstance(field, FieldNode)
        if field.name.value == "nodes":
            check_object(field.selection_set, type_name, clearance)
        elif field.name.value == "edges":
            node, link = field.selection_set.selections
            check_object(node.selection_set, type_name, clearance)
            assert {f.name.value for f in link.selection_set.selections} <= {"id", "label", "weight", "properties"}
        else:
            assert field.name.value == "totalCount"


def check_object(selections: SelectionSetNode, type_name: str, clearance: int) -> None:
    fields, links = members(type_name, "fields"), members(type_name, "links")
    for field in selections.selections:
        name = field.name.value
        assert name in fields or name in links or name in BUILT_IN, f"{type_name}.{name}"
        member = fields.get(name) or links.get(name) or {}
        assert dominates(clearance, code(member.get("label", "UNCLASSIFIED")))
        if name in links:
            check = check_object if links[name].get("cardinality") == "one" else check_connection
            check(field.selection_set, links[name]["target"], clearance)


# --- the pieces


def test_a_paragraph_repeats_a_phrase_only_when_there_is_no_other_left() -> None:
    class First:
        def sample(self, items: list[str], count: int) -> list[str]:
            return items[:count]

    assert Grammar(First(), {"a": ["one", "two"]}).tell(["a", "a", "a"], {}) == "one two one"  # type: ignore[arg-type]


def test_a_slot_that_nothing_fills_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        Grammar(Random(1), {}).fill("from {nowhere}", {})


@pytest.mark.parametrize(
    ("minutes", "text"), [(0, "PT0S"), (5, "PT5M"), (60, "PT1H"), (1_440, "P1D"), (1_505, "P1DT1H5M")]
)
def test_durations_have_no_empty_parts(minutes: int, text: str) -> None:
    assert lasting(minutes) == text
