"""What is similar, asked of every object wherever it stands: found together, counted, and of what the reader sees."""

from typing import Any

import pytest
from http_server import MakeServer, Tenant
from test_http_search import PAPER, TOPIC, create, hits, until

from fabric.search.finding.likeness import like_each
from graphql_api.fields import likeness

NOTE: dict[str, Any] = {"typeName": "Note", "extends": "Paper", "fields": {"pages": {"type": "integer"}}}

LIST = """query ($first: Int, $most: Int) {
  all: papers(first: $most, orderBy: [{title: ASC}]) {
    nodes { id near: similar(first: $first) { score node { __typename id ... on Paper { title } } } }
    totalCount
  }
  __typename
}"""


@pytest.fixture
def papers(organization: Tenant) -> Tenant:
    organization.define(PAPER, TOPIC)
    return organization


def near(tenant: Tenant, at: str = "UNCLASSIFIED", first: int = 10) -> dict[str, list[str]]:
    nodes = tenant.data(LIST, {"first": first}, label=at)["all"]["nodes"]
    return {n["id"]: [each["node"]["title"] for each in n["near"]] for n in nodes}


def test_every_object_of_a_list_tells_what_is_like_it(papers: Tenant) -> None:
    papers.define(NOTE)
    pump, pumps = create(papers, "water pump"), create(papers, "water pumps")
    papers.data('mutation { createNote(input: {title: "a note of the water pump"}) { note { id } } }')
    papers.data('mutation { createTopic(input: {title: "pump"}) { topic { id } } }')
    hidden = create(papers, "water pump", "SECRET")
    until(lambda: len(hits(papers, "x", mode="VECTOR")) == 4 and len(hits(papers, "x", "SECRET", mode="VECTOR")) == 5)
    query = "query ($to: ID!) { similar(to: $to) { score node { __typename id ... on Paper { title } } } }"
    found = papers.data(LIST)
    assert found["__typename"] == "Query"
    assert found["all"]["totalCount"] == 3
    for each in found["all"]["nodes"]:
        assert each["near"] == papers.data(query, {"to": each["id"]})["similar"]
        assert len(each["near"]) == 3
    types = {each["node"]["__typename"] for n in found["all"]["nodes"] for each in n["near"]}
    assert types == {"PaperObject", "Note", "Topic"}
    assert near(papers, first=1)[pumps] == ["water pump"]
    assert near(papers, first=0)[pump] == []
    assert near(papers, "SECRET", 1)[pump] == near(papers, "SECRET", 1)[hidden] == ["water pump"]
    assert hidden not in str(found)


def test_it_stands_wherever_an_object_does(papers: Tenant) -> None:
    first, second = create(papers, "water pump"), create(papers, "water pumps")
    link = 'mutation ($a: ID!, $b: ID!) { link(input: {from: $a, to: $b, relation: "cites"}) { linkId } }'
    papers.data(link, {"a": first, "b": second})
    until(lambda: len(hits(papers, "x", mode="VECTOR")) == 2)
    one = [{"node": {"id": second}}]
    asked = "similar(first: 1) { node { id } }"
    data = papers.data(
        f"""query ($id: ID!) {{
          node(id: $id) {{ ... on FabricObject {{ {asked} }} }}
          nodes(ids: [$id]) {{ ... on Paper {{ {asked} }} }}
          paper(id: $id) {{ title cites {{ edges {{ node {{ {asked} }} }} }} {asked} }}
          search(query: "pump", first: 2) {{ nodes {{ node {{ id {asked} }} }} }}
          near: paper(id: $id) {{ similar(first: 1) {{ node {{ id {asked} history {{ nodes {{ topic }} }} }} }} }}
          papersAggregate {{ count }}
        }}""",
        {"id": first},
    )
    assert data["node"]["similar"] == data["nodes"][0]["similar"] == data["paper"]["similar"] == one
    assert data["paper"]["title"] == "water pump"
    assert data["paper"]["cites"]["edges"] == [{"node": {"similar": [{"node": {"id": first}}]}}]
    assert {hit["node"]["id"]: hit["node"]["similar"][0]["node"]["id"] for hit in data["search"]["nodes"]} == {
        first: second, second: first
    }  # fmt: skip
    again = data["near"]["similar"][0]["node"]
    assert again["similar"] == [{"node": {"id": first}}]
    assert again["history"] == {"nodes": [{"topic": "object.created"}]}
    made = papers.data(
        f"mutation ($id: ID!) {{ updatePaper(id: $id, input: {{year: 1}}) {{ paper {{ year {asked} }} }} }}",
        {"id": first},
    )
    assert made["updatePaper"]["paper"] == {"year": 1, "similar": one}


def test_many_objects_are_answered_together(papers: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {create(papers, f"pump {n}") for n in range(9)}
    until(lambda: len(hits(papers, "x", mode="VECTOR")) == 9)
    asked: list[set[str]] = []

    async def counted(search: Any, reader: Any, wanted: Any, first: int) -> Any:
        asked.append({str(id) for id in wanted})
        return await like_each(search, reader, wanted, first)

    monkeypatch.setattr(likeness, "like_each", counted)
    query = "{ papers { nodes { similar(first: 2) { node { ... on Paper { similar(first: 1) { score } } } } } } }"
    papers.data(query)
    assert asked[0] == ids
    assert len(asked) == 2


def test_it_counts_by_objects_and_by_how_many_are_asked_for(papers: Tenant) -> None:
    for n in range(5):
        create(papers, f"pump {n}")
    until(lambda: len(hits(papers, "x", mode="VECTOR")) == 5)
    many = " ".join(f"a{n}: similar(first: 1000) {{ score }}" for n in range(18))
    papers.data(f"{{ papers(first: 1) {{ nodes {{ {many} }} }} }}")
    assert papers.ask(f"{{ papers {{ nodes {{ {many} }} }} }}").codes == {"QUERY_TOO_COMPLEX"}
    for first in (-1, 1_001):
        papers.ask(LIST, {"first": first}).refused(path=["first"])
    papers.ask(LIST, roles=("clerk",)).refused("FORBIDDEN")


def test_an_export_does_not_have_it(papers: Tenant) -> None:
    create(papers, "pump")
    headers = papers.authorization()
    query = "{ papers { nodes { title similar { score } } } }"
    sent = papers.server.client.post("/export", json={"query": query}, headers=headers)
    assert (sent.status_code, "similar" in sent.text) == (400, True), sent.text


def test_without_embeddings_nothing_is_similar_and_the_answer_says_so(new_server: MakeServer) -> None:
    with new_server({"embeddings": "none"}) as server:
        tenant = server.organization()
        tenant.define(PAPER, TOPIC)
        create(tenant, "pump")
        answer = tenant.ask(LIST)
        assert answer.data["all"]["nodes"][0]["near"] == []
        [warning] = answer.body["extensions"]["warnings"]
        assert warning["code"] == "EMBEDDINGS_UNAVAILABLE"
