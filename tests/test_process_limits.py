"""A process that has confined itself gets no further, whatever it does."""

import signal
import subprocess
import sys

import pytest
from http_server import eventually
from processes import has_ended

CONFINED = "import os, signal, socket, time; from ontology.process_limits import *; confine(2**26, {seconds}); "


def outcome(program: str, seconds: float = 30.0) -> tuple[int, str]:
    """Its exit status, and the last line of what it said."""
    done = subprocess.run(
        [sys.executable, "-c", CONFINED.format(seconds=seconds) + program], capture_output=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode().strip().rpartition("\n")[2]


def test_it_goes_on_within_its_limits() -> None:
    assert outcome("print(len(bytearray(2**25)))") == (0, str(2**25))


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        ("bytearray(2**27)", "MemoryError"),
        ("open(os.devnull)", "OSError"),
        ("socket.socket()", "OSError"),
        ("os.pipe()", "OSError"),
    ],
)
def test_what_is_beyond_them_fails(program: str, fault: str) -> None:
    status, told = outcome(program)
    assert status == 1
    assert fault in told


@pytest.mark.parametrize("program", ["time.sleep(50)", "any(iter(int, 1))", "signal.alarm(0); any(iter(int, 1))"])
def test_it_ends_in_time(program: str) -> None:
    status, _ = outcome(program, seconds=0.5)
    assert -status in (signal.SIGALRM, signal.SIGXCPU)


def test_memory_can_be_bounded_for_a_while() -> None:
    program = (
        "from ontology.process_limits import *\n"
        "bound_memory(2**26)\n"
        "try: bytearray(2**27)\n"
        "except MemoryError: bound_memory(2**28); print(len(bytearray(2**27)), resident() < address_space())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().split() == [str(2**27), "True"]


def test_it_ends_with_what_started_it() -> None:
    program = (
        "import os, time; from ontology.process_limits import *; parent = os.getpid(); child = os.fork()\n"
        "child or (end_with(parent), print(os.getpid(), flush=True)); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not has_ended(child)
        parent.kill()
        eventually(lambda: has_ended(child))


def test_it_ends_at_once_where_that_has_ended_before() -> None:
    program = "import os; from ontology.process_limits import *; end_with(os.getpid()); print('goes on')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")
