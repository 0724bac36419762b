"""Reading files of others in a process apart: what a hostile file costs is bounded, and ends with that process."""

import multiprocessing
import resource
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from fabric.texts.formats import FORMATS
from fabric.texts.sections import Text, Unreadable

MEMORY = 2 << 30
"""Bytes of address space that reading one file may take."""

SECONDS = 60.0
"""That reading one file may take."""

_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class _Worker:
    process: multiprocessing.process.BaseProcess
    connection: Connection


class Workshop:
    """Reads one file after the other. A context manager; the process starts with the first file."""

    def __init__(self, *, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._seconds, self._memory = seconds, memory
        self._worker: _Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(self, path: Path, content: bytes) -> Text:
        """The text of a file with this content; its name's ending says how to read it. Unreadable says why not."""
        try:
            worker = self._worker or self._start()
            worker.connection.send((path.suffix.lower(), content))
            if not worker.connection.poll(self._seconds):
                self._end()
                raise Unreadable(f"took more than {self._seconds:.0f} seconds to read")
            answer = worker.connection.recv()
        except (EOFError, OSError):
            self._end()
            raise Unreadable("cannot be read: it takes too much memory, or breaks its reader") from None
        if isinstance(answer, Text):
            return answer
        raise Unreadable(answer)

    def _start(self) -> _Worker:
        ours, theirs = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=_serve, args=(theirs, self._memory), daemon=True)
        process.start()
        theirs.close()
        self._worker = _Worker(process, ours)
        ours.recv()  # it is ready; its start is no file's fault
        return self._worker

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.connection.close()
            self._worker.process.kill()
            self._worker.process.join()
            self._worker = None


def _serve(connection: Connection, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection.send(None)
    while True:
        try:
            suffix, content = connection.recv()
        except EOFError:
            return
        try:
            connection.send(FORMATS[suffix].read(content))
        except Unreadable as fault:
            connection.send(str(fault))
        except MemoryError:
            return
        except Exception as error:  # readers of broken files raise whatever they come upon
            connection.send(f"is damaged, or not what its name says ({type(error).__name__})")
