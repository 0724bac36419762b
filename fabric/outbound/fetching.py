"""Documents from https addresses that nobody vouches for: public ones only, within bounds of time, size and redirects.

Each redirect is judged as the first address is.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpcore2 as httpcore

from fabric.errors import BadInput
from fabric.outbound.addresses import Networks
from fabric.outbound.guard import FAILURES, Guarded, reason

MAX_BYTES = 32 * 2**20
"""Of one document, as it is sent."""
MAX_REDIRECTS = 5
SECONDS = 30.0
"""For one document, with its redirects."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ALTERNATE = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w*]+\s*=\s*(?:"[^"]*"|[^",;\s]+))+)')
_PARAMETER = re.compile(r';\s*([\w*]+)\s*=\s*"?([^",;]*)"?')


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address gave. `url` is the last one, `media_type` without parameters and in lower case."""

    url: str
    media_type: str
    content: bytes


class Fetcher:
    """Fetches from `networks` and public addresses. OSError or ssl.SSLError for a `ca_file` that cannot be read."""

    def __init__(
        self, networks: Networks | None = None, *, ca_file: Path | None = None, seconds: float = SECONDS
    ) -> None:
        self._networks, self._seconds = networks or Networks(), seconds
        self._context = httpcore.default_ssl_context()
        if ca_file is not None:
            self._context.load_verify_locations(ca_file)

    async def fetch(self, url: str, media_types: Sequence[str], max_bytes: int = MAX_BYTES) -> Fetched:
        """The document, preferably of one of these types, the first of them most; else as the server has it.

        An answer of another type is passed over where it names an alternate of the first type. BadInput, that names the
        URL and never the server's words, for one that cannot be had.
        """
        accept = ", ".join(f"{each};q={1 - i / 10:.1f}" for i, each in enumerate([*media_types, "*/*"]))
        guarded = _Closing(self._networks, plain=False)
        try:
            async with (
                asyncio.timeout(self._seconds),
                httpcore.AsyncConnectionPool(ssl_context=self._context, network_backend=guarded) as pool,
            ):
                at = url
                for _ in range(1 + MAX_REDIRECTS):
                    found = await self._answer(pool, at, accept, media_types, max_bytes)
                    if isinstance(found, Fetched):
                        return found
                    at = found
        except BadInput as error:
            raise BadInput(f"{url[:200]}: cannot be fetched: {error.message}") from None
        except FAILURES as error:
            raise BadInput(f"{url[:200]}: cannot be fetched: {reason(error)}") from None
        finally:
            await guarded.close()
        raise BadInput(f"{url[:200]}: cannot be fetched: more than {MAX_REDIRECTS} redirects")

    async def _answer(
        self, pool: httpcore.AsyncConnectionPool, url: str, accept: str, media_types: Sequence[str], max_bytes: int
    ) -> Fetched | str:
        """The document, or the address to ask in place of this one."""
        target = self._networks.target(url.partition("#")[0])
        if target.plain:
            raise BadInput("only https addresses are asked")
        to = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        headers = [("Accept", accept), ("Accept-Encoding", "identity"), ("User-Agent", "semantic-fabric")]
        async with pool.stream("GET", to, headers=headers) as response:
            said = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers]
            location = next((value for name, value in said if name == "location"), None)
            if response.status in _REDIRECTS and location is not None:
                return _joined(url, location)
            if response.status != 200:
                raise BadInput(f"HTTP_{response.status}")
            media_type = next((value for name, value in said if name == "content-type"), "")
            media_type = media_type.partition(";")[0].strip().lower()
            links = [value for name, value in said if name == "link"]
            if media_type not in media_types and (other := _alternate(links, media_types[0])) is not None:
                return _joined(url, other)
            content = bytearray()
            async for chunk in response.aiter_stream():
                content += chunk
                if len(content) > max_bytes:
                    raise BadInput(f"more than {max_bytes:,} bytes")
            return Fetched(url, media_type, bytes(content))


class _Closing(Guarded):
    """Closes all of its connections at the end: a pool leaves one open of which the handshake was broken off."""

    def __init__(self, networks: Networks, *, plain: bool) -> None:
        super().__init__(networks, plain=plain)
        self._made: list[httpcore.AsyncNetworkStream] = []

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,  # noqa: ASYNC109
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:  # fmt: skip
        made = await super().connect_tcp(host, port, timeout, local_address, socket_options)
        self._made.append(made)
        return made

    async def close(self) -> None:
        for each in self._made:
            with suppress(*FAILURES):
                await each.aclose()


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        raise BadInput("leads to what is no URL") from None


def _alternate(links: Sequence[str], media_type: str) -> str | None:
    """The address that a Link header names for the same in this type."""
    for link in links:
        for address, parameters in _ALTERNATE.findall(link[:10_000]):
            named = {name.lower(): value for name, value in _PARAMETER.findall(parameters)}
            if "alternate" in named.get("rel", "").split() and named.get("type") == media_type:
                return str(address)
    return None
