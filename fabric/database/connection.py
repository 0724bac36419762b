"""Connections that need not ask what PostgreSQL's own types are.

Before the first statement that takes or gives an array, asyncpg asks PostgreSQL what the array is of. That takes longer
than most of our statements, and over each new connection the answer is the same.
"""

from collections.abc import Iterable
from typing import Any

import asyncpg

FIRST_OF_OTHERS = 16384
"""Types below it are PostgreSQL's own, the same in every database (`FirstNormalObjectId`)."""

_told: dict[frozenset[int], Any] = {}


class Connection(asyncpg.Connection):  # type: ignore[misc]
    async def _introspect_types(self, typeoids: Iterable[int], *rest: Any) -> Any:
        asked = frozenset(typeoids)
        if max(asked) >= FIRST_OF_OTHERS:
            return await super()._introspect_types(asked, *rest)
        if asked not in _told:
            _told[asked] = await super()._introspect_types(asked, *rest)
        return _told[asked]
