"""Import records: what readers of files hand to the loader, whatever the format (see docs/importing-stix.md).

A body is one of ``{"define": {…}}``, ``{"type": …, "key": {…}, "label": …, "data": {…}}`` and
``{"link": …, "key": …, "from": {…}, "to": {…}, "label": …, "weight": …, "properties": {…}, "validFrom": …}``.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One thing to define, store or link. `where` finds it again in its source: `line 12`, or an id."""

    where: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot be imported, and why; the rest of its source can."""

    where: str
    message: str
