"""Which addresses may be called on somebody else's wish: those of the internet, and no others.

Who gives us an address to call could mean a neighbour of ours: the database, a cloud's metadata,
the panel of a switch. A name is judged by what it resolves to, at the moment of the call.
"""

import ipaddress
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
# Translators of one's own (RFC 8215): whatever they lead to lies in the house.
_TRANSLATED_AT_HOME = ipaddress.IPv6Network("64:ff9b:1::/48")


def is_public(address: str) -> bool:
    """Whether this IP address is one of the internet's; what can't be read is none."""
    try:
        found = _plain(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found in _TRANSLATED_AT_HOME:
        return False
    return found.is_global and not found.is_multicast and not found.is_reserved


def literal_host(url: str) -> str | None:
    """The host of a URL where it is an IP address, not a name."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return host


def network_of(address: str | None) -> str:
    """Whom an address stands for where attempts are counted: an IPv6 /64 is one household.

    What can't be read, a unix socket's, say, is one household of its own.
    """
    try:
        found = _plain(ipaddress.ip_address((address or "").partition("%")[0]))
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    return str(found)


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _TRANSLATED:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address


def check_url(url: str, *, private_addresses: bool) -> None:
    """Raise ValueError, in words for people, for what can't be called by its look alone.

    Only https, and no private address, unless `private_addresses` are allowed.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("This is no URL.") from None
    schemes = {"https", "http"} if private_addresses else {"https"}
    if parts.scheme not in schemes:
        raise ValueError(f"Begin with {' or '.join(sorted(schemes))}://.")
    if not host or parts.username or parts.password or parts.fragment or "\\" in url:
        raise ValueError("Name a host, and no login, no password and no fragment.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("Write it without spaces and in ASCII (IDNA, percent-encoded).")
    literal = literal_host(url)
    if literal is not None and not private_addresses and not is_public(literal):
        raise ValueError("The address must be one that the internet reaches.")
