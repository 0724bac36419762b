"""RDF files, plain or gzip, read into a graph in a folder of its own: memory does not grow with them.

Nothing is fetched but where that is asked for: otherwise a JSON-LD file that leaves its context to another address is
refused, and what `owl:imports` names has to be given as a file.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, cast

from pyoxigraph import DefaultGraph, NamedNode, Quad, RdfFormat, Store, Triple, parse

from fabric.errors import BadInput
from ontology.input.graph import LANGUAGES, Graph
from ontology.input.guards import Source, Watched, check_json_ld, check_xml
from ontology.input.imports import missing_imports
from ontology.input.remote import Remote
from ontology.input.scratch import PREFIX, scratch_folder

MAX_BYTES = 8 * 2**30
"""Of one file, decompressed."""
MAX_FETCHED = 256 * 2**20
"""Of one that is fetched, decompressed."""
MAX_BUFFERED = 128 * 2**20
"""Of JSON-LD, which has to be in memory as a whole: its context may come last."""
BATCH = 50_000
"""Statements that are in memory together: the store itself would collect a million."""
MAX_GRAPHS = 1_000
"""Names of graphs that are told of."""

FORMATS = {
    "turtle": RdfFormat.TURTLE,
    "trig": RdfFormat.TRIG,
    "ntriples": RdfFormat.N_TRIPLES,
    "nquads": RdfFormat.N_QUADS,
    "rdfxml": RdfFormat.RDF_XML,
    "jsonld": RdfFormat.JSON_LD,
}
_ENDINGS = {
    "ttl": "turtle",
    "turtle": "turtle",
    "trig": "trig",
    "nt": "ntriples",
    "nq": "nquads",
    "rdf": "rdfxml",
    "owl": "rdfxml",
    "xml": "rdfxml",
    "jsonld": "jsonld",
    "json": "jsonld",
}
_GZIP = b"\x1f\x8b"

Progress = Callable[[int, int], None]
"""Called with how many bytes of all files have been read, and how many there are."""


@dataclass(slots=True)
class Read:
    """What files held. `prefixes` are those they declare, by namespace."""

    graph: Graph
    prefixes: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    """Of graphs other than the default one, the first MAX_GRAPHS."""
    fetched: set[str] = field(default_factory=set)
    """The IRIs of imported ontologies that are in the graph beside the files."""


@contextmanager
def reading(
    paths: Sequence[Path],
    format: str | None = None,
    *,
    base: str | None = None,
    progress: Progress | None = None,
    max_bytes: int = MAX_BYTES,
    languages: Sequence[str] = LANGUAGES,
    remote: Remote | None = None,
) -> Iterator[Read]:
    """The graph of all files together, until the context ends.

    With `remote` so are the ontologies that they import and do not hold, and contexts of JSON-LD are fetched.

    `format` is one of FORMATS, by default what the name's ending tells; `base` is what relative IRIs start from.
    `languages` are those that descriptions are taken from, the first that there is.
    BadInput for a file that cannot be parsed, is damaged, or is larger or deeper than it may be; OSError for one that
    cannot be read.
    """
    formats = [_format_of(path, format) for path in paths]
    with scratch_folder() as folder:
        store = Store(str(folder / "store"))
        read = Read(Graph(store, languages))
        total = sum(path.stat().st_size for path in paths)
        done = 0
        for path, each in zip(paths, formats, strict=True):
            told = partial(_advance, progress, done, total)
            _File(path, path.name, each, base, max_bytes, told, remote).into(read)
            done += path.stat().st_size
        if remote is not None:
            _fetch_imports(read, remote)
        yield read


def _fetch_imports(read: Read, remote: Remote) -> None:
    """Until none is left that is missing."""
    while lacking := sorted(missing_imports(read.graph) - read.fetched):
        for iri in lacking:
            format, text = remote.ontology(iri)
            named = format if format in FORMATS else _ENDINGS.get(format)
            if named is None:
                raise BadInput(f"{iri[:200]}: neither its media type nor its address tells the format")
            # What it says without whole IRIs is said by the name that it was imported by, wherever that led to.
            base = iri.partition("#")[0]
            with NamedTemporaryFile(prefix=PREFIX) as file:
                file.write(text)
                file.flush()
                _File(Path(file.name), iri[:200], FORMATS[named], base, MAX_FETCHED, lambda _: None, remote).into(read)
            read.fetched.add(iri)


def _advance(progress: Progress | None, before: int, total: int, done: int) -> None:
    if progress is not None:
        progress(before + done, total)


def _format_of(path: Path, given: str | None) -> RdfFormat:
    if not path.is_file():
        raise BadInput(f"{path.name}: is not a regular file; it may be read more than once")
    endings = [ending[1:].lower() for ending in path.suffixes]
    named = given or next((_ENDINGS[e] for e in reversed(endings) if e in _ENDINGS), None)
    if named not in FORMATS:
        raise BadInput(f"{path.name}: its name does not tell the format, one of {', '.join(FORMATS)}")
    return FORMATS[named]


class _File:
    def __init__(
        self, path: Path, name: str, format: RdfFormat, base: str | None, max_bytes: int,
        progress: Callable[[int], None], remote: Remote | None,
    ) -> None:  # fmt: skip
        self._path, self._name, self._format, self._base = path, name, format, base
        self._max_bytes, self._progress, self._remote = max_bytes, progress, remote

    def into(self, read: Read) -> None:
        try:
            self._into(read)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise BadInput(f"{self._name}: the gzip file is truncated or damaged") from None
        except UnicodeDecodeError:
            raise BadInput(f"{self._name}: is not UTF-8") from None
        except (SyntaxError, ValueError) as error:
            raise BadInput(f"{self._name}: {self._told(error)}") from None
        except MemoryError:  # the parser's own limit, of 16 MiB
            raise BadInput(f"{self._name}: has a term or a statement that is too long to be read") from None
        except BadInput as error:
            raise BadInput(f"{self._name}: {error.message}") from None

    def _told(self, error: Exception) -> str:
        text = str(error)
        if "LoadDocumentCallback" in text:
            return "its context is at another address, which is not fetched; put the context into the file"
        return f"cannot be read as {self._format.name}: {text[:500]}"

    def _into(self, read: Read) -> None:
        if self._format == RdfFormat.RDF_XML:
            with self._opened() as source:
                check_xml(source, self._max_bytes)
        with self._opened() as source:
            if self._format == RdfFormat.JSON_LD:
                text = source.read(MAX_BUFFERED + 1)
                if len(text) > MAX_BUFFERED:
                    raise BadInput(f"JSON-LD of more than {MAX_BUFFERED:,} bytes; convert it to N-Quads")
                check_json_ld(text)
                if self._remote is not None:
                    text = self._remote.with_contexts(text)
                    check_json_ld(text)
                source = BytesIO(text)
            watched = Watched(source)
            parser = parse(cast("IO[bytes]", watched), self._format, base_iri=self._base, rename_blank_nodes=True)
            quads = self._quads(parser, watched, read.names)
            while batch := list(islice(quads, BATCH)):
                read.graph.store.bulk_extend(batch)
            for prefix, namespace in parser.prefixes.items():
                read.prefixes.setdefault(namespace, prefix)

    def _quads(self, parser: Iterator[Quad], watched: Watched, names: set[str]) -> Iterator[Quad]:
        for quad in parser:
            watched.statement()
            if isinstance(quad.object, Triple) or isinstance(quad.subject, Triple):
                raise BadInput("has triple terms (RDF 1.2), which are not read; use rdf:Statement")
            if not isinstance(quad.graph_name, DefaultGraph):
                if isinstance(quad.graph_name, NamedNode) and len(names) < MAX_GRAPHS:
                    names.add(quad.graph_name.value)
                quad = Quad(quad.subject, quad.predicate, quad.object)
            yield quad

    @contextmanager
    def _opened(self) -> Iterator[Source]:
        with self._path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            yield _Counted(gzip.GzipFile(fileobj=file) if packed else file, file, self._max_bytes, self._progress)


class _Counted:
    """A file's bytes, as far as there may be."""

    def __init__(
        self, source: "IO[bytes] | gzip.GzipFile", file: IO[bytes], most: int, progress: Callable[[int], None]
    ) -> None:
        self._source, self._file, self._most, self._progress = source, file, most, progress
        self._count = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read(size)
        self._count += len(chunk)
        if self._count > self._most:
            raise BadInput(f"has more than {self._most:,} bytes")
        self._progress(self._file.tell())
        return chunk
