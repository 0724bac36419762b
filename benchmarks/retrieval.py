"""What search finds, judged by ATT&CK: the mitigations of techniques it has never seen.

    python benchmarks/retrieval.py DATA_DIR BUNDLE

BUNDLE is `enterprise-attack.stix.json.gz`. 120 techniques, drawn by a fixed seed, are held out whole: neither they nor
any of their links are in the index or in the graph. The description of each is a query, over all techniques and
mitigations that are left, and the mitigations linked to it are what should be found. The graph has the links
`mitigates` and `subtechnique-of` of all other techniques. Of descriptions the first 40 words count, which say what
something is. Weights are chosen by one half of the queries; the other half is reported.
"""

import asyncio
import gzip
import json
import random
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.embedding.minilm import WEIGHTS_SHA256, MiniLM, packaged_folder
from fabric.graph import Budget, Builder, GraphView, LinkColumns, LinkGraph, ObjectColumns
from fabric.identity.organizations import Directory, establish
from fabric.identity.policy import PERMISSIONS
from fabric.identity.subject import Session, Subject
from fabric.labels import Label
from fabric.search.counts import IndexCounts
from fabric.search.expansion import SEEDS, neighbours
from fabric.search.fusion import DAMPING, Ranking, fuse
from fabric.search.indexing import Indexer
from fabric.search.query_vectors import QueryVectors
from fabric.search.reader import Reader
from fabric.search.searching import WEIGHTS, Asked, Mode, Search
from fabric.search.statements import Scored
from fabric.search.vector_memory import VectorMemory
from fabric.types.types import Types

ORGANIZATION, HELD_OUT, WORDS, LINKS = "retrieval", 120, 40, 1_000_000
OBJECTS = {"attack-pattern": "Technique", "course-of-action": "Mitigation"}
RELATIONS = {"mitigates", "subtechnique-of"}
FIELDS = {name: {"type": "text", "searchable": True} for name in ("name", "description")}
MEASURES = ("nDCG@10", "recall@10", "recall@100", "MAP")

DAMPINGS, VECTOR_WEIGHTS, GRAPH_WEIGHTS = (5, 20, 60), (0.25, 0.5, 1.0, 2.0, 4.0), (0.1, 0.25, 0.5, 1.0)
LOSS = 0.98
"""Of nDCG@10 so much has to be left with the graph."""


@dataclass(frozen=True)
class Collection:
    objects: dict[UUID, tuple[str, str, str]]
    """Type, name and description."""
    links: list[tuple[UUID, str, UUID, UUID]]
    queries: list[tuple[str, set[UUID]]]


@dataclass(frozen=True)
class Judged:
    """One query: what should be found, and the two rankings to make one of."""

    relevant: set[UUID]
    text: Scored
    vector: Scored


def collection(bundle: Path) -> Collection:
    with gzip.open(bundle) as file:
        live = [o for o in json.load(file)["objects"] if not (o.get("revoked") or o.get("x_mitre_deprecated"))]
    objects = {_id(o["id"]): _object(o) for o in live if o["type"] in OBJECTS}
    links = [
        (_id(o["id"]), o["relationship_type"], _id(o["source_ref"]), _id(o["target_ref"]))
        for o in live
        if o["type"] == "relationship" and o["relationship_type"] in RELATIONS
    ]
    links = [link for link in links if link[2] in objects and link[3] in objects]
    relevant: dict[UUID, set[UUID]] = {}
    for _, relation, source, target in links:
        if relation == "mitigates":
            relevant.setdefault(target, set()).add(source)
    held = random.Random(5).sample(sorted(relevant), HELD_OUT)
    queries = [(" ".join(re.findall(r"\w+", objects[id][2])), relevant[id]) for id in held]
    out = set(held)
    left = {id: each for id, each in objects.items() if id not in out}
    return Collection(left, [link for link in links if link[2] in left and link[3] in left], queries)


def _id(stix: str) -> UUID:
    return UUID(stix.partition("--")[2])


def _object(given: dict[str, Any]) -> tuple[str, str, str]:
    text = re.sub(r"\(Citation: [^)]*\)|\(https?://[^)]*\)|</?code>", "", given.get("description", ""))
    return OBJECTS[given["type"]], given["name"], " ".join(text.split()[:WORDS])


async def fill(database: Database, types: Types, minilm: MiniLM, admin_url: str, made: Collection) -> Session:
    organization = await Directory(database).find(ORGANIZATION)
    assert organization is not None
    lattice, id, label = organization.lattice, organization.organization_id, organization.lattice.encode(Label())
    subject = Subject(id, ORGANIZATION, "me", frozenset(), frozenset(PERMISSIONS), label, label, float("inf"))
    await types.define(subject, lattice, [{"typeName": name, "fields": FIELDS} for name in OBJECTS.values()])
    records = [
        (id, object_id, label, type_name, json.dumps({"name": name, "description": text}), 1)
        for object_id, (type_name, name, text) in made.objects.items()
    ]
    connection = await asyncpg.connect(admin_url)
    columns = ["organization_id", "object_id", "label", "type_name", "data", "revision"]
    await connection.copy_records_to_table("objects", schema_name="fabric", columns=columns, records=records)
    await connection.execute("analyze")
    await connection.close()
    indexer = Indexer(database, types, minilm, "english", IndexCounts())
    await indexer.put_words(id)
    await indexer.put_vectors(id)
    return Session(id, label)


