"""Registered documents over HTTP: asked for by their hash, found by label, the only ones that run if so set."""

from collections.abc import Iterator
from hashlib import md5, sha256
from typing import Any

import orjson
import pytest
from http_exports import items
from http_server import TYPES, Answer, MakeServer, Server, Tenant, answer, serving
from sse_client import events
from websocket_client import opened

NAMES = "query Names { assets { nodes { name } } }"
REGISTER = "mutation ($t: [String!]!) { registerDocuments(texts: $t) { documentIds changed } }"
NOT_FOUND, NOT_REGISTERED = "PERSISTED_QUERY_NOT_FOUND", "DOCUMENT_NOT_REGISTERED"


def id_of(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def apollo(text: str, version: Any = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": sha256(text.encode()).hexdigest()}}


def register(tenant: Tenant, *texts: str, **who: Any) -> Any:
    return tenant.data(REGISTER, {"t": texts}, **who)["registerDocuments"]


def ask(tenant: Tenant, label: str = "UNCLASSIFIED", **content: Any) -> Answer:
    return tenant.post(orjson.dumps(content), tenant.authorization(label))


@pytest.fixture
def named(assets: Tenant) -> Tenant:
    """Assets `a` at the lowest label and `b` above, and `NAMES` registered at the lowest."""
    assets.data('mutation { createAsset(input: {name: "a"}) { changed } }')
    assets.data('mutation { createAsset(input: {name: "b"}) { changed } }', label="SECRET")
    register(assets, NAMES)
    return assets


FOUND = {"assets": {"nodes": [{"name": "a"}]}}


# Asked for by their hash


def test_a_document_is_asked_for_by_its_id(named: Tenant) -> None:
    assert ask(named, documentId=id_of(NAMES)).data == FOUND
    assert ask(named, extensions=apollo(NAMES)).data == FOUND
    assert ask(named, documentId=id_of(NAMES), extensions=apollo(NAMES), query="").data == FOUND
    assert ask(named, documentId=id_of(NAMES), query=NAMES, extensions={"other": 1}).data == FOUND


def test_by_get_too(named: Tenant) -> None:
    assert named.get({"documentId": id_of(NAMES)}).data == FOUND
    assert named.get({"extensions": orjson.dumps(apollo(NAMES)).decode()}).data == FOUND


def test_with_variables_and_the_name_of_an_operation(named: Tenant) -> None:
    text = "query A($n: String!) { assetByKey(name: $n) { name } } query B { viewer { subject } }"
    register(named, text)
    assert ask(named, documentId=id_of(text), operationName="A", variables={"n": "a"}).data
    assert ask(named, documentId=id_of(text), operationName="B").data == {"viewer": {"subject": "ann"}}
    ask(named, documentId=id_of(text)).refused()
    ask(named, documentId=id_of(text), operationName="A").refused(path=["n"])


def test_it_runs_as_who_asks(named: Tenant) -> None:
    found = {node["name"] for node in ask(named, "SECRET", documentId=id_of(NAMES)).data["assets"]["nodes"]}
    assert found == {"a", "b"}
    content = orjson.dumps({"documentId": id_of(NAMES)})
    named.post(content, named.authorization(roles=())).refused("FORBIDDEN")
    named.post(content, {"authorization": "Bearer x"}).refused("UNAUTHENTICATED", status=401)


def test_a_mutation_does_not_come_by_get(named: Tenant) -> None:
    text = 'mutation { createAsset(input: {name: "c"}) { changed } }'
    register(named, text)
    named.get({"documentId": id_of(text)}).refused(status=405)
    assert ask(named, documentId=id_of(text)).data == {"createAsset": {"changed": True}}


def test_over_a_websocket_and_as_events_too(named: Tenant) -> None:
    told = "subscription Told { events { kind } }"
    register(named, told)
    with opened(named.server) as socket:
        socket.initialise(named.authorization())
        socket.send(type="subscribe", id="1", payload={"documentId": id_of(NAMES)})
        assert socket.results() == [{"data": FOUND}]
        socket.send(type="subscribe", id="1", payload={"extensions": apollo(NAMES)})
        assert socket.results() == [{"data": FOUND}]
        socket.send(type="subscribe", id="1", payload={"documentId": id_of(told)})
        assert socket.receive()["payload"] == {"data": {"events": {"kind": "READY"}}}
        socket.send(type="subscribe", id="2", payload={"documentId": id_of("{ x }")})
        assert socket.error("2")["extensions"]["code"] == NOT_FOUND
    assert as_events(named, documentId=id_of(NAMES)) == {"data": FOUND}


def as_events(tenant: Tenant, **content: Any) -> Any:
    """The first response in a stream of events."""
    sent = tenant.authorization() | {"accept": "text/event-stream"}
    with tenant.server.client.stream("POST", "/graphql", json=content, headers=sent) as response:
        return next(payload for name, payload in events(response) if name == "next")


def test_exports_take_ids(named: Tenant) -> None:
    def export(**content: Any) -> Answer:
        client, sent = named.server.client, named.authorization()
        return answer(lambda: client.post("/export", json=content, headers=sent))

    assert items(export(documentId=id_of(NAMES))) == [{"name": "a"}]
    export(documentId=id_of("{ viewer { subject } }")).refused(NOT_FOUND)


def test_an_unknown_id_is_answered_as_clients_expect(named: Tenant) -> None:
    unknown = ask(named, extensions=apollo("{ __typename }"))
    assert unknown.body == {"errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": NOT_FOUND}}]}
    assert unknown.status == 400
    older = named.post(orjson.dumps({"documentId": id_of("x")}), {"accept": "application/json"})
    assert (older.status, older.code) == (200, NOT_FOUND)


