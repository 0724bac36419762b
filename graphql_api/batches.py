"""Objects that many fields of one response ask for one by one, read together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql_api.context import Info


@dataclass(slots=True)
class Batch:
    """What fields of one place in the document wait for. `rows` come by id."""

    info: Info
    ids: dict[UUID, None] = field(default_factory=dict)
    rows: "asyncio.Task[dict[UUID, Any]] | None" = None


async def load_object(info: Info, id: UUID) -> Any:
    """The object as the field selects it; None where the session sees none.

    All items of a list ask before the first of them is answered, so one statement reads for all of them.
    """
    batches = info.context.batches
    place = tuple(step for step in info.path.as_list() if isinstance(step, str))
    batch = batches.get(place)
    if batch is None:
        batch = batches[place] = Batch(info)
        batch.rows = asyncio.create_task(_read(batches, place))
    batch.ids[id] = None
    assert batch.rows is not None
    return (await batch.rows).get(id)


async def load_objects(info: Info, ids: Sequence[UUID]) -> list[Any]:
    """Those of the objects that the session sees, in their order."""
    rows = await info.context.reader.read_objects(info.context, info, ids)
    return [row for row in rows if row is not None]


async def _read(batches: dict[Any, Batch], place: tuple[str, ...]) -> dict[UUID, Any]:
    await asyncio.sleep(0)  # the others ask meanwhile
    batch = batches.pop(place)
    ids = list(batch.ids)
    rows = await batch.info.context.reader.read_objects(batch.info.context, batch.info, ids)
    return dict(zip(ids, rows, strict=True))
