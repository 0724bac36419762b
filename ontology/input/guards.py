"""What is looked at in a file before or while it is parsed, so that none can exhaust memory, time or the stack.

A nesting deep enough overflows the parser's stack, or takes it time by the square of the depth.
"""

import json
import re
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from xml.parsers import expat

from fabric.errors import BadInput

MAX_DEPTH = 500
"""Levels of JSON or XML."""
MAX_ENTITIES = 1_000
MAX_ENTITY = 500
"""Characters of an entity: enough for a namespace, which is what ontologies declare them for."""
MAX_TRIPLE_TERMS = 5_000
"""Opening brackets of triple terms in one statement."""

MAX_ATTRIBUTES = 1_000
"""Of one tag, and namespaces that are declared around it: parsers look through them ever again."""
MAX_LED = 500
"""Terms of a JSON-LD context of which each is said by the next."""
MAX_TERMS_AT_HAND = 20_000_000
"""Terms of the largest context, for each of all contexts: for each the parser copies those around it."""

MAX_PIECE = 4 << 20
"""Bytes of XML from one tag to the next, or of one tag or comment. Parsers hold these, and look at them ever again."""

CHUNK = 64 * 1024


class Source(Protocol):
    """Bytes, decompressed and counted."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, none at the end."""


_JSON_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


_CONTEXT = "@context"
_TO_ITS_VALUE = re.compile(rb"\s*:\s*")


def check_json(text: bytes, levels: int = MAX_DEPTH) -> None:
    """BadInput for more than so many levels."""
    for _, depth in _brackets(text):
        if depth > levels:
            raise BadInput(f"the file is nested deeper than {levels} levels")


def check_json_ld(text: bytes) -> None:
    """The same, and BadInput for contexts that are too much for a parser."""
    check_json(text)
    most = 0
    for number, context in enumerate(_contexts(text), 1):
        most = max(most, _require_plain(context))
        if number * most > MAX_TERMS_AT_HAND:
            raise BadInput("the file has too many contexts beside one of many terms")


def _brackets(text: bytes) -> Iterator[tuple[re.Match[bytes], int]]:
    """Strings and brackets of JSON, each with the level that it is at, or opens or closes."""
    depth = 0
    for token in _JSON_TOKEN.finditer(text):
        mark = token[0][:1]
        depth += mark in b"[{"
        yield token, depth
        depth -= mark in b"]}"


def _contexts(text: bytes) -> Iterator[Any]:
    """Those that are in no other one; none of what is not JSON, of which the parser tells."""
    begins, around = -1, 0
    for token, depth in _brackets(text):
        if around:
            if depth == around and token[0] in (b"]", b"}"):
                around = 0
                try:
                    yield json.loads(text[begins : token.end()])
                except ValueError:
                    return
        elif token.start() == begins and token[0] in (b"[", b"{"):
            around = depth
        elif _is_context(token[0]) and (colon := _TO_ITS_VALUE.match(text, token.end())):
            begins = colon.end()


def _is_context(token: bytes) -> bool:
    if b"\\" not in token or len(token) > 6 * len(_CONTEXT) + 2:
        return token[1:-1] == _CONTEXT.encode()
    try:
        return bool(json.loads(token) == _CONTEXT)
    except ValueError:
        return False


def _require_plain(context: Any) -> int:
    """How many terms there are in the context, and in those within it. BadInput where too many lead to one another."""
    terms, pending = 0, [context]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            terms += len(value)
            _require_short_ways(value)
            pending += [said[_CONTEXT] for said in value.values() if isinstance(said, dict) and _CONTEXT in said]
    return terms


