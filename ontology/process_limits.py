"""What a process of ours may take that works on what others say: set by itself, kept by the kernel, for good."""

import ctypes
import os
import resource
import signal

_SIGNAL_AT_PARENTS_DEATH = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

_libc = ctypes.CDLL(None, use_errno=True)


def start_below_others(niceness: int) -> None:
    """The server's processes come before it, and it leaves no copy of its memory behind where it fails."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(niceness)


def end_with(parent: int) -> None:
    """From now on this process is ended when `parent` ends, which started it: whatever that ended of.

    To the kernel a parent is a thread. The one that starts such a process has to live as long as its own process.
    """
    if _libc.prctl(_SIGNAL_AT_PARENTS_DEATH, ctypes.c_ulong(signal.SIGKILL)):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it has ended already, and the kernel tells it no more
        os.kill(os.getpid(), signal.SIGKILL)


def confine(memory: int, seconds: float) -> None:
    """From now on `memory` bytes more than it has, about `seconds` of time, no further file and no connection.

    Its end comes a second later than that, so that who started it can be the first to say so.
    """
    most, whole = address_space() + memory, int(seconds)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (whole + 1, whole + 2))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, seconds + 1)  # whose signal ends the process, should nobody else do so


def bound_memory(memory: int) -> None:
    """From now on `memory` bytes more than it has, until that is set anew."""
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + memory, resource.RLIM_INFINITY))


def address_space() -> int:
    """Bytes that are reserved, used or not."""
    return _pages(0)


def resident() -> int:
    """Bytes that are in memory."""
    return _pages(1)


def _pages(place: int) -> int:
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[place]) * resource.getpagesize()
