"""Clients for streams: each subscribes, asks and changes over what it knows, and sees why its streams end."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import gql
import pytest
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from http_server import MakeServer, Server, Tenant
from subscription_source import Source, subscription_source
from websockets.exceptions import ConnectionClosed
from workshop import Workshop, client

from fabric.demo import ORGANIZATION
from fabric.identity.tokens import EXPIRED, issue_token
from fabric.labels import Label
from fabric.secrets import token_secret
from graphql_api import graphiql

COUNTED = [{"data": {"count": number}} for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with subscription_source() as source:
        yield source


@pytest.fixture(scope="module")
def server(new_server: MakeServer, demo_template: str, source: Source) -> Iterator[Server]:
    with new_server({"jwt_leeway_seconds": 0, "search_indexing": False}, template=demo_template) as server:
        yield server


@pytest.fixture(scope="module")
def demo(server: Server) -> Tenant:
    return Tenant(server, ORGANIZATION)


@pytest.fixture
def workshop(demo: Tenant, tmp_path: Path) -> Workshop:
    return Workshop.furnish(tmp_path, demo)


def tokens(demo: Tenant) -> list[str]:
    """One that lasts for seconds, and one that lasts."""
    settings = demo.server.settings
    secret = token_secret(settings.data_dir, settings.jwt_secret_file)
    return [
        issue_token(
            secret, organization=demo.name, subject="ann", roles=["reader"], clearance=Label(),
            lifetime=timedelta(seconds=seconds), issuer=settings.jwt_issuer, audience=settings.jwt_audience,
        )
        for seconds in (4, 3600)
    ]  # fmt: skip


@pytest.fixture
def publishing(source: Source) -> Iterator[None]:
    """Somebody publishes all the time."""
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(0.05):
            source.publish("enough")

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    ended.set()
    thread.join()


@client("graphql-ws")
@pytest.mark.usefixtures("publishing")
def test_a_client_for_websockets(workshop: Workshop, demo: Tenant) -> None:
    told = workshop.ask("graphql-ws.mjs", {"tokens": tokens(demo)})
    assert told["counted"] == COUNTED
    assert told["asked"] == [{"data": {"viewer": {"subject": "ann"}}}]
    assert told["changed"] == "NOT_FOUND"
    assert told["connections"] == 1
    assert told["refused"] == {
        "invalid": ["BAD_USER_INPUT"],
        "forbidden": ["FORBIDDEN"],
        "stranger": [4403, "the Authorization header must be Bearer <JSON Web Token>, at most 8 kB"],
        "slow": [4410, "events were not read fast enough"],
    }
    assert told["heard"] > 0


@client("graphql-sse")
@pytest.mark.usefixtures("publishing")
def test_a_client_for_events(workshop: Workshop, demo: Tenant) -> None:
    told = workshop.ask("graphql-sse.mjs", {"tokens": tokens(demo)})
    assert told["counted"] == COUNTED
    assert told["asked"] == [{"data": {"viewer": {"subject": "ann"}}}]
    assert told["changed"] == ["NOT_FOUND"]
    assert told["refused"] == {
        "invalid": ["BAD_USER_INPUT"], "forbidden": ["FORBIDDEN"], "slow": ["RATE_LIMITED"], "stranger": 401
    }  # fmt: skip
    assert told["heard"] > 0
    assert told["ended"] == ["UNAUTHENTICATED"]
    assert [status for status, _ in told["answers"]] == [200] * 6 + [401, 200]
    assert {media for status, media in told["answers"] if status == 200} == {"text/event-stream; charset=utf-8"}


@client("the console")
@pytest.mark.usefixtures("publishing")
def test_the_console(workshop: Workshop, demo: Tenant) -> None:
    """What its files hand to GraphiQL, in Node."""
    told = workshop.ask("console.mjs", {"tokens": tokens(demo), "assets": str(graphiql.ASSETS)})
    assert told["counted"] == COUNTED
    assert told["chosen"] == [COUNTED[:1], {"plain": ["/graphql", "Q"]}]
    assert told["unfinished"] == {"plain": ["/graphql", None]}
    assert told["refused"] == {
        "invalid": ["BAD_USER_INPUT"], "forbidden": ["FORBIDDEN"], "stranger": ["UNAUTHENTICATED"],
        "expired": ["UNAUTHENTICATED"],
    }  # fmt: skip
    assert told["first"] == {"done": False, "value": {"data": {"published": "enough"}}}
    assert told["left"] == {"last": {"done": True}, "aborted": True}
    assert [status for status, _ in told["answers"]] == [200] * 4 + [401, 200, 200]
    assert told["asked"] == [["POST", "/graphql"]] * 7


@pytest.mark.anyio
async def test_a_client_for_python(demo: Tenant) -> None:
    async with over_websocket(demo, demo.authorization()) as session:
        events = [event async for event in session.subscribe(gql.gql("subscription { count(to: 3) }"))]
        assert events == [each["data"] for each in COUNTED]
        assert await session.execute(gql.gql("{ viewer { subject } }")) == {"viewer": {"subject": "ann"}}
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(gql.gql("{ nothing }"))
        assert refused.value.errors is not None
        assert refused.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.anyio
async def test_a_client_for_python_sees_its_token_expire(demo: Tenant, source: Source) -> None:
    with pytest.raises(TransportConnectionFailed) as ended:
        await follow(demo, {"authorization": f"Bearer {tokens(demo)[0]}"})
    closed = ended.value.__cause__
    assert isinstance(closed, ConnectionClosed)
    assert closed.rcvd is not None
    assert (closed.rcvd.code, closed.rcvd.reason) == (4403, EXPIRED)
    await asyncio.to_thread(source.wait_for, 0)


async def follow(demo: Tenant, payload: dict[str, Any]) -> None:
    async with over_websocket(demo, payload) as session:
        async for _ in session.subscribe(gql.gql("subscription { published }")):
            pass


def over_websocket(demo: Tenant, payload: dict[str, Any]) -> gql.Client:
    url = demo.server.url.replace("http:", "ws:") + "/graphql"
    return gql.Client(transport=WebsocketsTransport(url, init_payload=payload))
