"""Many readers with many variables at once, through the same compilers: each gets its own answer.

The documents use variables wherever their shape decides the statement. What comes back in parallel, with plans shared
as the cache shares them, is held against the interpreter.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from graphql import get_named_type
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from compiler.ground import Ground
from compiler.interpreter import Interpreter, Place
from compiler.questions import Values
from compiler.test_against_interpreter import compare
from compiler.worlds import LABELS, World, make_world
from graphql_api.documents.documents import PLANS_PER_OPERATION

ABSENT = object()


@pytest.fixture(scope="module")
def world(ground: Ground) -> Callable[[int], World]:
    return cache(lambda seed: make_world(ground, seed))


class _Document:
    """One document on a list, and the variables it is asked with. Cursors come from what was answered before."""

    def __init__(self, random: Random, ground: Ground, world: World, names: Sequence[str]) -> None:
        self._random = random
        self._ids = [str(r["object_id"]) for r in world.objects]
        # The type as the lowest reader sees it: what it has, all of them have.
        schema = ground.compiler(world.organization, world.catalogues[LABELS[0]]).surface.schema
        query = schema.query_type
        assert query is not None
        name = random.choice(names)
        self._field = query.fields[name]
        where, order = self._type("where"), str(get_named_type(self._field.args["orderBy"].type))
        self.text = f"""
            query($where: {where}, $or: [{where}!] = [], $item: {where}! = {{}}, $ids: [ID!] = [], $order: [{order}!],
                  $way: OrderDirection, $first: Int, $last: Int, $after: String, $brief: Boolean!) {{
              whole: {name}(where: $where, orderBy: $order, first: $first, last: $last, after: $after) {{
                edges {{ cursor node {{ id @skip(if: $brief) label }} }}
                totalCount @include(if: $brief)
                pageInfo {{ hasNextPage hasPreviousPage endCursor }}
              }}
              parts: {name}(where: {{or: $or, and: [$item, {{id: {{notIn: $ids}}}}]}}, orderBy: [{{revision: $way}}]) {{
                nodes {{ id }}
              }}
            }}"""

    def _type(self, argument: str) -> Any:
        return self._field.args[argument].type

    def variables(self) -> dict[str, Any]:
        """At random, some null, some absent."""
        random, values = self._random, Values(self._random, self._ids)
        where = self._type("where")
        maybe: dict[str, Any] = {
            "where": random.choice([ABSENT, None, {}, values.made(where)]),
            "or": random.choice([ABSENT, [{}], [values.made(where) for _ in range(random.randint(1, 3))]]),
            "item": random.choice([ABSENT, {}, values.made(where)]),
            "order": random.choice([ABSENT, None, [], values.made(self._type("orderBy"))]),
            random.choice(["first", "last"]): random.choice([ABSENT, None, 1, 2]),
            "after": random.choice([ABSENT, None]),
            "ids": random.choice([ABSENT, [], random.sample(self._ids, min(2, len(self._ids)))]),
            "brief": random.random() < 0.5,
            "way": random.choice(["ASC", "DESC"]),
        }
        given = {name: value for name, value in maybe.items() if value is not ABSENT}
        return dict(orjson.loads(orjson.dumps(given)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 9), random=st.randoms(use_true_random=False))
def test_each_reader_gets_the_answer_to_its_own_variables(
    ground: Ground, world: Callable[[int], World], seed: int, random: Random
) -> None:
    here = world(seed)
    roots = ground.compiler(here.organization, here.catalogues[LABELS[0]]).surface.roots
    names = [n for n, root in roots.items() if root.kind == "list"]
    assume(names)
    document = _Document(random, ground, here, names)
    cursors: dict[str, dict[str, Place]] = {label: {} for label in LABELS}
    for _ in range(3):
        asked = []
        for label in random.choices(LABELS, k=6):
            variables = document.variables()
            if random.random() < 0.5:
                variables["after"] = _end_of_page(ground, here, label, document, variables, cursors[label])
            asked.append((label, variables))
        answers = ground.run(_all(ground, here, document.text, asked))
        for (label, variables), answer in zip(asked, answers, strict=True):
            expected = _interpreter(here, label, cursors[label]).answer(document.text, variables)
            compare(answer, expected, cursors[label], ())


def _end_of_page(
    ground: Ground, world: World, label: str, document: _Document, variables: dict[str, Any], cursors: dict[str, Place]
) -> str | None:
    """A cursor of this ordering, with whatever nulls its keys have; None where there is nothing to point at."""
    first = {**variables, "after": None}
    [answer] = ground.run(_all(ground, world, document.text, [(label, first)]))
    compare(answer, _interpreter(world, label, cursors).answer(document.text, first), cursors, ())
    found: str | None = answer["whole"]["pageInfo"]["endCursor"]
    return found


def _interpreter(world: World, label: str, cursors: dict[str, Place]) -> Interpreter:
    code = world.subjects[label].label
    catalogue = world.catalogues[label]
    rows = world.objects, world.links, world.events
    return Interpreter(catalogue, world.organization, code, *rows, cursors, world.secrets)


async def _all(ground: Ground, world: World, text: str, asked: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
    return await asyncio.gather(
        *(ground.ask(world.organization, world.subjects[label], text, variables) for label, variables in asked)
    )


def test_plans_of_one_document_are_bounded_and_forgotten_ones_are_made_again(
    ground: Ground, world: Callable[[int], World]
) -> None:
    here, label = world(0), LABELS[0]
    text = "query($ids: [ID!] = [], $w: [AssetWhere!]) { assets(where: {id: {notIn: $ids}, and: $w}) { totalCount } }"
    operation = ground.compiler(here.organization, here.catalogues[label]).operation(text, None)
    given: list[dict[str, Any]] = [{"w": [{}] * n} for n in (*range(2 * PLANS_PER_OPERATION), *range(5))]
    answers = ground.run(_all(ground, here, text, [(label, variables) for variables in [{"w": None}, *given]]))
    assert answers == [answers[0]] * len(answers)
    assert len(operation.plans) == PLANS_PER_OPERATION
