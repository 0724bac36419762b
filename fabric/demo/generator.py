"""Puts the demo together from its texts, in an order in which everything is there before it is spoken of."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from random import Random
from typing import Any

from fabric.demo.assets import build_assets
from fabric.demo.collection import CISTERN, Collection
from fabric.demo.covers import cover_places, cover_reports, cover_things, link_in_secret
from fabric.demo.grammar import Grammar
from fabric.demo.people import build_people
from fabric.demo.places import build_places, connect_places
from fabric.demo.programmes import LABELS, build_assessments, build_programmes
from fabric.demo.reports import build_reports

SEED = 2207


def records() -> Iterator[dict[str, Any]]:
    """The demo's import records: definitions, then objects, then links. The same ones, in the same order, each time."""
    for group in ("places", "assets", "people", "reports"):
        for definition in _toml(f"definitions/{group}.toml")["define"]:
            yield {"define": definition}
    yield from _collection().records()


def _collection() -> Collection:
    world = Collection(Random(SEED))
    names = _toml("texts/names.toml")
    phrases = _toml("texts/reports.toml") | _toml("texts/descriptions.toml") | _toml("texts/secrets.toml")
    grammar = Grammar(world.random, phrases)
    build_places(world, grammar, names)
    cover_places(world, grammar, names["codeword"][LABELS.index(CISTERN)])
    connect_places(world)
    build_people(world, grammar, names)
    build_programmes(world, grammar, names)
    build_assets(world, grammar, names)
    build_reports(world, phrases, _toml("texts/faults.toml")["fault"], names)
    build_assessments(world, grammar, names)
    cover_things(world, grammar)
    cover_reports(world, grammar)
    link_in_secret(world)
    return world


def _toml(path: str) -> dict[str, Any]:
    return tomllib.loads(files("fabric.demo").joinpath(path).read_text("utf-8"))
