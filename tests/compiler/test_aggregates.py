"""Aggregates: the interpreter's answers, over what the reader sees and nothing else; what is amiss is refused."""

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ground import Ground
from compiler.house import HIGH, IDS, LOW, MIDDLE, House
from compiler.questions import Question
from compiler.test_against_interpreter import check
from compiler.worlds import LABELS, World, make_world
from fabric.errors import BadInput, FabricError
from fabric.identity.organizations import Organization
from fabric.writing.objects import Change
from graphql_api.compiler import plan as p
from graphql_api.compiler.cost import cost, terms
from graphql_api.documents.documents import Invalid

WORLDS = 12


class AggregateQuestion(Question):
    """One query of nothing but aggregates."""

    def _roots(self) -> str:
        query = self._surface.schema.query_type
        assert query is not None
        named = [name for name, root in self._surface.roots.items() if root.kind == "aggregate"]
        return " ".join(
            self._field(name, query.fields[name], 3, alias=True)
            for name in self._random.choices(named or ["node"], k=2)
        )


@pytest.fixture(scope="module")
def world(ground: Ground) -> Callable[[int], World]:
    """The world of a seed; each is made once."""
    return cache(lambda seed: make_world(ground, 1_000 + seed))


@settings(max_examples=250, deadline=None)
@given(seed=st.integers(0, WORLDS - 1), label=st.sampled_from(LABELS), random=st.randoms(use_true_random=False))
def test_aggregates_what_the_interpreter_aggregates(
    ground: Ground, world: Callable[[int], World], seed: int, label: str, random: Random
) -> None:
    surface = ground.compiler(world(seed).organization, world(seed).catalogues[label]).surface
    asked = AggregateQuestion(random, surface, [str(r["object_id"]) for r in world(seed).objects], ["a"])
    check(ground, world(seed), label, asked.text, orjson.loads(orjson.dumps(asked.variables)), {})


ALL = """{ thingsAggregate(groupBy: [{grade: VALUE}, {day: MONTH}]) {
    count
    fields { size { count countDistinct min max avg sum } span { sum avg } price { sum avg } name { min max } }
    groups { key { grade day } count fields { size { sum } updatedAt { count } } }
} }"""


async def _things(ground: Ground, *, above: bool) -> Organization:
    """An organization of a few things; with others `above`, that a low reader must not be able to tell of."""
    organization = await ground.organization()
    high = ground.subject(organization, HIGH)
    definition = {
        "typeName": "Thing",
        "label": LOW,
        "fields": {
            "name": {"type": "string"}, "grade": {"type": "enum", "values": ["A", "B"]}, "size": {"type": "float"},
            "span": {"type": "duration"}, "price": {"type": "decimal"}, "day": {"type": "date"},
            "secret": {"type": "integer", "label": MIDDLE},
        },
    }  # fmt: skip
    await ground.types.define(high, organization.lattice, [definition])
    rows: list[dict[str, Any]] = [
        {"name": "b", "grade": "A", "size": 0.1, "span": "PT36H", "price": "0.10", "day": "2024-02-28"},
        {"name": "a", "grade": "A", "size": 0.2, "span": "-P1D", "price": "10", "day": "2024-02-01"},
        {"name": "c", "size": 0.3, "price": "-3.05"},
    ]
    low = ground.subject(organization, LOW)
    written, _ = await ground.objects.write(low, organization, [Change("create", "Thing", row) for row in rows])
    if above:
        huge = {"size": 1e308, "grade": "B", "secret": 1}
        changes = [
            Change("update", "Thing", huge, written[0].object_id),
            Change("delete", "Thing", {}, written[1].object_id),
            *(Change("create", "Thing", huge) for _ in range(3)),
        ]
        await ground.objects.write(high, organization, changes)
    return organization


def test_a_low_reader_s_aggregates_are_those_of_a_database_without_what_is_above(ground: Ground) -> None:
    answers = []
    for above in (False, True):
        organization = ground.run(_things(ground, above=above))
        answers.append(ground.run(ground.ask(organization, ground.subject(organization, LOW), ALL)))
    assert answers[0] == answers[1]
    assert answers[0]["thingsAggregate"] == {
        "count": 3,
        "fields": {
            "size": {"count": 3, "countDistinct": 3, "min": 0.1, "max": 0.3, "avg": 0.2, "sum": 0.6},
            "span": {"sum": "PT12H", "avg": "PT6H"},
            "price": {"sum": "7.05", "avg": "2.35"},
            "name": {"min": "a", "max": "c"},
        },
        "groups": [
            {
                "key": {"grade": "A", "day": "2024-02-01"}, "count": 2,
                "fields": {"size": {"sum": 0.3}, "updatedAt": {"count": 2}},
            },
            {
                "key": {"grade": None, "day": None}, "count": 1,
                "fields": {"size": {"sum": 0.3}, "updatedAt": {"count": 1}},
            },
        ],
    }  # fmt: skip