@pytest.mark.parametrize(
    "content",
    [
        {"documentId": "x"}, {"documentId": ""}, {"documentId": 1}, {"documentId": ["sha256"]},
        {"documentId": sha256(NAMES.encode()).hexdigest()}, {"documentId": id_of(NAMES).upper()},
        {"documentId": id_of(NAMES).replace("sha256", "SHA256")}, {"documentId": id_of(NAMES) + "0"},
        {"documentId": id_of(NAMES) + "\n"}, {"documentId": md5(NAMES.encode()).hexdigest()},
        {"documentId": "x-custom:1"}, {"documentId": "sha256:"}, {"documentId": "sha256:" + "g" * 64},
        {"extensions": {"persistedQuery": {}}}, {"extensions": {"persistedQuery": "x"}},
        {"extensions": apollo(NAMES, 2)}, {"extensions": apollo(NAMES, "1")}, {"extensions": {"persistedQuery": []}},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": None}}},
        {"extensions": {}}, {"extensions": {"persistedQuery": None}}, {"query": None},
        {"query": 5, "documentId": id_of(NAMES)},
        {"extensions": []}, {"documentId": id_of(NAMES), "extensions": [1]},
    ],
)  # fmt: skip
def test_what_is_no_id_is_no_request(named: Tenant, content: dict[str, Any]) -> None:
    ask(named, **content).refused(status=400)


@pytest.mark.parametrize("other", [NAMES + " ", NAMES.replace("name", "id"), "{ viewer { subject } }"])
def test_a_text_with_the_id_of_another_is_refused(named: Tenant, other: str) -> None:
    ask(named, query=other, documentId=id_of(NAMES)).refused(status=400, path=["documentId"])
    ask(named, query=other, extensions=apollo(NAMES)).refused(status=400)
    ask(named, documentId=id_of(other), extensions=apollo(NAMES)).refused(status=400)
    assert ask(named, documentId=id_of(NAMES)).data == FOUND


# Registering


