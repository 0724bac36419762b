"""Surfaces: one for each set of visible definitions, bounded."""

from pathlib import Path
from uuid import uuid4

import pytest

from fabric.settings import Settings
from fabric.types.catalogue import Catalogue, Fragment
from fabric.types.merging import build
from graphql_api.compiler import surfaces
from graphql_api.compiler.surfaces import Surfaces
from graphql_api.schema.schema import Surface, build_surface

ORGANIZATION = uuid4()


def catalogue(*names: str) -> Catalogue:
    schema = {"base": True, "fields": [{"name": "name", "type": "string"}]}
    return build([Fragment(name, 0, "object", schema, None, 1) for name in names])


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Catalogue]:
    """The catalogues that surfaces are built of."""
    built: list[Catalogue] = []

    def noted(of: Catalogue) -> Surface:
        built.append(of)
        return build_surface(of)

    monkeypatch.setattr(surfaces, "build_surface", noted)
    return built


def bounded(size: int = 64) -> Surfaces:
    return Surfaces(Settings(data_dir=Path("/nowhere"), log_format="json", schema_cache_size=size))


def test_those_who_see_the_same_definitions_share_one(builds: list[Catalogue]) -> None:
    of = bounded()
    made = {id(of.compiler(ORGANIZATION, catalogue("Pump"))) for _ in range(20)}
    assert len(builds) == len(made) == 1


def test_what_was_used_longest_ago_goes_first(builds: list[Catalogue]) -> None:
    of = bounded(2)
    for name in ("Pump", "Valve", "Pump", "Meter", "Pump"):
        of.compiler(ORGANIZATION, catalogue(name))
    assert [next(iter(b.types)) for b in builds] == ["Pump", "Valve", "Meter"]


def test_organizations_share_none(builds: list[Catalogue]) -> None:
    of = bounded()
    one, other = (of.compiler(organization_id, catalogue("Pump")) for organization_id in (ORGANIZATION, uuid4()))
    assert one is not other
    assert len(builds) == 2
