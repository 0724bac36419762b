"""What is like each of many objects, by the vectors that are there: all of them asked for together."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from fabric.search.asking.reader import Reader
from fabric.search.finding.searching import Search
from fabric.search.ranking.fusion import Fused, Ranking, fuse


async def like_each(search: Search, reader: Reader, ids: Sequence[UUID], first: int) -> Mapping[UUID, list[Fused]]:
    """For each object that has a vector and that the reader sees, the objects nearest to it, best first.

    EmbeddingsUnavailable where it cannot be known which model's vectors serve.
    """
    corpus = await search.corpus(reader)
    model = (await search.vectors.model(corpus.models)).key
    vectors = await search.own_vectors(reader, model, ids)
    found = await search.nearest.to_each(reader, model, vectors, first, corpus.models.get(model, 0))
    return {id: fuse([Ranking("vector", 1.0, scored)], reader.damping) for id, scored in found.items()}
