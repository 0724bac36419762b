"""Variables as they were sent: counted before anything else is done with them."""

from collections.abc import Mapping
from typing import Any

from fabric.errors import TooComplex


def count(variables: Mapping[str, Any], most: int) -> int:
    """How many values they hold, lists and objects among them. TooComplex for more than `most`."""
    number, pending = 0, list[Any]([variables])
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list):
            number += len(value)
            if number > most:
                raise TooComplex(f"the variables hold more than {most:,} values")
            pending += value.values() if isinstance(value, dict) else value
    return number
