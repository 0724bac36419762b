"""The embedded PostgreSQL's configuration, made to the measure of the machine."""

import os
import sys
from contextlib import suppress
from pathlib import Path


def configuration(memory: int) -> str:
    """postgresql.conf for a machine with this much memory, in bytes.

    Nothing of a client's statement reaches PostgreSQL's log: it could hold data, and grow without bound.
    """
    megabytes = memory >> 20
    lines = {
        "listen_addresses": "''",
        "unix_socket_directories": "'.'",
        "unix_socket_permissions": "0700",
        "max_connections": "300",
        "shared_buffers": f"{min(megabytes // 4, 1024)}MB",
        "effective_cache_size": f"{megabytes // 2}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": f"{max(min(megabytes // 16, 1024), 64)}MB",
        # A container's /dev/shm has 64 MB, less than one parallel index build shares.
        "dynamic_shared_memory_type": "sysv" if sys.platform == "linux" else "posix",
        "random_page_cost": "1.1",
        "jit": "off",
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        "checkpoint_timeout": "15min",
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
        "log_autovacuum_min_duration": "-1",
        "log_timezone": "'UTC'",
        "timezone": "'UTC'",
        "lc_messages": "'C'",
    }
    return "# Written at every start\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())


def available_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's if that is less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # absent, or the word `max`
            memory = min(memory, int(Path(limit).read_text()))
    return memory