def test_registering_again_changes_nothing(named: Tenant) -> None:
    other = "{ viewer { subject } }"
    assert register(named, NAMES) == {"documentIds": [id_of(NAMES)], "changed": False}
    ids = list(map(id_of, (other, NAMES, other)))
    assert register(named, other, NAMES, other) == {"documentIds": ids, "changed": True}
    assert register(named) == {"documentIds": [], "changed": False}


def test_what_is_not_valid_is_not_registered_nor_what_stands_beside_it(named: Tenant) -> None:
    fine = "{ viewer { clearance } }"
    faulty = [
        "{ nothing }", "fragment F on Asset { name } ", "{", "", "{ assets { nodes { nme } } }", "#\0\n{ __typename }",
        "{ assets " * 200 + "}" * 200, "{ __typename " + "a: __typename " * 101 + "}",
    ]  # fmt: skip
    refused = named.ask(REGISTER, {"t": [fine, *faulty]})
    paths = [error["extensions"]["inputPath"] for error in refused.errors]
    assert paths == [["texts", i] for i in range(1, 9)]
    assert [error["extensions"]["code"] for error in refused.errors][-2:] == ["QUERY_TOO_COMPLEX"] * 2
    assert refused.errors[0]["message"].startswith("line 1, column 3: ")
    assert b"id you mean" not in refused.content
    ask(named, documentId=id_of(fine)).refused(NOT_FOUND)


def test_registering_needs_its_permission(named: Tenant) -> None:
    named.ask(REGISTER, {"t": ["{ viewer { roles } }"]}, roles=("writer", "designer")).refused("FORBIDDEN")
    assert register(named, "{ viewer { roles } }", roles=("publisher",))["changed"]


def test_it_is_on_the_record(named: Tenant) -> None:
    rows = named.server.sql(
        """select a.actor, a.action, a.label, a.detail->>'type' from fabric.audit_log a
           join fabric.organizations o using (organization_id) where o.name = $1 and a.action like 'document.%'""",
        named.name,
    )
    assert [tuple(row) for row in rows] == [("ann", "document.registered", 0, id_of(NAMES))]


# Labels and organizations


def plain(found: Answer) -> tuple[int, bytes]:
    return found.status, found.plain


def test_a_document_from_above_is_as_if_it_were_not(named: Tenant) -> None:
    above = "query Above { assets(first: 1) { nodes { name } } }"
    register(named, above, label="SECRET/ALPHA")
    never = "query Never { assets(first: 1) { nodes { name } } }"
    for label in ("UNCLASSIFIED", "SECRET", "SECRET/BRAVO", "TOP_SECRET/BRAVO,CHARLIE"):
        refused = ask(named, label, documentId=id_of(above)).refused(NOT_FOUND)
        assert plain(refused) == plain(ask(named, label, documentId=id_of(never)))
    for label in ("SECRET/ALPHA", "TOP_SECRET/ALPHA,BRAVO"):
        assert ask(named, label, documentId=id_of(above)).data
    lowered = named.authorization("SECRET/ALPHA") | {"fabric-session-label": "SECRET"}
    named.post(orjson.dumps({"documentId": id_of(above)}), lowered).refused(NOT_FOUND)


def test_who_registers_below_does_not_learn_of_what_is_above(named: Tenant) -> None:
    text = "query Twice { assets(first: 2) { nodes { name } } }"
    assert register(named, text, label="SECRET")["changed"]
    assert register(named, text)["changed"]
    assert not register(named, text)["changed"]
    assert ask(named, documentId=id_of(text)).data
    assert ask(named, "SECRET", documentId=id_of(text)).data


def test_fields_above_the_registrar_are_none(named: Tenant) -> None:
    code = {"type": "string", "label": "SECRET"}
    named.define(
        {"typeName": "Note", "label": "UNCLASSIFIED", "fields": {"text": {"type": "string"}, "code": code}},
        label="SECRET",
    )
    text = "{ notes { nodes { code } } }"
    named.ask(REGISTER, {"t": [text]}).refused()
    register(named, text, label="SECRET")
    ask(named, documentId=id_of(text)).refused(NOT_FOUND)
    assert ask(named, "SECRET", documentId=id_of(text)).data == {"notes": {"nodes": []}}


