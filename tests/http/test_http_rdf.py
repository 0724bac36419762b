"""All that a reader sees, or one type of it, as RDF over HTTP."""

from typing import Any

import pytest
from http_server import TYPES, Answer, MakeServer, Server, Tenant, answer
from pyoxigraph import parse

from ontology.output.writing import FORMATS

TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
ASSET = "urn:semantic-fabric:type#Asset"


@pytest.fixture(scope="module")
def filled(server: Server) -> Tenant:
    tenant = server.organization()
    tenant.define(*TYPES)
    tenant.data('mutation { createAssets(inputs: [{name: "pump"}, {name: "valve"}]) { position } }')
    tenant.data('mutation { createAsset(input: {name: "hidden"}) { position } }', label="SECRET")
    tenant.data('mutation { createSensor(input: {name: "gauge"}) { position } }')
    return tenant


def ask(
    tenant: Tenant, label: str = "UNCLASSIFIED", roles: tuple[str, ...] = ("admin",), accept: str | None = None,
    **given: Any,
) -> Answer:  # fmt: skip
    headers = tenant.authorization(label, roles) | ({"accept": accept} if accept else {})
    return answer(lambda: tenant.server.client.get("/export/rdf", params=given, headers=headers))


def assets(found: Answer, format: str = "turtle") -> int:
    assert found.status == 200, found.content
    quads = list(parse(found.content, FORMATS[format]))
    return sum(quad.predicate.value == TYPE and getattr(quad.object, "value", "") == ASSET for quad in quads)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_by_its_name_and_by_its_media_type(filled: Tenant, format: str) -> None:
    media_type = FORMATS[format].media_type
    for found in (ask(filled, format=format), ask(filled, accept=media_type)):
        assert found.headers["content-type"] == media_type
        assert found.headers["content-disposition"].startswith('attachment; filename="export.')
        assert found.headers["cache-control"] == "no-store"
        assert assets(found, format) == 2


def test_a_reader_gets_what_its_label_sees(filled: Tenant) -> None:
    assert b"hidden" not in ask(filled).content
    assert assets(ask(filled, "SECRET")) == 3


def test_one_type(filled: Tenant) -> None:
    found = ask(filled, type="Sensor")
    assert assets(found) == 0
    assert b'"gauge"' in found.content


@pytest.mark.parametrize(
    ("given", "code", "status"),
    [
        ({"type": "Nothing"}, "NOT_FOUND", None),
        ({"format": "csv"}, "BAD_USER_INPUT", 400),
        ({"accept": "text/csv"}, "BAD_USER_INPUT", 406),
        ({"roles": ("clerk",)}, "FORBIDDEN", None),
    ],
)
def test_what_is_refused_is_told_before_the_first_byte(
    filled: Tenant, given: dict[str, Any], code: str, status: int | None
) -> None:
    found = ask(filled, **given)
    assert 400 <= found.status < 500
    assert status in (None, found.status)
    assert [error["extensions"]["code"] for error in found.body["errors"]] == [code]


def test_nobody_without_a_token(filled: Tenant) -> None:
    assert filled.server.client.get("/export/rdf").status_code == 401


def test_where_only_registered_documents_run_it_is_refused(new_server: MakeServer) -> None:
    with new_server({"documents": "registered"}) as server:
        found = ask(server.organization())
        assert [error["extensions"]["code"] for error in found.body["errors"]] == ["FORBIDDEN"]
