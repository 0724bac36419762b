"""`import` and `export`."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from command_line import THING, Run, counts, seen, written
from databases import run_sql
from stix_bundles import id_of, item, relationship


def bundle(path: Path, *objects: object) -> str:
    return written(path, {"type": "bundle", "id": id_of("bundle", 1), "objects": objects})


def test_a_bundle_is_imported_once_with_the_labels_that_are_given(run: Run, tmp_path: Path) -> None:
    tool, campaign = item("tool", name="Wrench"), item("campaign", name="Storm")
    file = bundle(tmp_path / "b.json", tool, campaign, relationship("uses", campaign["id"], tool["id"]))
    command = ["import", "stix", file, "--organization", "acme", "--label", "campaign=SECRET/ALPHA"]
    first = run(*command)
    assert first.code == 0
    assert "new: organization acme, compartment ALPHA" in first.out
    assert counts(first.out) == {
        "objects": ["2", "0", "0"],
        "links": ["1", "0", "0"],
        "types": ["2"],
        "problems": ["0"],
    }
    again = run(*command)
    assert "new" not in again.out
    assert counts(again.out) == {
        "objects": ["0", "0", "2"],
        "links": ["0", "0", "1"],
        "types": ["0"],
        "problems": ["0"],
    }
    low, high = (run("export", "jsonl", *seen(clearance)).out for clearance in ("UNCLASSIFIED", "SECRET/ALPHA"))
    assert ("Wrench" in low, "Storm" in low, "Storm" in high) == (True, False, True)


def test_a_tlp_marking_means_what_is_said(run: Run, tmp_path: Path) -> None:
    amber = "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82"
    file = bundle(tmp_path / "b.json", item("tool", name="Wrench", object_marking_refs=[amber]))
    assert run("import", "stix", file, "--organization", "acme", "--tlp", "amber=TOP_SECRET").code == 0
    assert "Wrench" not in run("export", "jsonl", *seen("SECRET")).out
    assert "Wrench" in run("export", "jsonl", *seen("TOP_SECRET")).out


@pytest.mark.parametrize("value", ["campaign", "=SECRET", "campaign=SECRT", "campaign=SECRET/alpha"])
def test_a_label_that_cannot_be_read_is_a_slip_in_the_option(bare: Run, tmp_path: Path, value: str) -> None:
    outcome = bare("import", "stix", bundle(tmp_path / "b.json"), "--organization", "acme", "--label", value)
    assert outcome.code == 2
    assert "Invalid value for '--label'" in outcome.err


def test_what_is_exported_can_be_imported_from_a_file_and_from_standard_input(run: Run, tmp_path: Path) -> None:
    records = [{"define": THING}, *({"type": "Thing", "key": {"name": f"t{i}"}, "label": "SECRET/X"} for i in range(3))]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    assert run("import", "jsonl", "-", "--organization", "acme", given=lines).code == 0
    output = tmp_path / "out.jsonl"
    assert run("export", "jsonl", *seen("SECRET/X"), "--output", str(output)).out == ""
    assert output.stat().st_mode & 0o777 == 0o600
    assert run("import", "jsonl", str(output), "--organization", "other").code == 0
    assert run("export", "jsonl", *seen("SECRET/X", "other")).out == output.read_text()


def test_problems_are_shown_reported_and_make_the_code_1(run: Run, tmp_path: Path) -> None:
    lines = json.dumps({"define": THING}) + "\n" + "".join(
        json.dumps({"type": "Thing", "key": {"name": f"t{i}"}, "data": {"colour\x1b[31m": i}}) + "\n" for i in range(25)
    )  # fmt: skip
    (tmp_path / "in.jsonl").write_text(lines + json.dumps({"type": "Thing", "key": {"name": "good"}}))
    report = tmp_path / "report.jsonl"
    outcome = run("import", "jsonl", str(tmp_path / "in.jsonl"), "--organization", "acme", "--report", str(report))
    assert outcome.code == 1
    assert counts(outcome.out)["objects"] == ["1", "0", "0"]
    shown = re.findall(r"^line (\d+): .*colour", outcome.out, re.MULTILINE)
    assert shown == [str(number) for number in range(2, 22)]
    assert "and 5 more" in outcome.out
    assert "\x1b" not in outcome.out
    reported = [json.loads(line) for line in report.read_text().splitlines()]
    assert [problem["where"] for problem in reported] == [f"line {number}" for number in range(2, 27)]
    assert all("colour" in problem["message"] for problem in reported)


def test_strict_ends_at_the_first_problem(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("nonsense\n" * 5)
    outcome = run("import", "jsonl", str(tmp_path / "in.jsonl"), "--organization", "acme", "--strict")
    assert outcome.code == 1
    assert counts(outcome.out)["problems"] == ["1"]
    assert "stopped" in outcome.out


@pytest.mark.parametrize("command", [["import", "jsonl"], ["import", "stix"], ["import", "rdf", "--format", "turtle"]])
def test_a_file_that_cannot_be_imported_makes_nothing(run: Run, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00")
    assert run(*command, str(tmp_path / "cut.gz"), "--organization", "acme").refusal
    assert "no organization" in run("schema", *seen("UNCLASSIFIED")).refusal


def test_who_imports_is_named_in_the_audit_log(run: Run, admin_url: str, tmp_path: Path) -> None:
    run("import", "stix", bundle(tmp_path / "b.json", item("tool", name="Wrench")), "--organization", "acme")
    rows = asyncio.run(run_sql(admin_url, "select distinct actor from fabric.audit_log"))
    assert [row["actor"] for row in rows] == ["operator"]
