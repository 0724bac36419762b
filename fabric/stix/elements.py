"""The objects of a bundle's JSON text, one at a time, in memory bounded by the largest of them.

Python's own decoder rather than a streaming parser: a bundle is one list of small objects, and one that holds NaN or
half of a surrogate pair has to be told apart from its neighbours. yajl, the fast parser beneath ijson, ends the whole
stream at the one and silently makes a question mark of the other.
"""

import codecs
import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fabric.errors import BadInput
from fabric.types.kinds import JSON_DEPTH

MAX_BYTES = 8 * 2**30
MAX_ELEMENT = 64 * 2**20
"""Characters of one object: what a hostile file can make the reader hold at once."""

CHUNK = 256 * 1024

Progress = Callable[[int, int], None]
"""Called with how many bytes of the file have been read, and how many it has."""

_GZIP_MAGIC = b"\x1f\x8b"
_LONGEST_TOKEN = 16
"""No JSON token but a string is longer; an error this close to the end of the buffer may come from the end itself."""

_LONG_ELEMENT = 100_000
_BLANKS = re.compile(r"[ \t\r\n]*")
_END = "the end of the file"


class Element(NamedTuple):
    value: Any
    plain: bool
    """Whether it is known to hold nothing PostgreSQL or the kinds refuse; if not, it has to be looked through."""


def read_elements(path: Path, max_bytes: int = MAX_BYTES, progress: Progress | None = None) -> Iterator[Element]:
    """The members of the bundle's `objects`. BadInput for whatever is no bundle, when that shows."""
    return bundle_elements(_text(path, max_bytes, progress))


def _text(path: Path, max_bytes: int, progress: Progress | None) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    total = 0
    with ExitStack() as opened:
        file = opened.enter_context(path.open("rb"))
        size = path.stat().st_size
        compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        source: BinaryIO | gzip.GzipFile = opened.enter_context(gzip.GzipFile(fileobj=file)) if compressed else file
        try:
            while chunk := source.read(CHUNK):
                total += len(chunk)
                if total > max_bytes:
                    raise BadInput(f"the file has more than {max_bytes:,} bytes of text")
                yield decoder.decode(chunk)
                if progress is not None:
                    progress(file.tell(), size)
            yield decoder.decode(b"", final=True)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise BadInput("the gzip file is truncated or damaged") from None
        except UnicodeDecodeError:
            raise BadInput("the file is not UTF-8 text") from None


def bundle_elements(chunks: Iterable[str]) -> Iterator[Element]:
    """The members of the bundle's `objects`, from its text in pieces of any length."""
    text = _Scanner(chunks)
    kind, listed = None, False
    for _ in text.each("{", "}"):
        text.expect('"')
        name = text.value()
        text.take(":")
        if name == "objects":
            if listed or text.peek() != "[":
                raise BadInput("a bundle's objects are one list")
            listed = True
            for _ in text.each("[", "]"):
                yield text.element()
        elif name == "type":
            kind = text.value()
        else:
            text.value()
    text.expect("")
    if kind != "bundle":
        raise BadInput('the file is no STIX bundle: it does not say "type": "bundle"')


class _Scanner:
    """A window on JSON text that moves from value to value."""

    def __init__(self, chunks: Iterable[str]) -> None:
        self._chunks = iter(chunks)
        self._buffer = ""
        self._at = 0
        self._passed = 0
        self._odd_number = False
        self._decode = json.JSONDecoder(
            parse_int=self._integer, parse_float=self._float, parse_constant=self._float
        ).raw_decode

    def peek(self) -> str:
        """The next character that is not blank; empty at the end of the text."""
        while True:
            self._at = _BLANKS.match(self._buffer, self._at).end()  # type: ignore[union-attr]  # matches anything
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._grow():
                return ""

    def expect(self, character: str) -> None:
        if self.peek() != character:
            raise self._malformed(self._at, f"expected {character or _END}, got {self.peek() or _END}")

    def take(self, character: str) -> None:
        self.expect(character)
        self._at += 1

    def each(self, opening: str, closing: str) -> Iterator[None]:
        """Stops before each member of a list or object, which the caller then takes."""
        self.take(opening)
        if self.peek() != closing:
            yield
            while self.peek() != closing:
                self.take(",")
                yield
        self.take(closing)

    def value(self) -> Any:
        return self.element().value

    def element(self) -> Element:
        """The next JSON value."""
        self.peek()
        while True:
            self._odd_number = False
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if self._may_be_cut(error) and self._grow():
                    continue
                raise self._malformed(error.pos, error.msg) from None
            except RecursionError:
                raise self._malformed(self._at, "lists and objects are nested too deeply") from None
            if end > len(self._buffer) - _LONGEST_TOKEN and self._grow():
                continue  # "1.5" may be the beginning of "1.5e-7"
            plain = not self._odd_number and self._is_plain(self._at, end)
            self._at = end
            return Element(value, plain)

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos > len(self._buffer) - _LONGEST_TOKEN

    def _grow(self) -> bool:
        """Make the window at least twice as long, so that a long value is decoded few times; False at the end."""
        wanted = len(self._buffer) - self._at
        if wanted > MAX_ELEMENT:
            raise self._malformed(self._at, f"a value of more than {MAX_ELEMENT:,} characters")
        parts, length = [self._buffer[self._at :]], 0
        for chunk in self._chunks:
            parts.append(chunk)
            length += len(chunk)
            if length and length >= wanted:
                break
        if not length:
            return False
        self._passed += self._at
        self._buffer, self._at = "".join(parts), 0
        return True

    def _malformed(self, position: int, message: str) -> BadInput:
        place = f"{self._passed + position + 1:,}"
        return BadInput(f"the file is not the JSON of a STIX bundle: {message} at character {place}")

    def _is_plain(self, start: int, end: int) -> bool:
        text = self._buffer
        return (
            end - start < _LONG_ELEMENT
            and text.count("{", start, end) + text.count("[", start, end) <= JSON_DEPTH
            and all(text.find(escape, start, end) < 0 for escape in ("\\u0000", "\\ud", "\\uD"))
        )

    def _integer(self, text: str) -> int | float:
        if len(text) < 16:
            return int(text)
        self._odd_number = True
        return int(text) if len(text) < 400 else math.inf  # what any float would make of it

    def _float(self, text: str) -> float:
        number = float(text)
        self._odd_number |= not math.isfinite(number)
        return number