def test_another_organizations_document_is_as_if_it_were_not(named: Tenant, other_organization: Tenant) -> None:
    other_organization.define(*TYPES)
    refused = ask(other_organization, documentId=id_of(NAMES)).refused(NOT_FOUND)
    assert plain(refused) == plain(ask(other_organization, documentId=id_of("{ never }")))
    assert register(other_organization, NAMES)["changed"]
    assert ask(other_organization, documentId=id_of(NAMES)).data == {"assets": {"nodes": []}}


# Only registered ones


@pytest.fixture(scope="module")
def strict_server(new_server: MakeServer) -> Iterator[tuple[Server, Server]]:
    """One that runs registered documents only, and one over the same database that runs any."""
    with new_server() as lenient:
        url = lenient.admin_url.replace("//postgres@", "//semantic_fabric_server@")
        changed = {"documents": "registered"}
        with serving(url, lenient.admin_url, lenient.settings.data_dir, changed=changed) as strict:
            yield strict, lenient


@pytest.fixture
def strict(strict_server: tuple[Server, Server]) -> Tenant:
    """An organization in which `NAMES` is registered, and nothing else runs."""
    only, lenient = strict_server
    tenant = lenient.organization()
    tenant.define(*TYPES)
    register(tenant, NAMES)
    register(tenant, "query Above { viewer { subject } }", label="SECRET")
    return Tenant(only, tenant.name)


EMPTY = {"assets": {"nodes": []}}


def test_a_registered_document_runs_by_id_and_as_the_same_text(strict: Tenant) -> None:
    assert ask(strict, documentId=id_of(NAMES)).data == EMPTY
    assert ask(strict, query=NAMES).data == EMPTY
    assert ask(strict, query=NAMES, extensions=apollo(NAMES)).data == EMPTY
    assert strict.get({"query": NAMES}).data == EMPTY
    assert strict.get({"documentId": id_of(NAMES)}).data == EMPTY


@pytest.mark.parametrize(
    "text",
    [
        "{ assets { nodes { name } } }", NAMES + "\n", NAMES.replace(" {", "{", 1), f"#\n{NAMES}", "\ufeff" + NAMES,
        f"{NAMES} query Other {{ viewer {{ subject }} }}", "{ __typename }", "{ __schema { types { name } } }",
        'mutation { createAsset(input: {name: "x"}) { changed } }', "{ this is", "query Above { viewer { subject } }",
        REGISTER, NAMES.replace("Names", "names"),
    ],
)  # fmt: skip
def test_no_other_text_runs(strict: Tenant, text: str) -> None:
    refusals = [
        ask(strict, query=text), ask(strict, query=text, operationName="Names"),
        ask(strict, query=text, documentId=id_of(text)), ask(strict, query=text, extensions=apollo(text)),
        strict.get({"query": text}), strict.get({"query": text, "documentId": id_of(text), "operationName": "Names"}),
        answer(lambda: strict.server.client.post("/export", json={"query": text}, headers=strict.authorization())),
    ]  # fmt: skip
    for refused in refusals:
        refused.refused(NOT_REGISTERED, status=400)
    assert len({refused.plain for refused in refusals}) == 1
    ask(strict, query=text, documentId=id_of(NAMES)).refused(status=400)
    ask(strict, documentId=id_of(text)).refused(NOT_FOUND)  # nothing was left behind


