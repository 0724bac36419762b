"""GraphQL as server-sent events: `graphql-sse` in its mode of distinct connections."""

from collections.abc import Iterator

import orjson
import pytest
from http_server import MakeServer, Server, Tenant
from sse_client import EVENTS, events, streamed
from subscription_source import Source, subscription_source


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    with subscription_source() as source:
        yield source


@pytest.fixture(scope="module")
def server(new_server: MakeServer, source: Source) -> Iterator[Server]:
    with new_server({"max_connections_per_actor": 2, "max_subscriptions_per_actor": 2}) as server:
        yield server


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_subscription_gives_its_events_and_completes(organization: Tenant, method: str) -> None:
    with streamed(organization, "subscription { count(to: 3) }", method=method) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].split(";")[0] == "text/event-stream"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-request-id"]
        assert list(events(response)) == [
            ("next", {"data": {"count": 1}}), ("next", {"data": {"count": 2}}), ("next", {"data": {"count": 3}}),
            ("complete", None),
        ]  # fmt: skip


def test_events_come_as_they_happen(organization: Tenant, source: Source) -> None:
    with streamed(organization, "subscription { published }") as response:
        coming = events(response)
        for text in ("one", "two\nlines", "ü\r\u2028"):
            source.wait_for(1)
            source.publish(text)
            assert next(coming) == ("next", {"data": {"published": text}})


def test_a_client_that_leaves_ends_its_subscription_at_once(organization: Tenant, source: Source) -> None:
    with streamed(organization, "subscription { published }"):
        source.wait_for(1)
    source.wait_for(0)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_query_gives_one_event(organization: Tenant, method: str) -> None:
    with streamed(organization, "{ viewer { organization } }", method=method) as response:
        assert response.status_code == 200
        assert list(events(response)) == [
            ("next", {"data": {"viewer": {"organization": organization.name}}}), ("complete", None)
        ]  # fmt: skip


def test_a_mutation_comes_by_post_only(organization: Tenant) -> None:
    mutation = 'mutation { retireType(typeName: "None") { typeName } }'
    with streamed(organization, mutation) as response:
        (name, data), last = events(response)
        assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "NOT_FOUND")
        assert last == ("complete", None)
    with streamed(organization, mutation, method="GET") as response:
        assert (response.status_code, response.headers["allow"]) == (405, "POST")


# What could not begin


def test_who_is_not_known_gets_a_status(organization: Tenant) -> None:
    with streamed(organization, "subscription { published }", EVENTS | {"authorization": "Bearer x"}) as response:
        assert response.status_code == 401
        assert response.headers["content-type"] == "application/graphql-response+json"
        assert response.headers["www-authenticate"] == "Bearer"
        assert orjson.loads(response.read())["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "query",
    ["{", "subscription { nothing }", "subscription { count }", "subscription { a: count(to: 1) b: count(to: 1) }"],
)
def test_a_document_that_is_not_valid_is_an_event_where_nothing_else_is_taken(organization: Tenant, query: str) -> None:
    """As the protocol has it: browsers show nothing of a response with another status, and clients try again."""
    told = organization.ask(query).errors
    with streamed(organization, query) as response:
        assert response.status_code == 200
        assert list(events(response)) == [("next", {"errors": told}), ("complete", None)]
    with streamed(organization, query, {"accept": "application/graphql-response+json, text/event-stream"}) as response:
        assert response.status_code == 400
        assert orjson.loads(response.read()) == {"errors": told}


def test_what_goes_wrong_before_the_first_event_is_one(organization: Tenant) -> None:
    with streamed(organization, "subscription { forbidden }") as response:
        (name, data), last = events(response)
        assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "FORBIDDEN")
        assert "data" not in data
        assert last == ("complete", None)


def test_what_goes_wrong_later_is_masked(organization: Tenant) -> None:
    with streamed(organization, "subscription { failing }") as response:
        found = list(events(response))
    assert found[0] == ("next", {"data": {"failing": 1}})
    assert found[1][1]["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "password" not in str(found)
    assert found[2:] == [("complete", None)]


def test_a_consumer_that_the_source_drops_is_told(organization: Tenant) -> None:
    with streamed(organization, "subscription { slow }") as response:
        found = list(events(response))
    assert found[1][1]["errors"] == [
        {"message": "events were not read fast enough", "extensions": {"code": "RATE_LIMITED"}}
    ]
    assert found[2:] == [("complete", None)]


# Negotiation


def test_a_subscription_is_not_answered_otherwise(organization: Tenant) -> None:
    for accept in ("application/json", "*/*", "application/graphql-response+json", "text/event-stream;q=0, */*"):
        with streamed(organization, "subscription { published }", {"accept": accept}) as response:
            assert response.status_code == 406
            assert "text/event-stream" in orjson.loads(response.read())["errors"][0]["message"]


@pytest.mark.parametrize(
    ("accept", "for_query", "for_subscription"),
    [
        ("application/json, text/event-stream", "application/json", "text/event-stream"),
        ("text/event-stream, application/json;q=0.9", "text/event-stream", "text/event-stream"),
        ("application/json, text/event-stream;q=0.1", "application/json", "text/event-stream"),
    ],
)
def test_a_client_that_takes_both_gets_what_fits(
    organization: Tenant, accept: str, for_query: str, for_subscription: str
) -> None:
    for query, expected in (("{ __typename }", for_query), ("subscription { count(to: 1) }", for_subscription)):
        with streamed(organization, query, {"accept": accept}) as response:
            assert response.headers["content-type"].split(";")[0] == expected


def test_head_starts_no_stream(organization: Tenant, source: Source) -> None:
    response = organization.server.client.head(
        "/graphql", params={"query": "subscription { published }"}, headers=EVENTS | organization.authorization()
    )
    assert response.status_code == 405
    source.wait_for(0)


# Limits and metrics


def test_too_many_streams_of_an_actor_are_refused(organization: Tenant, source: Source) -> None:
    with streamed(organization, "subscription { published }"), streamed(organization, "subscription { published }"):
        source.wait_for(2)
        with streamed(organization, "subscription { published }", label="SECRET") as response:
            assert response.status_code == 429
            assert orjson.loads(response.read())["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
        with streamed(organization, "subscription { count(to: 1) }", name="bea") as response:
            assert response.status_code == 200
    source.wait_for(0)


def test_streams_are_counted(organization: Tenant, source: Source) -> None:
    def value(name: str) -> float:
        return organization.server.metrics.registry.get_sample_value(name, {"transport": "sse"}) or 0

    sent = value("fabric_stream_events_total")
    with streamed(organization, "subscription { published }") as response:
        source.wait_for(1)
        source.publish("news")
        coming = events(response)
        next(coming)
        assert (value("fabric_stream_connections"), value("fabric_subscriptions")) == (1, 1)
    source.wait_for(0)
    assert value("fabric_stream_events_total") == sent + 1
