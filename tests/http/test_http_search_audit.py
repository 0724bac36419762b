"""What the audit log says of searches, and that it does not say for what."""

from typing import Any

import orjson
from http_server import Tenant

SEARCH = "query ($q: String!, $after: String) { search(query: $q, mode: TEXT, after: $after) { nodes { score } } }"
RECORDS = "select l.* from fabric.audit_log l join fabric.organizations o using (organization_id) where o.name = $1"


def records(tenant: Tenant) -> list[Any]:
    rows = tenant.server.sql(RECORDS + " and l.action = 'search.asked' order by l.audit_id", tenant.name)
    return list(rows)


def detail(row: Any) -> Any:
    return orjson.loads(row["detail"])


def digests(tenant: Tenant) -> list[str]:
    return [detail(row)["query"] for row in records(tenant)]


def test_a_search_is_on_the_record_without_its_text(assets: Tenant) -> None:
    answer = assets.ask(SEARCH, {"q": "xylophone"}, name="ann", label="SECRET/ALPHA")
    assert answer.data == {"search": {"nodes": []}}
    [row] = records(assets)
    assert (row["actor"], row["outcome"], detail(row)["mode"]) == ("ann", "done", "TEXT")
    assert row["request_id"]
    assert "xylophone" not in str(dict(row))
    assert len(detail(row)["query"]) == 64
    assets.data(SEARCH, {"q": "xylophone"}, name="ann")
    low, high = sorted(row["label"] for row in records(assets))
    assert low < high


def test_the_same_text_is_told_of_one_actor_and_not_across_actors(assets: Tenant, other_organization: Tenant) -> None:
    for text, actor in (("pump", "ann"), ("pump", "ann"), ("pumps", "ann"), ("pump", "eve")):
        assets.data(SEARCH, {"q": text}, name=actor)
    first, again, other_text, other_actor = digests(assets)
    assert first == again
    assert len({first, other_text, other_actor}) == 3
    other_organization.data(SEARCH, {"q": "pump"}, name="ann")
    assert digests(other_organization) != [first]


def test_what_is_refused_before_it_searches_is_not_recorded(assets: Tenant) -> None:
    assets.ask(SEARCH, {"q": "pump", "after": "nonsense"}).refused_with("BAD_USER_INPUT")
    assert records(assets) == []


def test_a_context_is_a_search_too(assets: Tenant) -> None:
    assets.data('{ search(query: "pump") { nodes { score } } context(query: "pump") { text } }')
    first, second = digests(assets)
    assert first == second


FIELDS = "{ __type(name: \"Query\") { fields { name args { name } } } }"


def test_every_field_that_takes_a_query_leaves_a_record(assets: Tenant) -> None:
    fields = assets.data(FIELDS)["__type"]["fields"]
    searching = [field["name"] for field in fields if "query" in {argument["name"] for argument in field["args"]}]
    assert {"search", "searchLinks", "searchEvents", "context"} <= set(searching)
    for number, name in enumerate(searching, 1):
        assets.data(f'{{ {name}(query: "pump") {{ __typename }} }}')
        assert len(records(assets)) == number, name
