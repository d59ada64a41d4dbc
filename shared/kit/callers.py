"""Whom a request comes from: the address, and the browser as it calls itself.

Behind a proxy the address is what a trusted one says; the server has seen to that by then.
"""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from shared.kit.addresses import network_of

_LONGEST_AGENT = 200
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerInfo:
    """`network` is what attempts are counted by (see `network_of`)."""

    address: str | None
    network: str
    agent: str | None


def _caller(request: Request) -> CallerInfo:
    address = request.client.host if request.client else None
    agent = _UNPRINTABLE.sub("", request.headers.get("user-agent", ""))[:_LONGEST_AGENT]
    return CallerInfo(address=address, network=network_of(address), agent=agent or None)


CallerDep = Annotated[CallerInfo, Depends(_caller)]
