"""One question to one graph, from its text to the bytes of its answer. Runs in a process apart (see `holder`)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self, TypeAlias

import orjson
from pyoxigraph import (
    BlankNode,
    DefaultGraph,
    Literal,
    NamedNode,
    QueryBoolean,
    QuerySolutions,
    QueryTriples,
    Store,
    Triple,
)

from ontology.output.writing import Writer
from ontology.sparql.dialect import Translation, translated, unknown_function, with_plain_iris
from ontology.sparql.lexing import KEYWORDS, UPDATES, Token, begins_with, tokens
from ontology.sparql.results import MEDIA_TYPES, Unwritable, solutions, truth
from ontology.vocabulary import INFERRED_GRAPH

BLOCK_TRIPLES = 1_000
MOST_WORDS = 500
"""Letters of what a parser says of a text, which can be long."""
MOST_FUNCTIONS = 100
"""That the engine does not know, and a query may have: each costs another reading of its text."""

Functions: TypeAlias = dict[NamedNode, Callable[..., NamedNode | BlankNode | Literal | Triple | None]]

_PLACE = re.compile(r"error at (\d+):(\d+)")


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
    except (ValueError, OSError, RuntimeError) as error:
        return Verdict("malformed", f"this cannot be answered: {_short(str(error))}"), b""


def _asked(store: Store, question: Question) -> Any:
    terminals = list(tokens(question.text))
    dataset = _dataset(store, question, terminals)
    translation = translated(question.text, terminals)
    functions: Functions = {}
    try:
        found = _found(store, translation.text, dataset, functions)
    except SyntaxError as error:
        raise _Refused("malformed", f"this is not SPARQL: {_short(_told(error, translation))}") from None
    _require_plain_iris(question.text, terminals, functions)
    return found


def _dataset(store: Store, question: Question, terminals: Sequence[Token]) -> Mapping[str, Any]:
    """The graphs that are asked, for the engine. Refused for what a query may not do, told by its words."""
    words = [token.text.upper() for token in terminals if token.kind == "word"]
    if begins_with(words) in UPDATES:
        raise _Refused("malformed", "this endpoint only reads: it takes queries, and no updates")
    if strange := next((word for word in words if word not in KEYWORDS), None):
        raise _Refused("malformed", f"this is not SPARQL, which has no word {_short(strange)}")
    if "SERVICE" in words or _reads_as_service(terminals):
        raise _Refused("malformed", "SERVICE is not allowed: nothing is fetched from elsewhere")
    known = {graph.value for graph in store.named_graphs() if isinstance(graph, NamedNode)}
    if question.inferred:
        known.add(INFERRED_GRAPH.value)
    asked = [*question.default_graphs, *question.named_graphs]
    if not known.issuperset(asked) or (not known and "FROM" in words):
        raise _Refused("malformed", "there is no such graph: ask without a dataset, for nothing is fetched")
    if asked:
        default, named = question.default_graphs, question.named_graphs
        return {"default_graph": [*map(NamedNode, default)], "named_graphs": [*map(NamedNode, named)]}
    if question.inferred and "FROM" not in words:
        return {"default_graph": [DefaultGraph(), INFERRED_GRAPH], "named_graphs": [INFERRED_GRAPH]}
    return {}


def _reads_as_service(terminals: Sequence[Token]) -> bool:
    """Whether there is `servicex:y {`, which is nothing, and for the engine, which takes names apart, a SERVICE x:y."""
    return any(
        token.kind == "name" and token.text.upper().startswith("SERVICE") and after.text == "{"
        for token, after in pairwise(terminals)
    )


def _found(store: Store, text: str, dataset: Mapping[str, Any], functions: Functions) -> Any:
    """What the engine finds. To `functions` come those that it does not know: their expressions fail, no more."""
    while True:
        try:
            return store.query(text, custom_functions=functions, **dataset)
        except RuntimeError as error:
            name = unknown_function(error)
            if name is None or len(functions) == MOST_FUNCTIONS:
                raise
            functions[NamedNode(name)] = _fails


def _fails(*_: object) -> None:
    """A function that has no value, whatever it is called with."""


def _require_plain_iris(text: str, terminals: Sequence[Token], functions: Functions) -> None:
    """Refused for an IRI that the engine, which has read the text, took for something else."""
    plain = with_plain_iris(text, terminals)
    if plain is not None:
        try:
            _found(Store(), plain, {}, dict(functions))
        except SyntaxError:
            raise _Refused("malformed", "this is not SPARQL: leave a space after a < that is to compare") from None


def _told(error: SyntaxError, translation: Translation) -> str:
    """What else the engine would have expected there is its grammar, and helps nobody."""
    what, _, _ = str(error).partition(": expected ")
    place = _PLACE.match(what)
    if not place:
        return what
    line, column = translation.place_given(int(place[1]), int(place[2]))
    return f"see line and column {line}:{column}{what[place.end() :]}"


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
