"""The compiled answer equals the interpreter's: same values, same order of rows and of keys."""

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ground import Ground
from compiler.interpreter import Interpreter, Place
from compiler.questions import Question
from compiler.worlds import LABELS, World, make_world

WORLDS = 20


def check(
    ground: Ground, world: World, label: str, text: str, variables: dict[str, Any], cursors: dict[str, Place]
) -> Any:
    """The answer, which is the interpreter's too; its cursors are put among those known."""
    subject = world.subjects[label]
    actual = ground.run(ground.ask(world.organization, subject, text, variables))
    interpreter = Interpreter(
        world.catalogues[label], world.organization, subject.label, world.objects, world.links, world.events, cursors,
        world.secrets,
    )  # fmt: skip
    compare(actual, interpreter.answer(text, variables), cursors, ())
    return actual


def compare(actual: Any, expected: Any, cursors: dict[str, Place], path: tuple[str | int, ...]) -> None:
    match expected:
        case Place():
            assert isinstance(actual, str), path
            assert cursors.setdefault(actual, expected) is expected or _same_place(cursors[actual], expected), path
        case dict():
            assert isinstance(actual, dict), path
            assert list(actual) == list(expected), path
            for key, value in expected.items():
                compare(actual[key], value, cursors, (*path, key))
        case list():
            assert isinstance(actual, list), path
            assert len(actual) == len(expected), path
            for i, value in enumerate(expected):
                compare(actual[i], value, cursors, (*path, i))
        case _:
            assert (isinstance(actual, bool), actual) == (isinstance(expected, bool), expected), path


def _same_place(a: Place, b: Place) -> bool:
    return a.row is b.row and a.link is b.link


@pytest.fixture(scope="module")
def world(ground: Ground) -> Callable[[int], World]:
    """The world of a seed; each is made once."""
    return cache(lambda seed: make_world(ground, seed))


def question(random: Random, ground: Ground, world: World, label: str) -> Question:
    surface = ground.compiler(world.organization, world.catalogues[label]).surface
    ids = [str(r["object_id"]) for r in world.objects]
    keys = [r["data"]["code"] for r in world.objects if "code" in r["data"]]
    return Question(random, surface, ids, keys)


@settings(max_examples=250, deadline=None)
@given(seed=st.integers(0, WORLDS - 1), label=st.sampled_from(LABELS), random=st.randoms(use_true_random=False))
def test_answers_what_the_interpreter_answers(
    ground: Ground, world: Callable[[int], World], seed: int, label: str, random: Random
) -> None:
    asked = question(random, ground, world(seed), label)
    check(ground, world(seed), label, asked.text, orjson.loads(orjson.dumps(asked.variables)), {})
