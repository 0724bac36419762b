"""What a server is made of ends in the opposite order of its beginning."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fabric.embedding.hashing import Hashing
from fabric.settings import Settings
from graphql_api import assembly, background
from graphql_api.assembly import Outfit, serving
from graphql_api.metrics import Metrics
from graphql_api.streaming.connections import Connections
from vault.software import SoftwareVault

pytestmark = pytest.mark.anyio


async def test_what_works_in_the_background_ends_before_what_it_uses(
    monkeypatch: pytest.MonkeyPatch, server_url: str, tmp_path: Path
) -> None:
    ended: list[str] = []

    def noted(name: str, close: Any) -> Any:
        async def closing(self: Any) -> None:
            ended.append(name)
            await close(self)

        return closing

    @asynccontextmanager
    async def indexing(*_: Any) -> AsyncIterator[None]:
        yield
        ended.append("indexing")

    monkeypatch.setattr(background, "indexing", indexing)
    monkeypatch.setattr(Hashing, "close", noted("embeddings", Hashing.close))
    monkeypatch.setattr(SoftwareVault, "close", noted("vault", SoftwareVault.close))
    monkeypatch.setattr(assembly.Graphs, "close", noted("graphs", assembly.Graphs.close))
    settings = Settings(data_dir=tmp_path / "data", embeddings="hashing")
    metrics = Metrics()
    async with serving(Outfit.of(settings), server_url, None, metrics, Connections(settings, metrics)):
        assert ended == []
    assert ended == ["indexing", "graphs", "embeddings", "vault"]


async def test_what_was_opened_is_closed_where_the_database_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed: list[str] = []

    async def close(_: Any) -> None:
        closed.append("vault")

    monkeypatch.setattr(SoftwareVault, "close", close)
    settings = Settings(data_dir=tmp_path / "data", embeddings="none")
    metrics = Metrics()
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever the driver says)
        async with serving(
            Outfit.of(settings), "postgresql://nobody@127.0.0.1:1/none", None, metrics, Connections(settings, metrics)
        ):
            pass
    assert closed == ["vault"]
