"""Jobs over GraphQL."""

import time
from uuid import uuid4

from http_server import Tenant

MAP = "mutation ($m: [FieldMapperInput!]!) { mapFields(typeName: \"Part\", mappers: $m) { job { jobId kind } } }"


def test_jobs_are_listed_and_what_is_not_there_is_not_found(organization: Tenant) -> None:
    query = f'{{ jobs {{ jobId state }} job(jobId: "{uuid4()}") {{ jobId }} }}'
    assert organization.data(query) == {"jobs": [], "job": None}
    answer = organization.ask(f'mutation {{ cancelJob(jobId: "{uuid4()}") {{ job {{ state }} }} }}')
    assert answer.code == "NOT_FOUND"


def test_a_page_of_jobs_is_limited(organization: Tenant) -> None:
    answer = organization.ask("{ jobs(first: 1001) { jobId } }")
    assert answer.code == "BAD_USER_INPUT"


def test_fields_are_mapped_and_both_are_read_meanwhile(organization: Tenant) -> None:
    fields = {"length": {"type": "string"}, "millimetres": {"type": "integer"}, "unit": {"type": "string"}}
    organization.define({"typeName": "Part", "fields": fields})
    for length in ("12", "long"):
        organization.data(f'mutation {{ createPart(input: {{length: "{length}"}}) {{ position }} }}')
    mappers = [
        {"convert": {"from": "length", "to": "millimetres"}}, {"default": {"field": "unit", "value": "mm"}},
    ]  # fmt: skip
    job = organization.data(MAP, {"m": mappers})["mapFields"]["job"]
    assert job["kind"] == "mapFields"
    query = f'{{ job(jobId: "{job["jobId"]}") {{ state done total arguments result }} }}'
    until = time.monotonic() + 60
    while (found := organization.data(query)["job"])["state"] != "DONE":
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (found["done"], found["total"]) == ("2", "2")
    assert found["arguments"] == {"typeName": "Part", "mappers": mappers}
    parts = organization.data("{ parts(orderBy: [{length: ASC}]) { nodes { id revision length millimetres unit } } }")
    named, failed = parts["parts"]["nodes"]
    assert named == {"id": named["id"], "revision": 2, "length": "12", "millimetres": 12, "unit": "mm"}
    assert failed == {"id": failed["id"], "revision": 2, "length": "long", "millimetres": None, "unit": "mm"}
    reason = "expected a number, got other text"
    assert found["result"] == {
        "objects": 2, "changed": 2, "failed": 1, "below": 0,
        "failures": [{"objectId": failed["id"], "mapper": 0, "reason": reason}],
    }  # fmt: skip


def test_a_natural_key_is_not_mapped_and_no_job_is_left(organization: Tenant) -> None:
    fields = {"key": {"type": "string", "required": True}, "note": {"type": "string"}}
    organization.define({"typeName": "Part", "fields": fields, "naturalKey": ["key"]})
    answer = organization.ask(MAP, {"m": [{"convert": {"from": "note", "to": "key"}}]})
    assert answer.code == "BAD_USER_INPUT"
    refused = organization.ask(MAP, {"m": [{"convert": {"from": "note", "to": "absent"}}]})
    assert refused.code == "BAD_USER_INPUT"
    assert organization.data("{ jobs { jobId } }") == {"jobs": []}


def test_what_is_stored_is_validated_and_the_report_names_objects(organization: Tenant) -> None:
    organization.define({"typeName": "Part", "fields": {"size": {"type": "integer"}}})
    id = organization.data("mutation { createPart(input: {size: 9}) { part { id } } }")["createPart"]["part"]["id"]
    organization.define({"typeName": "Part", "fields": {"size": {"type": "integer", "maximum": 5}}})
    asked = organization.data('mutation { validateObjects(typeName: "Part") { job { jobId } } }')
    query = f'{{ job(jobId: "{asked["validateObjects"]["job"]["jobId"]}") {{ kind state done total result }} }}'
    until = time.monotonic() + 60
    while (job := organization.data(query)["job"])["state"] != "DONE":
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (job["kind"], job["done"], job["total"]) == ("validateObjects", "1", "1")
    broken = {"typeName": "Part", "field": "size", "constraint": "maximum", "objects": 1, "examples": [id]}
    links = {"links": 0, "violating": 0, "constraints": [], "more": 0}
    assert job["result"] == {"objects": 1, "violating": 1, "constraints": [broken], "more": 0, "links": links}
