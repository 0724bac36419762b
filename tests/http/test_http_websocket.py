"""GraphQL over WebSocket: the protocol `graphql-transport-ws`, message by message and close code by close code."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import pytest
from http_server import INSIDE, MakeServer, Server, Tenant, eventually, nested
from subscription_source import Source, subscription_source
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websocket_client import Socket, opened
from websockets.exceptions import ConnectionClosed, InvalidStatus

from graphql_api.streaming.batched_websocket import BatchedWebSocket

LIMITS: dict[str, Any] = {
    "initialisation_timeout_seconds": 1.0,
    "max_operations_per_connection": 3,
    "max_connections_per_actor": 2,
    "max_subscriptions_per_actor": 3,
    "max_body_bytes": 20_000,
    "allowed_origins": ("https://app.example",),
}


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with subscription_source() as source:
        yield source


@pytest.fixture(scope="module")
def server(new_server: MakeServer, source: Source) -> Iterator[Server]:
    with new_server(LIMITS) as server:
        yield server


@pytest.fixture
def socket(organization: Tenant) -> Iterator[Socket]:
    """A connection that the administrator has initialised."""
    with opened(organization.server) as socket:
        socket.initialise(organization.authorization())
        yield socket


# Conversations that go well


def test_a_query_gives_one_result_and_completes(socket: Socket, organization: Tenant) -> None:
    socket.subscribe("query ($n: [String!]) { viewer { organization } typeDefinitions(names: $n) { typeName } }",
                     variables={"n": []}, operationName=None)  # fmt: skip
    assert socket.results() == [{"data": {"viewer": {"organization": organization.name}, "typeDefinitions": []}}]


def test_a_mutation_is_done_once_and_its_request_id_leads_to_the_connections(organization: Tenant) -> None:
    organization.define({"typeName": "Thing", "fields": {"name": {"type": "string"}}})
    with opened(organization.server, headers={"X-Request-Id": "my-change"}) as socket:
        assert socket.connection.response.headers["x-request-id"] == "my-change"
        socket.initialise(organization.authorization())
        socket.subscribe('mutation { createThing(input: {name: "a"}) { thing { name } } }')
        assert socket.results() == [{"data": {"createThing": {"thing": {"name": "a"}}}}]
    (row,) = organization.server.sql("select request_id from fabric.audit_log where action = 'object.created'")
    assert row["request_id"] == "my-change-1"
    assert organization.data("{ things { totalCount } }") == {"things": {"totalCount": 1}}


def test_a_subscription_gives_its_events_and_completes(socket: Socket) -> None:
    socket.subscribe("subscription ($to: Int!) { n: count(to: $to) }", variables={"to": 3})
    assert socket.results() == [{"data": {"n": 1}}, {"data": {"n": 2}}, {"data": {"n": 3}}]


def test_operations_run_beside_each_other(socket: Socket, source: Source) -> None:
    socket.subscribe("subscription { published }", "a")
    source.wait_for(1)
    socket.subscribe("{ __typename }", "b")
    assert socket.results("b") == [{"data": {"__typename": "Query"}}]
    source.publish("news")
    assert socket.receive() == {"id": "a", "type": "next", "payload": {"data": {"published": "news"}}}


def test_an_id_is_free_again_once_its_operation_has_ended(socket: Socket) -> None:
    for _ in range(50):
        socket.subscribe("{ __typename }")
        assert len(socket.results()) == 1


def test_a_client_that_completes_gets_nothing_more_and_the_source_is_closed(socket: Socket, source: Source) -> None:
    socket.subscribe("subscription { published }", "a")
    source.wait_for(1)
    socket.send(type="complete", id="a")
    source.wait_for(0)
    source.publish("late")
    socket.subscribe("{ __typename }", "a")
    assert socket.results("a") == [{"data": {"__typename": "Query"}}]


def test_completing_what_is_not_there_is_ignored(socket: Socket) -> None:
    socket.send(type="complete", id="never")
    socket.subscribe("{ __typename }")
    assert socket.results()


def test_a_client_that_leaves_ends_its_subscriptions(organization: Tenant, source: Source) -> None:
    with opened(organization.server) as socket:
        socket.initialise(organization.authorization())
        socket.subscribe("subscription { published }", "a")
        socket.subscribe("subscription { published }", "b")
        source.wait_for(2)
    source.wait_for(0)


def test_a_client_that_is_cut_off_ends_its_subscriptions(organization: Tenant, source: Source) -> None:
    with opened(organization.server) as socket:
        socket.initialise(organization.authorization())
        socket.subscribe("subscription { published }")
        source.wait_for(1)
        socket.connection.socket.close()
    source.wait_for(0)


def test_a_mutation_that_is_completed_while_it_waits_has_done_nothing_and_holds_nothing(organization: Tenant) -> None:
    """However often: it would else take the database's connections away, one after the other."""
    organization.define({"typeName": "Thing", "fields": {"name": {"type": "string"}}})
    made = organization.data('mutation { createThing(input: {name: "a"}) { thing { id } } }')
    id_ = made["createThing"]["thing"]["id"]
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    change = 'mutation ($id: ID!) { updateThing(id: $id, input: {name: "b"}) { changed } }'
    with locked(organization, id_), opened(organization.server) as socket:
        socket.initialise(organization.authorization())
        for _ in range(3 * organization.server.settings.pool_size):
            socket.subscribe(change, variables={"id": id_})
            eventually(lambda: organization.server.sql(waiting)[0]["count"] == 1)
            socket.send(type="complete", id="1")
            eventually(lambda: organization.server.sql(waiting)[0]["count"] == 0)
        socket.subscribe("{ __typename }")
        assert socket.results()
    assert organization.data("query ($id: ID!) { thing(id: $id) { name revision } }", {"id": id_}) == {
        "thing": {"name": "a", "revision": 1}
    }


