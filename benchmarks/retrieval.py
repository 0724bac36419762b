"""What search finds, judged by ATT&CK: what belongs to things that it has never seen.

    python benchmarks/retrieval.py DATA_DIR BUNDLE

BUNDLE is `enterprise-attack.stix.json.gz`. Two tasks, each of 200 queries drawn by a fixed seed: from the description
of a technique to the mitigations that are linked to it, and from that of a program or a group to the techniques that it
uses. What is asked about is held out whole: neither it nor any of its links are in the index or in the graph. A query
asks for one type, as a search does by `types`. It is the first 60 words of a description, without names of what is
looked for taken out or put in. Weights are chosen by one half of the queries; the other half is reported, with how sure
the differences are, by 10,000 drawings of the queries with replacement.
"""

import asyncio
import gzip
import json
import random
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np

from fabric.configuration import options
from fabric.configuration.configurations import Configurations
from fabric.configuration.options import DAMPING
from fabric.database.db import Database
from fabric.database.embedded import EmbeddedPostgres
from fabric.database.migration import migrate
from fabric.embedding.minilm import WEIGHTS_SHA256, MiniLM, packaged_folder
from fabric.graph import Budget, Builder, GraphView, LinkColumns, LinkGraph, ObjectColumns
from fabric.identity.organizations import Directory, establish
from fabric.identity.policy import PERMISSIONS
from fabric.identity.subject import Session, Subject
from fabric.labels import Label
from fabric.search.asking.query_vectors import QueryVectors
from fabric.search.asking.question import Mode, Question
from fabric.search.asking.reader import Reader
from fabric.search.finding.link_searching import LinkSearch
from fabric.search.finding.searching import Asked, Search
from fabric.search.index.counts import IndexCounts
from fabric.search.index.indexing import Indexer
from fabric.search.ranking.expansion import SEEDS, neighbours
from fabric.search.ranking.fusion import Ranking, fuse
from fabric.search.ranking.statements import Scored
from fabric.search.ranking.vector_memory import VectorMemory
from fabric.types.types import Types

ORGANIZATION, HELD_OUT, WORDS, LINKS, DRAWINGS = "retrieval", 200, 60, 1_000_000, 10_000
OBJECTS = {
    "attack-pattern": "Technique", "course-of-action": "Mitigation", "malware": "Program", "tool": "Program",
    "intrusion-set": "Group",
}  # fmt: skip
RELATIONS = {"mitigates", "subtechnique-of", "uses"}
MEASURES = ("nDCG@10", "recall@10", "recall@100", "MAP")

WEIGHTS = {name: option.default for name, option in options.WEIGHTS.items()}
DAMPINGS, VECTOR_WEIGHTS, ADDED_WEIGHTS = (5, 20, 60), (0.25, 0.5, 1.0, 2.0, 4.0), (0.0, 0.1, 0.25, 0.5, 1.0)
LOSS = 0.98
"""Of nDCG@10 so much has to be left with what links add."""

PROPERTY = {"description": {"type": "text"}}
DEFINITIONS: list[dict[str, Any]] = [
    {"typeName": name, "fields": {n: {"type": "text", "searchable": True} for n in ("name", "description")}}
    for name in dict.fromkeys(OBJECTS.values())
]
for definition, relation in ((0, "subtechnique-of"), (1, "mitigates"), (2, "uses"), (3, "uses")):
    DEFINITIONS[definition]["links"] = {"techniques": {
        "relation": relation, "target": "Technique", "properties": PROPERTY
    }}  # fmt: skip


@dataclass(frozen=True)
class Link:
    id: UUID
    relation: str
    source: UUID
    target: UUID
    text: str


@dataclass(frozen=True)
class Task:
    """Queries for objects of one type, each with what should be found."""

    name: str
    asked: str
    queries: list[tuple[str, set[UUID]]]


@dataclass(frozen=True)
class Collection:
    objects: dict[UUID, tuple[str, str, str]]
    """Type, name and description."""
    links: list[Link]
    tasks: list[Task]


@dataclass(frozen=True)
class Judged:
    """One query: what should be found, and what each arm ranks."""

    relevant: set[UUID]
    text: Scored
    vector: Scored
    links: Scored


