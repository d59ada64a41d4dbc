"""Makes HTTP clients that call addresses which others named: with care for our own house.

An address is judged when the connection is made, and the connection goes to that very address: a
name that changes its mind, an address written as a number or inside another one reaches nobody
inside. Redirects aren't followed, cookies not kept, the environment's proxies not asked.

Used by the seller's client and webhooks only; an import contract holds that.
"""

import socket
import ssl
from collections.abc import Mapping

import aiohttp
import httpx
from aiohttp import AddrInfoType
from httpx_aiohttp import AiohttpTransport

from shared.kit.addresses import is_public

FAULTS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, TimeoutError)


class AddressNotAllowed(OSError):
    """The connection would go to an address that isn't one of the internet's."""


def open_client(
    *,
    private_addresses: bool,
    most_connections: int,
    seconds: float,
    headers: Mapping[str, str],
    context: ssl.SSLContext | None = None,
    keep_open: bool = True,
) -> httpx.AsyncClient:
    """A client for addresses of others. `private_addresses` are reached where the setting says so.

    `seconds` bound connecting and each read. Bodies have no limit here: who reads one counts.
    """

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=most_connections,
            ssl=context or True,
            force_close=not keep_open,
            use_dns_cache=False,
            socket_factory=None if private_addresses else _public_socket,
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    return httpx.AsyncClient(
        transport=AiohttpTransport(client=session),
        follow_redirects=False,
        trust_env=False,
        timeout=seconds,
        headers=headers,
    )


def went_astray(error: BaseException) -> bool:
    """Whether an error of a call comes from an address that isn't allowed."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, AddressNotAllowed):
            return True
        seen.add(id(one))
        left += [one.__cause__, one.__context__, getattr(one, "os_error", None)]
    return False


def _public_socket(where: AddrInfoType) -> socket.socket:
    """The socket for a way to an address, where that may be called."""
    family, kind, protocol, _name, address = where
    if not is_public(str(address[0])):
        raise AddressNotAllowed("not an address of the internet")
    return socket.socket(family, kind, protocol)