@contextmanager
def locked(tenant: Tenant, object_id: str) -> Iterator[None]:
    """The object's row is somebody else's while the block runs."""
    with asyncio.Runner() as runner:
        holder = runner.run(asyncpg.connect(tenant.server.admin_url))
        runner.run(holder.execute(f"begin; select from fabric.objects where object_id = '{object_id}' for update"))
        yield
        runner.run(holder.close())


@pytest.mark.parametrize("payload", [{}, {"n": [1, {"a": None}], "ü": "é"}])
def test_a_ping_is_answered_with_its_payload(server: Server, payload: dict[str, Any]) -> None:
    with opened(server) as socket:
        socket.send(type="ping", **({"payload": payload} if payload else {}))
        assert socket.receive() == {"type": "pong"} | ({"payload": payload} if payload else {})
        socket.send(type="pong", payload=payload)
        socket.send(type="ping", payload=None)
        assert socket.receive() == {"type": "pong"}


# Who asks


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
def test_the_token_comes_with_connection_init(organization: Tenant, name: str) -> None:
    with opened(organization.server) as socket:
        token = organization.authorization("SECRET/ALPHA", name="bea")["authorization"]
        socket.initialise({name: token, "fabric-session-Label": "CONFIDENTIAL", "other": 1})
        socket.subscribe("{ viewer { subject clearance sessionLabel } }")
        viewer = {"subject": "bea", "clearance": "SECRET/ALPHA", "sessionLabel": "CONFIDENTIAL"}
        assert socket.results() == [{"data": {"viewer": viewer}}]


def test_the_token_may_come_with_the_upgrade(organization: Tenant) -> None:
    headers = organization.authorization("SECRET") | {"Fabric-Session-Label": "UNCLASSIFIED"}
    with opened(organization.server, headers=headers) as socket:
        socket.send(type="connection_init")
        assert socket.receive() == {"type": "connection_ack"}
        socket.subscribe("{ viewer { clearance sessionLabel } }")
        assert socket.results() == [{"data": {"viewer": {"clearance": "SECRET", "sessionLabel": "UNCLASSIFIED"}}}]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, "authentication is required: send the header Authorization: Bearer <token>"),
        ({"authorization": "Bearer x"}, "the Authorization header must be Bearer <JSON Web Token>, at most 8 kB"),
        (None, "authentication is required: send the header Authorization: Bearer <token>"),
    ],
)
def test_who_has_no_token_is_sent_away(server: Server, payload: Any, reason: str) -> None:
    with opened(server) as socket:
        socket.send(type="connection_init", payload=payload)
        assert socket.closed() == (4403, reason)


def test_a_token_of_an_unknown_organization_is_refused(server: Server) -> None:
    with opened(server) as socket:
        socket.send(type="connection_init", payload=Tenant(server, "nobody").authorization())
        assert socket.closed() == (4403, "the token's organization or clearance is not known here")


