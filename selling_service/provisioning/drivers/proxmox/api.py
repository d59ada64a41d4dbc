"""Speaks with Proxmox VE: requests, tasks, and which failures may pass. Knows no VM of ours."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from selling_service.provisioning.drivers.foreign.line import Line
from selling_service.provisioning.drivers.proxmox.settings import ProxmoxSettings
from selling_service.provisioning.platform import (
    PlatformFull,
    PlatformRefused,
    PlatformUnavailable,
)

_BASE = "/api2/json"
_LOOK_SECONDS = (0.1, 0.2, 0.5, 1.0)
# Words of PVE's own for what will not be better in a minute.
_FULL = ("no space left", "not enough", "out of space")


class ProxmoxAPI(Line):
    """One API with one token; to be closed. What it answers is PVE's `data`."""

    def __init__(self, settings: ProxmoxSettings) -> None:
        super().__init__(
            settings.url,
            authority=settings.authority,
            timeout=settings.answer_timeout,
            headers={"Authorization": f"PVEAPIToken={settings.token}"},
        )
        self._settings = settings

    async def ask(self, method: str, where: str, **values: object) -> Any:  # noqa: ANN401 - PVE's data
        """One request; parameters whose value is None are left out.

        Raises `PlatformUnavailable`, `PlatformFull`, `PlatformRefused` (the request is wrong).
        """
        given = {name.replace("_", "-"): _plain(v) for name, v in values.items() if v is not None}
        sent: Mapping[str, Any] = (
            {"params": given} if method in {"GET", "DELETE"} else {"data": given}
        )
        try:
            answer = await self._http.request(method, f"{_BASE}{where}", **sent)
        except httpx.HTTPError as error:
            raise PlatformUnavailable(f"Proxmox VE: {type(error).__name__}") from error
        if answer.is_success:
            return answer.json()["data"]
        raise _failure(answer)

    async def run(self, method: str, where: str, **values: object) -> None:
        """A request that begins a task; returns at the task's end. Raises as `ask` does."""
        task = await self.ask(method, where, **values)
        node = str(task).split(":")[1]
        status = f"/nodes/{node}/tasks/{task}/status"
        try:
            async with asyncio.timeout(self._settings.task_timeout):
                ended = await self._end_of(status)
        except TimeoutError as error:
            raise PlatformUnavailable("Proxmox VE: a task takes too long") from error
        if ended != "OK" and not ended.startswith("WARNINGS"):
            raise _of_words(ended)

    async def _end_of(self, path: str) -> str:
        looks = 0
        while (found := await self.ask("GET", path))["status"] != "stopped":
            await asyncio.sleep(_LOOK_SECONDS[min(looks, len(_LOOK_SECONDS) - 1)])
            looks += 1
        return str(found["exitstatus"])


class Said(PlatformUnavailable):
    """PVE's own words about what it couldn't do; `detail` holds them."""


def _failure(answer: httpx.Response) -> Exception:
    words = answer.reason_phrase
    if answer.headers.get("content-type", "").startswith("application/json"):
        told = answer.json()
        words = f"{told.get('message') or words}".strip()
        wrong = ", ".join(sorted(told.get("errors") or ()))
        words = f"{words} ({wrong})" if wrong else words
    if answer.status_code == httpx.codes.BAD_REQUEST:
        return PlatformRefused(f"Proxmox VE: {words[:300]}")
    return _of_words(words)


def _of_words(words: str) -> Exception:
    if any(word in words.lower() for word in _FULL):
        return PlatformFull(f"Proxmox VE: {words[:300]}")
    return Said(f"Proxmox VE: {words[:300]}")


def _plain(value: object) -> object:
    return int(value) if isinstance(value, bool) else value
