"""A running pair with something of everything, so that made-up requests also find what they name.

What a request may break without need (the run's own session, partner, tariff) is kept apart:
changes go to victims that are there for it.
"""

import secrets
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
from schemathesis import Case

from local_stack.demo.callers import JSON, Caller
from tests.journeys.behind import one
from tests.journeys.stack import Stack

PASSWORD = "correct horse battery"
PLENTY = 10**11
A_MINUTE = 60
A_MOMENT = 0.1
FOR_A_CHANGE = 2
Values = dict[str, Sequence[Any]]


@dataclass
class World(ABC):
    """One service of the pair: its people's tokens, and the real values of what it has.

    `values` are by the name of a parameter or field; a function among them makes one, and None
    leaves what was made up. `tokens` are by security scheme, and so are those of `strangers`,
    who have nothing. `label` is whose turn it is.
    """

    stack: Stack
    base_url: str = ""
    label: str = ""
    turn: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)
    to_lose: dict[str, str] = field(default_factory=dict)

    @abstractmethod
    def look(self, label: str) -> None:
        """Read anew what there is, before an operation gets its turn."""

    @abstractmethod
    def log_in(self, below: str) -> str:
        """A new session of somebody who may lose it, in the API below this path."""

    def session_to_lose(self, label: str) -> str:
        """A token that the next request may end."""
        below = "/".join(label.split()[1].split("/")[:3])
        known = {"Authorization": f"Bearer {self.to_lose.get(below, 'none')}"}
        if self.stack.admin.http.get(f"{self.base_url}{below}/me", headers=known).is_error:
            self.to_lose[below] = self.log_in(below)
        return self.to_lose[below]

    def sessions_to_lose(self, label: str) -> list[str]:
        """Ids of sessions that the next request may end."""
        token = self.session_to_lose(label)
        below = "/".join(label.split()[1].split("/")[:3])
        answer = httpx.get(
            f"{self.base_url}{below}/me/sessions",
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
            trust_env=False,
        )
        return [row["id"] for row in answer.json()["items"]]

    def pick(self, name: str) -> Any:
        """A real value for this name, the next one with each turn; None where there is none."""
        known = self.values.get(name)
        found = known[self.turn % len(known)] if known else None
        return found() if callable(found) else found

    def real(self, node: Any) -> Any:
        """The same with real values in the places of made-up ones."""
        if isinstance(node, list):
            return [self.real(inner) for inner in node]
        if not isinstance(node, dict):
            return node
        return {name: self._known(name, inner) for name, inner in node.items()}

    def _known(self, name: str, value: Any) -> Any:
        found = None if value is None else self.pick(name)
        return self.real(value) if found is None else found

    def is_real_turn(self, label: str) -> bool:
        """Three of four turns are about what exists."""
        self.turn += 1
        return zlib.crc32(f"{label} {self.turn}".encode()) % 4 > 0

    def tame(self, case: Case[Any]) -> None:
        """Keep what would end the run or leave this machine within bounds.

        The clock moves by a minute at most: a year would end every session and term. A long poll
        waits for a moment. A seller's address is on this machine.
        """
        body = case.body if isinstance(case.body, dict) else {}
        bounds = ((body, "advance_seconds", A_MINUTE), (case.query, "wait", A_MOMENT))
        for place, name, most in bounds:
            given = place.get(name)
            if isinstance(given, int | float) and given > most:
                place[name] = most
        if isinstance(body.get("url"), str):
            body["url"] = self.pick("url")


def some_of(rows: Sequence[JSON], *, turn: int) -> list[JSON]:
    """The active services, for commands to succeed, and another one."""
    active = [row for row in rows if row["state"] == "active"][-FOR_A_CHANGE:]
    others = [row for row in rows if row not in active]
    return [*active, *others[turn % len(others) :][:1]] if others else active


def dead_job(database_url: str) -> int:
    """The number of a job that has used up its attempts, and that nothing waits for."""
    number: int = one(
        database_url,
        "INSERT INTO jobs (kind, priority, payload, state, run_at, attempts, claims, max_attempts,"
        " created_at) VALUES ('unknown', 100, '{}', 'dead', $1, 1, 1, 1, $1) RETURNING id",
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    return number


def fresh_uuid() -> str:
    """An id that nothing has."""
    return str(uuid4())


def fresh_name() -> str:
    """A name, also as a code, that nothing has."""
    return f"thing-{secrets.token_hex(6)}"


def fresh_email() -> str:
    """An address that nobody has."""
    return f"{secrets.token_hex(6)}@example.com"


def session_of(base_url: str, email: str, password: str) -> str | None:
    """A new session's token; None where the login is locked or its password another one now."""
    body = {"email": email, "password": password}
    answer = httpx.post(f"{base_url}/login", json=body, timeout=20, trust_env=False)
    found: str | None = answer.json().get("token")
    return found


def make_person(caller: Caller, path: str) -> JSON:
    """A person of the staff whose session and rights may be lost."""
    body: Mapping[str, str] = {
        "email": fresh_email(),
        "name": "Vera Victim",
        "role": "owner",
        "password": PASSWORD,
    }
    return caller.post(path, body)
