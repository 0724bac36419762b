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
    assert (answer.code, answer.out) == (0, "objects: 2, not as asked: 0\nlinks: 0, not as asked: 0\n")
    strict = {**PART, "fields": {"size": {"type": "integer", "maximum": 5}}}
    run("define", written(tmp_path / "strict.json", strict), "--organization", "acme")
    answer = run("validate", *seen("UNCLASSIFIED"), "--type", "Part")
    first, second, _ = answer.out.splitlines()
    assert (answer.code, first) == (1, "objects: 2, not as asked: 1")
    assert second.startswith("Part.size: maximum: 1, such as ")
    assert run("validate", *seen("UNCLASSIFIED"), "--type", "Nothing").code == 2


def test_shapes_of_others_are_checked_too(run: Run, tmp_path: Path) -> None:
    part = {**PART, "iri": "http://example.org/Part"}
    lines = [{"define": part}, {"type": "Part", "id": str(uuid4()), "data": {}}]
    (tmp_path / "parts.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    run("import", "jsonl", str(tmp_path / "parts.jsonl"), "--organization", "acme")
    shapes = tmp_path / "shapes.ttl"
    shapes.write_text(
        """@prefix sh: <http://www.w3.org/ns/shacl#> . [ a sh:NodeShape ; sh:targetClass <http://example.org/Part> ;
        sh:property [ sh:path <http://example.org/size> ; sh:minCount 1 ; sh:severity sh:Warning ] ] ."""
    )
    answer = run("validate", *seen("UNCLASSIFIED"), "--shapes", str(shapes))
    told = "Warning: a shape: http://example.org/size: MinCountConstraintComponent: 1, such as urn:semantic-fabric:id:"
    assert answer.code == 1
    assert answer.out.splitlines()[2] == "results of the shapes: 1"
    assert answer.out.splitlines()[3].startswith(told)
    shapes.write_text("no Turtle")
    answer = run("validate", *seen("UNCLASSIFIED"), "--shapes", str(shapes))
    assert answer.code == 1
    assert "BAD_USER_INPUT: the shapes are not Turtle" in answer.err
