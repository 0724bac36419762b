"""What one reader sees, held against shapes: exported, and checked in a process of its own."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import orjson

from fabric.database.db import Database
from fabric.errors import BadInput, TooComplex
from fabric.identity.organizations import Organization
from fabric.identity.subject import Subject
from ontology.output.export import export
from ontology.output.writing import Writer

MOST_BYTES = 16 * 2**20
"""Of a report, which is bounded in what it names."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one check: seconds in all, bytes of memory that its process may take beside what it begins with."""

    seconds: float
    memory: int


def require_checker() -> None:
    """BadInput where what checks shapes is not installed."""
    if find_spec("pyshacl") is None:
        raise BadInput("this server cannot check shapes: install 'semantic-fabric[shacl]'", ("shapes",))


async def check(
    database: Database, organization: Organization, subject: Subject, shapes: str, limits: Limits
) -> Mapping[str, Any]:
    """The report: ``results``, ``shapes`` with each shape, path, constraint and severity, and how many ``more``.

    BadInput for shapes that cannot be checked, TooComplex for more time or memory than `limits`, Forbidden for a
    permission to read that the subject lacks.
    """
    require_checker()
    async with aclosing(export(database, organization, subject, Writer("ntriples"))) as chunks:
        return await check_triples(chunks, shapes, limits)


async def check_triples(chunks: AsyncIterator[bytes], shapes: str, limits: Limits) -> Mapping[str, Any]:
    """The same of N-Triples."""
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", "ontology.shacl.checker",
        str(os.getpid()), str(limits.memory), str(int(limits.seconds) + 1),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={}, limit=MOST_BYTES,
    )  # fmt: skip
    try:
        async with asyncio.timeout(limits.seconds):
            told = await _told(process, chunks, shapes.encode())
    except TimeoutError:
        raise _too_long() from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if not told:
        if time.monotonic() - started >= limits.seconds:
            raise _too_long()
        raise TooComplex("what you see and these shapes take more memory than this server gives them")
    answer = orjson.loads(told)
    if "fault" in answer:
        raise BadInput(answer["fault"], ("shapes",))
    report: Mapping[str, Any] = answer["report"]
    return report


async def _told(process: asyncio.subprocess.Process, chunks: AsyncIterator[bytes], shapes: bytes) -> bytes:
    source, sink = process.stdin, process.stdout
    assert source is not None
    assert sink is not None
    with suppress(ConnectionError):  # it has ended already, and has said why, or not
        source.write(b"%d\n" % len(shapes) + shapes)
        async for chunk in chunks:
            source.write(chunk)
            await source.drain()
        source.close()
    return await sink.read()


def _too_long() -> TooComplex:
    return TooComplex("the check of the shapes took too long")  # and would again