def test_a_token_that_is_given_twice_is_refused(organization: Tenant) -> None:
    """Or else it would depend on the reader who asks."""
    token = organization.authorization()
    for headers, payload in [(token, token), ({}, token | {"AUTHORIZATION": "Bearer x"}), ({}, {"authorization": 1})]:
        with opened(organization.server, headers=headers) as socket:
            socket.send(type="connection_init", payload=payload)
            assert socket.closed() == (4400, "Authorization is a text that is given once")


@pytest.mark.parametrize("label", ["SECRET", "ALPHA", "UNCLASSIFIED/NOWHERE", ""])
def test_a_session_label_that_may_not_be_used_is_refused(organization: Tenant, label: str) -> None:
    with opened(organization.server) as socket:
        socket.send(type="connection_init", payload=organization.authorization() | {"fabric-session-label": label})
        told = organization.ask("{ __typename }", session_label=label).error["message"]
        assert socket.closed() == (4400, told)


# What ends an operation


def test_errors_are_those_of_http(socket: Socket, organization: Tenant) -> None:
    for query in ["{", "{ nothing }", "subscription { count }", "{ " + "a: __typename " * 200 + "}", "{ viewer }"]:
        told = organization.ask(query).errors
        socket.subscribe(query)
        assert socket.receive() == {"id": "1", "type": "error", "payload": told}
    socket.subscribe("query ($n: [String!]) { typeDefinitions(names: $n) { typeName } }", variables={"n": 5})
    assert socket.error()["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("code", "query"),
    [
        ("BAD_USER_INPUT", "{ viewr { subject } }"),
        ("BAD_USER_INPUT", "{ viewer { subjct } }"),
        ("BAD_USER_INPUT", "{ typeDefinitions(name: 1) { typeName } }"),
        ("BAD_USER_INPUT", "{ links(where: {relation: 1}) { totalCount } }"),
        ("BAD_USER_INPUT", "{ links(where: {direction: BOT}) { totalCount } }"),
        ("BAD_USER_INPUT", "query ($w: LinkWhere) { links(where: $w) { totalCount } }"),
        ("BAD_USER_INPUT", "fragment F on Viewr { subject } { viewer { ...F } }"),
        ("BAD_USER_INPUT", "{ __typename @skp(if: true) }"),
        ("BAD_USER_INPUT", "subscription { event { kind } }"),
        ("QUERY_TOO_COMPLEX", "{ a(x: [" + "$a" * 5_000 + "]) }"),
        ("QUERY_TOO_COMPLEX", nested("{ ... ", "}", 101, "{ __typename }")),
        ("QUERY_TOO_COMPLEX", "{ __typename " + "@skip(if: false) " * 51 + "}"),
        ("QUERY_TOO_COMPLEX", "{ ...A } fragment A on Query{" + "".join(f"a{i}:__typename " for i in range(101)) + "}"),
        ("QUERY_TOO_COMPLEX", "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"),
        ("BAD_USER_INPUT", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"),
    ],
)
def test_limits_are_those_of_http_and_nothing_is_suggested(
    socket: Socket, organization: Tenant, code: str, query: str
) -> None:
    told = organization.ask(query).refused(code).errors
    socket.subscribe(query)
    assert socket.receive() == {"id": "1", "type": "error", "payload": told}


def test_values_of_variables_are_suggested_no_more_than_over_http(socket: Socket, organization: Tenant) -> None:
    query = "query ($w: LinksWhere) { links(where: $w) { totalCount } }"
    for where in ({"relation": ["a"]}, {"direction": "BOT"}, {"objectID": "1"}, {"validAtt": None}):
        told = organization.ask(query, {"w": where}).refused().errors
        socket.subscribe(query, variables={"w": where})
        assert socket.receive() == {"id": "1", "type": "error", "payload": told}


def test_errors_of_fields_come_with_the_result(socket: Socket) -> None:
    socket.subscribe('mutation { retireType(typeName: "None") { typeName } }')
    (result,) = socket.results()
    assert result["data"] is None
    assert result["errors"][0]["extensions"]["code"] == "NOT_FOUND"


def test_what_goes_wrong_before_the_first_event_is_an_error(socket: Socket) -> None:
    socket.subscribe("subscription { forbidden }")
    error = socket.error()
    assert error["message"] == "this needs the permission link:read"
    assert error["extensions"] == {"code": "FORBIDDEN"}
    socket.subscribe("{ __typename }")
    assert socket.results()


def test_what_goes_wrong_later_is_masked_and_ends_the_operation_only(socket: Socket) -> None:
    socket.subscribe("subscription { failing }")
    assert socket.receive()["payload"] == {"data": {"failing": 1}}
    error = socket.error()
    assert error["extensions"]["code"] == "INTERNAL"
    assert not INSIDE.search(orjson.dumps(error))
    assert "password" not in str(error)
    socket.subscribe("{ __typename }")
    assert socket.results()


@pytest.mark.parametrize("size", [0, 70, 125, 126, 65_000, 65_535, 65_536, 200_000])
def test_messages_of_every_size_come_whole(socket: Socket, size: int) -> None:
    socket.subscribe(f"subscription {{ text(to: 3, size: {size}) }}")
    assert [result["data"]["text"] for result in socket.results()] == ["x" * size] * 3


def test_a_server_that_sends_one_message_at_a_time_serves_too(
    organization: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BatchedWebSocket, "run_asgi", WebSocketsSansIOProtocol.run_asgi)
    with opened(organization.server) as socket:
        socket.initialise(organization.authorization())
        socket.subscribe("subscription { count(to: 5) }")
        assert [result["data"]["count"] for result in socket.results()] == [1, 2, 3, 4, 5]


def test_a_slow_consumer_is_told_the_code_that_is_documented(socket: Socket) -> None:
    socket.subscribe("subscription { slow }")
    assert socket.receive()["payload"] == {"data": {"slow": 1}}
    assert socket.closed() == (4410, "events were not read fast enough")


# What ends a connection


def test_another_protocol_is_refused(server: Server) -> None:
    for protocol in ("graphql-ws", None, "json"):
        with opened(server, protocol) as socket:
            assert socket.connection.subprotocol is None
            assert socket.closed() == (4406, "Subprotocol not acceptable")


def test_who_never_initialises_is_sent_away(server: Server) -> None:
    with opened(server) as socket:
        socket.send(type="ping")
        assert socket.receive() == {"type": "pong"}
        assert socket.closed() == (4408, "Connection initialisation timeout")


def test_pings_win_no_time(server: Server) -> None:
    deadline = time.monotonic() + 30
    with opened(server) as socket:
        try:
            while time.monotonic() < deadline:
                socket.send(type="ping")
                assert socket.receive() == {"type": "pong"}
                time.sleep(0.05)
        except ConnectionClosed:
            pass
        assert socket.closed()[0] == 4408


def test_operations_before_the_acknowledgement_are_refused(server: Server) -> None:
    with opened(server) as socket:
        socket.subscribe("{ __typename }")
        assert socket.closed() == (4401, "Unauthorized")


def test_a_second_initialisation_is_refused(socket: Socket, organization: Tenant) -> None:
    socket.send(type="connection_init", payload=organization.authorization())
    assert socket.closed() == (4429, "Too many initialisation requests")


def test_an_id_that_is_in_use_is_refused(socket: Socket, source: Source) -> None:
    socket.subscribe("subscription { published }", "a")
    source.wait_for(1)
    socket.subscribe("{ __typename }", "a")
    assert socket.closed() == (4409, "Subscriber for a already exists")
    source.wait_for(0)


BAD_MESSAGES: list[str | bytes] = [
    "", "x", "1", "null", "[]", "{}", '{"type":1}', '{"type":"next","id":"1","payload":{}}', '{"type":"start"}',
    '{"type":"connection_init","payload":1}', '{"type":"ping","payload":[]}', '{"type":"pong","payload":"x"}',
    '{"type":"subscribe"}', '{"type":"subscribe","id":"1"}', '{"type":"subscribe","id":"1","payload":null}',
    '{"type":"subscribe","payload":{"query":"{ a }"}}', '{"type":"subscribe","id":1,"payload":{"query":"{ a }"}}',
    '{"type":"subscribe","id":"","payload":{"query":"{ a }"}}', '{"type":"complete"}', '{"type":"complete","id":null}',
    '{"type":"subscribe","id":"' + "x" * 300 + '","payload":{"query":"{ a }"}}', "[" * 5000, '{"type":"ping","payload":'
    + '{"a":' * 500 + "1" + "}" * 501, b'{"type":"ping"}', '{"type":"ping"} {"type":"ping"}', '{"type":"\\ud800"}',
]  # fmt: skip


@pytest.mark.parametrize("message", BAD_MESSAGES, ids=lambda m: str(m)[:60])
def test_what_is_no_message_is_refused(server: Server, message: str | bytes) -> None:
    with opened(server) as socket:
        socket.connection.send(message)
        code, reason = socket.closed()
        assert code == 4400
        assert reason.startswith("Invalid message: ")


@pytest.mark.parametrize("payload", [{"query": 1}, {"query": ""}, {}, {"query": "{ a }", "variables": []}])
def test_what_is_no_request_is_refused(socket: Socket, payload: dict[str, Any]) -> None:
    socket.send(type="subscribe", id="1", payload=payload)
    assert socket.closed()[0] == 4400


def test_a_message_that_is_too_large_is_refused_unread(server: Server) -> None:
    with opened(server) as socket:
        socket.connection.send('{"type":"ping","payload":{"a":"' + "x" * LIMITS["max_body_bytes"] + '"}}')
        assert socket.closed()[0] == 1009
    with opened(server) as socket:
        with suppress(ConnectionClosed):  # the server need not wait for the last fragment
            socket.connection.send(iter(['{"type":"ping","payload":{"a":"', *["x" * 1000] * 30, '"}}']))
        assert socket.closed()[0] == 1009


# Limits


def test_too_many_operations_are_refused_one_by_one(socket: Socket, source: Source) -> None:
    for number in range(3):
        socket.subscribe("subscription { published }", str(number))
    source.wait_for(3)
    socket.subscribe("{ __typename }", "4")
    assert socket.error("4") == {
        "message": "3 operations run over this connection already", "extensions": {"code": "RATE_LIMITED"}
    }  # fmt: skip
    socket.send(type="complete", id="0")
    source.wait_for(2)
    socket.subscribe("{ __typename }", "4")
    assert socket.results("4")


def test_too_many_subscriptions_of_an_actor_are_refused(organization: Tenant, source: Source) -> None:
    """Over all connections, whatever its tokens; others are not concerned."""
    with opened(organization.server) as one, opened(organization.server) as two, opened(organization.server) as other:
        one.initialise(organization.authorization())
        two.initialise(organization.authorization("SECRET"))
        other.initialise(organization.authorization(name="bea"))
        for socket, id in ((one, "a"), (one, "b"), (two, "a")):
            socket.subscribe("subscription { published }", id)
        source.wait_for(3)
        two.subscribe("subscription { published }", "b")
        error = two.error("b")
        assert error["extensions"] == {"code": "RATE_LIMITED"}
        assert error["message"] == "you hold 3 subscriptions already; complete some first"
        two.subscribe("{ __typename }", "c")
        assert two.results("c")
        other.subscribe("subscription { published }")
        source.wait_for(4)
    source.wait_for(0)


def test_too_many_connections_of_an_actor_are_refused(organization: Tenant, other_organization: Tenant) -> None:
    with opened(organization.server) as one, opened(organization.server) as two, opened(organization.server) as three:
        one.initialise(organization.authorization())
        two.initialise(organization.authorization())
        three.send(type="connection_init", payload=organization.authorization("SECRET"))
        assert three.closed() == (4412, "you hold 2 connections already; close some first")
        with opened(organization.server) as other:
            other.initialise(other_organization.authorization())
    eventually(lambda: _is_let_in(organization))


def _is_let_in(tenant: Tenant) -> bool:
    with opened(tenant.server) as socket:
        socket.send(type="connection_init", payload=tenant.authorization())
        try:
            return socket.receive()["type"] == "connection_ack"
        except Exception:
            return False


# Origins


def test_pages_of_the_server_and_of_allowed_origins_may_connect(organization: Tenant) -> None:
    for origin in (organization.server.url, "https://app.example", organization.server.url.replace("http:", "https:")):
        with opened(organization.server, origin=origin) as socket:
            socket.initialise(organization.authorization())


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1", "http://app.example", "https://app.example.evil.example",
               "file://", "https://app.example:444", "http://[", "https://user@app.example", ""]
)  # fmt: skip
def test_pages_of_other_origins_are_refused_at_the_handshake(server: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(server, headers={"Origin": origin}):
        pass
    assert refused.value.response.status_code == 403
    assert orjson.loads(refused.value.response.body)["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert refused.value.response.headers["x-request-id"]


def test_there_is_no_websocket_elsewhere(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(replace(server, url=server.url + "/other")):
        pass
    assert refused.value.response.status_code == 403
