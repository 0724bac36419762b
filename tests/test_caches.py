"""Caches: bounded by weight, least recently used out first."""

from graphql_api.caches import Cache, Lookups


def test_heavy_values_take_the_room_of_several() -> None:
    lookups = Lookups()
    cache: Cache[str, int] = Cache(6, lookups)
    for key, weight in (("a", 1), ("b", 3), ("c", 2)):
        cache.keep(key, 0, weight)
    assert len(cache) == 3
    cache.keep("d", 0, 3)
    assert [key for key in "abcd" if cache.get(key) is not None] == ["c", "d"]
    assert (lookups.hits, lookups.misses, lookups.evictions) == (2, 2, 2)


def test_what_would_take_most_of_the_room_is_not_kept() -> None:
    cache: Cache[str, int] = Cache(6, Lookups())
    cache.keep("a", 1, 3)
    cache.keep("b", 2, 4)
    assert (cache.get("a"), cache.get("b")) == (1, None)
    cache.keep("a", 3, 5)
    assert cache.get("a") is None


def test_a_value_kept_again_weighs_once() -> None:
    cache: Cache[str, int] = Cache(4, Lookups())
    for value in range(5):
        cache.keep("a", value, 2)
    cache.keep("b", 9, 2)
    assert (cache.get("a"), cache.get("b")) == (4, 9)
