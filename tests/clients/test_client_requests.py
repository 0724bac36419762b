"""Clients for requests: each reads two pages, changes an object, and sees the codes of what is refused."""

from pathlib import Path
from typing import Any

import gql
import pytest
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from http_server import GRAPHQL, Tenant
from workshop import Workshop, client

REQUESTS = Path(__file__).parent / "requests"
PAGE = {"where": {"status": {"eq": "OPERATING"}}, "first": 3}


def request(name: str) -> str:
    return (REQUESTS / f"{name}.graphql").read_text("utf-8")


@pytest.fixture
def given(demo: Tenant) -> dict[str, Any]:
    """A page to begin with, a change of a pump, and the types that are places."""
    found = demo.data(
        "{ pumps(orderBy: [{tag: ASC}], first: 1) { nodes { id revision } }"
        ' __type(name: "Place") { possibleTypes { name } } }'
    )
    [pump] = found["pumps"]["nodes"]
    change = {"id": pump["id"], "revision": pump["revision"], "notes": f"Seen at revision {pump['revision']}."}
    return {"page": PAGE, "change": change, "places": [t["name"] for t in found["__type"]["possibleTypes"]]}


def check(told: dict[str, Any], demo: Tenant, given: dict[str, Any]) -> None:
    """That a client was told what the server has, and why it refused the rest."""
    listed = demo.data(request("facilities"), PAGE | {"first": 6})["facilities"]
    assert told["pages"] == [edge["node"] for edge in listed["edges"]]
    assert {"Reservoir"} < {node["__typename"] for node in told["pages"]}
    assert all(int(node["volume"]) for node in told["pages"] if node["__typename"] == "Reservoir")
    change, changed = given["change"], told["changed"]
    assert (changed["changed"], changed["pump"]["notes"]) == (True, change["notes"])
    assert changed["pump"]["revision"] == change["revision"] + 1
    assert told["conflict"] == ["CONFLICT"]
    assert told["invalid"] == told["input"] == ["BAD_USER_INPUT"]
    assert told["stranger"] == ["UNAUTHENTICATED"]


@pytest.mark.parametrize(
    "name", [pytest.param("urql", marks=client("@urql/core")), pytest.param("apollo", marks=client("@apollo/client"))]
)
def test_a_client_for_javascript(name: str, workshop: Workshop, demo: Tenant, given: dict[str, Any]) -> None:
    told = workshop.ask(f"{name}.mjs", given)
    check(told, demo, given)
    # Two pages, a change and its repetition; a document and an input that do not fit; nobody.
    assert [status for status, _ in told["answers"]] == [200, 200, 200, 200, 400, 400, 401]
    assert {media for _, media in told["answers"]} == {GRAPHQL}


@pytest.mark.anyio
async def test_a_client_for_python(demo: Tenant, given: dict[str, Any]) -> None:
    writer = demo.authorization(roles=("writer",))
    told: dict[str, Any] = {"pages": []}
    async with asker(demo, writer, fetch_schema_from_transport=True) as session:
        after = None
        for _ in range(2):
            page = await session.execute(wish("facilities", PAGE | {"after": after}))
            told["pages"] += [edge["node"] for edge in page["facilities"]["edges"]]
            after = page["facilities"]["pageInfo"]["endCursor"]
        told["changed"] = (await session.execute(wish("annotate", given["change"])))["updatePump"]
    async with asker(demo, writer) as session:
        told["conflict"] = await codes(session, wish("annotate", given["change"]))
        told["invalid"] = await codes(session, wish("unknown", {}))
        told["input"] = await codes(session, wish("facilities", PAGE | {"first": -1}))
    async with asker(demo, {"authorization": "Bearer none"}) as session:
        told["stranger"] = await codes(session, wish("facilities", PAGE))
    check(told, demo, given)


def asker(demo: Tenant, headers: dict[str, str], **options: Any) -> gql.Client:
    transport = HTTPXAsyncTransport(f"{demo.server.url}/graphql", headers=headers | {"accept": GRAPHQL})
    return gql.Client(transport=transport, **options)


def wish(name: str, variables: dict[str, Any]) -> gql.GraphQLRequest:
    return gql.GraphQLRequest(request(name), variable_values=variables)


async def codes(session: Any, wished: gql.GraphQLRequest) -> list[str]:
    with pytest.raises(TransportQueryError) as refused:
        await session.execute(wished)
    return [error["extensions"]["code"] for error in refused.value.errors or ()]
