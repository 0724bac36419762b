"""The files in which tools leave the documents of a front end: Relay, GraphQL Code Generator, Apollo, plain GraphQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from fabric.document_register import document_id

_APOLLO = "apollo-persisted-query-manifest"
_GRAPHQL = frozenset({".graphql", ".gql"})


class ManifestError(ValueError):
    """The file is none of these, or its ids are not what this server computes; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A document, and where it stands: the file, and what the file calls it."""

    place: str
    text: str


def read_manifest(path: Path) -> list[Listed]:
    """The documents of one file. OSError; ManifestError."""
    content = path.read_bytes()
    if path.suffix in _GRAPHQL:
        try:
            return [Listed(str(path), content.decode())]
        except UnicodeDecodeError:
            raise ManifestError(f"{path}: not UTF-8") from None
    try:
        manifest: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ManifestError(f"{path}: neither a .graphql file nor JSON: {error}") from None
    return [_checked(path, id, text) for id, text in _documents(path, manifest)]


def _documents(path: Path, manifest: Any) -> Iterator[tuple[str, str]]:
    """(id, text) of each. Relay and Code Generator write texts by their ids, Apollo a list with more in it."""
    operations = manifest
    if isinstance(manifest, dict) and manifest.get("format") == _APOLLO:
        if manifest.get("version") != 1:
            raise ManifestError(f"{path}: an Apollo manifest of another version than 1")
        listed = manifest.get("operations")
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise ManifestError(f"{path}: an Apollo manifest without operations")
        operations = {each.get("id"): each.get("body") for each in listed}
    if not isinstance(operations, dict) or not all(isinstance(x, str) for pair in operations.items() for x in pair):
        raise ManifestError(f"{path}: not a manifest: neither texts by their ids nor Apollo's form")
    yield from operations.items()


def _checked(path: Path, id: str, text: str) -> Listed:
    if id.removeprefix("sha256:") != document_id(text).removeprefix("sha256:"):
        raise ManifestError(
            f"{path}: {id} is not the SHA-256 of its document; set Relay's persistConfig to algorithm SHA256, "
            "Code Generator's persistedDocuments to hashAlgorithm sha256"
        )
    return Listed(f"{path}: {id}", text)
