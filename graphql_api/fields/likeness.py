"""What is like an object, as each object of any type tells it: asked for many objects of a list, found together."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from fabric.errors import BadInput, EmbeddingsUnavailable
from fabric.search.finding.likeness import like_each
from graphql_api.context import Info
from graphql_api.fields.batches import load, load_object

COST = 50_000
"""Rows that it counts as, for however many objects: all that the reader sees is looked at."""

EACH = 2_000
"""Rows that each object counts as beside, since its vector is compared with all others."""


async def similar(source: Mapping[str, Any], info: Info, first: int | None = None) -> Any:
    """`source` has the object's id where the compiler has read it for this field."""
    settings = info.context.services.settings
    most = settings.default_page_size if first is None else first
    if not 0 <= most <= settings.max_page_size:
        raise BadInput(f"a page has 0 to {settings.max_page_size:,} items", ("first",))

    async def read(info: Info, ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        info.context.spend_more(info.path.as_list(), COST + len(ids) * (EACH + most))
        context = info.context
        reader = await context.services.search.reader(context.subject.session)
        try:
            async with context.turns.take():
                return await like_each(context.services.search, reader, ids, most)
        except EmbeddingsUnavailable as error:
            context.warn("EMBEDDINGS_UNAVAILABLE", f"{error.message}; what is similar is not known")
            return {}

    return next(iter(await load(info, [UUID(source[str(info.path.key)])], read)), [])


async def similar_node(hit: Any, info: Info) -> Any:
    return await load_object(info, hit.id)
