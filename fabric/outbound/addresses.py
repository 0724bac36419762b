"""What may be reached outside: which URLs can be meant, and which addresses may be connected to.

What a name resolves to can change at any time, so addresses are judged when they are connected to (see
fabric/outbound/guard.py). A URL that shows by itself that it cannot be meant is refused before. Nothing is looked up
for that: its answer, or the time it takes, would tell of names inside.
"""

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit

from fabric.errors import BadInput

LONGEST = 2_000
"""Characters of a URL."""

Address = IPv4Address | IPv6Address

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*\.?\Z")
_VISIBLE = re.compile(r"[!-~]+\Z")
_PORTS = {"https": 443, "http": 80}

_UNICAST = ip_network("2000::/3")
"""All of IPv6 that is given out to be reached by everyone."""

_UNFIT = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # for protocols, and where one cloud keeps what its machines are told
        "168.63.129.16/32",  # where another does
        "192.88.99.0/24",  # relays of 6to4
        "2002::/16",  # 6to4, which carries an IPv4 address to be sent on to
        "3fff::/20",  # for documentation
    )
)
"""What not every version of the library, or no registry, takes away from what is global."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in the parts that a request needs; `host` without brackets, `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def plain(self) -> bool:
        """Whether it is sent without TLS."""
        return self.scheme == "http"


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks that may be reached though they are not public, and without TLS."""

    allowed: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """ValueError for what is no network, such as one with bits beyond its prefix."""
        return cls(tuple(ip_network(text) for text in texts))

    def permit(self, address: str, *, plain: bool) -> bool:
        """Whether this IP address may be connected to."""
        try:
            parsed = _unmapped(ip_address(address))
        except ValueError:
            return False
        if any(parsed in network for network in self.allowed):
            return True
        return not plain and _is_public(parsed)

    def target(self, url: str) -> Target:
        """The parts of a URL that may be meant. BadInput, that names what is wrong with any other."""
        if len(url) > LONGEST or not _VISIBLE.match(url):
            raise BadInput(f"a URL has at most {LONGEST:,} characters, all of ASCII and none of them a space")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadInput("this is not a URL") from None
        schemes = ("https", "http") if self.allowed else ("https",)
        if parts.scheme not in schemes or not parts.hostname:
            raise BadInput(f"the URL must begin with {' or '.join(f'{scheme}://' for scheme in schemes)} and a host")
        if "@" in parts.netloc or "#" in url:
            raise BadInput("the URL must be without user, password and fragment")
        self._check_host(parts.hostname, plain=parts.scheme == "http")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], path)

    def _check_host(self, host: str, *, plain: bool) -> None:
        try:
            ip_address(host)
        except ValueError:
            if not _NAME.match(host) or _is_number(host):
                raise BadInput("the URL's host must be a name, or an IP address in its usual form") from None
            return
        if not self.permit(host, plain=plain):
            raise BadInput("the URL's host is not an address that may be reached")


def _is_number(host: str) -> bool:
    """Whether resolvers take it for an IPv4 address in another form: octal, hexadecimal, one number, fewer parts."""
    try:
        socket.inet_aton(host.rstrip("."))
    except OSError:
        return False
    return True


def _unmapped(address: Address) -> Address:
    """The IPv4 address that is meant by one that is mapped into IPv6."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_public(address: Address) -> bool:
    """Global and unicast. IPv6 that carries an IPv4 address inside is not: it leads to that."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return not any(address in network for network in _UNFIT)
