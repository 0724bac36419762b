"""`define` and `schema`."""

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
