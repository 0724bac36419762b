"""One question to one graph, from its text to the bytes of its answer. Runs in a process apart (see `holder`)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson
from pyoxigraph import DefaultGraph, NamedNode, QueryBoolean, QuerySolutions, QueryTriples, Store, Triple

from ontology.sparql.lexing import UPDATES, begins_with, words
from ontology.sparql.results import MEDIA_TYPES, Unwritable, solutions, truth
from ontology.vocabulary import INFERRED_GRAPH
from ontology.writing import Writer

BLOCK_TRIPLES = 1_000
MOST_WORDS = 500
"""Letters of what a parser says of a text, which can be long."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query's text and dataset, the formats its answer may have, one for each kind, and how long it may be.

    `solutions` is one of `results.MEDIA_TYPES`, `triples` one of `writing.FORMATS`; None where the caller takes none.
    """

    text: str
    solutions: str | None
    triples: str | None
    rows: int
    nbytes: int
    default_graphs: Sequence[str] = ()
    named_graphs: Sequence[str] = ()
    inferred: bool = False
    """Whether inferred links, which are in a graph of their own, are asked beside those that were written."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a question. `fault` is empty, or one of `malformed`, `unacceptable` and `too_large`."""

    fault: str
    words: str
    media_type: str = ""

    def line(self) -> bytes:
        return orjson.dumps(self, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def read(cls, line: bytes) -> Self:
        return cls(**orjson.loads(line))


class _Refused(Exception):
    def __init__(self, fault: str, words: str) -> None:
        super().__init__(words)
        self.verdict = Verdict(fault, words)


def answer(store: Store, question: Question) -> tuple[Verdict, bytes]:
    """The verdict, and the answer's body where there is no fault."""
    try:
        found = _asked(store, question)
        media_type, parts = _written(found, question)
        return Verdict("", "", media_type), _bounded(parts, question.nbytes)
    except _Refused as refused:
        return refused.verdict, b""
    except Unwritable:
        return Verdict("unacceptable", "the format that you accept has no form for this answer; ask for JSON"), b""
    except SyntaxError as error:
        # What else the engine would have expected there is its grammar, and helps nobody.
        what = str(error).partition(": expected ")[0].replace("error at ", "see line and column ", 1)
        return Verdict("malformed", f"this is not SPARQL: {_short(what)}"), b""
    except (ValueError, OSError, RuntimeError) as error:
        return Verdict("malformed", f"this cannot be answered: {_short(str(error))}"), b""


def _asked(store: Store, question: Question) -> Any:
    found = list(words(question.text))
    if begins_with(found) in UPDATES:
        raise _Refused("malformed", "this endpoint only reads: it takes queries, and no updates")
    if "SERVICE" in found:
        raise _Refused("malformed", "SERVICE is not allowed: nothing is fetched from elsewhere")
    known = {graph.value for graph in store.named_graphs() if isinstance(graph, NamedNode)}
    if question.inferred:
        known.add(INFERRED_GRAPH.value)
    asked = [*question.default_graphs, *question.named_graphs]
    if not known.issuperset(asked) or (not known and "FROM" in found):
        raise _Refused("malformed", "there is no such graph: ask without a dataset, for nothing is fetched")
    if not asked and question.inferred and "FROM" not in found:
        return store.query(
            question.text, default_graph=[DefaultGraph(), INFERRED_GRAPH], named_graphs=[INFERRED_GRAPH]
        )
    if not asked:
        return store.query(question.text)
    return store.query(
        question.text,
        default_graph=[NamedNode(iri) for iri in question.default_graphs],
        named_graphs=[NamedNode(iri) for iri in question.named_graphs],
    )


def _written(found: Any, question: Question) -> tuple[str, Iterator[bytes]]:
    """The media type of the answer, and its parts as they are found."""
    if isinstance(found, QueryTriples):
        if question.triples is None:
            raise _Refused("unacceptable", "the answer is a graph, and you accept no format of graphs")
        writer = Writer(question.triples)
        return writer.media_type, _graph(found, writer, question.rows)
    if question.solutions is None:
        raise _Refused("unacceptable", "the answer is a table, and you accept no format of tables")
    media_type = MEDIA_TYPES[question.solutions]
    if isinstance(found, QueryBoolean):
        return media_type, iter([truth(bool(found), question.solutions)])
    assert isinstance(found, QuerySolutions)
    head_and_tail = 2
    return media_type, _counted(solutions(found, question.solutions), question.rows + head_and_tail, question.rows)


def _graph(found: Iterable[Triple], writer: Writer, most: int) -> Iterator[bytes]:
    yield writer.head()
    block: list[Triple] = []
    for triple in _counted(found, most, most):
        block.append(triple)
        if len(block) == BLOCK_TRIPLES:
            yield writer.block(block)
            block = []
    yield writer.block(block)
    yield writer.tail()


def _counted(found: Iterable[Any], most: int, told: int) -> Iterator[Any]:
    for number, each in enumerate(found):
        if number == most:
            raise _Refused("too_large", f"the answer has more than {told:,} rows; ask for fewer by LIMIT")
        yield each


def _bounded(parts: Iterator[bytes], most: int) -> bytes:
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > most:
            raise _Refused("too_large", f"the answer is longer than {most:,} bytes; ask for fewer rows by LIMIT")
    return bytes(body)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_WORDS else line[: MOST_WORDS - 1] + "…"


def read_question(content: bytes) -> tuple[Question, Mapping[str, Any]]:
    """A question as it was sent, and the limits that came with it."""
    sent = orjson.loads(content)
    return Question(**sent["question"]), sent["limits"]
