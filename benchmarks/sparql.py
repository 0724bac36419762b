"""How long SPARQL takes: two engines on one question to schema.org, and the process that holds a graph.

`python benchmarks/sparql.py FILE`, where FILE is schema.org in Turtle, perhaps packed with gzip.
"""

import asyncio
import gzip
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import rdflib
from pyoxigraph import RdfFormat, Store

from ontology.sparql.engine import Question
from ontology.sparql.held import HeldGraph, Limits

PATH = """
prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#>
select (count(*) as ?n) { ?class rdfs:subClassOf+ ?above . ?above rdfs:subClassOf* ?top }"""
TRIPLES = 100_000
TIMES = 50


def main(path: Path) -> None:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.suffix == ".gz" else content
    store = Store()
    store.bulk_load(text, format=RdfFormat.TURTLE)
    theirs = rdflib.Graph().parse(data=text, format="turtle")
    said("pyoxigraph, a property path over schema.org", lambda: list(store.query(PATH)))  # type: ignore[arg-type]
    said("rdflib, the same", lambda: list(theirs.query(PATH)), times=1)
    asyncio.run(held())


def said(what: str, work: Callable[[], object], times: int = 5) -> None:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    print(f"{what}: {statistics.median(taken) * 1000:.1f} ms")


async def held() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, TRIPLES, 1_000):
            numbers = range(start, start + 1_000)
            yield b"".join(b'<urn:s%d> <urn:p%d> "value %d" .\n' % (i // 5, i % 5, i) for i in numbers)

    started = time.perf_counter()
    graph = await HeldGraph.start(2**30)
    await graph.load(chunks())
    seconds, size = time.perf_counter() - started, graph.nbytes / 2**20
    print(f"a process with {graph.triples:,} triples: {seconds:.2f} s, {size:.0f} MiB")
    for text in ("ask {}", "select * { <urn:s7> ?p ?o }", "select * { ?s ?p ?o } limit 10000"):
        question, taken = Question(text, "json", "turtle", 100_000, 2**26), []
        for _ in range(TIMES):
            started = time.perf_counter()
            await graph.ask(question, Limits(10.0, 2**29))
            taken.append(time.perf_counter() - started)
        print(f"{text}: {statistics.median(taken) * 1000:.1f} ms")
    await graph.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
