"""Objects and links that many fields of one response ask for one by one, read together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql_api.context import Info

Read = Callable[[Info, Sequence[UUID]], Awaitable[Mapping[UUID, Any]]]
"""Those of the objects or links that the session sees, by id, as the field selects them."""


@dataclass(slots=True)
class Batch:
    """What fields of one place in the document wait for."""

    ids: dict[UUID, None] = field(default_factory=dict)
    found: "asyncio.Task[Mapping[UUID, Any]] | None" = None


async def load(info: Info, ids: Sequence[UUID], read: Read) -> list[Any]:
    """Those of the ids that are found, in their order.

    All items of a list ask before the first of them is answered, so one statement reads for all of them.
    """
    batches = info.context.batches
    place = tuple(step for step in info.path.as_list() if isinstance(step, str))
    batch = batches.get(place)
    if batch is None:
        batch = batches[place] = Batch()
        batch.found = asyncio.create_task(_found(info, place, read))
    batch.ids.update(dict.fromkeys(ids))
    assert batch.found is not None
    found = await batch.found
    return [found[id] for id in ids if id in found]


async def read_objects(info: Info, ids: Sequence[UUID]) -> dict[UUID, Any]:
    rows = await info.context.reader.read_objects(info.context, info, ids)
    return {id: row for id, row in zip(ids, rows, strict=True) if row is not None}


async def load_object(info: Info, id: UUID) -> Any:
    """The object, None where the session sees none."""
    return next(iter(await load(info, [id], read_objects)), None)


async def _found(info: Info, place: tuple[str, ...], read: Read) -> Mapping[UUID, Any]:
    await asyncio.sleep(0)  # the others ask meanwhile
    return await read(info, list(info.context.batches.pop(place).ids))
