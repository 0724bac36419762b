"""Many at once over HTTP: writers of one object and definers get their turn, and what is left is what was told."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from http_server import Answer, Tenant

WRITERS = 8


def at_once(ask: Callable[[int], Answer], times: Iterable[int]) -> list[Answer]:
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(ask, times))


def test_writers_of_one_object_all_get_their_turn(assets: Tenant) -> None:
    query = 'mutation ($n: Float) { upsertAsset(input: {name: "hot", rating: $n}) { changed } }'
    answers = at_once(lambda i: assets.ask(query, {"n": i}), range(16))
    assert all(answer.data["upsertAsset"]["changed"] for answer in answers)
    assert assets.data("{ assets { nodes { revision } } }") == {"assets": {"nodes": [{"revision": 16}]}}


def test_of_many_who_expect_one_revision_one_is_first(assets: Tenant) -> None:
    made = assets.data('mutation { createAsset(input: {name: "a"}) { asset { id } } }')["createAsset"]["asset"]
    query = (
        "mutation ($i: ID!, $n: Float) { updateAsset(id: $i, input: {rating: $n}, expectedRevision: 1) { changed } }"
    )
    answers = at_once(lambda i: assets.ask(query, {"i": made["id"], "n": i}), range(32))
    first = [i for i, answer in enumerate(answers) if "errors" not in answer.body]
    assert len(first) == 1
    assert {answer.code for i, answer in enumerate(answers) if i not in first} == {"CONFLICT"}
    nodes = assets.data("{ assets { nodes { revision rating } } }")["assets"]["nodes"]
    assert nodes == [{"revision": 2, "rating": float(first[0])}]


def test_one_key_is_created_once_at_each_label(assets: Tenant) -> None:
    labels = ["UNCLASSIFIED", "SECRET", "SECRET/ALPHA", "UNCLASSIFIED/BRAVO"]
    query = 'mutation { createAsset(input: {name: "same"}) { asset { label } } }'
    answers = at_once(lambda i: assets.ask(query, label=labels[i % 4]), range(48))
    made = Counter(a.data["createAsset"]["asset"]["label"] for a in answers if "errors" not in a.body)
    assert made == dict.fromkeys(labels, 1)
    assert {a.code for a in answers if "errors" in a.body} == {"CONFLICT"}


def test_writers_go_on_while_types_are_defined(assets: Tenant) -> None:
    define = "mutation ($d: JSON!) { defineType(definition: $d) { changed } }"
    write = "mutation ($n: String!) { createAsset(input: {name: $n}) { changed } }"

    def ask(i: int) -> Answer:
        if i % 4:
            return assets.ask(write, {"n": str(i)})
        definition: dict[str, Any] = {"typeName": f"Kind{i}", "fields": {"x": {"type": "string"}}}
        return assets.ask(define, {"d": definition})

    for answer in at_once(ask, range(80)):
        assert "errors" not in answer.body, answer.body
    assert assets.data("{ assets { totalCount } kind0s { totalCount } kind76s { totalCount } }") == {
        "assets": {"totalCount": 60}, "kind0s": {"totalCount": 0}, "kind76s": {"totalCount": 0},
    }  # fmt: skip
