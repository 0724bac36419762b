"""Memory that is free goes back to the system."""

import ctypes


def give_back() -> None:
    """After much was loaded or replaced. glibc keeps what was freed; other C libraries may not need to be asked."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return
    trim(0)
