"""`define` and `schema`."""

import json
from pathlib import Path

import pytest
from command_line import HIDDEN, THING, Run, seen, written


def test_types_from_several_files_refer_to_each_other_and_are_seen_by_clearance(run: Run, tmp_path: Path) -> None:
    run("organization", "acme")
    linked = {**THING, "links": {"others": {"relation": "meets", "target": "Other"}}}
    one = written(tmp_path / "one.json", linked)
    more = written(tmp_path / "more.json", [{**THING, "typeName": "Other"}, HIDDEN])
    assert run("define", one, more, "--organization", "acme").out == "defined: Hidden, Other, Thing\n"
    assert run("define", one, more, "--organization", "acme").out == "nothing new\n"
    low, high = (run("schema", *seen(clearance)).out for clearance in ("UNCLASSIFIED", "SECRET"))
    assert "type Thing implements" in low
    assert "Hidden" not in low
    assert "type Hidden implements" in high
    part = run("schema", *seen("UNCLASSIFIED"), "--type", "Other").out
    assert "type Other implements" in part
    assert "Thing" not in part
    hidden, nothing = (run("schema", *seen("UNCLASSIFIED"), "--type", name).refusal for name in ("Hidden", "Nothing"))
    assert hidden == nothing.replace("Nothing", "Hidden") == "there is no type Hidden"


def test_a_dry_run_counts_the_objects_of_all_labels_that_a_change_concerns_and_writes_nothing(
    run: Run, tmp_path: Path
) -> None:
    before = {**THING, "fields": {**THING["fields"], "old": {"type": "string"}, "size": {"type": "integer"}}}
    objects = [("a", "UNCLASSIFIED"), ("b", "UNCLASSIFIED"), ("c", "SECRET")]
    records = [{"define": before}, *(
        {"type": "Thing", "key": {"name": name}, "label": label, "data": {"old": "x"}} for name, label in objects
    )]  # fmt: skip
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert run("import", "jsonl", str(tmp_path / "in.jsonl"), "--organization", "acme").code == 0
    after = {**THING, "fields": {**THING["fields"], "new": {"type": "text", "replaces": "old"}}}
    changed = written(tmp_path / "after.json", [after, {**THING, "typeName": "Other"}])
    schema = run("schema", *seen("SECRET")).out
    plan = run("define", changed, "--organization", "acme", "--dry-run")
    assert (plan.code, plan.err) == (0, "")
    assert [line.split() for line in plan.out.splitlines()] == [
        ["type", "field", "change", "objects"], ["Other", "ADDED", "0"],
        ["Thing", "new", "(was", "old)", "RENAMED", "3"], ["Thing", "new", "WIDENED", "3"],
        ["Thing", "size", "REMOVED", "0"],
    ]  # fmt: skip
    assert run("schema", *seen("SECRET")).out == schema
    assert run("define", changed, "--organization", "acme").code == 0
    assert run("define", changed, "--organization", "acme", "--dry-run").out == "no type or field changes\n"


def test_a_dry_run_ends_as_the_change_would(run: Run, tmp_path: Path) -> None:
    before = {**THING, "fields": {**THING["fields"], "old": {"type": "string"}}}
    records = [{"define": before}, {"type": "Thing", "key": {"name": "a"}, "data": {"old": "x"}}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert run("import", "jsonl", str(tmp_path / "in.jsonl"), "--organization", "acme").code == 0
    less = written(tmp_path / "less.json", THING)
    faulty = written(tmp_path / "faulty.json", {"typeName": "A", "extends": "No"})
    for path, told in ((less, "1 objects hold a value of old"), (faulty, "no such type")):
        plan, done = (run("define", path, "--organization", "acme", *more) for more in (["--dry-run"], []))
        assert plan.code == done.code == 2
        assert told in plan.err
        assert told in done.err
    assert "REMOVED" in run("define", less, "--organization", "acme", "--dry-run").out


def test_of_faulty_definitions_none_is_taken_and_each_fault_has_its_place(run: Run, tmp_path: Path) -> None:
    run("organization", "acme")
    good = written(tmp_path / "good.json", THING)
    faulty = written(tmp_path / "faulty.json", [{**HIDDEN, "fields": {"name": {"type": "strin"}}}])
    outcome = run("define", good, faulty, "--organization", "acme")
    assert (outcome.code, outcome.out) == (2, "")
    assert f"error: {faulty}[0]: fields.name.type: " in outcome.err
    assert "Thing" not in run("schema", *seen("SECRET")).out


@pytest.mark.parametrize(("text", "said"), [("{", "not JSON"), ("3", "a definition is an object"), ("[[]]", "[0]")])
def test_a_file_that_holds_no_definition_is_refused_by_name(run: Run, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.json").write_text(text)
    refusal = run("define", str(tmp_path / "bad.json"), "--organization", "acme").refusal
    assert refusal.startswith(str(tmp_path / "bad.json"))
    assert said in refusal
