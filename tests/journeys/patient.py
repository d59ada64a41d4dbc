"""A person before a page that doesn't load: asks again, as long as nobody has answered."""

import time
from collections.abc import Collection

import httpx

from local_stack.demo.callers import JSON, Caller

LONGEST = 180  # on a busy machine
PAUSE = 0.2


def insist(
    caller: Caller,
    path: str,
    body: JSON | None,
    *,
    key: str | None = None,
    done: Collection[str] = (),
    seconds: float = LONGEST,
) -> JSON:
    """Post until there is an answer; a problem of one of the codes in `done` is one as well."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = persist(caller, "POST", path, body, headers=headers, seconds=seconds)
    found: JSON = answer.json() if answer.content else {}
    assert answer.is_success or found.get("code") in done, (path, body, answer.text)
    return found


def look(caller: Caller, path: str, *, seconds: float = LONGEST) -> JSON:
    """Read until there is an answer, which must be a good one."""
    answer = persist(caller, "GET", path, None, headers={}, seconds=seconds)
    assert answer.is_success, (path, answer.text)
    found: JSON = answer.json()
    return found


def persist(
    caller: Caller,
    method: str,
    path: str,
    body: JSON | None,
    *,
    headers: dict[str, str],
    seconds: float = LONGEST,
) -> httpx.Response:
    """Ask until the service itself answers: no broken connection, no 5xx."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            answer = caller.http.request(method, path, json=body, headers=headers, timeout=10)
        except httpx.TransportError:
            time.sleep(PAUSE)
            continue
        if not answer.is_server_error:
            return answer
        time.sleep(PAUSE)
    raise AssertionError(f"no answer to {method} {path}")
