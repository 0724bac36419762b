"""JSON Lines: a file of import records, one a line (see docs/import-export.md; `fabric.export` writes them)."""

import gzip
import json
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike, stat_result
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Literal

import orjson

from fabric.errors import BadInput
from fabric.transfer.records import Problem, Record

LINE_BYTES = 10_000_000
DEPTH = 100
"""Levels of lists and objects in a line: more than the values of any field have."""

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Form = Literal["define", "type", "link"]
"""The member that tells a definition, an object and a link apart."""

_MEMBERS: Mapping[Form, frozenset[str]] = {
    "define": frozenset({"define"}),
    "type": frozenset("type key id label data".split()),
    "link": frozenset(
        "link key from to label weight properties validFrom validTo semanticNamespace semanticPredicate".split()
    ),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many lines are definitions, objects by type and links by relation, whether or not they can be imported."""

    definitions: int
    objects: Mapping[str, int]
    links: Mapping[str, int]


class JsonLines:
    """A file of import records, plain or gzip (which its first bytes tell), its lines in any order.

    It is read once when it is opened, to count, and once by each of `definitions`, `objects` and `links`; iterating
    reads all of it in its own order. What can be read only once is copied to a temporary file.

    BadInput for a file that is damaged or changes meanwhile; OSError for one that cannot be read.
    """

    def __init__(self, source: str | PathLike[str] | IO[bytes]) -> None:
        self._copy: IO[bytes] | None = None
        if not isinstance(source, str | PathLike):
            self._path = self._copied(source)
        elif Path(source).is_file():
            self._path = Path(source)
        else:
            with Path(source).open("rb") as file:
                self._path = self._copied(file)
        self._state = _state(self._path.stat())
        with self._path.open("rb") as file:
            self._packed = file.read(len(_GZIP)) == _GZIP
        self.counts = self._count()

    def _copied(self, file: IO[bytes]) -> Path:
        self._copy = NamedTemporaryFile()  # noqa: SIM115 (kept as long as this object)
        shutil.copyfileobj(file, self._copy)
        self._copy.flush()
        return Path(self._copy.name)

    def definitions(self) -> Iterator[Record | Problem]:
        """The definitions, and those that have not the form of one."""
        return self._read("define")

    def objects(self) -> Iterator[Record | Problem]:
        """The objects, those that have not the form of one, and lines that are no record at all."""
        return self._read("type", None)

    def links(self) -> Iterator[Record | Problem]:
        """The links, and those that have not the form of one."""
        return self._read("link")

    def __iter__(self) -> Iterator[Record | Problem]:
        return self._read("define", "type", "link", None)

    def _count(self) -> Counts:
        definitions, objects, links = 0, Counter[str](), Counter[str]()
        for _, line in self._lines():
            form, value = _recognized(line)
            if form == "define":
                definitions += 1
            elif form == "type":
                objects[str(value["type"])] += 1
            elif form == "link":
                links[str(value["link"])] += 1
        return Counts(definitions, dict(sorted(objects.items())), dict(sorted(links.items())))

    def _read(self, *forms: Form | None) -> Iterator[Record | Problem]:
        for number, line in self._lines():
            form, value = _recognized(line)
            if form not in forms:
                continue
            fault = value if form is None else None
            if form is not None:
                value, fault = _parsed(line, form)
            yield Record(f"line {number}", value) if fault is None else Problem(f"line {number}", fault)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines by number, without blank ones; of one that is too long its beginning, more than LINE_BYTES."""
        if _state(self._path.stat()) != self._state:
            raise BadInput("the file has changed since it was opened")
        number = 0
        with gzip.open(self._path) if self._packed else self._path.open("rb") as file:
            try:
                while line := file.readline(LINE_BYTES + 1):
                    number += 1
                    rest = line
                    while len(rest) > LINE_BYTES and not rest.endswith(b"\n"):
                        rest = file.readline(LINE_BYTES + 1)
                    line = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                    if not line.isspace():
                        yield number, line
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise BadInput(f"the file is damaged or incomplete after line {number}") from error


def _state(status: stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _recognized(line: bytes) -> tuple[Form | None, Any]:
    """The record's form and its content, roughly; None and what is wrong for a line that is no record."""
    if len(line) > LINE_BYTES and not line.endswith(b"\n"):
        return None, f"is longer than {LINE_BYTES:,} bytes"
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return None, f"is not JSON in UTF-8: {error.msg}"
    if not isinstance(value, dict):
        return None, "is not an object"
    forms = [form for form in _MEMBERS if form in value]
    if len(forms) != 1:
        return None, "is a record with one of the members define, type and link; this line has " + (
            "none of them" if not forms else " and ".join(forms)
        )
    if line.count(b"[") + line.count(b"{") > DEPTH and _is_deeper(value, DEPTH):
        return None, f"is nested deeper than {DEPTH} levels"
    return forms[0], value


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    members = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(member, levels - 1) for member in members)


def _parsed(line: bytes, form: Form) -> tuple[dict[str, Any], str | None]:
    """The record's body, and what is wrong with it. Unlike at first sight, long integers are exact, and keys unique."""
    try:
        body = json.loads(line.decode(), object_pairs_hook=_unique)
    except KeyError as error:
        return {}, f"{error.args[0]!a} is there twice in one object"
    return body, _fault(body, form)


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(members)
    if len(result) != len(members):
        raise KeyError(Counter(name for name, _ in members).most_common(1)[0][0])
    return result


def _fault(body: Mapping[str, Any], form: Form) -> str | None:
    """What keeps the body from having its form, None if nothing does. Values are checked when they are stored."""
    unknown = body.keys() - _MEMBERS[form]
    if unknown:
        return f"{min(unknown)}: unknown; known here are {', '.join(sorted(_MEMBERS[form]))}"
    if form == "type" and "key" in body and "id" in body:
        return "key and id: only one of them names an object"
    for name, (check, expected) in _CHECKS[form].items():
        if name in body and not check(body[name]):
            return f"{name}: expected {expected}"
    missing = [name for name in ("from", "to") if form == "link" and name not in body]
    return f"{missing[0]}: required" if missing else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_key(value: object) -> bool:
    return isinstance(value, dict) and len(value) > 0


def _is_end(value: object) -> bool:
    if not isinstance(value, dict) or set(value) == {"id"}:
        return isinstance(value, dict) and _is_text(value["id"])
    return set(value) == {"type", "key"} and _is_text(value["type"]) and _is_key(value["key"])


_Check = tuple[Callable[[object], bool], str]
_TEXT: _Check = (_is_text, "a string")
_OBJECT: _Check = (_is_object, "an object")
_END: _Check = (_is_end, '{"type": "…", "key": {…}} or {"id": "…"}')

_CHECKS: Mapping[Form, Mapping[str, _Check]] = {
    "define": {"define": _OBJECT},
    "type": {
        "type": _TEXT,
        "key": (_is_key, 'an object of the natural key\'s fields, such as {"code": "D1"}'),
        "id": _TEXT,
        "data": _OBJECT,
    },
    "link": {
        "link": _TEXT,
        "key": (lambda value: value is None or _is_text(value), "a string"),
        "from": _END,
        "to": _END,
        "properties": (lambda value: value is None or _is_object(value), "an object"),
    },
}
