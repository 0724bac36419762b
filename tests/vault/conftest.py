from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
import soft_hsm
from backends import BACKENDS
from botocore.loaders import JSONFileLoader
from contract import Bench


@pytest.fixture(params=BACKENDS)
async def bench(request: pytest.FixtureRequest, anyio_backend: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A vault for one test, of each backend in turn."""
    async with BACKENDS[request.param](tmp_path) as bench:
        yield bench


@pytest.fixture
async def shared_key(bench: Bench) -> str:
    """A key for all examples of one test."""
    return await bench.key()


@pytest.fixture(autouse=True, scope="session")
def _softhsm_is_removed() -> Iterator[None]:
    yield
    soft_hsm.remove_tokens_folder()


@pytest.fixture(autouse=True, scope="session")
def _boto_reads_its_files_once() -> Iterator[None]:
    """Each session of boto3 reads megabytes of JSON that came with it, which takes longer than most tests."""
    read = cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: read(path))
        yield


@pytest.fixture(autouse=True)
def _aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's tools find them in the environment. Nobody's real ones are used here."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-canary")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
