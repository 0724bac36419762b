"""Which text is meant by a document's id, and which texts may run.

Texts that were registered are found by their ids. Where only registered ones run (`documents=registered`), any other
text is refused, by whatever transport it comes. Automatic persisted queries are what clients themselves leave here by
sending a text with its id: kept in memory, for each organization and session label apart, since to find another's would
tell what that one asks.
"""

import math
from collections.abc import Callable, Iterable
from uuid import UUID

from graphql import GraphQLError

from fabric.document_register import DocumentRegister, document_id
from fabric.errors import BadInput, DocumentNotFound, DocumentNotRegistered, FabricError, TooComplex
from fabric.identity.subject import Session
from fabric.settings import Settings
from fabric.text_cache import TextCache
from graphql_api.caches import Cache, Lookups
from graphql_api.documents.documents import Invalid, message_of

AUTOMATIC_MEMORY = 1_000_000
"""Characters of automatic persisted queries, for one organization and session label."""

AUTOMATIC_PLACES = 64
"""Organizations and session labels that have some."""

Texts = TextCache[str]


class Persisted:
    """Finds texts by their ids, for all transports."""

    def __init__(self, register: DocumentRegister, settings: Settings) -> None:
        self._register = register
        self._only_registered = settings.documents == "registered"
        self._automatic = settings.automatic_persisted_queries
        self._left: Cache[tuple[UUID, int], Texts] = Cache(AUTOMATIC_PLACES, Lookups())

    async def text(self, query: str | None, id: str | None, session: Session) -> str:
        """The text that is asked for by itself, or by its id. DocumentNotFound; DocumentNotRegistered."""
        if query is None:
            assert id is not None
            text = self._left_here(id, session) or await self._register.find(session, id)
            if text is None:
                raise DocumentNotFound("PersistedQueryNotFound")  # by these words clients know what to do
            return text
        if self._only_registered and await self._register.find(session, document_id(query)) is None:
            raise DocumentNotRegistered("only registered documents run here")
        return query

    def leave(self, text: str, session: Session) -> None:
        """Keeps a valid text that came with its id, where that is switched on."""
        if not self._automatic:
            return
        place = (session.organization_id, session.label)
        texts = self._left.get(place)
        if texts is None:
            texts = TextCache(AUTOMATIC_MEMORY)
            self._left.keep(place, texts)
        texts.keep(document_id(text), text, math.inf)

    def _left_here(self, id: str, session: Session) -> str | None:
        texts = self._left.get((session.organization_id, session.label)) if self._automatic else None
        kept = texts.get(id, 0.0) if texts is not None else None
        return kept.text if kept is not None else None


def faults(texts: Iterable[str], check: Callable[[str], None]) -> list[FabricError]:
    """What stands in the way of registering the texts, by their indices. `check` raises as `Documents.check` does."""
    found: list[FabricError] = []
    for i, text in enumerate(texts):
        try:
            if "\0" in text:  # which a comment may have, and the database may not
                raise BadInput("the document has a character that is none of text")
            check(text)
        except Invalid as invalid:
            found += [BadInput(_placed(error), (i,)) for error in invalid.errors]
        except FabricError as error:
            found.append(error.under(i))
        except RecursionError:
            found.append(TooComplex("the document is nested too deeply", (i,)))
    return found


def _placed(error: GraphQLError) -> str:
    """The error's message with its place in the document."""
    places = [f"line {each.line}, column {each.column}: " for each in error.locations or ()]
    return "".join(places[:1]) + message_of(error)
