"""A check of search: how far indexing has come, of all organizations, each in the language that it has chosen."""

from collections import Counter
from collections.abc import AsyncIterator

from fabric.configuration.configurations import Configurations
from fabric.database.db import DRIVER_ERRORS, Database
from fabric.doctor import Finding, bad, care, good
from fabric.errors import FabricError
from fabric.search.index.counts import IndexCounts
from fabric.search.index.indexing import Indexer
from fabric.search.index.store import EVENTS, LINKS, OBJECTS, number_without_any_vector
from fabric.settings import Settings, variable
from fabric.types.types import Types

STATEMENT_SECONDS = 600.0
"""All that there is, is looked at."""

_ALL = "select fabric.organization_ids()"
_VECTORS = "vectors"


async def check_search(settings: Settings, url: str) -> AsyncIterator[Finding]:
    """Looks at the database as the role of `url`; changes nothing, and asks no endpoint."""
    missing: Counter[str] = Counter()
    try:
        async with await Database.connect(url, size=2, statement_timeout=STATEMENT_SECONDS) as database:
            indexer = Indexer(database, Types(database), None, Configurations.by(settings, database), IndexCounts())
            for row in await database.ask(_ALL):
                missing.update(await indexer.missing_texts(row[0]))
                async with database.following(row[0], snapshot=True) as transaction:
                    missing[_VECTORS] += await number_without_any_vector(transaction)
    except (FabricError, *DRIVER_ERRORS) as error:
        yield bad("search", f"cannot be looked at: {error}", f"mend {variable('database_url')}")
        return
    yield _judged(missing)


def _judged(missing: Counter[str]) -> Finding:
    if not missing.total():
        return good("search", "all versions, links and events have their texts and vectors")
    return care(
        "search",
        f"{missing[OBJECTS]:,} versions and {missing[EVENTS]:,} events wait for their words, {missing[LINKS]:,} links"
        f" for their texts, {missing[_VECTORS]:,} texts for a vector",
        "a server that runs makes them, or `semantic-fabric embed`",
    )
