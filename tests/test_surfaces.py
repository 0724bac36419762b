"""Surfaces: one for each set of visible definitions, bounded, built once however many wait."""

import asyncio
import threading
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from fabric.catalogue import Catalogue, Fragment
from fabric.merging import build
from fabric.settings import Settings
from graphql_api import surfaces
from graphql_api.schema import Surface, build_surface
from graphql_api.surfaces import Surfaces

pytestmark = pytest.mark.anyio

ORGANIZATION = uuid4()


def catalogue(*names: str) -> Catalogue:
    schema = {"base": True, "fields": [{"name": "name", "type": "string"}]}
    return build([Fragment(name, 0, "object", schema, None, 1) for name in names])


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Catalogue]:
    """The catalogues that surfaces are built of, each build slow enough to be waited for."""
    built: list[Catalogue] = []
    pause = threading.Event()

    def slow(of: Catalogue) -> Surface:
        built.append(of)
        pause.wait(0.05)
        return build_surface(of)

    monkeypatch.setattr(surfaces, "build_surface", slow)
    return built


def bounded(size: int = 64) -> Surfaces:
    return Surfaces(Settings(data_dir=Path("/nowhere"), log_format="json", schema_cache_size=size))


async def many(of: Surfaces, number: int, organization_id: UUID = ORGANIZATION) -> list[Any]:
    asked = (of.compiler(organization_id, catalogue("Pump")) for _ in range(number))
    return await asyncio.gather(*asked)


async def test_those_who_ask_at_once_wait_for_one_build(builds: list[Catalogue]) -> None:
    made = await many(bounded(), 20)
    assert len(builds) == 1
    assert len({id(compiler) for compiler in made}) == 1


async def test_one_who_goes_away_does_not_take_the_schema_from_the_others(builds: list[Catalogue]) -> None:
    of = bounded()
    leaving = asyncio.create_task(of.compiler(ORGANIZATION, catalogue("Pump")))
    await asyncio.sleep(0.01)
    staying = asyncio.create_task(of.compiler(ORGANIZATION, catalogue("Pump")))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).surface.catalogue.types.keys() == {"Pump"}
    assert len(builds) == 1


async def test_what_was_used_longest_ago_goes_first(builds: list[Catalogue]) -> None:
    of = bounded(2)
    for name in ("Pump", "Valve", "Pump", "Meter", "Pump"):
        await of.compiler(ORGANIZATION, catalogue(name))
    assert [next(iter(b.types)) for b in builds] == ["Pump", "Valve", "Meter"]


async def test_organizations_share_none(builds: list[Catalogue]) -> None:
    of = bounded()
    one = await of.compiler(ORGANIZATION, catalogue("Pump"))
    other = await of.compiler(uuid4(), catalogue("Pump"))
    assert one is not other
    assert len(builds) == 2


async def test_a_build_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    of = bounded()

    def fail(_: Catalogue) -> Surface:
        raise RuntimeError

    monkeypatch.setattr(surfaces, "build_surface", fail)
    with pytest.raises(RuntimeError):
        await of.compiler(ORGANIZATION, catalogue("Pump"))
    monkeypatch.setattr(surfaces, "build_surface", build_surface)
    assert await of.compiler(ORGANIZATION, catalogue("Pump"))
