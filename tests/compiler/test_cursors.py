"""Pages by cursor: each continues where the last ended, in both directions; a cursor from elsewhere is refused."""

import base64
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compiler.ground import Ground
from compiler.house import LOW, MIDDLE, House
from compiler.interpreter import Place
from compiler.questions import Values
from compiler.test_against_interpreter import check
from compiler.worlds import LABELS, World, make_world
from fabric.errors import BadInput
from fabric.identity.organizations import Organization
from graphql_api.cursors import BadCursor, cursor_key, shape

_PAGE = "edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount"


@pytest.fixture(scope="module")
def world(ground: Ground) -> Callable[[int], World]:
    return cache(lambda seed: make_world(ground, seed))


class _List:
    """One list of a world, filtered and ordered: a root or what is linked to an object."""

    def __init__(self, random: Random, ground: Ground, world: World, label: str) -> None:
        self._reader = ground, world, label
        self._cursors: dict[str, Place] = {}
        schema = ground.compiler(world.organization, world.catalogues[label]).surface.schema
        query = schema.query_type
        assert query is not None
        lists: list[tuple[str, str, Any]] = [(n, "%s", f) for n, f in query.fields.items() if "orderBy" in f.args] * 2
        for name, t in world.catalogues[label].types.items():
            members = schema.type_map[name]
            assert isinstance(members, (GraphQLObjectType, GraphQLInterfaceType))
            for row in [r for r in world.objects if r["type_name"] == name][:3]:
                around = f'node(id: "{row["object_id"]}") {{ ... on {name} {{ %s }} }}'
                lists += [(k.name, around, members.fields[k.name]) for k in t.links.values() if k.many]
        self.empty = not lists
        if lists:
            name, around, field = random.choice(lists)
            values = Values(random, [str(r["object_id"]) for r in world.objects])
            where = values.value(field.args["where"].type, 1) if random.random() < 0.4 else "null"
            order = values.value(field.args["orderBy"].type, 1)
            declared = ", ".join(["$first: Int, $last: Int, $after: String, $before: String", *values.declared])
            arguments = f"where: {where}, orderBy: {order}, first: $first, last: $last, after: $after, before: $before"
            self._text = f"query({declared}) {{ {around % f'list: {name}({arguments}) {{ {_PAGE} }}'} }}"
            self._variables = values.variables

    def page(self, **arguments: Any) -> Any:
        data = check(*self._reader, self._text, self._variables | arguments, self._cursors)
        inner = data["list"] if "list" in data else data["node"] and data["node"].get("list")
        return inner or {"edges": [], "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}}


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 9), label=st.sampled_from(LABELS), size=st.integers(1, 4),
    random=st.randoms(use_true_random=False),
)  # fmt: skip
def test_pages_make_up_the_list_in_both_directions(
    ground: Ground, world: Callable[[int], World], seed: int, label: str, size: int, random: Random
) -> None:
    listed = _List(random, ground, world(seed), label)
    assume(not listed.empty)
    whole = [e["cursor"] for e in listed.page(first=1000)["edges"]]

    walked, page = [], listed.page(first=size)
    while page["edges"]:
        walked += [e["cursor"] for e in page["edges"]]
        page = listed.page(first=size, after=walked[-1])
    assert walked == whole

    walked, page = [], listed.page(last=size)
    while page["edges"]:
        walked = [*(e["cursor"] for e in page["edges"]), *walked]
        page = listed.page(last=size, before=walked[0])
    assert walked == whole

    if whole:
        after, before = random.choice(whole), random.choice(whole)
        listed.page(first=size, after=after, before=before)
        listed.page(last=size, after=after, before=before)


def _first(house: House, arguments: str, label: str = LOW) -> str:
    data = house.ask(f"{{ equipmentList({arguments}) {{ edges {{ cursor }} }} }}", label=label)
    return str(data["equipmentList"]["edges"][0]["cursor"])