def collection(bundle: Path) -> Collection:
    with gzip.open(bundle) as file:
        live = [o for o in json.load(file)["objects"] if not (o.get("revoked") or o.get("x_mitre_deprecated"))]
    objects = {_id(o["id"]): _object(o) for o in live if o["type"] in OBJECTS}
    links = [
        Link(_id(o["id"]), o["relationship_type"], _id(o["source_ref"]), _id(o["target_ref"]), _text(o))
        for o in live
        if o["type"] == "relationship" and o["relationship_type"] in RELATIONS
    ]
    links = [link for link in links if link.source in objects and link.target in objects]
    mitigations: dict[UUID, set[UUID]] = {}
    techniques: dict[UUID, set[UUID]] = {}
    for link in links:
        if link.relation == "mitigates":
            mitigations.setdefault(link.target, set()).add(link.source)
        elif link.relation == "uses" and objects[link.target][0] == "Technique":
            techniques.setdefault(link.source, set()).add(link.target)
    out: set[UUID] = set()
    tasks = []
    for name, asked, relevant in (
        ("techniques to mitigations", "Mitigation", mitigations),
        ("programs and groups to techniques", "Technique", techniques),
    ):
        held = random.Random(5).sample(sorted(id for id in relevant if relevant[id] - out), HELD_OUT)
        out |= set(held)
        tasks.append(Task(name, asked, [(_query(objects[id][2]), relevant[id]) for id in held]))
    tasks = [Task(t.name, t.asked, [(text, found - out) for text, found in t.queries if found - out]) for t in tasks]
    left = {id: each for id, each in objects.items() if id not in out}
    return Collection(left, [link for link in links if link.source in left and link.target in left], tasks)


def _id(stix: str) -> UUID:
    return UUID(stix.partition("--")[2])


def _text(given: Mapping[str, Any]) -> str:
    return re.sub(r"\(Citation: [^)]*\)|\(https?://[^)]*\)|</?code>", "", given.get("description", ""))


def _object(given: Mapping[str, Any]) -> tuple[str, str, str]:
    return OBJECTS[given["type"]], given["name"], _text(given)


def _query(text: str) -> str:
    return " ".join(re.findall(r"\w+", text)[:WORDS])


async def fill(database: Database, types: Types, minilm: MiniLM, admin_url: str, made: Collection) -> Session:
    organization = await Directory(database).find(ORGANIZATION)
    assert organization is not None
    lattice, id, label = organization.lattice, organization.organization_id, organization.lattice.encode(Label())
    subject = Subject(id, ORGANIZATION, "me", frozenset(), frozenset(PERMISSIONS), label, label, float("inf"))
    await types.define(subject, lattice, DEFINITIONS)
    objects = [
        (id, object_id, label, type_name, json.dumps({"name": name, "description": text}), 1)
        for object_id, (type_name, name, text) in made.objects.items()
    ]
    links = [
        (id, link.id, label, link.relation, link.source, link.target, json.dumps({"description": link.text}), 1)
        for link in made.links
    ]
    connection = await asyncpg.connect(admin_url)
    columns = ["organization_id", "object_id", "label", "type_name", "data", "revision"]
    await connection.copy_records_to_table("objects", schema_name="fabric", columns=columns, records=objects)
    columns = ["organization_id", "link_id", "label", "relation", "source_id", "target_id", "properties", "revision"]
    await connection.copy_records_to_table("links", schema_name="fabric", columns=columns, records=links)
    await connection.execute("analyze")
    await connection.close()
    indexer = Indexer(database, types, minilm, Configurations(database), IndexCounts())
    await indexer.put_words(id)
    await indexer.put_vectors(id)
    print(f"{indexer.counts.vectors:,} vectors")
    return Session(id, label)


def graph(made: Collection, label: int) -> GraphView:
    builder = Builder()
    builder.add_objects(
        ObjectColumns([*made.objects], [label] * len(made.objects), [o[0] for o in made.objects.values()])
    )
    columns = zip(*((link.id, link.relation, link.source, link.target) for link in made.links), strict=True)
    ids, relations, sources, targets = (list(column) for column in columns)
    builder.add_links(LinkColumns(ids, [label] * len(ids), relations, sources, targets))
    return LinkGraph(builder.build()).view(label)


async def rankings(search: Search, reader: Reader, made: Collection, task: Task) -> list[Judged]:
    judged = []
    for text, relevant in task.queries:
        words = await search.search(reader, Asked(Question(text, Mode.TEXT, 0), [task.asked]))
        vectors = await search.search(reader, Asked(Question(text, Mode.VECTOR, 0), [task.asked]))
        joined = await LinkSearch(search).joined(reader, Question(text, Mode.HYBRID, 0), None)
        found = ([(h.id, h.score) for h in found.hits] for found in (words, vectors))
        judged.append(Judged(relevant, *found, of_type(made, task, joined)))
    return judged


def of_type(made: Collection, task: Task, scored: Scored) -> Scored:
    return [(id, score) for id, score in scored if made.objects[id][0] == task.asked]


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


Rank = Callable[[Judged], Iterable[UUID]]


@dataclass(frozen=True)
class Way:
    """How rankings are made into one."""

    damping: float = DAMPING.default
    vector: float = WEIGHTS["vector"]
    graph: float = 0.0
    links: float = 0.0


