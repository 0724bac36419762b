"""`validate`."""

from pathlib import Path
from uuid import uuid4

import orjson
from command_line import Run, seen, written

PART = {"typeName": "Part", "fields": {"size": {"type": "integer"}}}


def test_what_is_not_as_definitions_ask_is_counted(run: Run, tmp_path: Path) -> None:
    lines = [{"define": PART}, *({"type": "Part", "id": str(uuid4()), "data": {"size": size}} for size in (9, 1))]
    (tmp_path / "parts.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    run("import", "jsonl", str(tmp_path / "parts.jsonl"), "--organization", "acme")
    answer = run("validate", *seen("UNCLASSIFIED"))
    assert (answer.code, answer.out) == (0, "objects: 2, not as asked: 0\n")
    strict = {**PART, "fields": {"size": {"type": "integer", "maximum": 5}}}
    run("define", written(tmp_path / "strict.json", strict), "--organization", "acme")
    answer = run("validate", *seen("UNCLASSIFIED"), "--type", "Part")
    first, second = answer.out.splitlines()
    assert (answer.code, first) == (1, "objects: 2, not as asked: 1")
    assert second.startswith("Part.size: maximum: 1, such as ")
    assert run("validate", *seen("UNCLASSIFIED"), "--type", "Nothing").code == 2
