"""Files and folders of text as import records: documents, their passages, and the links between them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from fabric.texts.formats import FORMATS
from fabric.texts.passages import OVERLAP, TOKENS, Passage, Splitter, storable
from fabric.texts.sections import Text, Unreadable
from fabric.texts.workshop import Workshop
from fabric.transfer.records import Problem, Record

DOCUMENT, PASSAGE, RELATION = "TextDocument", "TextPassage", "passage_of"

CHUNKING = f"1 {TOKENS} {OVERLAP}"
"""How passages are made. Documents that were split another way are split again."""

MAX_BYTES = 100 << 20
"""Of one file."""

DEFINITIONS: tuple[Mapping[str, Any], ...] = (
    {
        "typeName": DOCUMENT,
        "description": "A file of text; what it says is in its passages",
        "fields": {
            "path": {"type": "string", "required": True, "description": "where it was imported from"},
            "title": {"type": "string", "searchable": True, "indexed": True},
            "mediaType": {"type": "string"},
            "bytes": {"type": "bigint"},
            "sha256": {"type": "string", "description": "of the file, in hexadecimal digits"},
            "chunking": {"type": "string", "description": "how its passages were made"},
        },
        "links": {"passages": {"relation": RELATION, "target": PASSAGE, "direction": "in"}},
        "naturalKey": ["path"],
        "embedding": {"fields": ["title"]},
    },
    {
        "typeName": PASSAGE,
        "description": "A piece of a document's text",
        "fields": {
            "path": {"type": "string", "required": True, "indexed": True, "description": "its document's"},
            "mark": {"type": "string", "required": True, "description": "tells it apart from the document's others"},
            "number": {"type": "integer", "indexed": True, "description": "its place in the document, from 1"},
            "heading": {"type": "text", "searchable": True},
            "page": {"type": "integer"},
            "text": {"type": "text", "searchable": True},
        },
        "links": {"document": {"relation": RELATION, "target": DOCUMENT, "cardinality": "one"}},
        "naturalKey": ["path", "mark"],
        "embedding": {"fields": ["heading", "text"]},
    },
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is there of a document already."""

    sha256: str
    chunking: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a document has now: the file's digest, and the marks of its passages. What else is stored is stale."""

    sha256: str
    marks: list[str]


@dataclass(slots=True)
class Collection:
    """Files, and folders with all that is below them. Hidden files, and those that links lead to, are left out.

    A document is named by its path, from the folder that was named or the file itself. Files that are stored already
    (`stored` by path) and have not changed are not read again. `label` is that of all records, the bottom one if None.
    """

    paths: list[Path]
    stored: Mapping[str, Stored]
    label: str | None = None
    workshop: Workshop = field(default_factory=Workshop)
    progress: Callable[[int], None] = lambda _: None
    """Called with how many files are done."""
    loaded: dict[str, Loaded] = field(default_factory=dict)
    """The documents that were read, by path."""
    unchanged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Files in folders that are of no form known here, by the ending of their names."""
    _splitter: Splitter = field(default_factory=Splitter)

    def definitions(self) -> Iterator[Record]:
        for body in DEFINITIONS:
            yield Record(str(body["typeName"]), {"define": dict(body)})

    def objects(self) -> Iterator[Record | Problem]:
        """Each document that is new or has changed, then its passages; and what cannot be read."""
        with self.workshop:
            for number, (name, file) in enumerate(self._files()):
                self.progress(number)
                if isinstance(file, Problem):
                    yield file
                else:
                    yield from self._document(name, file)

    def links(self) -> Iterator[Record | Problem]:
        """From each passage to its document, of those that `objects` gave."""
        for path, loaded in self.loaded.items():
            for mark in loaded.marks:
                source = {"type": PASSAGE, "key": {"path": path, "mark": mark}}
                target = {"type": DOCUMENT, "key": {"path": path}}
                yield Record(path, self._labelled({"link": RELATION, "from": source, "to": target}))

    def count(self) -> int:
        """How many files there are to look at."""
        return sum(1 for _ in self._found())

    def _files(self) -> Iterator[tuple[str, Path | Problem]]:
        """Files by the names of their documents, in order; each name once."""
        seen: set[str] = set()
        self.skipped.clear()
        for name, file in self._found():
            if name in seen:
                yield name, Problem(str(file), f"another file is the document {name} already")
            elif file.suffix.lower() in FORMATS:
                seen.add(name)
                yield name, file
            elif file in self.paths:
                yield name, Problem(str(file), f"only files of these forms are read: {' '.join(FORMATS)}")
            else:
                self.skipped[file.suffix.lower() or "no ending"] += 1

    def _found(self) -> Iterator[tuple[str, Path]]:
        for path in self.paths:
            top = path.resolve()
            if not path.is_dir():
                yield storable(top.name), path
                continue
            for file in sorted(path.rglob("*")):
                below = file.relative_to(path)
                if file.is_file() and not file.is_symlink() and not any(p.startswith(".") for p in below.parts):
                    yield storable((Path(top.name) / below).as_posix()), file

    def _document(self, name: str, file: Path) -> Iterator[Record | Problem]:
        try:
            content = self._content(file)
            digest = sha256(content).hexdigest()
            if self.stored.get(name) == Stored(digest, CHUNKING):
                self.unchanged += 1
                return
            text = self.workshop.read(file, content)
            passages = list(self._splitter.passages(text.sections))
            if not passages:
                raise Unreadable("holds no text")
        except (Unreadable, OSError) as fault:
            yield Problem(str(file), str(getattr(fault, "strerror", None) or fault))
            return
        self.loaded[name] = Loaded(digest, [passage.mark for passage in passages])
        yield Record(name, self._head(name, file, content, text))
        for passage in passages:
            yield Record(f"{name}, passage {passage.number}", self._passage(name, passage))

    def _content(self, file: Path) -> bytes:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise Unreadable(f"is larger than {MAX_BYTES >> 20} MiB")
        return content

    def _head(self, name: str, file: Path, content: bytes, text: Text) -> dict[str, Any]:
        """Without the digest, which says that all of it is there: that is so once the last link is (see `stored`)."""
        data = {
            "title": storable(" ".join(text.title.split()))[:1000] or file.stem,
            "mediaType": FORMATS[file.suffix.lower()].media_type,
            "bytes": len(content),
            "sha256": None,
        }
        return self._labelled({"type": DOCUMENT, "key": {"path": name}, "data": data})

    def _passage(self, name: str, passage: Passage) -> dict[str, Any]:
        data = {
            "number": passage.number,
            "text": passage.text,
            "heading": passage.heading or None,
            "page": passage.page,
        }
        return self._labelled({"type": PASSAGE, "key": {"path": name, "mark": passage.mark}, "data": data})

    def _labelled(self, body: dict[str, Any]) -> dict[str, Any]:
        return body if self.label is None else {**body, "label": self.label}
