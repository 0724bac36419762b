"""Browsers: only pages of allowed origins may call, and without cookies."""

from pathlib import Path

import httpx
import pytest

from fabric.settings import Settings, SettingsError
from graphql_api.app import create_app

pytestmark = pytest.mark.anyio


def client(tmp_path: Path, *origins: str) -> httpx.AsyncClient:
    settings = Settings(data_dir=tmp_path, log_format="json", allowed_origins=origins)
    transport = httpx.ASGITransport(create_app(settings, "postgresql://nobody@127.0.0.1:1/none"))
    return httpx.AsyncClient(transport=transport, base_url="http://fabric")


def asking(origin: str) -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, fabric-session-label",
    }


async def test_a_page_of_an_allowed_origin_may_call(tmp_path: Path) -> None:
    async with client(tmp_path, "https://app.example") as browser:
        answer = await browser.options("/graphql", headers=asking("https://app.example"))
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "access-control-allow-credentials" not in answer.headers
        assert "fabric-session-label" in answer.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil.example", "null"])
async def test_others_may_not(tmp_path: Path, origin: str) -> None:
    async with client(tmp_path, "https://app.example") as browser:
        assert "access-control-allow-origin" not in (await browser.options("/graphql", headers=asking(origin))).headers
        assert "access-control-allow-origin" not in (await browser.get("/healthz", headers=asking(origin))).headers


async def test_by_default_nobody_may(tmp_path: Path) -> None:
    async with client(tmp_path) as browser:
        answer = await browser.get("/healthz", headers=asking("https://app.example"))
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["*", "https://app.example/", "app.example", "ftp://app.example", "https://a/b"])
def test_what_is_no_origin_is_refused_at_start(origin: str) -> None:
    with pytest.raises(SettingsError, match="FABRIC_ALLOWED_ORIGINS"):
        Settings(log_format="json", allowed_origins=(origin,))
