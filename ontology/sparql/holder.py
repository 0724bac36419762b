"""The process that holds one graph in memory, and forks for each question.

A fork sees the graph as it is and shares its memory. What a question costs is its fork's: its memory and its time are
limited by the kernel, it can open no file and no connection, and where it is ended, the graph stays.

Orders come over one socket, each with a number and most with a socket of their own: `L` loads what is read from there,
`Q` answers what is asked there, `K` ends the answering of an earlier `Q`.
"""

import os
import select
import signal
import socket
import struct
import sys
from contextlib import suppress

import orjson
from pyoxigraph import RdfFormat, Store, parse

from ontology.process_limits import bound_memory, confine, end_with, resident, start_below_others
from ontology.sparql.engine import answer, read_question

ORDER = struct.Struct("=cQ")
REAP_SECONDS = 1.0
NICENESS = 5
"""Below the server, which has others to answer meanwhile."""


def main(control: socket.socket, memory: int) -> None:
    """Serves until the other end of the socket is closed. `memory` is what the graph may take, in bytes."""
    start_below_others(NICENESS)
    store, running = Store(), dict[int, int]()
    while True:
        ready, _, _ = select.select([control], [], [], REAP_SECONDS if running else None)
        _reap(running)
        if not ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, ORDER.size, 1)
        if len(message) < ORDER.size:
            break
        order, number = ORDER.unpack(message)
        if order == b"K":
            _end(running, number)
            continue
        with socket.socket(fileno=descriptors[0]) as connection:
            if order == b"L":
                _load(store, connection, memory)
            else:
                running[number] = _forked(store, connection, control)
    for number in list(running):
        _end(running, number)


def _load(store: Store, connection: socket.socket, memory: int) -> None:
    """The graph's N-Quads come from the connection; back goes how many triples there are, and the memory they take."""
    bound_memory(memory)
    with connection.makefile("rb") as lines:
        store.bulk_extend(parse(lines, RdfFormat.N_QUADS))
    connection.sendall(orjson.dumps({"triples": len(store), "nbytes": resident()}))


def _forked(store: Store, connection: socket.socket, control: socket.socket) -> int:
    holder = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        end_with(holder)
        control.close()
        _answer(store, connection)
    finally:
        os._exit(0)  # nothing of the holder's is to be ended by its fork


def _answer(store: Store, connection: socket.socket) -> None:
    with connection.makefile("rb") as stream:
        question, limits = read_question(stream.read())
    confine(int(limits["memory"]), float(limits["seconds"]))
    verdict, body = answer(store, question)
    connection.sendall(verdict.line())
    connection.sendall(body)


def _reap(running: dict[int, int]) -> None:
    for number, pid in list(running.items()):
        if os.waitpid(pid, os.WNOHANG)[0]:
            del running[number]


def _end(running: dict[int, int], number: int) -> None:
    """Not yet waited for, so that its number is nobody else's."""
    pid = running.pop(number, None)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is meant for the server, which ends this in its own time
    with suppress(KeyboardInterrupt, MemoryError), socket.socket(fileno=int(sys.argv[1])) as orders:
        main(orders, int(sys.argv[2]))