def test_a_high_reader_s_aggregates_are_over_the_winning_versions_without_the_deleted(ground: Ground) -> None:
    organization = ground.run(_things(ground, above=True))
    text = """{ thingsAggregate(groupBy: [{grade: VALUE}]) {
        count fields { size { sum avg max } secret { sum } } groups { key { grade } count } } }"""
    data = ground.run(ground.ask(organization, ground.subject(organization, HIGH), text))["thingsAggregate"]
    assert data["count"] == 5
    # Four times 1e308 is no float; a fifth of it is one.
    assert data["fields"] == {"size": {"sum": None, "avg": 8e307, "max": 1e308}, "secret": {"sum": "4"}}
    assert data["groups"] == [{"key": {"grade": "B"}, "count": 4}, {"key": {"grade": None}, "count": 1}]


def test_a_field_above_the_reader_is_in_none_of_the_types(house: House) -> None:
    catalogues = {
        label: house.ground.run(house.ground.types.catalogue(house.ground.subject(house.organization, label).session))
        for label in (LOW, MIDDLE)
    }
    for label, seen in ((LOW, False), (MIDDLE, True)):
        types = house.ground.compiler(house.organization, catalogues[label]).surface.schema.type_map
        for name in ("AggregateFields", "AggregateKey", "GroupBy", "HavingFields"):
            type_ = types[f"Equipment{name}"]
            assert isinstance(type_, GraphQLObjectType | GraphQLInputObjectType)
            assert ("notes" in type_.fields) is seen
    with pytest.raises(Invalid):
        house.ask("{ equipmentListAggregate { fields { notes { count } } } }")


def test_lists_and_json_have_no_aggregates(house: House) -> None:
    for name in ("tags", "meta", "history_"):
        with pytest.raises(Invalid):
            house.ask(f"{{ equipmentListAggregate {{ fields {{ {name} {{ count }} }} }} }}")


def test_without_group_by_all_objects_are_one_group_even_if_there_is_none(house: House) -> None:
    text = """query($id: ID!) { equipmentListAggregate(where: {id: {eq: $id}}) {
        count fields { rating { avg sum count } } groups { key { name } count } } }"""
    for name, found in (("valve", 1), ("ann", 0)):
        data = house.ask(text, {"id": str(IDS[name])})["equipmentListAggregate"]
        assert data["groups"] == [{"key": {"name": None}, "count": found}]
    assert data["fields"] == {"rating": {"avg": None, "sum": None, "count": 0}}


def test_a_key_alone_can_be_asked_for(house: House) -> None:
    text = "{ equipmentListAggregate(groupBy: [{status: VALUE}]) { groups { key { status } } } }"
    keys = [{"key": {"status": status}} for status in ("FAILED", "OK", None)]
    assert house.ask(text) == {"equipmentListAggregate": {"groups": keys}}


def test_groups_end_at_the_page_and_say_so(house: House) -> None:
    text = """query($n: Int) {
        equipmentListAggregate(groupBy: {name: VALUE}, first: $n) { groups { count } hasMoreGroups } }"""
    for first, more in ((0, True), (3, True), (4, False), (None, False)):
        data = house.ask(text, {"n": first})["equipmentListAggregate"]
        assert len(data["groups"]) == (4 if first is None else first)
        assert data["hasMoreGroups"] is more


def test_one_document_groups_by_what_each_request_says(house: House) -> None:
    text = """query($g: TimeGrouping) {
        equipmentListAggregate(groupBy: {installedAt: $g}) { groups { key { installedAt } } } }"""
    starts = {"YEAR": "2024-01-01T00", "WEEK": "2024-04-29T00", "DAY": "2024-05-01T00", "HOUR": "2024-05-01T08"}
    for grouping, start in starts.items():
        [known, missing] = house.ask(text, {"g": grouping})["equipmentListAggregate"]["groups"]
        assert known["key"]["installedAt"] == f"{start}:00:00.000000Z"
        assert missing["key"]["installedAt"] is None


def test_objects_of_descendants_count_as_their_ancestors_do(house: House) -> None:
    text = "{ equipmentListAggregate { count } pumpsAggregate { count } boostersAggregate { count } }"
    assert house.ask(text) == {
        "equipmentListAggregate": {"count": 4}, "pumpsAggregate": {"count": 3}, "boostersAggregate": {"count": 1},
    }  # fmt: skip