@pytest.mark.parametrize("direction", ["ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST"])
@pytest.mark.parametrize("field", "rating serial status runtime installedAt inspected floor manual".split())
def test_each_cursor_parts_the_list_whether_its_key_is_null_or_not(house: House, field: str, direction: str) -> None:
    text = f"""query($after: String, $before: String) {{
      equipmentList(orderBy: [{{{field}: {direction}}}], after: $after, before: $before) {{
        edges {{ cursor node {{ name }} }} pageInfo {{ hasNextPage hasPreviousPage }} }} }}"""
    whole = house.ask(text)["equipmentList"]["edges"]
    assert len(whole) == 4
    for i, edge in enumerate(whole):
        after = house.ask(text, {"after": edge["cursor"]})["equipmentList"]
        assert after == {"edges": whole[i + 1 :], "pageInfo": {"hasNextPage": False, "hasPreviousPage": True}}
        before = house.ask(text, {"before": edge["cursor"]})["equipmentList"]
        assert before == {"edges": whole[:i], "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}}


def test_a_cursor_works_under_another_filter_and_page_size(house: House) -> None:
    cursor = _first(house, "orderBy: {name: ASC}, first: 1")
    arguments = 'orderBy: {name: ASC}, after: $c, where: {name: {ne: "Pump"}}'
    data = house.ask(f"query($c: String) {{ equipmentList({arguments}) {{ nodes {{ name }} }} }}", {"c": cursor})
    assert [n["name"] for n in data["equipmentList"]["nodes"]] == ["Valve", "ÉCLAIR 100%"]


@pytest.mark.parametrize("arguments", ["orderBy: {name: DESC}", "orderBy: {rating: ASC}", "orderBy: []"])
def test_a_cursor_of_another_ordering_is_refused(house: House, arguments: str) -> None:
    _refused(house, _first(house, "orderBy: {name: ASC}"), arguments)


def test_a_cursor_of_another_list_is_refused(house: House) -> None:
    pumps = house.ask("{ pumps(orderBy: {name: ASC}) { edges { cursor } } }")["pumps"]["edges"]
    _refused(house, pumps[0]["cursor"], "orderBy: {name: ASC}")


def test_a_cursor_of_another_label_is_refused(house: House) -> None:
    _refused(house, _first(house, "orderBy: {name: ASC}", MIDDLE), "orderBy: {name: ASC}")


@pytest.mark.parametrize("cursor", ["", "AAAA", "é", "[]", base64.b64encode(b"x" * 16 + b"[1, 2]").decode()])
def test_a_made_up_cursor_is_refused(house: House, cursor: str) -> None:
    _refused(house, cursor, "orderBy: {name: ASC}")


def test_a_changed_cursor_is_refused(house: House) -> None:
    raw = bytearray(base64.b64decode(_first(house, "orderBy: {name: ASC}")))
    for i in range(len(raw)):
        changed = bytes(b ^ (j == i) for j, b in enumerate(raw))
        _refused(house, base64.b64encode(changed).decode(), "orderBy: {name: ASC}")


def _refused(house: House, cursor: str, arguments: str) -> None:
    text = f"query($c: String) {{ equipmentList(after: $c, {arguments}) {{ nodes {{ id }} }} }}"
    with pytest.raises(BadInput) as caught:
        house.ask(text, {"c": cursor})
    assert caught.value.path == ("equipmentList", "after")


def test_the_key_of_a_cursor_depends_on_organization_label_and_ordering(house: House) -> None:
    mine = house.organization
    other = Organization(UUID(int=2), "other", b"\1" * 32, mine.lattice)
    keys = {
        cursor_key(mine, 0, ["Pump"]), cursor_key(other, 0, ["Pump"]), cursor_key(mine, 1, ["Pump"]),
        cursor_key(mine, 0, ["Pump", "name", "ASC"]), cursor_key(mine, 0, ["Pump", "name", "DESC"]),
    }  # fmt: skip
    assert len(keys) == 5


def test_the_database_seals_as_the_key_opens(ground: Ground, house: House) -> None:
    for ordering in (["a"], ["x" * 300]):
        key = cursor_key(house.organization, 7, ordering)
        made = ground.run(
            ground.admin.fetchval("select fabric.cursor($1, $2, $3)", *key.pads, ["é", None, 2**53 + 1, 1.5, True])
        )
        assert key.open(made) == ["é", None, 2**53 + 1, 1.5, True]
        assert shape(made) == (False, True, False, False, False)
        with pytest.raises(BadCursor):
            cursor_key(house.organization, 7, [*ordering, "b"]).open(made)


@pytest.mark.parametrize("arguments", ["first: 0", "last: 0"])
def test_an_empty_page_still_tells_whether_there_is_more(house: House, arguments: str) -> None:
    info = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    page = house.ask(f"{{ sites({arguments}) {{ nodes {{ id }} {info} }} }}")["sites"]
    assert page["nodes"] == []
    assert page["pageInfo"] == {
        "hasNextPage": arguments == "first: 0", "hasPreviousPage": arguments == "last: 0",
        "startCursor": None, "endCursor": None,
    }  # fmt: skip
