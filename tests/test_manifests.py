"""Documents from the files of front-end tools, registered, listed and removed by the command."""

import json
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest

from graphql_api.documents.manifests import ManifestError, read_manifest

ASK = "query Ask {\n  viewer { subject }\n}\n"
THINGS = "query Things($n: Int) { things(first: $n) { nodes { name } } }"


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def apollo(*texts: str, **changed: Any) -> dict[str, Any]:
    operations = [{"id": digest(t), "name": "Ask", "type": "query", "body": t} for t in texts]
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations} | changed


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("persisted.json", {digest(ASK): ASK, digest(THINGS): THINGS}),
        ("persisted-documents.json", {f"sha256:{digest(ASK)}": ASK, digest(THINGS): THINGS}),
        ("persisted-query-manifest.json", apollo(ASK, THINGS)),
    ],
)
def test_each_tools_manifest_is_read(tmp_path: Path, name: str, content: Any) -> None:
    assert [each.text for each in read_manifest(written(tmp_path / name, content))] == [ASK, THINGS]


@pytest.mark.parametrize("suffix", ["graphql", "gql"])
def test_a_graphql_file_is_a_document_to_the_last_byte(tmp_path: Path, suffix: str) -> None:
    assert [each.text for each in read_manifest(written(tmp_path / f"ask.{suffix}", ASK))] == [ASK]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({md5(ASK.encode()).hexdigest(): ASK}, "is not the SHA-256 of its document; set Relay's persistConfig"),
        ({digest(ASK): ASK + " "}, "is not the SHA-256"),
        (apollo(ASK, version=2), "another version"),
        (apollo(operations=5), "without operations"),
        (apollo(operations=["x"]), "without operations"),
        (apollo(operations=[{"id": digest(ASK)}]), "not a manifest"),
        ({digest(ASK): {"body": ASK}}, "not a manifest"),
        ([ASK], "not a manifest"),
        ("{", "neither a .graphql file nor JSON"),
    ],
)
def test_what_is_no_manifest_is_refused_by_name(tmp_path: Path, content: Any, said: str) -> None:
    path = written(tmp_path / "documents.json", content)
    with pytest.raises(ManifestError, match=said) as refused:
        read_manifest(path)
    assert str(refused.value).startswith(str(path))


def test_a_graphql_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.graphql"
    path.write_bytes(b"# \xfc\n{ a }")
    with pytest.raises(ManifestError, match="not UTF-8"):
        read_manifest(path)
