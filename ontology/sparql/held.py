"""A graph that a process of its own holds, as the server asks it."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from itertools import count
from typing import Self

import orjson

from fabric.errors import Internal, TimedOut, TooComplex
from ontology.sparql.engine import Question, Verdict
from ontology.sparql.holder import ORDER

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one question: seconds from its sending to the end of its answer, bytes of memory beside those of the graph."""

    seconds: float
    memory: int


class TooLarge(TooComplex):
    """For all memory that a graph may take: it will be so for as long as the graph is the same."""

    def __init__(self) -> None:
        super().__init__("what you see is more than this server can hold for SPARQL")


class HeldGraph:
    """Made by `start`, filled once by `load`, asked by many at once, ended by `close`."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process, self._control = process, control
        self._numbers = count(1)
        self.triples = 0
        self.nbytes = 0
        """Of memory that the process takes."""

    @classmethod
    async def start(cls, memory: int) -> Self:
        """`memory` in bytes is what the graph may take."""
        starting = asyncio.ensure_future(asyncio.to_thread(_started, memory))
        try:
            return cls(*await asyncio.shield(starting))
        except asyncio.CancelledError:
            await cls(*await starting).close()  # the thread goes on, whoever has gone
            raise

    @property
    def lives(self) -> bool:
        """A process that was killed closes its end of the socket before it can be seen to have ended."""
        try:
            return self._control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return self._process.poll() is None
        except OSError:
            return False

    async def load(self, chunks: AsyncIterator[bytes]) -> None:
        """Fills the graph with N-Quads. TooLarge for more than it may hold; raises as the chunks do. Close it then."""
        reader, writer = await self._order(b"L", next(self._numbers))
        try:
            async for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()
            told = await reader.read()
        except OSError:
            told = b""
        finally:
            writer.close()
        if not told:
            if await asyncio.to_thread(self._process.wait) == -signal.SIGKILL:  # which is not how it ends for itself
                raise _ended()
            raise TooLarge
        figures = orjson.loads(told)
        self.triples, self.nbytes = figures["triples"], figures["nbytes"]

    async def ask(self, question: Question, limits: Limits) -> tuple[Verdict, bytes]:
        """The verdict, and the answer where there is no fault. TimedOut, or TooComplex where it takes too much memory.
        """
        number, started = next(self._numbers), time.monotonic()
        try:
            async with asyncio.timeout(limits.seconds):
                reader, writer = await self._order(b"Q", number)
                try:
                    writer.write(orjson.dumps({"question": asdict(question), "limits": asdict(limits)}))
                    writer.write_eof()
                    line = await reader.readline()
                    body = await _rest(reader)
                finally:
                    writer.close()
        except TimeoutError:
            raise _too_long() from None
        except OSError:
            line = b""
        finally:
            self._end(number)
        if line.endswith(b"\n"):
            return Verdict.read(line), body
        if not self.lives:
            raise _ended()
        if time.monotonic() - started >= limits.seconds:
            raise _too_long()
        raise TooComplex("the query takes too much memory; ask for less")

    def _end(self, number: int) -> None:
        try:
            self._control.sendall(ORDER.pack(b"K", number))
        except OSError:  # it has ended, and with it what it did
            return

    async def _order(self, order: bytes, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [ORDER.pack(order, number)], [theirs.fileno()])
            return await asyncio.open_connection(sock=ours, limit=CHUNK_BYTES)
        except BaseException:
            ours.close()
            raise

    async def close(self) -> None:
        """Ends the process, and all that it answers."""
        self._control.close()
        self._process.kill()
        await asyncio.to_thread(self._process.wait)


def _started(memory: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process, which gets nothing of this one's environment, and our end of its socket."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "ontology.sparql.holder", str(theirs.fileno()), str(memory)],
            pass_fds=[theirs.fileno()], env={}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return process, ours


async def _rest(reader: asyncio.StreamReader) -> bytes:
    chunks = []
    while chunk := await reader.read(CHUNK_BYTES):
        chunks.append(chunk)
    return b"".join(chunks)


def _ended() -> Internal:
    return Internal("the process that holds the graph has ended")


def _too_long() -> TimedOut:
    return TimedOut("the query took too long; ask for less")