def test_having_keeps_groups_by_their_figures(house: House) -> None:
    text = """query($h: EquipmentHaving) {
        equipmentListAggregate(groupBy: {status: VALUE}, having: $h) { groups { key { status } } } }"""

    def kept(having: Any) -> list[str | None]:
        groups = house.ask(text, {"h": having})["equipmentListAggregate"]["groups"]
        return [group["key"]["status"] for group in groups]

    assert kept({"count": {"gt": 1}}) == [None]
    assert kept({"fields": {"rating": {"sum": {"lt": 0}}}}) == ["FAILED"]
    assert kept({"fields": {"runtime": {"max": {"in": ["PT24H", "PT36H"]}}}}) == ["FAILED", "OK"]
    assert kept({"not": {"fields": {"rating": {"avg": {"isNull": False}}}}}) == []
    assert kept({"or": [{"fields": {"name": {"min": {"istartsWith": "v"}}}}, {"count": {"eq": 2}}]}) == ["OK", None]
    assert kept(None) == kept({}) == ["FAILED", "OK", None]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ("groupBy: [{status: VALUE}, {status: VALUE}]", ("a", "groupBy", 1)),
        ("groupBy: [{status: VALUE, name: VALUE}]", ("a", "groupBy", 0)),
        ("groupBy: [{}]", ("a", "groupBy", 0)),
        (f"groupBy: [{'{status: VALUE}, ' * 17}]", ("a", "groupBy")),
        ("first: -1", ("a", "first")),
        ("first: 1000000", ("a", "first")),
        ("having: {count: {gt: null}}", ("a", "having", "count", "gt")),
        ("having: {fields: {rating: {sum: {in: null}}}}", ("a", "having", "fields", "rating", "sum", "in")),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(house: House, arguments: str, path: tuple[Any, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        house.ask(f"{{ a: equipmentListAggregate({arguments}) {{ groups {{ count }} }} }}")
    assert caught.value.path == path


@pytest.mark.parametrize(
    "arguments", ["groupBy: {status: YEAR}", "groupBy: {installedAt: MINUTE}", "groupBy: {tags: VALUE}"]
)
def test_what_no_field_can_be_grouped_by_is_not_in_the_schema(house: House, arguments: str) -> None:
    with pytest.raises(Invalid):
        house.ask(f"{{ equipmentListAggregate({arguments}) {{ count }} }}")


def test_an_aggregate_takes_the_permissions_of_a_list(house: House) -> None:
    through = "{ equipmentListAggregate(where: {site: {some: {}}}) { count } }"
    for text, permissions in (("{ sitesAggregate { count } }", set()), (through, {"object:read"})):
        with pytest.raises(FabricError) as caught:
            house.outcome(text, permissions=permissions)
        assert caught.value.code == "FORBIDDEN"


def test_what_a_link_leads_to_is_counted_and_summed_for_each_object(house: House) -> None:
    text = """{ sites(orderBy: [{code: ASC}]) { nodes { code equipmentAggregate {
        count fields { rating { sum max } } } equipment { totalCount } } } }"""

    def seen(label: str) -> dict[str, Any]:
        return {n["code"]: n["equipmentAggregate"] for n in house.ask(text, label=label)["sites"]["nodes"]}

    nothing = {"count": 0, "fields": {"rating": {"sum": None, "max": None}}}
    assert seen(LOW) == {"N": {"count": 2, "fields": {"rating": {"sum": 3.5, "max": 4.5}}}, "S": nothing}
    # Both of the pump's links are there for a reader of both labels, and its version above.
    assert seen(MIDDLE)["S"] == {"count": 1, "fields": {"rating": {"sum": 99.5, "max": 99.5}}}


def test_the_aggregate_of_a_link_filters_groups_and_has_having(house: House) -> None:
    text = """{ equipment(id: "%s") { sensorsAggregate(where: {name: {ne: "Hot"}}, groupBy: [{unit: VALUE}],
        having: {count: {gte: 1}}, first: 1) { count groups { key { unit } count } hasMoreGroups } } }"""
    found = house.ask(text % IDS["valve"])["equipment"]["sensorsAggregate"]
    assert found == {"count": 1, "groups": [{"key": {"unit": "°C"}, "count": 1}], "hasMoreGroups": False}
    found = house.ask(text % IDS["valve"], label=MIDDLE)["equipment"]["sensorsAggregate"]
    assert (found["count"], found["hasMoreGroups"]) == (2, True)


def test_the_aggregate_of_a_link_takes_the_permission_to_read_links(house: House) -> None:
    with pytest.raises(FabricError) as caught:
        house.outcome("{ sites { nodes { equipmentAggregate { count } } } }", permissions={"object:read"})
    assert caught.value.code == "FORBIDDEN"


def test_an_aggregate_costs_its_groups_and_one_row_more() -> None:
    grouping = p.Grouping((), (), p.All(()), p.Parameter(0))
    for outputs, rows in (((), 1), ((("groups", p.Groups(())),), 8)):
        plan = p.Plan((("a", p.Aggregate((), p.All(()), (), grouping, outputs)),), (lambda _: 7,))
        request: Any = None
        assert cost(terms(plan), plan, request) == rows


def test_the_aggregate_of_a_link_costs_as_often_as_there_are_objects() -> None:
    grouping = p.Grouping((), (), p.All(()), p.Parameter(1))
    summary = p.Summary(p.Hop("r", True, ()), p.Aggregate((), p.All(()), (), grouping, (("groups", p.Groups(())),)))
    page = p.ByIds((), p.Parameter(0), p.Row(((("T",), (("a", summary),)),)))
    plan = p.Plan((("nodes", page),), (lambda _: [None] * 5, lambda _: 7))
    request: Any = None
    assert cost(terms(plan), plan, request) == 5 + 5 + 5 * 7