@pytest.mark.parametrize("text", ["{ __typename }", "subscription { events { kind } }", NAMES + " "])
def test_no_other_text_runs_over_a_websocket_or_as_events(strict: Tenant, text: str) -> None:
    told = ask(strict, query=text).refused(NOT_REGISTERED).errors
    with opened(strict.server) as socket:
        socket.initialise(strict.authorization())
        for payload in ({"query": text}, {"query": text, "documentId": id_of(text)}):
            socket.send(type="subscribe", id="1", payload=payload)
            assert socket.receive() == {"id": "1", "type": "error", "payload": told}
        socket.subscribe(NAMES)
        assert socket.results() == [{"data": EMPTY}]
    assert as_events(strict, query=text) == {"errors": told}
    assert as_events(strict, query=NAMES) == {"data": EMPTY}


def test_a_text_registered_above_is_as_one_that_never_was(strict: Tenant) -> None:
    above, never = "query Above { viewer { subject } }", "query Never { viewer { subject } }"
    assert plain(ask(strict, query=above)) == plain(ask(strict, query=never))
    assert plain(ask(strict, documentId=id_of(above))) == plain(ask(strict, documentId=id_of(never)))
    assert ask(strict, "SECRET", query=above).data == {"viewer": {"subject": "ann"}}


def test_who_asks_comes_first(strict: Tenant) -> None:
    strict.post(orjson.dumps({"query": "{ x }"}), {"authorization": ""}).refused("UNAUTHENTICATED", status=401)


# Automatic persisted queries


@pytest.fixture(scope="module")
def automatic(new_server: MakeServer) -> Iterator[Server]:
    with new_server({"automatic_persisted_queries": True}) as server:
        yield server


SELF = "{ viewer { subject organization sessionLabel } }"


def test_what_a_client_leaves_is_found_by_its_hash(automatic: Server) -> None:
    tenant = automatic.organization()
    ask(tenant, extensions=apollo(SELF)).refused(NOT_FOUND)
    assert ask(tenant, query=SELF, extensions=apollo(SELF)).data
    assert ask(tenant, extensions=apollo(SELF)).data
    assert tenant.get({"extensions": orjson.dumps(apollo(SELF)).decode()}).data
    assert automatic.sql("select count(*) as n from fabric.documents")[0]["n"] == 0


def test_it_is_found_at_that_label_of_that_organization_only(automatic: Server) -> None:
    tenant, other = automatic.organization(), automatic.organization()
    ask(tenant, "SECRET", query=SELF, extensions=apollo(SELF))
    for label in ("UNCLASSIFIED", "TOP_SECRET", "SECRET/ALPHA"):
        ask(tenant, label, extensions=apollo(SELF)).refused(NOT_FOUND)
    ask(other, "SECRET", extensions=apollo(SELF)).refused(NOT_FOUND)
    assert ask(tenant, "SECRET", extensions=apollo(SELF)).data


def test_what_does_not_run_is_not_kept(automatic: Server) -> None:
    tenant = automatic.organization()
    for text in ("{ nothing }", "{ viewer", "{ a: __typename " * 40 + "}" * 40):
        assert ask(tenant, query=text, extensions=apollo(text)).status == 400
        ask(tenant, extensions=apollo(text)).refused(NOT_FOUND)
    ask(tenant, query=SELF, extensions=apollo(SELF + " ")).refused(status=400)
    ask(tenant, extensions=apollo(SELF + " ")).refused(NOT_FOUND)


def test_who_leaves_too_many_takes_nothing_from_others(automatic: Server) -> None:
    tenant, other = automatic.organization(), automatic.organization()
    for each in (tenant, other):
        assert ask(each, query=SELF, extensions=apollo(SELF)).data
    for i in range(4):
        long = f"{{ viewer {{ subject }} }} #{i}" + "x" * 300_000
        assert ask(tenant, query=long, extensions=apollo(long)).data
    ask(tenant, extensions=apollo(SELF)).refused(NOT_FOUND)
    assert ask(other, extensions=apollo(SELF)).data


def test_where_it_is_off_nothing_is_left(organization: Tenant) -> None:
    assert ask(organization, query=SELF, extensions=apollo(SELF)).data
    ask(organization, extensions=apollo(SELF)).refused(NOT_FOUND)
