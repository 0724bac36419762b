"""What is like each of many objects, by the vectors that are there: one statement for all of them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from fabric.search.fusion import Fused, Ranking, fuse
from fabric.search.searching import Reader, Search
from fabric.search.statements import NEAREST_OF_EACH, bound

POOL = 2
"""Of the nearest vectors so many times as many as are asked for are looked at first: versions that are covered for the
reader are among them."""

FURTHER = 8
"""How many times more where that was not enough."""


async def like_each(search: Search, reader: Reader, ids: Sequence[UUID], first: int) -> Mapping[UUID, list[Fused]]:
    """For each object that has a vector and that the reader sees, the objects nearest to it, best first.

    EmbeddingsUnavailable where it cannot be known which model's vectors serve.
    """
    corpus = await search.corpora.of(reader.session, reader.catalogue.fingerprint, reader.types)
    model = await search.vectors.model(corpus.models)
    found: dict[UUID, list[Fused]] = {}
    missing, pool = list(ids), POOL * first + 2
    while missing and first:
        values = {"ids": missing, "model": model.key, "seen": reader.types, "most": first, "pool": pool}
        rows = await search.database.read(reader.session, *bound(NEAREST_OF_EACH, values))
        missing, pool = [], pool * FURTHER
        for id, near in rows.items():
            if near["more"] and len(near["hits"]) < first:
                missing.append(UUID(id))
            else:
                scored = [(UUID(other), float(score)) for other, score in near["hits"]]
                found[UUID(id)] = fuse([Ranking("vector", 1.0, scored)])
    return found
