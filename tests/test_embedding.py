"""Providers: what they give is usable, or it is refused; an endpoint that fails is told as one error."""

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding_endpoint import DIMENSIONS, Double, endpoint

from fabric.embedding.choice import provider
from fabric.embedding.endpoint import CHARACTERS_PER_TOKEN, MOST_TEXTS, Endpoint
from fabric.embedding.hashing import Hashing
from fabric.embedding.minilm import WEIGHTS_SHA256, Encoder, MiniLM, NoWeights, packaged_folder
from fabric.embedding.provider import BadVectors, unit_vectors
from fabric.errors import EmbeddingsUnavailable
from fabric.settings import Settings, SettingsError

pytestmark = pytest.mark.anyio

TEXTS = ["the pump leaks", "pumps that leak", "a choir sings"]


@pytest.fixture
def double() -> Iterator[Double]:
    with endpoint() as made:
        yield made


@pytest.fixture
async def client(double: Double) -> AsyncIterator[Endpoint]:
    made = Endpoint(double.url, "key", "some-model", query_timeout=0.5)
    yield made
    await made.close()


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM.load(packaged_folder(), WEIGHTS_SHA256)


def assert_unit(vectors: Any, number: int, dimensions: int) -> None:
    assert vectors.dtype == np.float32
    assert vectors.shape == (number, dimensions)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


# Any provider


@pytest.mark.parametrize("kind", ["endpoint", "local", "hashing"])
async def test_every_provider_gives_unit_vectors_in_the_order_of_the_texts(
    kind: str, client: Endpoint, minilm: MiniLM
) -> None:
    made = {"endpoint": client, "local": minilm, "hashing": Hashing()}[kind]
    model = await made.model()
    vectors = await made.embed(TEXTS)
    assert_unit(vectors, 3, model.dimensions)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    alone = await made.embed(TEXTS[1:2], patient=False)
    assert np.allclose(alone[0], vectors[1], atol=1e-5)
    assert (await made.embed([])).shape == (0, model.dimensions)
    assert_unit(await made.embed([""]), 1, model.dimensions)


@pytest.mark.parametrize(
    "vectors",
    [
        [[1.0, 0.0]], [[1.0, 0.0], [1.0]], [[1.0, 0.0], [1.0, 0.0, 0.0]], [[1.0, float("nan")], [1.0, 0.0]],
        [[1.0, float("inf")], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]], [[1e300, 0.0], [1.0, 0.0]], None, [["a", "b"]] * 2,
    ],
)  # fmt: skip
def test_what_are_no_vectors_of_the_model_is_refused(vectors: Any) -> None:
    with pytest.raises(BadVectors):
        unit_vectors(vectors, 2, 2)


# The endpoint


async def test_an_endpoint_is_asked_in_batches_by_tokens_and_number(double: Double) -> None:
    client = Endpoint(double.url, "secret", "some-model", DIMENSIONS, batch_tokens=100)
    await client.embed(["x" * 60 * CHARACTERS_PER_TOKEN] * 3 + ["short"])
    assert [len(request["input"]) for request in double.asked] == [1, 1, 2]
    assert {request["dimensions"] for request in double.asked} == {DIMENSIONS}
    assert set(double.keys) == {"Bearer secret"}
    double.asked.clear()
    await client.close()
    client = Endpoint(double.url, "", "some-model", DIMENSIONS)
    await client.embed(["a"] * (MOST_TEXTS + 1))
    assert [len(request["input"]) for request in double.asked] == [MOST_TEXTS, 1]
    await client.close()


async def test_its_dimensions_are_learned_where_none_are_asked_for(client: Endpoint, double: Double) -> None:
    model = await client.model()
    assert (model.key, model.dimensions) == (f"some-model#{DIMENSIONS}", DIMENSIONS)
    assert "dimensions" not in double.asked[0]
    await client.model()
    assert len(double.asked) == 1


async def test_a_busy_endpoint_is_asked_again_where_nobody_waits(client: Endpoint, double: Double) -> None:
    await client.model()
    double.busy = 1
    assert_unit(await client.embed(TEXTS), 3, DIMENSIONS)
    double.busy = 1
    with pytest.raises(EmbeddingsUnavailable):
        await client.embed(TEXTS, patient=False)


async def test_requests_are_spread_over_the_minute(double: Double) -> None:
    client = Endpoint(double.url, "", "some-model", DIMENSIONS, batch_tokens=100, requests_per_minute=600)
    began = time.monotonic()
    await client.embed(["x" * 90 * CHARACTERS_PER_TOKEN] * 4)
    assert time.monotonic() - began >= 0.3
    await client.close()


