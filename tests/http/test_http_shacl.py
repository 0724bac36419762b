"""Shapes of others, held against triples in a process apart, and against what a label sees."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from http_server import Tenant, eventually
from processes import children, has_ended
from rdf_files import EX, PREFIXES

from fabric.errors import BadInput, TooComplex
from ontology.shacl.check import Limits, check_triples

LIMITS = Limits(30, 2**28)
DATA = "".join(f'<{EX}{n}> a <{EX}A> .\n<{EX}{n}> <{EX}p> "{"x" * n}" .\n' for n in range(1, 5)).replace(
    " a ", " <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> "
)


async def checked(shapes: str, data: str = DATA, limits: Limits = LIMITS) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        yield data.encode()

    return await check_triples(chunks(), PREFIXES + shapes, limits)


def shape(said: str) -> str:
    return f"ex:S a sh:NodeShape ; sh:targetClass ex:A ; sh:property ex:P . ex:P sh:path ex:p ; {said} ."


@pytest.mark.anyio
async def test_results_are_counted_by_shape_and_name_nodes_but_no_values() -> None:
    report = await checked(shape("sh:maxLength 2 ; sh:message 'got {?value}'") + " ex:S sh:nodeKind sh:Literal .")
    sh = "http://www.w3.org/ns/shacl#"
    assert report == {
        "results": 6,
        "shapes": [
            {"shape": f"{EX}P", "path": f"{EX}p", "constraint": f"{sh}MaxLengthConstraintComponent",
             "severity": f"{sh}Violation", "results": 2, "examples": [f"{EX}3", f"{EX}4"]},
            {"shape": f"{EX}S", "path": None, "constraint": f"{sh}NodeKindConstraintComponent",
             "severity": f"{sh}Violation", "results": 4, "examples": [f"{EX}{n}" for n in (1, 2, 3, 4)]},
        ],
        "more": 0,
    }  # fmt: skip
    assert "xxx" not in str(report)


@pytest.mark.anyio
async def test_a_value_that_is_looked_at_itself_is_not_named() -> None:
    report = await checked("ex:S a sh:NodeShape ; sh:targetObjectsOf ex:p ; sh:maxLength 3 .")
    assert [(each["results"], each["examples"]) for each in report["shapes"]] == [(1, [])]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        ("ex:S a", "not Turtle"),
        ("<> owl:imports <http://127.0.0.1:9/shapes> . " + shape("sh:maxLength 2"), "owl:imports"),
        (shape("sh:maxLength 2") + " ex:S sh:sparql [ sh:select 'SELECT $this WHERE { SERVICE <http://x/> {} }' ] .",
         "sh:"),
        (shape("sh:maxLength 2") + " ex:S sh:rule [ a sh:TripleRule ] .", "sh:rule"),
        (shape("sh:pattern '(('"), "cannot be checked"),
        (shape("sh:maxLength 'x'"), "cannot be checked"),
    ],
)
async def test_what_is_not_the_core_of_shacl_is_refused(shapes: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        await checked(shapes)


SLOW = (
    shape("sh:pattern '^(a|a)*b$'"),
    f'<{EX}1> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <{EX}A> .\n<{EX}1> <{EX}p> "{"a" * 60}" .\n',
)


@pytest.mark.anyio
async def test_neither_time_nor_memory_grow_beyond_their_limits() -> None:
    started = time.monotonic()
    with pytest.raises(TooComplex, match="too long"):
        await checked(*SLOW, Limits(1, 2**28))
    assert time.monotonic() - started < 10
    many = "".join(f'<{EX}{n}> <{EX}p> "{n}" .\n' for n in range(30_000))
    with pytest.raises(TooComplex, match="memory"):
        await checked(shape("sh:maxLength 2"), many, Limits(30, 2**24))


_SERVER = """
import asyncio, sys
from ontology.shacl.check import Limits, check_triples

async def chunks():
    yield sys.argv[2].encode()
    print("sent", flush=True)

asyncio.run(check_triples(chunks(), sys.argv[1], Limits(600, 2**28)))
"""


def test_a_server_that_is_killed_leaves_no_check_behind() -> None:
    program = [sys.executable, "-c", _SERVER, PREFIXES + SLOW[0], SLOW[1]]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        (checker,) = children(server.pid)
        server.kill()
        eventually(lambda: has_ended(checker))


def test_shapes_are_held_against_what_the_label_sees_and_asked_for_over_graphql(organization: Tenant) -> None:
    organization.define({"typeName": "Part", "iri": f"{EX}A", "fields": {"p": {"type": "string", "iri": f"{EX}p"}}})
    for label, p in (("UNCLASSIFIED", "long enough"), ("SECRET", "covert enough"), ("UNCLASSIFIED", "ok")):
        organization.data(f'mutation {{ createPart(input: {{p: "{p}"}}) {{ position }} }}', label=label)
    found = {}
    for label in ("UNCLASSIFIED", "SECRET"):
        variables = {"s": PREFIXES + shape("sh:maxLength 2")}
        ask = "mutation ($s: String) { validateObjects(shapes: $s) { job { jobId } } }"
        job_id = organization.data(ask, variables, label=label)["validateObjects"]["job"]["jobId"]
        until = time.monotonic() + 60
        query = f'{{ job(jobId: "{job_id}") {{ state result failure }} }}'
        while (job := organization.data(query, label=label)["job"])["state"] in ("QUEUED", "RUNNING"):
            assert time.monotonic() < until
            time.sleep(0.05)
        found[label] = (job["result"]["objects"], job["result"]["shapes"]["results"])
        assert "enough" not in str(job["result"])
    assert found == {"UNCLASSIFIED": (2, 1), "SECRET": (3, 2)}


def test_shapes_are_for_everything_and_bounded(organization: Tenant) -> None:
    organization.define({"typeName": "Part"})
    ask = "mutation ($t: String, $s: String) { validateObjects(typeName: $t, shapes: $s) { job { jobId } } }"
    assert organization.ask(ask, {"t": "Part", "s": "x"}).code == "BAD_USER_INPUT"
    assert organization.ask(ask, {"s": "x" * 200_001}).code == "BAD_USER_INPUT"
