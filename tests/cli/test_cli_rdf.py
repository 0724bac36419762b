"""`import rdf` and `export rdf`."""

import json
import re
from pathlib import Path

import pytest
from command_line import THING, Run, counts, seen

from fabric.transfer.loader import PROBLEMS_KEPT

EXAMPLE = "http://example.org/"
RDF = """@prefix ex: <http://example.org/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
ex:Bird a owl:Class ; owl:disjointWith ex:Stone ; rdfs:comment "It sings."@en, "Es singt."@de .
ex:sings a owl:DatatypeProperty ; rdfs:domain ex:Bird .
ex:near a owl:ObjectProperty ; rdfs:domain ex:Bird ; rdfs:range ex:Bird .
ex:robin a ex:Bird ; ex:sings "often", "\x1b[31m" ; ex:near ex:nothing . ex:wren a ex:Bird ; ex:near ex:robin .
"""


def test_an_ontology_is_looked_at_first_and_then_imported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "birds.ttl").write_text(RDF)
    (tmp_path / "more.nt").write_text("<http://example.org/tit> a <http://example.org/Bird> .\n".replace(
        " a ", " <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> "
    ))  # fmt: skip
    report = tmp_path / "report.jsonl"
    command = ["import", "rdf", *(str(tmp_path / name) for name in ("birds.ttl", "more.nt")), "--organization", "acme"]
    command += ["--language", "it", "--language", "de"]
    assert "such as UTC or Europe/Paris" in run(*command, "--timezone", "Elsewhere/Nowhere").err
    plan = run(*command, "--dry-run")
    assert plan.code == 0
    assert re.search(r"^Bird +1 +1 +Resource +http://example.org/Bird *$", plan.out, re.MULTILINE)
    assert "2 types new or changed, 3 objects, 2 links" in plan.out
    assert "Bird: says owl:disjointWith http://example.org/Stone; this is kept, and nothing follows from it" in plan.out
    assert run("export", "jsonl", *seen("SECRET")).refusal, "nothing was made"

    done = run(*command, "--report", str(report), "--label", "SECRET/X")
    assert done.code == 1, "a link leads to nothing"
    assert "new: organization acme" in done.out
    assert counts(done.out) == {
        "objects": ["3", "0", "0"], "links": ["1", "0", "0"], "types": ["2"], "problems": ["1"], "notices": ["1"],
    }  # fmt: skip
    told = [json.loads(line) for line in report.read_text().splitlines()]
    notice = f"says owl:disjointWith {EXAMPLE}Stone; this is kept, and nothing follows from it"
    assert {"iri": EXAMPLE + "Bird", "notice": notice} in told
    assert {"where": f"{EXAMPLE}robin near {EXAMPLE}nothing", "message": "to: not found"} in told
    below = run("export", "rdf", *seen("SECRET")).out
    assert run("export", "rdf", *seen("SECRET"), "--inferred").out == below
    assert "robin" not in below
    assert "Es singt." in below
    assert '"It sings."@en' in below, "what is in no description is kept too"
    assert "\x1b" not in done.out + plan.out

    (tmp_path / "birds.ttl").write_text(RDF + "ex:eats a owl:DatatypeProperty ; rdfs:domain ex:Bird .")
    again = run(*command, "--dry-run", "--report", str(report))
    assert re.search(r"^Bird +eats +ADDED +0$", again.out, re.MULTILINE)
    planned = {"type": "Bird", "field": "eats", "change": "ADDED", "objects": 0}
    assert planned in [json.loads(line) for line in report.read_text().splitlines()]


def test_a_dry_run_counts_all_problems_and_keeps_only_so_many(run: Run, tmp_path: Path) -> None:
    (tmp_path / "birds.ttl").write_text(
        RDF + "ex:sings rdfs:range <http://www.w3.org/2001/XMLSchema#integer> . ex:b" +
        " . ex:b".join(f'{n} a ex:Bird ; ex:sings "{n} times"' for n in range(PROBLEMS_KEPT + 10)) + " ."
    )  # fmt: skip
    report = tmp_path / "report.jsonl"
    files = [str(tmp_path / "birds.ttl"), "--report", str(report)]
    plan = run("import", "rdf", *files, "--organization", "acme", "--dry-run")
    assert plan.code == 1
    assert f"{PROBLEMS_KEPT + 12:,} objects" in plan.out
    assert f"problems  {PROBLEMS_KEPT + 12:,}" in plan.out, "robin does not sing in numbers either, twice"
    told = [each for line in report.read_text().splitlines() if "where" in (each := json.loads(line))]
    assert len(told) == PROBLEMS_KEPT


@pytest.mark.parametrize(("label", "refused"), [("UNCLASSIFIED", True), ("SECRET/X", False)])
def test_a_dry_run_counts_objects_of_all_labels_and_tells_what_would_be_refused(
    run: Run, tmp_path: Path, label: str, refused: bool
) -> None:
    ontology, output = tmp_path / "birds.ttl", tmp_path / "out.ttl"
    ontology.write_text(RDF.replace("ex:near ex:nothing", "ex:near ex:wren"))
    assert run("import", "rdf", str(ontology), "--organization", "acme", "--label", label).code == 0
    run("export", "rdf", *seen("UNCLASSIFIED"), "--type", "Bird", "--output", str(output))
    kind = r'\"sings\":{{\"type\":\"{}\"'
    assert kind.format("text") in output.read_text()
    output.write_text(output.read_text().replace(kind.format("text"), kind.format("boolean")))
    command = ["import", "rdf", str(output), "--organization", "acme"]
    plan = run(*command, "--dry-run")
    assert re.search(r"^Bird +sings +REPLACED +1$", plan.out, re.MULTILINE)
    assert ("type definitions: Bird: 1 objects hold a value of sings" in plan.out) is refused
    assert (plan.code == 1) is refused
    assert (run(*command, "--strict").code == 1) is refused


def test_rdf_that_is_exported_is_imported_the_same(run: Run, tmp_path: Path) -> None:
    records = [{"define": THING}, {"type": "Thing", "key": {"name": "a thing"}, "label": "SECRET/X"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert run("import", "jsonl", str(tmp_path / "in.jsonl"), "--organization", "acme").code == 0
    output = tmp_path / "out.ttl"
    assert run("export", "rdf", *seen("SECRET/X"), "--type", "Thing", "--output", str(output)).out == ""
    assert output.stat().st_mode & 0o777 == 0o600
    assert run("import", "rdf", str(output), "--organization", "other").code == 0
    assert run("export", "jsonl", *seen("SECRET/X", "other")).out == run("export", "jsonl", *seen("SECRET/X")).out
    assert run("export", "rdf", *seen("SECRET/X"), "--type", "Nothing").refusal
    assert "turtle" in run("export", "rdf", *seen("SECRET/X"), "--format", "csv").err