async def test_an_endpoint_that_is_slow_is_not_waited_for(client: Endpoint, double: Double) -> None:
    await client.model()
    double.delay = 5
    began = time.monotonic()
    with pytest.raises(EmbeddingsUnavailable):
        await client.embed(TEXTS, patient=False)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_an_endpoint_that_refuses_is_unavailable(client: Endpoint, double: Double, status: int) -> None:
    double.status = status
    with pytest.raises(EmbeddingsUnavailable) as caught:
        await client.embed(TEXTS, patient=False)
    assert TEXTS[0] not in caught.value.message


async def test_an_endpoint_that_is_down_is_unavailable() -> None:
    client = Endpoint("http://127.0.0.1:9/v1", "", "some-model", DIMENSIONS)
    with pytest.raises(EmbeddingsUnavailable):
        await client.embed(TEXTS, patient=False)
    await client.close()


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"no json", b"", b'{"data": null}', b'{"data": [{"index": 0}]}', b'{"data": [1]}']
)
async def test_an_answer_of_another_form_is_refused(client: Endpoint, double: Double, body: bytes) -> None:
    double.body = body
    with pytest.raises(EmbeddingsUnavailable):
        await client.embed(TEXTS, patient=False)


async def test_vectors_of_another_length_or_that_are_not_finite_are_refused(client: Endpoint, double: Double) -> None:
    await client.model()
    for wrong in (lambda texts: [[1.0, 2.0]] * len(texts), lambda texts: [[float("nan")] * DIMENSIONS] * len(texts)):
        double.vectors = wrong
        with pytest.raises(BadVectors):
            await client.embed(TEXTS, patient=False)
    double.vectors = lambda texts: [[1.0] * DIMENSIONS] * (len(texts) - 1)
    with pytest.raises(BadVectors):
        await client.embed(TEXTS, patient=False)


# The model in this process


async def test_minilm_gives_the_similarities_that_are_known_of_it(minilm: MiniLM) -> None:
    """Those that the model's page shows for its example."""
    texts = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    vectors = await minilm.embed(texts)
    assert (vectors[1:] @ vectors[0]).round(3).tolist() == pytest.approx([0.695, 0.943, 0.257], abs=0.001)
    assert (await minilm.model()).key == f"all-MiniLM-L6-v2#384#{WEIGHTS_SHA256[:12]}"


async def test_a_text_beside_others_of_other_lengths_has_the_vector_it_has_alone(minilm: MiniLM) -> None:
    texts = [f"{'pump ' * n}at the weir" for n in (0, 1, 7, 60, 400)]
    together = await minilm.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert np.allclose((await minilm.embed([text]))[0], vector, atol=1e-5)


async def test_the_event_loop_goes_on_while_the_model_works(minilm: MiniLM) -> None:
    working = asyncio.create_task(minilm.embed(["pump " * 250] * 4))
    turns = 0
    while not working.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 10
    await working


async def test_once_it_is_closed_nothing_works_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that forks while threads multiply waits for them for ever."""
    made = MiniLM.load(packaged_folder(), WEIGHTS_SHA256)
    encode, working, ended = Encoder.encode, threading.Event(), threading.Event()

    def slow(encoder: Encoder, tokens: Any) -> Any:
        working.set()
        time.sleep(0.3)
        ended.set()
        return encode(encoder, tokens)

    monkeypatch.setattr(Encoder, "encode", slow)
    task = asyncio.create_task(made.embed(TEXTS))
    await asyncio.to_thread(working.wait)
    task.cancel()
    await made.close()
    assert ended.is_set()


def test_weights_that_are_not_the_expected_ones_are_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(packaged_folder(), tmp_path / "model")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(NoWeights, match="SHA-256"):
        MiniLM.load(folder, WEIGHTS_SHA256)
    assert MiniLM.load(folder)._model.name == "model"
    weights.write_bytes(content[:1000])
    with pytest.raises(NoWeights):
        MiniLM.load(folder)


# The choice


def chosen(**settings: Any) -> Any:
    return provider(Settings(**settings))


def test_the_settings_choose(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    assert chosen(embeddings="none") is None
    assert isinstance(chosen(embeddings="hashing"), Hashing)
    assert isinstance(chosen(), MiniLM)
    assert isinstance(chosen(embedding_model_folder=packaged_folder()), MiniLM)
    assert isinstance(chosen(embedding_url="https://api.example/v1", embedding_key_file=key), Endpoint)
    with pytest.raises(SettingsError):
        chosen(embeddings="endpoint")
    with pytest.raises(SettingsError):
        chosen(embedding_url="https://api.example/v1", embedding_key_file=tmp_path / "none")


def test_without_weights_it_is_hashing_unless_the_model_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("fabric.embedding.minilm.PACKAGE", "no-such-package")
    assert isinstance(chosen(), Hashing)
    for asked in ({"embeddings": "local"}, {"embedding_model_folder": tmp_path}):
        with pytest.raises(SettingsError):
            chosen(**asked)


async def test_hashing_says_that_it_is_lexical() -> None:
    assert (await Hashing().model()).lexical
