"""The HTTPS client of one platform's API."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx


class Line:
    """Trusts `authority` (a PEM file; None: the machine's own list) and no proxy; to be closed."""

    def __init__(
        self,
        url: str,
        *,
        authority: Path | None,
        timeout: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            verify=ssl.create_default_context(cafile=str(authority) if authority else None),
            timeout=timeout,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()
