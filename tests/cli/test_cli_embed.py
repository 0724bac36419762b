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
    assert "3 versions wait for their words" in run("doctor").out
    assert run("embed", "--organization", "acme").out == "stored: words of 3 versions, vectors of 3\n"
    assert run("embed", "--organization", "acme", "--forget").out == "stored: words of 0 versions, vectors of 0\n"
    assert "✓ search" in run("doctor").out
