"""What Schemathesis makes of the schema, sent to the server: documents that fit, and documents that do not quite.

Whatever comes, each answer is one that the documents of this project know: a status of the specification, JSON, codes
out of the list, and nothing of the inside.
"""

from collections import Counter
from typing import Any

import orjson
import pytest
import schemathesis
from http_server import GRAPHQL, INSIDE, SLOWEST, TYPES, Answer, Server, Tenant
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.graphql import nodes

from fabric.errors import FabricError, Internal

CLEARANCE = "SECRET/ALPHA"
FAMILY: list[dict[str, Any]] = [
    {
        "typeName": "Machine",
        "fields": {"serial": {"type": "string", "required": True}, "power": {"type": "float"}},
        "links": {
            "next": {"relation": "feeds", "target": "Machine", "cardinality": "one"},
            "parts": {"relation": "part_of", "target": "Machine", "direction": "in"},
            "assets": {"relation": "drives", "target": "Asset"},
        },
    },
    {"typeName": "Pump", "extends": "Machine", "fields": {"flow": {"type": "decimal"}}},
    {"typeName": "Turbine", "extends": "Machine", "fields": {"blades": {"type": "integer", "list": True}}},
]
"""Types that inherit, and lead to each other and to those of `TYPES`."""

CREATE = """mutation {
  createAssets(inputs: [{name: "a", rating: 1.5, tags: ["x"]}, {name: "b", extra: {k: [1]}}]) { assets { id } }
  createPumps(inputs: [{serial: "1"}, {serial: "2", flow: "0.1"}]) { pumps { id } }
  createSensor(input: {name: "dial"}) { sensor { id } }
}"""
LINK = """mutation ($a: ID!, $p: ID!, $q: ID!, $s: ID!) {
  feeds: link(input: {relation: "feeds", from: $p, to: $q}) { linkId }
  drives: link(input: {relation: "drives", from: $p, to: $a}) { linkId }
  has: link(input: {relation: "has_sensor", from: $a, to: $s, weight: 0.5}) { linkId }
}"""

CODES = {kind.code for kind in FabricError.__subclasses__()} - {Internal.code}

known_ids: list[str] = []

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def mostly(meant: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts as they are meant, and one in a hundred that is anything."""
    return st.integers(0, 99).flatmap(lambda n: meant if n else TEXTS)


for name, strategy in {
    "ID": st.deferred(lambda: st.sampled_from(known_ids)),
    "Decimal": st.decimals(-1000, 1000, places=3).map(lambda d: f"{d:f}"),
    "Duration": st.sampled_from(["P1D", "PT0.5S", "-P3DT4H"]),
    "URI": st.sampled_from(["https://example.org/a", "urn:a:b"]),
    "Label": st.sampled_from(["UNCLASSIFIED", CLEARANCE]),
    "Date": st.dates().map(str),
    "DateTime": st.datetimes().map(lambda d: d.isoformat() + "Z"),
    "BigInt": st.integers(-(2**63), 2**63 - 1).map(str),
    "UUID": st.uuids().map(str),
}.items():
    schemathesis.graphql.scalar(name, mostly(strategy).map(nodes.String))
schemathesis.graphql.scalar(
    "JSON",
    st.recursive(
        TEXTS.map(nodes.String) | st.integers(-(2**63), 2**63 - 1).map(nodes.Int) | st.booleans().map(nodes.Boolean),
        lambda each: st.lists(each, max_size=3).map(nodes.List),
        max_leaves=5,
    ),
)


@pytest.fixture(scope="module")
def attacked(server: Server) -> Tenant:
    """An organization with objects and links at two labels."""
    tenant = server.organization()
    tenant.define(*TYPES, *FAMILY)
    for label in ("UNCLASSIFIED", CLEARANCE):
        made = tenant.data(CREATE, label=label)
        assets, pumps = made["createAssets"]["assets"], made["createPumps"]["pumps"]
        ids = [each["id"] for each in (*assets, *pumps, made["createSensor"]["sensor"])]
        links = tenant.data(LINK, dict(zip("apqs", (ids[0], *ids[2:]), strict=True)), label=label)
        known_ids.extend([*ids, *(link["linkId"] for link in links.values())])
    return tenant


@pytest.fixture(scope="module")
def schema(attacked: Tenant) -> Any:
    headers = attacked.authorization(CLEARANCE)
    return schemathesis.graphql.from_url(f"{attacked.server.url}/graphql", headers=headers)


def hold_proper(answer: Answer) -> None:
    """One of the answers that there are."""
    assert answer.seconds < SLOWEST
    assert answer.headers["content-type"] == GRAPHQL
    assert answer.body.keys() <= {"data", "errors"}
    assert answer.status == (200 if "data" in answer.body else 400), answer.content
    if "errors" in answer.body:
        assert answer.codes <= CODES, answer.content
        assert not INSIDE.search(orjson.dumps(answer.errors)), answer.content
        assert b"id you mean" not in answer.content.lower()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("root", ["Query", "Mutation"])
def test_whatever_comes_is_answered_properly(attacked: Tenant, schema: Any, root: str, mode: GenerationMode) -> None:
    outcomes: Counter[bool] = Counter()

    @settings(max_examples=60, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.one_of(*(field.as_strategy(generation_mode=mode) for field in schema[root].values())))
    def attack(case: Any) -> None:
        answer = attacked.ask(case.body, label=CLEARANCE)
        hold_proper(answer)
        # A field that nothing wrong can be asked of is asked properly in either mode.
        if case.meta.generation.mode is GenerationMode.NEGATIVE:
            assert "data" not in answer.body, case.body
        outcomes["data" in answer.body] += 1

    attack()
    assert outcomes[mode is GenerationMode.POSITIVE] > 20
