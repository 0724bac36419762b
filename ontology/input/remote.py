"""What files name and do not hold, imported ontologies and contexts of JSON-LD, fetched where that is allowed."""

import asyncio
import json
from typing import Any
from urllib.parse import urljoin, urlsplit

from fabric.errors import BadInput
from fabric.outbound.fetching import Fetched, Fetcher
from ontology.input.guards import check_json

MAX_DOCUMENTS = 50
"""Of one import."""
MAX_TOTAL = 128 * 2**20
"""Bytes of all of them together, as they are sent."""
MAX_INLINED = 32 * 2**20
"""Bytes of JSON-LD that may name contexts, and of these in their places."""
MAX_CONTEXTS = 16
"""That lead from one to the next."""

MEDIA_TYPES = {
    "text/turtle": "turtle",
    "application/rdf+xml": "rdfxml",
    "application/n-triples": "ntriples",
    "application/trig": "trig",
    "application/n-quads": "nquads",
    "application/ld+json": "jsonld",
}
_CONTEXTS = ("application/ld+json", "application/json")


class Remote:
    """Fetches for one import, outside of any event loop. BadInput, with the IRI, for what cannot be had."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._documents, self._bytes = 0, 0
        self._contexts: dict[str, tuple[Any, int]] = {}

    def ontology(self, iri: str) -> tuple[str, bytes]:
        """The format, where the answer tells it, or else how the address ends; and the text.

        An http IRI is asked for over https.
        """
        found = self._fetch(_secure(iri), tuple(MEDIA_TYPES))
        return MEDIA_TYPES.get(found.media_type) or urlsplit(found.url).path.rpartition(".")[2], found.content

    def with_contexts(self, text: bytes) -> bytes:
        """JSON-LD with the contexts in it that it names, so that nothing is left to be fetched.

        One of more than MAX_INLINED bytes is left as it is.
        """
        if len(text) > MAX_INLINED:
            return text
        try:
            document = json.loads(text)
        except ValueError:
            return text  # the parser tells what is wrong with it, and where
        inlining = _Inlining(self, None, ())
        try:
            inlined = inlining.of(document)
            return json.dumps(inlined).encode() if inlining.added else text
        except RecursionError:
            raise BadInput("is nested too deeply for contexts to be put in their places") from None

    def context(self, url: str, led: tuple[str, ...]) -> tuple[Any, int]:
        """A context that stands for itself, and its length. `led` are those that led to it."""
        if url in led or len(led) == MAX_CONTEXTS:
            raise BadInput(f"{url[:200]}: a context that leads to itself, or by way of too many others")
        if url not in self._contexts:
            context = self._fetched_context(url, led)
            self._contexts[url] = context, len(json.dumps(context))
        return self._contexts[url]

    def _fetched_context(self, url: str, led: tuple[str, ...]) -> Any:
        found = self._fetch(url, _CONTEXTS)
        try:
            check_json(found.content)
            document = json.loads(found.content)
        except (ValueError, BadInput):
            document = None
        if not isinstance(document, dict) or "@context" not in document:
            raise BadInput(f"{url[:200]}: is no context of JSON-LD")
        return _without_base(_Inlining(self, found.url, (*led, url)).of_context(document["@context"]))

    def _fetch(self, url: str, media_types: tuple[str, ...]) -> Fetched:
        self._documents += 1
        if self._documents > MAX_DOCUMENTS:
            raise BadInput(f"{url[:200]}: is one of more than {MAX_DOCUMENTS} documents that would be fetched")
        found = asyncio.run(self._fetcher.fetch(url, media_types))
        self._bytes += len(found.content)
        if self._bytes > MAX_TOTAL:
            raise BadInput(f"{url[:200]}: more than {MAX_TOTAL:,} bytes would be fetched")
        return found


class _Inlining:
    """Puts contexts into one document. `added` are the characters that came with them."""

    def __init__(self, remote: Remote, base: str | None, led: tuple[str, ...]) -> None:
        self._remote, self._base, self._led = remote, base, led
        self.added = 0

    def of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(each) for each in value]
        if not isinstance(value, dict) or "@value" in value:
            return value
        return {key: self.of_context(each) if key == "@context" else self.of(each) for key, each in value.items()}

    def of_context(self, value: Any) -> Any:
        if isinstance(value, list):
            found = [self.of_context(each) for each in value]
            return [each for some in found for each in (some if isinstance(some, list) else [some])]
        if not isinstance(value, str):
            return self.of(value)
        url = _secure(urljoin(self._base or "", value))
        context, length = self._remote.context(url, self._led)
        self.added += length
        if self.added > MAX_INLINED:
            raise BadInput(f"more than {MAX_INLINED:,} bytes of contexts, each put where it is named")
        return context


def _secure(iri: str) -> str:
    return "https" + iri[len("http") :] if iri[: len("http:")].lower() == "http:" else iri


def _without_base(context: Any) -> Any:
    """A context from elsewhere says nothing of what relative IRIs start from."""
    if isinstance(context, list):
        return [_without_base(each) for each in context]
    return {k: v for k, v in context.items() if k != "@base"} if isinstance(context, dict) else context