def graph(made: Collection, label: int) -> GraphView:
    builder = Builder()
    builder.add_objects(
        ObjectColumns([*made.objects], [label] * len(made.objects), [o[0] for o in made.objects.values()])
    )
    ids, relations, sources, targets = (list(column) for column in zip(*made.links, strict=True))
    builder.add_links(LinkColumns(ids, [label] * len(ids), relations, sources, targets))
    return LinkGraph(builder.build()).view(label)


async def rankings(search: Search, reader: Reader, made: Collection) -> list[Judged]:
    judged = []
    for text, relevant in made.queries:
        words = await search.search(reader, Asked(text, reader.types, Mode.TEXT))
        vectors = await search.search(reader, Asked(text, reader.types, Mode.VECTOR))
        judged.append(Judged(relevant, *([(h.id, h.score) for h in found.hits] for found in (words, vectors))))
    return judged


def measures(ranked: Sequence[UUID], relevant: set[UUID]) -> tuple[float, ...]:
    """In the order of `MEASURES`."""
    places = [rank for rank, id in enumerate(ranked, 1) if id in relevant]
    ideal = sum(1 / np.log2(1 + rank) for rank in range(1, 1 + min(10, len(relevant))))
    return (
        sum(1 / np.log2(1 + rank) for rank in places if rank <= 10) / ideal,
        sum(rank <= 10 for rank in places) / len(relevant),
        sum(rank <= 100 for rank in places) / len(relevant),
        sum(n / rank for n, rank in enumerate(places, 1)) / len(relevant),
    )


def mean(judged: Sequence[Judged], rank: Callable[[Judged], Iterable[UUID]]) -> Any:
    return np.mean([measures([*rank(each)], each.relevant) for each in judged], axis=0)


def fused(view: GraphView | None, damping: int, vector: float, weight: float) -> Callable[[Judged], Iterable[UUID]]:
    """With a view, its neighbours of the best besides."""

    def rank(each: Judged) -> Iterable[UUID]:
        both = [Ranking("text", WEIGHTS["text"], each.text), Ranking("vector", vector, each.vector)]
        hits = fuse(both, damping)
        if view is not None:
            near = neighbours(view, [(hit.id, hit.score) for hit in hits[:SEEDS]], Budget(LINKS))
            hits = fuse([*both, Ranking("graph", weight, near)], damping)
        return [hit.id for hit in hits]

    return rank


def chosen(judged: Sequence[Judged], view: GraphView) -> tuple[int, float, float]:
    """Damping and the weight of vectors by nDCG@10; then the weight of the graph by recall@100, within `LOSS`."""
    pairs = list(product(DAMPINGS, VECTOR_WEIGHTS))
    without = {pair: mean(judged, fused(None, *pair, 0.0)) for pair in pairs}
    for pair, found in without.items():
        print(f"  {pair}: {_told(found)}")
    best = max(pairs, key=lambda pair: float(without[pair][0]))
    withs = {weight: mean(judged, fused(view, *best, weight)) for weight in GRAPH_WEIGHTS}
    for weight, found in withs.items():
        print(f"  {best}, graph {weight}: {_told(found)}")
    kept = [weight for weight, found in withs.items() if found[0] >= LOSS * without[best][0]]
    return *best, max(kept, key=lambda weight: (float(withs[weight][2]), float(withs[weight][0])), default=0.0)


def _told(found: Any) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(MEASURES, found, strict=True))


def report(judged: Sequence[Judged], view: GraphView) -> None:
    half = len(judged) // 2
    print("the half to choose by: (damping, weight of vectors)")
    best = chosen(judged[:half], view)
    arms: dict[str, Callable[[Judged], Iterable[UUID]]] = {
        "text": lambda each: [id for id, _ in each.text],
        "vectors": lambda each: [id for id, _ in each.vector],
    }
    for name, way in (("as it is", (DAMPING, WEIGHTS["vector"], WEIGHTS["graph"])), (f"chosen {best}", best)):
        arms |= {f"fusion, {name}": fused(None, *way), f"fusion + graph, {name}": fused(view, *way)}
    print("the half to report:")
    for name, rank in arms.items():
        print(f"  {name}: {_told(mean(judged[half:], rank))}")


async def main(url: str, admin_url: str, bundle: Path) -> None:
    made = collection(bundle)
    print(f"{len(made.objects):,} objects, {len(made.links):,} links, {len(made.queries)} queries")
    await migrate(admin_url)
    await establish(admin_url, ORGANIZATION)
    minilm = MiniLM.load(packaged_folder(), WEIGHTS_SHA256)
    async with await Database.connect(url, statement_timeout=600) as database:
        types = Types(database)
        session = await fill(database, types, minilm, admin_url, made)
        search = Search(database, types, QueryVectors(minilm, lambda _: None), VectorMemory(database, 2**30), "english")
        judged = await rankings(search, Reader(session, await types.catalogue(session)), made)
    report(judged, graph(made, session.label))


if __name__ == "__main__":
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(main(server.url, server.admin_url, Path(sys.argv[2])))
