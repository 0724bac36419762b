"""`documents register`, `list` and `remove`."""

from pathlib import Path

import pytest
from command_line import HIDDEN, THING, Run, written

from fabric.document_register import document_id

ASK, THINGS = "query Ask { viewer { subject } }", "query Things { things { nodes { name } } }"
AT = ["--organization", "acme", "--clearance"]


def digest(text: str) -> str:
    return document_id(text).removeprefix("sha256:")


@pytest.fixture
def things(run: Run, tmp_path: Path) -> Run:
    """Runs a command on a database in which `acme` has things, and hidden ones above."""
    assert run("organization", "acme", "--compartment", "ALPHA").code == 0
    assert run("define", written(tmp_path / "types.json", [THING, HIDDEN]), "--organization", "acme").code == 0
    return run


def test_documents_are_registered_listed_and_removed(things: Run, tmp_path: Path) -> None:
    (tmp_path / "ask.graphql").write_text(ASK)
    manifest = written(tmp_path / "persisted.json", {digest(t): t for t in (ASK, THINGS)})
    made = things("documents", "register", str(tmp_path / "ask.graphql"), manifest, *AT, "UNCLASSIFIED")
    assert (made.code, made.out.split()) == (0, [document_id(ASK), document_id(THINGS)])
    assert things("documents", "register", manifest, *AT, "SECRET").code == 0
    lines = [line.split("\t") for line in things("documents", "list", *AT, "CONFIDENTIAL").out.splitlines()]
    assert {(line[0], line[1], line[3], line[4]) for line in lines} == {
        (document_id(ASK), "UNCLASSIFIED", "operator", "Ask"),
        (document_id(THINGS), "UNCLASSIFIED", "operator", "Things"),
    }  # fmt: skip
    assert len(things("documents", "list", *AT, "SECRET").out.splitlines()) == 4
    gone = things("documents", "remove", document_id(ASK), document_id("{ none }"), *AT, "UNCLASSIFIED")
    assert (gone.code, gone.out) == (1, document_id(ASK) + "\n")
    assert f"{document_id('{ none }')} is not registered at UNCLASSIFIED" in gone.err
    assert len(things("documents", "list", *AT, "SECRET").out.splitlines()) == 3


def test_of_documents_that_are_not_valid_none_is_registered(things: Run, tmp_path: Path) -> None:
    hidden = "{ hiddens { nodes { name } } }"
    texts = written(tmp_path / "d.json", {digest(t): t for t in (ASK, hidden, "{ a")})
    refused = things("documents", "register", texts, *AT, "UNCLASSIFIED")
    assert (refused.code, refused.out) == (2, "")
    told = refused.err.splitlines()
    assert len(told) == 2
    assert f"{texts}: {digest(hidden)}: line 1, column 3: Cannot query field 'hiddens'" in told[0]
    assert things("documents", "list", *AT, "SECRET").out == ""
    assert "Syntax Error" in things("documents", "register", texts, *AT, "SECRET").err


@pytest.mark.parametrize("given", [["register", "README.md"], ["remove", "sha256:0"], ["remove", "0" * 64]])
def test_what_is_no_manifest_and_no_id_is_refused(things: Run, given: list[str]) -> None:
    assert things("documents", *given, *AT, "SECRET").refusal
