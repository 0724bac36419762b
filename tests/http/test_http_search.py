"""Searches over HTTP: what each reader finds, why, and what happens when no vectors can be had."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from embedding_endpoint import Double, endpoint
from http_server import MakeServer, Tenant

PAPER: dict[str, Any] = {
    "typeName": "Paper",
    "fields": {
        "title": {"type": "string", "required": True, "searchable": True},
        "body": {"type": "text", "searchable": True},
        "year": {"type": "integer"},
    },
    "links": {"cites": {"relation": "cites", "target": "Paper"}, "about": {"relation": "about", "target": "Topic"}},
}
TOPIC: dict[str, Any] = {"typeName": "Topic", "fields": {"title": {"type": "string", "searchable": True}}}
SEARCH = """query (
  $query: String!, $mode: SearchMode! = TEXT, $types: [String!], $where: JSON, $expand: Boolean! = false, $first: Int,
  $after: String
) {
  search(query: $query, mode: $mode, types: $types, where: $where, expand: $expand, first: $first, after: $after) {
    nodes {
      score
      explain { text { rank score } vector { rank score } graph { rank } links { rank } }
      highlights { field pieces { text matched } }
      node { id label ... on Paper { title year cites { nodes { title } } } ... on Topic { topic: title } }
    }
    edges { cursor node { node { id } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""
SIMILAR = """query ($to: ID!, $types: [String!], $where: JSON, $first: Int) {
  similar(to: $to, types: $types, where: $where, first: $first) { score node { id ... on Paper { title } } }
}"""


@pytest.fixture
def papers(organization: Tenant) -> Tenant:
    organization.define(PAPER, TOPIC)
    return organization


def create(tenant: Tenant, title: str, at: str = "UNCLASSIFIED", **data: Any) -> str:
    query = "mutation ($input: PaperCreateInput!) { createPaper(input: $input) { paper { id } } }"
    made = tenant.data(query, {"input": {"title": title, **data}}, label=at)
    return str(made["createPaper"]["paper"]["id"])


def hits(tenant: Tenant, query: str, at: str = "UNCLASSIFIED", **variables: Any) -> list[Any]:
    found: list[Any] = tenant.data(SEARCH, {"query": query, **variables}, label=at)["search"]["nodes"]
    return found


def titles(tenant: Tenant, query: str, at: str = "UNCLASSIFIED", **variables: Any) -> list[str]:
    return [hit["node"]["title"] for hit in hits(tenant, query, at, **variables)]


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)
    return found


def test_what_is_written_is_found_a_moment_later(papers: Tenant) -> None:
    assert titles(papers, "pumps") == []
    id = create(papers, "The water pump", body="leaks", year=2020)
    [hit] = until(lambda: hits(papers, "pumps"))
    assert hit["node"] == {
        "id": id, "label": "UNCLASSIFIED", "title": "The water pump", "year": 2020, "cites": {"nodes": []}
    }  # fmt: skip
    assert hit["explain"]["text"]["rank"] == 1
    assert hit["explain"]["vector"] is None
    [highlight] = hit["highlights"]
    assert highlight["field"] == "title"
    assert {"text": "pump", "matched": True} in highlight["pieces"]


def test_meaning_and_words_together_with_what_made_a_hit(papers: Tenant) -> None:
    for title in ("water pump", "water", "a choir"):
        create(papers, title)
    until(lambda: len(hits(papers, "x", mode="VECTOR")) == 3)
    [first, *_] = found = hits(papers, "water pump", mode="HYBRID")
    assert len(found) == 3
    assert first["node"]["title"] == "water pump"
    assert (first["explain"]["text"]["rank"], first["explain"]["vector"]["rank"]) == (1, 1)
    assert [hit["score"] for hit in found] == sorted((hit["score"] for hit in found), reverse=True)


def test_pages_follow_one_another_and_cursors_belong_to_their_search(papers: Tenant) -> None:
    for n in range(5):
        create(papers, f"pump {n}")
    until(lambda: len(hits(papers, "pump")) == 5)
    every = [hit["node"]["id"] for hit in hits(papers, "pump")]
    seen: list[str] = []
    after = None
    while True:
        page = papers.data(SEARCH, {"query": "pump", "first": 2, "after": after})["search"]
        seen += [edge["node"]["node"]["id"] for edge in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == every
    for variables, who in (({"query": "pumps"}, {}), ({"query": "pump"}, {"label": "SECRET"})):
        papers.ask(SEARCH, {**variables, "after": after}, **who).refused(path=["after"])
    papers.ask(SEARCH, {"query": "pump", "after": "x"}).refused(path=["after"])


def test_filters_apply_inside_the_search(papers: Tenant) -> None:
    for n in range(4):
        create(papers, f"pump {n}", year=2000 + n)
    until(lambda: len(hits(papers, "pump")) == 4)
    given = {"types": ["Paper"], "where": {"year": {"gte": 2002}}}
    for mode in ("TEXT", "VECTOR", "HYBRID"):
        assert sorted(titles(papers, "pump", mode=mode, first=2, **given)) == ["pump 2", "pump 3"]
    [one] = hits(papers, "pump", types=["Paper"], where={"or": [{"title": {"eq": "pump 1"}}, {"year": {"eq": 1}}]})
    assert one["node"]["title"] == "pump 1"
    linked = {"types": ["Paper"], "where": {"cites": {"some": {"year": {"eq": 2003}}}}}
    assert titles(papers, "pump", **linked) == []
    papers.ask(SEARCH, {"query": "pump", "where": {"year": {"eq": 1}}}).refused(path=["types"])
    papers.ask(SEARCH, {"query": "pump", "types": ["Paper"], "where": {"no": 1}}).refused()
    assert titles(papers, "pump", types=["Topic"]) == titles(papers, "pump", types=["Nothing"]) == []


def test_each_label_finds_its_own_version(papers: Tenant) -> None:
    id = create(papers, "weir")
    query = 'mutation ($id: ID!) { updatePaper(id: $id, input: {title: "gate"}) { paper { id } } }'
    papers.data(query, {"id": id}, label="SECRET")
    create(papers, "weir", "SECRET/ALPHA")
    until(lambda: hits(papers, "gate", "SECRET") and hits(papers, "weir") and hits(papers, "weir", "SECRET/ALPHA"))
    assert titles(papers, "weir gate") == ["weir"]
    assert titles(papers, "weir gate", "SECRET") == ["gate"]
    assert titles(papers, "weir gate", "SECRET/BRAVO") == ["gate"]
    assert sorted(titles(papers, "weir gate", "SECRET/ALPHA")) == ["gate", "weir"]


def test_links_of_the_best_hits_add_what_they_lead_to(papers: Tenant) -> None:
    first, second = create(papers, "pump"), create(papers, "choir")
    link = 'mutation ($a: ID!, $b: ID!) { link(input: {from: $a, to: $b, relation: "cites"}) { linkId } }'
    papers.data(link, {"a": first, "b": second})
    hidden = create(papers, "hidden", "SECRET")
    papers.data(link, {"a": first, "b": hidden}, label="SECRET")
    until(lambda: hits(papers, "pump") and hits(papers, "hidden", "SECRET"))
    assert titles(papers, "pump") == ["pump"]
    found = until(lambda: len(made := hits(papers, "pump", expand=True)) == 2 and made)
    assert [hit["node"]["title"] for hit in found] == ["pump", "choir"]
    assert found[1]["explain"] == {"text": None, "vector": None, "graph": {"rank": 1}, "links": None}
    assert sorted(titles(papers, "pump", "SECRET", expand=True)) == ["choir", "hidden", "pump"]
    assert titles(papers, "pump", expand=True, types=["Topic"]) == []


def test_who_may_not_walk_a_relation_is_led_nowhere_by_it(papers: Tenant) -> None:
    first, second = create(papers, "pump"), create(papers, "choir")
    link = 'mutation ($a: ID!, $b: ID!) { link(input: {from: $a, to: $b, relation: "cites"}) { linkId } }'
    papers.data(link, {"a": first, "b": second})
    until(lambda: len(hits(papers, "pump", expand=True)) == 2)
    told = papers.data(SEARCH, {"query": "pump", "expand": True}, roles=("near_walker",))["search"]["nodes"]
    assert [hit["node"]["title"] for hit in told] == ["pump"]


def test_links_that_say_what_is_asked_for_add_their_ends(papers: Tenant) -> None:
    first, second = create(papers, "weir"), create(papers, "choir")
    hidden = create(papers, "organ", "SECRET")
    link = 'mutation ($a: ID!, $b: ID!) { link(input: {from: $a, to: $b, relation: "cites"}) { linkId } }'
    papers.data(link, {"a": first, "b": second})
    papers.data(link, {"a": second, "b": hidden}, label="SECRET")
    for n in range(3):
        create(papers, f"stone {n}")

    def linked(label: str = "UNCLASSIFIED", **given: Any) -> dict[str, int]:
        asked = {"query": "weir cites choir", "mode": "HYBRID", "expand": True, **given}
        found = papers.data(SEARCH, asked, label=label)["search"]["nodes"]
        return {h["node"]["title"]: h["explain"]["links"]["rank"] for h in found if h["explain"]["links"]}

    until(lambda: len(linked("SECRET")) == 3)
    assert sorted(linked("SECRET")) == ["choir", "organ", "weir"]
    assert sorted(linked()) == ["choir", "weir"]
    assert linked(mode="TEXT") == linked(expand=False) == linked(types=["Topic"]) == {}


def test_what_is_like_an_object(papers: Tenant) -> None:
    of = create(papers, "water pump", year=1)
    create(papers, "water pumps", year=2)
    create(papers, "a choir", year=3)
    hidden = create(papers, "water pump", "SECRET")

    def near(**variables: Any) -> list[str]:
        found = papers.data(SIMILAR, {"to": of, **variables})["similar"]
        assert all(-1 <= each["score"] <= 1 for each in found)
        return [each["node"]["title"] for each in found]

    until(lambda: len(near()) == 2)
    assert near() == ["water pumps", "a choir"]
    assert near(first=1) == ["water pumps"]
    assert near(types=["Paper"], where={"year": {"eq": 3}}) == ["a choir"]
    papers.ask(SIMILAR, {"to": hidden}).refused("NOT_FOUND", path=["to"])
    papers.ask(SIMILAR, {"to": "nothing"}).refused("NOT_FOUND", path=["to"])


def test_who_may_not_read_may_not_search(papers: Tenant) -> None:
    papers.ask(SEARCH, {"query": "pump"}, roles=("clerk",)).refused("FORBIDDEN")
    papers.ask(SIMILAR, {"to": "x"}, roles=("clerk",)).refused("FORBIDDEN")
    papers.ask(SEARCH, {"query": "pump", "expand": True}, roles=("objects_only",)).refused("FORBIDDEN")
    papers.data('{ search(query: "pump") { nodes { score node { id } } } }', roles=("objects_only",))


def test_searches_have_limits(papers: Tenant) -> None:
    papers.ask(SEARCH, {"query": "x" * 2_001}).refused(path=["query"])
    papers.ask(SEARCH, {"query": " ".join(f"w{n}" for n in range(70))}).refused(path=["query"])
    for first in (-1, 1_001):
        papers.ask(SEARCH, {"query": "x", "first": first}).refused(path=["first"])
    many = [f'a{n}: search(query: "x", first: 1000) {{ nodes {{ score }} }}' for n in range(30)]
    assert papers.ask(f"{{ {' '.join(many)} }}").codes == {"QUERY_TOO_COMPLEX"}
    papers.data(f"{{ {' '.join(many[:10])} }}")
    for odd in ('"', "'", "\\", "a & b | !c", "<->", ":*", "'a':*", "\ue000x\ue001", "%_", "💧", "\u0000"):
        papers.data(SEARCH, {"query": odd, "mode": "HYBRID"})


# Where vectors come from an endpoint


@pytest.fixture
def double() -> Iterator[Double]:
    with endpoint() as made:
        yield made


@pytest.fixture
def remote(new_server: MakeServer, double: Double) -> Iterator[Tenant]:
    settings = {"embeddings": "endpoint", "embedding_url": double.url, "embedding_query_seconds": 0.3}
    with new_server(settings) as server:
        tenant = server.organization()
        tenant.define(PAPER, TOPIC)
        yield tenant


def fail_by_status(double: Double) -> None:
    double.status = 500


def fail_by_delay(double: Double) -> None:
    double.delay = 2


def fail_by_length(double: Double) -> None:
    double.vectors = lambda texts: [[1.0, 2.0]] * len(texts)


def fail_by_nan(double: Double) -> None:
    double.vectors = lambda texts: [[float("nan")] * 256] * len(texts)


def fail_by_rate(double: Double) -> None:
    double.busy = 1_000


@pytest.mark.parametrize("fail", [fail_by_status, fail_by_delay, fail_by_length, fail_by_nan, fail_by_rate])
def test_where_no_vectors_can_be_had_words_do_with_a_warning(
    remote: Tenant, double: Double, fail: Callable[[Double], None]
) -> None:
    create(remote, "water pump")
    until(lambda: hits(remote, "pump", mode="VECTOR"))
    fail(double)
    answer = remote.ask(SEARCH, {"query": "pumps", "mode": "HYBRID"})
    assert "errors" not in answer.body
    [warning] = answer.body["extensions"]["warnings"]
    assert warning["code"] == "EMBEDDINGS_UNAVAILABLE"
    assert answer.body["data"]["search"]["nodes"][0]["node"]["title"] == "water pump"
    remote.ask(SEARCH, {"query": "pumps", "mode": "VECTOR"}).refused("EMBEDDINGS_UNAVAILABLE")
    assert "extensions" not in remote.ask(SEARCH, {"query": "pumps", "mode": "TEXT"}).body


CONTEXT = """query ($query: String!, $tokens: Int! = 50, $types: [String!], $where: JSON) {
  context(query: $query, tokens: $tokens, types: $types, where: $where) {
    text tokens sources { objectId type label start end linked }
  }
}"""


def test_a_context_is_what_a_search_finds_as_one_text(papers: Tenant) -> None:
    pump, choir = create(papers, "water pump", year=1), create(papers, "choir", year=2)
    link = 'mutation ($a: ID!, $b: ID!) { link(input: {from: $a, to: $b, relation: "cites"}) { linkId } }'
    papers.data(link, {"a": pump, "b": choir})
    until(lambda: len(hits(papers, "x", mode="VECTOR")) == 2)
    given = {"query": "pumps", "types": ["Paper"], "where": {"year": {"eq": 1}}}
    made = papers.data(CONTEXT, given)["context"]
    assert made["text"] == "[1] Paper\nwater pump\n-> cites -> Paper: choir"
    common = {"type": "Paper", "label": "UNCLASSIFIED"}
    assert made["sources"] == [
        common | {"objectId": pump, "start": 0, "end": 20, "linked": False},
        common | {"objectId": choir, "start": 21, "end": 45, "linked": True},
    ]
    alone = papers.data(CONTEXT, given, roles=("objects_only",))["context"]
    assert alone["text"] == "[1] Paper\nwater pump"
    papers.ask(CONTEXT, given, roles=("clerk",)).refused("FORBIDDEN")
    for tokens in (0, -1, 32_001):
        papers.ask(CONTEXT, {"query": "x", "tokens": tokens}).refused(path=["tokens"])
    many = " ".join(f'a{n}: context(query: "x") {{ text }}' for n in range(20))
    assert papers.ask(f"{{ {many} }}").codes == {"QUERY_TOO_COMPLEX"}


def test_a_context_goes_by_words_with_a_warning_where_no_vectors_can_be_had(remote: Tenant, double: Double) -> None:
    create(remote, "water pump")
    until(lambda: hits(remote, "pump", mode="VECTOR"))
    fail_by_nan(double)
    answer = remote.ask(CONTEXT, {"query": "pumps"})
    assert answer.data["context"]["text"] == "[1] Paper\nwater pump"
    [warning] = answer.body["extensions"]["warnings"]
    assert warning["code"] == "EMBEDDINGS_UNAVAILABLE"
    near = remote.ask("{ papers { nodes { similar(first: 1) { score } } } }").data
    assert near["papers"]["nodes"] == [{"similar": []}]


SEARCH_LINKS = """query ($query: String!, $mode: SearchMode! = TEXT, $where: LinksWhere, $first: Int, $after: String) {
  found: searchLinks(query: $query, mode: $mode, where: $where, first: $first, after: $after) {
    nodes {
      explain { text { rank } vector { rank } graph { rank } }
      it: link { id rel: relation from to label }
      from { node { id ... on Paper { title } } highlights { field pieces { text matched } } }
      to { node { id } highlights { field } }
    }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}"""


def test_links_are_found_by_their_ends_a_page_at_a_time(papers: Tenant) -> None:
    pump, choir, valve = create(papers, "water pump"), create(papers, "choir"), create(papers, "pump valve")
    link = 'mutation ($a: ID!, $b: ID!) { link(input: {from: $a, to: $b, relation: "cites"}) { linkId } }'
    both, one = (papers.data(link, {"a": pump, "b": end})["link"]["linkId"] for end in (valve, choir))
    until(lambda: len(papers.data(SEARCH_LINKS, {"query": "x", "mode": "VECTOR"})["found"]["nodes"]) == 2)
    first = papers.data(SEARCH_LINKS, {"query": "pumps", "mode": "HYBRID", "first": 1})["found"]
    [hit] = first["nodes"]
    assert hit["it"] == {"id": both, "rel": "cites", "from": pump, "to": valve, "label": "UNCLASSIFIED"}
    assert hit["explain"] == {"text": {"rank": 1}, "vector": {"rank": 1}, "graph": None}
    assert hit["from"]["node"] == {"id": pump, "title": "water pump"}
    assert {"text": "pump", "matched": True} in hit["from"]["highlights"][0]["pieces"]
    assert (hit["to"]["node"]["id"], [h["field"] for h in hit["to"]["highlights"]]) == (valve, ["title"])
    after = {"query": "pumps", "mode": "HYBRID", "after": first["pageInfo"]["endCursor"]}
    second = papers.data(SEARCH_LINKS, after)["found"]
    assert [hit["it"]["id"] for hit in second["nodes"]] == [one]
    assert (second["pageInfo"]["hasPreviousPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
    papers.ask(SEARCH_LINKS, after | {"query": "pump"}).refused(path=["after"])
    papers.ask(SEARCH_LINKS, after, label="SECRET").refused(path=["after"])
    only = papers.data(SEARCH_LINKS, {"query": "pump", "where": {"objectId": choir}})["found"]["nodes"]
    assert [hit["it"]["id"] for hit in only] == [one]


def test_the_relations_of_a_role_bound_what_leads_on_and_no_search_for_links(papers: Tenant) -> None:
    pump, choir = create(papers, "water pump"), create(papers, "choir")
    link = 'mutation ($a: ID!, $b: ID!) { link(input: {from: $a, to: $b, relation: "cites"}) { linkId } }'
    made = papers.data(link, {"a": pump, "b": choir})["link"]["linkId"]
    until(lambda: len(papers.data(SEARCH_LINKS, {"query": "x", "mode": "VECTOR"})["found"]["nodes"]) == 1)
    for mode in ("TEXT", "VECTOR", "HYBRID"):
        all_of_it, bounded = (
            papers.data(SEARCH_LINKS, {"query": "pump", "mode": mode}, roles=(role,))["found"]
            for role in ("reader", "near_walker")
        )
        assert [hit["it"]["id"] for hit in bounded["nodes"]] == [made]
        assert bounded["nodes"] == all_of_it["nodes"]
    listed = papers.data('{ links(first: 5) { nodes { id } } }', roles=("near_walker",))["links"]["nodes"]
    assert [each["id"] for each in listed] == [made]
    given = {"query": "pump", "types": ["Paper"], "where": {"title": {"eq": "water pump"}}}
    assert papers.data(CONTEXT, given, roles=("reader",))["context"]["text"].endswith("-> cites -> Paper: choir")
    assert papers.data(CONTEXT, given, roles=("near_walker",))["context"]["text"] == "[1] Paper\nwater pump"
    walk = "query ($id: ID!) { traverse(from: [$id]) { nodes { node { id } } } }"
    assert choir in str(papers.data(walk, {"id": pump}, roles=("reader",)))
    assert choir not in str(papers.data(walk, {"id": pump}, roles=("near_walker",)))


def test_links_are_searched_by_those_who_may_on_the_record_and_not_often_in_a_request(papers: Tenant) -> None:
    for role in ("clerk", "objects_only"):
        papers.ask(SEARCH_LINKS, {"query": "x"}, roles=(role,)).refused("FORBIDDEN")
    records = """select l.detail from fabric.audit_log l join fabric.organizations o using (organization_id)
                 where o.name = $1 and l.action = 'search.asked'"""
    assert papers.server.sql(records, papers.name) == []
    assert papers.data(SEARCH_LINKS, {"query": "pumps"})["found"]["nodes"] == []
    [row] = papers.server.sql(records, papers.name)
    assert "pumps" not in str(row)
    many = " ".join(f'a{n}: searchLinks(query: "x") {{ nodes {{ score }} }}' for n in range(20))
    assert papers.ask(f"{{ {many} }}").codes == {"QUERY_TOO_COMPLEX"}


def test_links_go_by_words_with_a_warning_where_no_vectors_can_be_had(remote: Tenant, double: Double) -> None:
    create(remote, "water pump")
    until(lambda: hits(remote, "pump", mode="VECTOR"))
    fail_by_nan(double)
    [warning] = remote.ask(SEARCH_LINKS, {"query": "pumps", "mode": "HYBRID"}).body["extensions"]["warnings"]
    assert warning["code"] == "EMBEDDINGS_UNAVAILABLE"
    remote.ask(SEARCH_LINKS, {"query": "pumps", "mode": "VECTOR"}).refused("EMBEDDINGS_UNAVAILABLE")


ALARM = {
    "typeName": "Alarm", "domain": "event", "embedding": {"fields": ["what"]},
    "fields": {"what": {"type": "text"}, "code": {"type": "integer"}},
}  # fmt: skip
SEARCH_EVENTS = """query ($query: String!, $mode: SearchMode! = TEXT, $where: EventWhere, $first: Int, $after: String) {
  found: searchEvents(query: $query, mode: $mode, where: $where, first: $first, after: $after) {
    nodes {
      score
      explain { text { rank } vector { rank } }
      highlights { field pieces { text matched } }
      was: event { name: topic data label entityType }
    }
    pageInfo { hasNextPage endCursor }
  }
}"""


def test_events_are_found_by_what_they_say_a_page_at_a_time(papers: Tenant) -> None:
    papers.define(ALARM)
    append = "mutation ($i: AppendEventInput!) { appendEvent(input: $i) { position } }"

    def tell(what: str, at: str = "UNCLASSIFIED") -> None:
        given = {"topic": "alarm.raised", "type": "Alarm", "data": {"what": what, "code": 7}}
        papers.data(append, {"i": given}, label=at)

    tell("the water pump leaks")
    tell("a pump is dry, the valve leaks and leaks, nobody knows of any reason for that")
    tell("the pump was stolen", at="SECRET")

    def events(at: str = "UNCLASSIFIED", **asked: Any) -> Any:
        return papers.data(SEARCH_EVENTS, {"query": "pumps", **asked}, label=at)["found"]

    until(lambda: len(events("SECRET", mode="VECTOR")["nodes"]) == 3)
    assert len(events("SECRET")["nodes"]) == 3
    first = events(mode="HYBRID", first=1)
    [hit] = first["nodes"]
    data = {"what": "the water pump leaks", "code": 7}
    assert hit["was"] == {"name": "alarm.raised", "data": data, "label": "UNCLASSIFIED", "entityType": "Alarm"}
    assert hit["explain"]["text"] == {"rank": 1}
    pieces = [{"text": "water ", "matched": False}, {"text": "pump", "matched": True}]
    assert hit["highlights"][0]["pieces"][:2] == pieces
    assert first["pageInfo"]["hasNextPage"]
    after = {"mode": "HYBRID", "after": first["pageInfo"]["endCursor"]}
    second = events(**after)
    assert [hit["was"]["data"]["what"][:10] for hit in second["nodes"]] == ["a pump is "]
    assert not second["pageInfo"]["hasNextPage"]
    papers.ask(SEARCH_EVENTS, {"query": "pumps", **after}, label="SECRET").refused(path=["after"])
    assert events(where={"topics": ["other.*"]})["nodes"] == []
    for role in ("clerk", "objects_only"):
        papers.ask(SEARCH_EVENTS, {"query": "x"}, roles=(role,)).refused("FORBIDDEN")
    records = """select l.detail from fabric.audit_log l join fabric.organizations o using (organization_id)
                 where o.name = $1 and l.action = 'search.asked'"""
    before = len(papers.server.sql(records, papers.name))
    events(query="stolen")
    [*_, row] = papers.server.sql(records, papers.name)
    assert len(papers.server.sql(records, papers.name)) == before + 1
    assert "stolen" not in str(row)