def _require_short_ways(context: Mapping[str, Any]) -> None:
    leads = {term: set(_leads(context, term, said)) for term, said in context.items()}
    led_from, length = defaultdict[str, list[str]](list), dict[str, int]()
    for term, others in leads.items():
        for other in others:
            led_from[other].append(term)
    ready = deque(term for term, others in leads.items() if not others)
    while ready:
        term = ready.popleft()
        length[term] = 1 + max((length[other] for other in _leads(context, term, context[term])), default=0)
        for user in led_from[term]:
            leads[user].discard(term)
            if not leads[user]:
                ready.append(user)
    in_circles = len(leads) - len(length)
    if max([in_circles, *length.values()]) > MAX_LED:
        raise BadInput(f"the file has a context of which more than {MAX_LED} terms are each said by the next")


def _leads(context: Mapping[str, Any], term: str, said: Any) -> Iterator[str]:
    """The terms by which this one is said: whole, or as its prefix."""
    named = [said] if isinstance(said, str) else [said.get(key) for key in _SAYING] if isinstance(said, dict) else []
    for name in [*named, term.partition(":")[0]]:
        found = name if not isinstance(name, str) or name in context else name.partition(":")[0]
        if isinstance(found, str) and found in context and found != term:
            yield found


_SAYING = ("@id", "@type", "@reverse")


def check_xml(source: Source, max_text: int) -> None:
    """BadInput for what is no XML, is nested too deeply, or declares entities that are more than short names.

    `max_text` are the characters that the document may have with its entities in place.
    """
    check = _XmlCheck(max_text)
    read = 0
    try:
        while chunk := source.read(CHUNK):
            check.parser.Parse(chunk, False)
            read += len(chunk)
            _require_piece(read - max(check.parser.CurrentByteIndex, 0))
        check.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise BadInput(f"the file is not XML: {expat.ErrorString(error.code)} at line {error.lineno}") from None


def _require_piece(length: int) -> None:
    if length > MAX_PIECE:
        raise BadInput(f"the file has a tag, a comment or a text of more than {MAX_PIECE:,} bytes")


class _XmlCheck:
    def __init__(self, max_text: int) -> None:
        self._depth = self._entities = self._text = self._piece = 0
        self._namespaces = [0]
        self._max_text = max_text
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._between
        self.parser.EntityDeclHandler = self._entity
        self.parser.buffer_text = True

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadInput(f"the file is nested deeper than {MAX_DEPTH} levels")
        self._piece = 0
        self._namespaces.append(self._namespaces[-1] + sum(each.startswith("xmlns") for each in attributes))
        if max(len(attributes), self._namespaces[-1]) > MAX_ATTRIBUTES:
            raise BadInput(f"the file has a tag with more than {MAX_ATTRIBUTES:,} attributes, or namespaces around it")
        for value in attributes.values():
            self._count(value)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._namespaces.pop()
        self._piece = 0

    def _between(self, text: str) -> None:
        self._piece += len(text)
        _require_piece(self._piece)
        self._count(text)

    def _count(self, text: str) -> None:
        self._text += len(text)
        if self._text > self._max_text:
            raise BadInput(f"the file has more than {self._max_text:,} characters of text")

    def _entity(
        self, name: str, parameter: bool, value: str | None, base: str | None, system: str | None, public: str | None,
        notation: str | None,
    ) -> None:  # fmt: skip
        self._entities += 1
        if parameter or value is None:
            raise BadInput(f"the entity {name[:100]} is refused: it leads to another document")
        if "&" in value or "%" in value or len(value) > MAX_ENTITY:
            raise BadInput(f"the entity {name[:100]} is refused: it is made of entities, or longer than a name")
        if self._entities > MAX_ENTITIES:
            raise BadInput(f"the file declares more than {MAX_ENTITIES:,} entities")


class Watched:
    """Passes bytes on to a parser of triples, and refuses triple terms within triple terms within …

    Its user calls `statement` for each statement that the parser has made of them.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(min(size, CHUNK) if size > 0 else CHUNK)
        self._open += chunk.count(b"<<")
        if self._open > MAX_TRIPLE_TERMS:
            raise BadInput(f"a statement has more than {MAX_TRIPLE_TERMS:,} triple terms")
        return chunk

    def statement(self) -> None:
        self._open = 0