@dataclass(frozen=True)
class Arms:
    made: Collection
    task: Task
    view: GraphView

    def fused(self, way: Way) -> Rank:
        """With what links add where it weighs something."""

        def rank(each: Judged) -> Iterable[UUID]:
            both = [Ranking("text", WEIGHTS["text"], each.text), Ranking("vector", way.vector, each.vector)]
            hits = fuse(both, way.damping)
            if way.links:
                both.append(Ranking("links", way.links, each.links))
            if way.graph:
                near = neighbours(self.view, [(hit.id, hit.score) for hit in hits[:SEEDS]], Budget(LINKS))
                both.append(Ranking("graph", way.graph, of_type(self.made, self.task, near)))
            return [hit.id for hit in fuse(both, way.damping)]

        return rank

    def chosen(self, judged: Sequence[Judged]) -> tuple[Way, Way]:
        """Damping and the weight of vectors by nDCG@10; then what links add by recall@100, within `LOSS`."""
        ways = [Way(*pair) for pair in product(DAMPINGS, VECTOR_WEIGHTS)]
        without = {way: of_all(judged, self.fused(way)).mean(axis=0) for way in ways}
        best = max(ways, key=lambda way: float(without[way][0]))
        added = [Way(best.damping, best.vector, *pair) for pair in product(ADDED_WEIGHTS, ADDED_WEIGHTS)]
        found = {way: of_all(judged, self.fused(way)).mean(axis=0) for way in added}
        kept = [way for way in added if found[way][0] >= LOSS * without[best][0]]
        return best, max(kept, key=lambda way: (float(found[way][2]), float(found[way][0])))


def of_all(judged: Sequence[Judged], rank: Rank) -> Any:
    """A row for each query."""
    return np.array([measures([*rank(each)], each.relevant) for each in judged])


def told(found: Any) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in zip(MEASURES, found.mean(axis=0), strict=True))


def compared(one: Any, other: Any, measure: str) -> str:
    """By how much the first is better on average, and where 95 of 100 drawings of the queries lie."""
    differences = (one - other)[:, MEASURES.index(measure)]
    drawn = np.random.default_rng(1).integers(0, len(differences), (DRAWINGS, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), (2.5, 97.5))
    return f"{measure} {differences.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def report(arms: Arms, judged: Sequence[Judged]) -> None:
    half = len(judged) // 2
    best, with_links = arms.chosen(judged[:half])
    ways: dict[str, Rank] = {
        "text": lambda each: [id for id, _ in each.text],
        "vectors": lambda each: [id for id, _ in each.vector],
        "fusion": arms.fused(Way()),
        "fusion + graph": arms.fused(Way(graph=WEIGHTS["graph"])),
        "fusion + links": arms.fused(Way(links=WEIGHTS["links"])),
        "fusion + graph + links": arms.fused(Way(graph=WEIGHTS["graph"], links=WEIGHTS["links"])),
        f"chosen, {best}": arms.fused(best),
        f"chosen, {with_links}": arms.fused(with_links),
    }
    print(f"\n{arms.task.name}: {len(judged) - half} queries")
    found = {name: of_all(judged[half:], rank) for name, rank in ways.items()}
    for name, each in found.items():
        print(f"  {name}: {told(each)}")
    for arm in ("text", "vectors"):
        print(f"  fusion − {arm}: {compared(found['fusion'], found[arm], 'nDCG@10')}")
    for name in ("fusion + graph", "fusion + links", "fusion + graph + links"):
        differences = [compared(found[name], found["fusion"], measure) for measure in ("recall@100", "nDCG@10")]
        print(f"  {name} − fusion: {', '.join(differences)}")


async def main(url: str, admin_url: str, bundle: Path) -> None:
    made = collection(bundle)
    print(f"{len(made.objects):,} objects, {len(made.links):,} links")
    await migrate(admin_url)
    await establish(admin_url, ORGANIZATION)
    minilm = MiniLM.load(packaged_folder(), WEIGHTS_SHA256)
    async with await Database.connect(url, statement_timeout=600) as database:
        types = Types(database)
        session = await fill(database, types, minilm, admin_url, made)
        vectors, memory = QueryVectors(minilm, lambda _: None), VectorMemory(database, 2**30)
        search = Search(database, types, vectors, memory, Configurations(database))
        reader = await search.reader(session)
        judged = [(task, await rankings(search, reader, made, task)) for task in made.tasks]
    view = graph(made, session.label)
    for task, each in judged:
        report(Arms(made, task, view), each)


if __name__ == "__main__":
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        asyncio.run(main(server.url, server.admin_url, Path(sys.argv[2])))
