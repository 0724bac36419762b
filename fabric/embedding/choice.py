"""Which provider the settings mean."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from fabric.embedding.hashing import MODEL as HASHING
from fabric.embedding.hashing import Hashing
from fabric.embedding.minilm import WEIGHTS_SHA256, MiniLM, NoWeights, packaged_folder
from fabric.embedding.provider import Provider
from fabric.settings import Settings, SettingsError, variable


def provider(settings: Settings) -> Provider | None:
    """None where nothing is to be embedded. SettingsError for what cannot be used as it was asked for.

    By default: the endpoint that is configured, else the weights that are installed, else feature hashing.
    """
    match settings.embeddings:
        case "none":
            return None
        case "hashing":
            return Hashing()
        case "endpoint":
            return _endpoint(settings)
        case "local":
            return _local(settings)
    if settings.embedding_url:
        return _endpoint(settings)
    if settings.embedding_model_folder is not None:
        return _local(settings)
    try:
        return _local(settings)
    except SettingsError:
        return Hashing()


def former(settings: Settings, key: str) -> Provider | None:
    """The provider of a model whose vectors are still there, by `Model.key`; None where this process has none."""
    name, dimensions, *revision = [*key.split("#"), ""]
    if key == HASHING.key:
        return Hashing()
    try:
        if revision[0] == WEIGHTS_SHA256[:12]:
            return MiniLM.load(packaged_folder(), WEIGHTS_SHA256)
        if settings.embedding_url and not revision[0]:
            return _endpoint(replace(settings, embedding_model=name, embedding_dimensions=int(dimensions)))
    except (NoWeights, ValueError):
        return None
    return None


def _local(settings: Settings) -> MiniLM:
    folder = settings.embedding_model_folder
    try:
        return MiniLM.load(folder) if folder is not None else MiniLM.load(packaged_folder(), WEIGHTS_SHA256)
    except NoWeights as error:
        name = "embedding_model_folder" if folder is not None else "embeddings"
        raise SettingsError(f"{variable(name)}: {error}") from error


def _endpoint(settings: Settings) -> Provider:
    # Its client takes half a second to import, and most processes need none.
    module = import_module("fabric.embedding.endpoint")
    made: Provider = module.Endpoint(
        settings.embedding_url,
        _key(settings.embedding_key_file),
        settings.embedding_model,
        settings.embedding_dimensions,
        batch_tokens=settings.embedding_batch_tokens,
        timeout=settings.embedding_timeout_seconds,
        query_timeout=settings.embedding_query_seconds,
        requests_per_minute=settings.embedding_requests_per_minute,
    )
    return made


def _key(file: Path | None) -> str:
    try:
        return file.read_text("utf-8").strip() if file is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{variable('embedding_key_file')} cannot be read ({type(error).__name__})") from error
