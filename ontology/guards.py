"""What is looked at in a file before or while it is parsed, so that none can exhaust memory, time or the stack.

A nesting deep enough overflows the parser's stack, or takes it time by the square of the depth.
"""

import re
from typing import Protocol
from xml.parsers import expat

from fabric.errors import BadInput

MAX_DEPTH = 500
"""Levels of JSON or XML."""
MAX_ENTITIES = 1_000
MAX_ENTITY = 500
"""Characters of an entity: enough for a namespace, which is what ontologies declare them for."""
MAX_TRIPLE_TERMS = 5_000
"""Opening brackets of triple terms in one statement."""

MAX_PIECE = 4 << 20
"""Bytes of XML from one tag to the next, or of one tag or comment. Parsers hold these, and look at them ever again."""

CHUNK = 64 * 1024


class Source(Protocol):
    """Bytes, decompressed and counted."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, none at the end."""


_JSON_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)


def check_json(text: bytes) -> None:
    """BadInput for more than MAX_DEPTH levels."""
    depth = 0
    for token in _JSON_TOKEN.finditer(text):
        mark = token[0][:1]
        if mark in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadInput(f"the file is nested deeper than {MAX_DEPTH} levels")
        elif mark in b"]}":
            depth -= 1


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
        for value in attributes.values():
            self._count(value)

    def _end(self, name: str) -> None:
        self._depth -= 1
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
