"""Two histories that differ only in what a reader may not see give that reader the same answers, byte for byte.

Both run on servers of their own, in organizations of the same id and secret, so that even ids and cursors are equal.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from databases import COMPARTMENTS
from http_server import TYPES, Answer, Server, Tenant
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric import ids
from fabric.identity.organizations import Organization
from fabric.labels import Lattice

SEEN = ("UNCLASSIFIED", "CONFIDENTIAL")
HIDDEN = ("SECRET", "SECRET/ALPHA", "CONFIDENTIAL/BRAVO", "UNCLASSIFIED/ALPHA,BRAVO")
"""Labels that no reader of `SEEN` dominates."""

ORGANIZATION = Organization(uuid4(), "acme", bytes(range(32)), Lattice(COMPARTMENTS))


def of_key(type_: str, name: str) -> UUID:
    return ids.object_id(ORGANIZATION, type_, [name])


ASSETS = [str(of_key("Asset", name)) for name in "abc"]
SENSORS = [str(of_key("Sensor", name)) for name in "xy"]
PLANTS = [str(UUID(int=n, version=4)) for n in (1, 2)]
LINKS = [str(ids.link_id(ORGANIZATION, "has_sensor", UUID(a), UUID(s), None)) for a in ASSETS for s in SENSORS]
ANYTHING = [*ASSETS, *SENSORS, *PLANTS, *LINKS]


@dataclass(frozen=True)
class Request:
    query: str
    variables: dict[str, Any]


def request(query: str, **variables: st.SearchStrategy[Any]) -> st.SearchStrategy[Request]:
    return st.builds(Request, st.just(query), st.fixed_dictionaries(variables))


asset, sensor, plant, anything = (st.sampled_from(pool) for pool in (ASSETS, SENSORS, PLANTS, ANYTHING))
link = st.sampled_from(LINKS)
revision = st.one_of(st.none(), st.integers(1, 3))
rating = st.sampled_from([None, 1.5, 2, 3])
data = st.fixed_dictionaries(
    {}, optional={"rating": rating, "status": st.sampled_from(["OK", "FAILED"]), "tags": st.just(["t"])}
)
named = st.builds(lambda name, rest: {"name": name} | rest, st.sampled_from("abc"), data)
has_sensor = st.builds(
    lambda a, s, w: {"relation": "has_sensor", "from": a, "to": s, "weight": w}, asset, sensor, rating
)
contains = st.builds(lambda p, a: {"relation": "contains", "from": p, "to": a}, plant, asset)

SHOWN = "changed asset { id name rating status tags label revision createdAt sensors { totalCount nodes { name } } }"

WRITES = st.one_of(
    request(f"mutation ($d: AssetCreateInput!) {{ createAsset(input: $d) {{ {SHOWN} position }} }}", d=named),
    request(f"mutation ($d: AssetUpsertInput!) {{ upsertAsset(input: $d) {{ {SHOWN} position }} }}", d=named),
    request(
        f"mutation ($i: ID!, $d: AssetUpdateInput!, $n: Int) {{"
        f" updateAsset(id: $i, input: $d, expectedRevision: $n) {{ {SHOWN} }} }}",
        i=anything, d=data, n=revision,
    ),
    request(
        "mutation ($i: ID!, $n: Int) { deleteAsset(id: $i, expectedRevision: $n) { deletedId } }",
        i=anything, n=revision,
    ),
    request(
        "mutation ($d: [AssetUpsertInput!]!) { upsertAssets(inputs: $d) { assets { name revision } } }",
        d=st.lists(named, max_size=3),
    ),
    request("mutation ($i: [ID!]!) { deleteAssets(ids: $i) { deletedIds } }", i=st.lists(anything, max_size=2)),
    request(
        "mutation ($d: SensorUpsertInput!) { upsertSensor(input: $d) { changed sensor { name revision } } }",
        d=st.fixed_dictionaries({"name": st.sampled_from("xy"), "kind": st.sampled_from(["HOT", "COLD"])}),
    ),
    request("mutation ($i: ID!) { deleteSensor(id: $i) { deletedId } }", i=sensor),
    request(
        "mutation ($d: PlantUpsertInput!) { upsertPlant(input: $d) { changed plant { title assets { totalCount } } } }",
        d=st.fixed_dictionaries({"id": plant, "title": st.sampled_from("pq")}),
    ),
    request("mutation ($i: ID!) { deletePlant(id: $i) { deletedId } }", i=plant),
    request("mutation ($d: LinkInput!) { link(input: $d) { linkId changed } }", d=st.one_of(has_sensor, contains)),
    request("mutation ($i: ID!, $n: Int) { unlink(id: $i, expectedRevision: $n) { linkId } }", i=link, n=revision),
    request(
        "mutation ($i: ID!, $d: UpdateLinkInput!) { updateLink(id: $i, input: $d) { changed } }",
        i=link, d=st.fixed_dictionaries({"weight": rating}),
    ),
)  # fmt: skip

LIST = """query ($w: AssetWhere, $o: [AssetOrderBy!], $n: Int, $l: Int, $c: String) {
  assets(where: $w, orderBy: $o, first: $n, last: $l, after: $c) {
    totalCount edges { cursor node { id name rating status label revision updatedAt plant { title }
      sensors(first: 2, orderBy: {name: DESC}) {
        totalCount edges { cursor link { id weight revision label } node { name } } }
    } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""

where = st.recursive(
    st.one_of(
        st.just({}),
        st.builds(lambda v: {"rating": {"eq": v}}, rating),
        st.builds(lambda v: {"rating": {"lt": v}}, st.sampled_from([2, 3])),
        st.builds(lambda v: {"label": {"eq": v}}, st.sampled_from([*SEEN, *HIDDEN])),
        st.builds(lambda v: {"id": {"in": v}}, st.lists(anything, max_size=3)),
        st.builds(lambda q, k: {"sensors": {q: {"kind": {"eq": k}}}},
                  st.sampled_from(["some", "every", "none"]), st.sampled_from(["HOT", "COLD"])),
        st.builds(lambda v: {"revision": {"gte": v}}, st.integers(1, 3)),
    ),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"or": parts}, st.lists(inner, max_size=2)),
        st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=3,
)  # fmt: skip
order = st.lists(
    st.builds(
        lambda field, direction: {field: direction},
        st.sampled_from(["name", "rating", "status", "revision"]), st.sampled_from(["ASC", "DESC", "DESC_NULLS_LAST"]),
    ),
    max_size=2,
)  # fmt: skip

absent = st.sampled_from(["alias", "codenames", "Codename", "nothing"])

READS = st.one_of(
    request(LIST, w=where, o=order, n=st.integers(0, 3), l=st.none(), c=st.just("the last cursor")),
    request(LIST, w=where, o=order, n=st.none(), l=st.integers(1, 3), c=st.none()),
    request("query ($i: [ID!]!) { nodes(ids: $i) { __typename id ... on FabricObject { revision label } } }",
            i=st.lists(anything, max_size=4)),
    request("query ($i: ID!) { node(id: $i) { id } asset(id: $i) { name } plant(id: $i) { title } }",
            i=anything),
    request("query ($n: String!) { assetByKey(name: $n) { label sensors { nodes { name assets { totalCount } } } } }",
            n=st.sampled_from("abc")),
    request("query ($n: String!) { __type(name: $n) { kind fields { name } possibleTypes { name } } }",
            n=st.sampled_from(["Asset", "AssetWhere", "AssetAlias", "Codename", "Node", "Query", "Mutation"])),
    request("query ($w: AssetWhere) { assetsAggregate(where: $w, groupBy: [{status: VALUE}, {label: VALUE}]) {"
            " count fields { rating { count sum max } } groups { key { status label } count } } }", w=where),
    request("{ typeDefinitions { typeName label fieldSchema uiSchema } viewer { clearance permissions } }"),
    absent.flatmap(lambda n: request(f"{{ {n} {{ id }} assets {{ nodes {{ {n} }} }} }}")),
    absent.flatmap(lambda n: request(f"{{ assets(where: {{{n}: {{}}}}) {{ totalCount }} }}")),
)  # fmt: skip

RETIRE = "mutation ($n: String!) { retireType(typeName: $n) { typeName } }"
DEFINE = "mutation ($d: JSON!) { defineType(definition: $d) { changed } }"

HIDDEN_DEFINITIONS = st.one_of(
    request(DEFINE, d=st.just({"typeName": "Codename", "fields": {"word": {"type": "string"}}})),
    request(DEFINE, d=st.just({"typeName": "Note", "fields": {"text": {"type": "string"}}, "plural": "Notices"})),
    request(RETIRE, n=st.sampled_from(["Codename", "Note"])),
    request("mutation { createCodename(input: {word: \"fox\"}) { changed } }"),
)  # fmt: skip
SEEN_DEFINITIONS = st.one_of(
    request(DEFINE, d=st.just({"typeName": "Note", "fields": {"text": {"type": "text"}}})),
    request(DEFINE, d=st.just({"typeName": "Notice", "fields": {"text": {"type": "text"}}})),
    request(RETIRE, n=st.sampled_from(["Note", "Codename"])),
)  # fmt: skip

HIDDEN_STEPS = st.tuples(st.just(True), st.sampled_from(HIDDEN), st.one_of(WRITES, WRITES, HIDDEN_DEFINITIONS))
SEEN_STEPS = st.tuples(st.just(False), st.sampled_from(SEEN), st.one_of(WRITES, READS, READS, READS, SEEN_DEFINITIONS))
STEPS = st.lists(st.one_of(HIDDEN_STEPS, SEEN_STEPS), min_size=6, max_size=30)
"""(whether it happens in the whole history only, label, request)"""

BEGINNING = """mutation ($p: [PlantCreateInput!]!) {
  createAssets(inputs: [{name: "a", rating: 2}, {name: "b"}]) { position }
  createSensors(inputs: [{name: "x", kind: HOT}]) { position }
  createPlants(inputs: $p) { position }
}"""


@pytest.fixture(scope="module")
def other_server(new_server: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    with new_server() as server:
        yield server


def clear(server: Server, table: str) -> None:
    """Takes away all of the organization, and tries again where the server was about to store something of it."""
    for _ in range(5):
        with suppress(asyncpg.DeadlockDetectedError):
            server.sql(f"delete from fabric.{table} where organization_id = $1", ORGANIZATION.organization_id)
            return
    raise AssertionError(f"{table} cannot be cleared")


def begin(server: Server) -> Tenant:
    """`ORGANIZATION` without any history, whatever it had before."""
    tables = "objects links type_definitions events audit_log".split()
    for table in tables:
        clear(server, table)
    server.sql(
        """with made as (insert into fabric.organizations (organization_id, name, secret) values ($1, $2, $3)
                         on conflict do nothing)
           insert into fabric.compartments (organization_id, ordinal, name)
           select $1, n - 1, name from unnest($4::text[]) with ordinality as c(name, n) on conflict do nothing""",
        ORGANIZATION.organization_id, ORGANIZATION.name, ORGANIZATION.secret, list(COMPARTMENTS),
    )  # fmt: skip
    tenant = Tenant(server, ORGANIZATION.name)
    tenant.define(*TYPES)
    tenant.data(BEGINNING, {"p": [{"id": PLANTS[0], "title": "p"}]})
    join = "mutation ($i: LinkInput!) { link(input: $i) { linkId } }"
    tenant.data(join, {"i": {"relation": "has_sensor", "from": ASSETS[0], "to": SENSORS[0]}})
    tenant.data(join, {"i": {"relation": "contains", "from": PLANTS[0], "to": ASSETS[1]}})
    return tenant


def ask(tenant: Tenant, label: str, asked: Request, cursor: str | None) -> Answer:
    variables = {k: cursor if v == "the last cursor" else v for k, v in asked.variables.items()}
    # Without `label:regrade`, so that nobody changes what is defined below.
    return tenant.ask(asked.query, variables, label=label, roles=("writer", "designer"))


def last_cursor(answer: Answer) -> str | None:
    found = answer.body.get("data") or {}
    page: dict[str, str | None] = (found.get("assets") or {}).get("pageInfo") or {}
    return page.get("endCursor")


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_what_is_hidden_changes_no_answer(
    server: Server, other_server: Server, steps: list[tuple[bool, str, Request]]
) -> None:
    whole, seen = begin(server), begin(other_server)
    cursor: str | None = None
    for hidden, label, asked in steps:
        answer = ask(whole, label, asked, cursor)
        assert answer.status < 500
        if not hidden:
            other = ask(seen, label, asked, cursor)
            assert (answer.status, answer.plain) == (other.status, other.plain)
            cursor = last_cursor(answer) or cursor
    for label in SEEN:
        assert whole.ask(LIST, label=label).plain == seen.ask(LIST, label=label).plain
