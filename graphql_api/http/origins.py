"""Pages that may open a WebSocket. Browsers ask no leave for that, as they do for HTTP, but say where the page is from.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_allowed(headers: Headers, allowed: Collection[str]) -> bool:
    """Whether this is no browser, a page of the server's own address, or one of an allowed origin."""
    origins, hosts = headers.getlist("origin"), headers.getlist("host")
    if not origins:
        return True
    return len(origins) == 1 and (origins[0] in allowed or (len(hosts) == 1 and _is_at(origins[0], hosts[0])))


def _is_at(origin: str, host: str) -> bool:
    """By host and port: whoever ends TLS in front of the server knows the scheme, the server does not."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    port = _DEFAULT_PORTS.get(parts.scheme)
    return port is not None and parts.netloc.lower().removesuffix(port) == host.lower().removesuffix(port)
