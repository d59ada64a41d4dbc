"""Speaks with VMmanager 6: its token, requests, tasks, and which failures may pass."""

import asyncio
from http import HTTPStatus
from typing import Any

import httpx

from selling_service.provisioning.drivers.foreign.line import Line
from selling_service.provisioning.drivers.vmmanager6.settings import VMmanager6Settings
from selling_service.provisioning.platform import (
    PlatformFull,
    PlatformRefused,
    PlatformUnavailable,
)

_LOOK_SECONDS = (0.1, 0.2, 0.5, 1.0)
NOT_AUTHORISED = 3001
# Its own words for what will not be better in a minute.
_FULL = ("no suitable node", "not enough", "no free ip")


class VMmanager6API(Line):
    """One API with one login; to be closed."""

    def __init__(self, settings: VMmanager6Settings) -> None:
        super().__init__(
            settings.url, authority=settings.authority, timeout=settings.answer_timeout
        )
        self._settings = settings
        self._token: str | None = None
        self._logging_in = asyncio.Lock()

    async def ask(self, method: str, where: str, body: object = None) -> Any:  # noqa: ANN401 - its JSON
        """One request; a token that has run out is renewed, and an API that sleeps is woken.

        Raises `PlatformUnavailable`, `PlatformFull`, `PlatformRefused` (the request is wrong).
        """
        token = self._token or await self._log_in(None)
        answer = await self._awake(method, where, body, token)
        if answer.status_code == HTTPStatus.UNAUTHORIZED or _code(answer) == NOT_AUTHORISED:
            token = await self._log_in(token)
            answer = await self._awake(method, where, body, token)
        if answer.is_success:
            return answer.json()
        raise _failure(answer)

    async def every(self, where: str) -> list[dict[str, Any]]:
        """All rows of a list."""
        found: list[dict[str, Any]] = (await self.ask("GET", where))["list"]
        return found

    async def run(self, method: str, where: str, body: object = None) -> Any:  # noqa: ANN401 - its JSON
        """A request that begins a task; its answer, once the task has ended. Raises as `ask`."""
        answer = await self.ask(method, where, body)
        try:
            async with asyncio.timeout(self._settings.task_timeout):
                ended = await self._end_of(answer["task"])
        except TimeoutError as error:
            raise PlatformUnavailable("VMmanager 6: a task takes too long") from error
        if ended["status"] == "fail":
            raise _of_words(str(ended.get("error") or "a task failed"))
        return answer

    async def _end_of(self, task: object) -> dict[str, Any]:
        looks = 0
        while True:
            rows = await self.every(f"/vm/v3/task?where=consul_id+EQ+{task}")
            # A task that isn't listed (yet) hasn't ended.
            if rows and rows[0]["status"] in {"complete", "fail"}:
                return rows[0]
            await asyncio.sleep(_LOOK_SECONDS[min(looks, len(_LOOK_SECONDS) - 1)])
            looks += 1

    async def _log_in(self, old: str | None) -> str:
        """A token newer than the old one; many callers at once get the same."""
        async with self._logging_in:
            if self._token is None or self._token == old:
                given = {"email": self._settings.email, "password": self._settings.password}
                answer = await self._awake("POST", "/auth/v4/public/token", given, None)
                if not answer.is_success:
                    # A wrong password is the provider's to mend: services wait meanwhile.
                    raise PlatformUnavailable("VMmanager 6: the login is refused")
                self._token = str(answer.json()["token"])
            return self._token

    async def _awake(
        self, method: str, where: str, body: object, token: str | None
    ) -> httpx.Response:
        """Ask until it doesn't sleep, for some seconds.

        What changes something is asked once: it may have been done all the same, and whoever tries
        it again looks first.
        """
        once = method != "GET" and token is not None
        headers = {} if token is None else {"x-xsrf-token": token, "Cookie": f"ses6={token}"}
        loop = asyncio.get_running_loop()
        until, looks = loop.time() + self._settings.sleep_patience, 0
        while True:
            try:
                answer = await self._http.request(method, where, json=body, headers=headers)
            except httpx.HTTPError as error:
                raise PlatformUnavailable(f"VMmanager 6: {type(error).__name__}") from error
            awake = answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE
            if awake or once or loop.time() > until:
                return answer
            await asyncio.sleep(_LOOK_SECONDS[min(looks, len(_LOOK_SECONDS) - 1)])
            looks += 1


def _error(answer: httpx.Response) -> dict[str, Any]:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return {}
    told = answer.json()
    found = told.get("error") if isinstance(told, dict) else None
    return found if isinstance(found, dict) else {}


def _code(answer: httpx.Response) -> object:
    return _error(answer).get("code")


def _failure(answer: httpx.Response) -> Exception:
    words = str(_error(answer).get("msg") or answer.reason_phrase)
    if answer.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
        refused = PlatformRefused(f"VMmanager 6: {words[:300]}")
        return refused if not _is_full(words) else _of_words(words)
    return _of_words(words)


def _of_words(words: str) -> Exception:
    if _is_full(words):
        return PlatformFull(f"VMmanager 6: {words[:300]}")
    return PlatformUnavailable(f"VMmanager 6: {words[:300]}")


def _is_full(words: str) -> bool:
    return any(word in words.lower() for word in _FULL)
