"""`embed`."""

import json
from pathlib import Path

import pytest
from command_line import Run, written

TEXT = {"type": "string", "required": True, "searchable": True}
NOTE = {"typeName": "Note", "fields": {"text": TEXT}, "naturalKey": ["text"]}


def test_what_search_needs_is_made_at_once_and_once(
    run: Run, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("FABRIC_EMBEDDINGS", "hashing")
    run("organization", "acme")
    run("define", written(tmp_path / "note.json", NOTE), "--organization", "acme")
    notes = tmp_path / "notes.jsonl"
    lines = [{"type": "Note", "key": {"text": f"n{i}"}, "data": {"text": f"n{i}"}} for i in range(3)]
    notes.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run("import", "jsonl", str(notes), "--organization", "acme").code == 0
    assert "3 versions and 0 events wait for their words" in run("doctor").out
    assert run("embed", "--organization", "acme").out == "stored: words of 3 texts, vectors of 3\n"
    assert run("embed", "--organization", "acme", "--forget").out == "stored: words of 0 texts, vectors of 0\n"
    assert "✓ search" in run("doctor").out


def test_another_language_makes_words_anew_and_no_vectors(
    run: Run, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("FABRIC_EMBEDDINGS", "hashing")
    for name in ("acme", "globex"):
        run("organization", name)
        run("define", written(tmp_path / "note.json", NOTE), "--organization", name)
        written(tmp_path / "notes.jsonl", {"type": "Note", "key": {"text": "Häuser"}, "data": {"text": "Häuser"}})
        run("import", "jsonl", str(tmp_path / "notes.jsonl"), "--organization", name)
        run("embed", "--organization", name)
    assert "one of simple" in run("config", "set", "search.language=klingon", "--organization", "acme").refusal
    run("config", "set", "search.language=german", "--organization", "acme")
    assert "1 versions and 0 events wait for their words" in run("doctor").out
    assert run("embed", "--organization", "globex").out == "stored: words of 0 texts, vectors of 0\n"
    assert run("embed", "--organization", "acme").out == "stored: words of 1 texts, vectors of 0\n"
    assert "✓ search" in run("doctor").out
    environment.setenv("FABRIC_SEARCH_LANGUAGE", "german")
    assert '"german"\tdefault' in run("config", "get", "search.language", "--organization", "globex").out
    assert run("embed", "--organization", "globex").out == "stored: words of 1 texts, vectors of 0\n"
