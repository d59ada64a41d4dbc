"""Asks an application in this process, and sees each SQL statement that the answer took.

What a request writes is rolled back, so that any number of wishes leave everything as it was.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from shared.kit.db import Database, ReadSession, WriteSession

ADDRESS = "192.0.2.1"
PATIENCE = 20.0
Rewrite = Callable[[str], str]
# What else runs in the process, the sandbox's clock, say, belongs to no request.
_SEEN: ContextVar["Answer | None"] = ContextVar("seen", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. `until` ends a stream: the words that must have come."""

    method: str
    path: str
    query: str = ""
    token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    until: str = ""

    @property
    def sent(self) -> str:
        """Everything that it says itself."""
        return f"{self.path}?{self.query} {json.dumps(self.body)} {dict(self.headers)}"


@dataclass(slots=True, kw_only=True)
class Answer:
    """What came back, the statements that it took, and how many rows each of them met."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    statements: list[str] = field(default_factory=list)
    rows: dict[str, set[int]] = field(default_factory=dict)

    @property
    def is_problem(self) -> bool:
        """Whether it says why not."""
        return self.headers.get("content-type", "") == "application/problem+json"

    @property
    def json(self) -> Any:
        """Its body; None where there is none."""
        return json.loads(self.text) if self.text else None

    @property
    def code(self) -> str | None:
        """The code of a problem."""
        return str(self.json["code"]) if self.is_problem else None


class Rehearsal(Database):
    """A database whose transactions are checked to their end and rolled back.

    While `forgets` is set it names no tenant to PostgreSQL, whoever asks.
    """

    forgets = False

    async def _prepare(self, session: ReadSession, tenant: UUID | None) -> None:
        await super()._prepare(session, None if self.forgets else tenant)

    @asynccontextmanager
    async def write(self, *, tenant: UUID | None = None) -> AsyncIterator[WriteSession]:
        """As if it were committed."""
        async with WriteSession(self.engine, expire_on_commit=False) as session:
            await self._prepare(session, tenant)
            yield session
            await session.flush()
            await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            session.expunge_all()  # as after a commit, rows stay readable
            await session.rollback()


@dataclass(slots=True)
class Service:
    """One application that runs in this process."""

    app: FastAPI
    owner_url: str
    _rewrite: Rewrite | None = None
    _owner: AsyncEngine = field(init=False)

    def __post_init__(self) -> None:
        self._owner = create_async_engine(self.owner_url, poolclass=NullPool)
        for database in self.databases:
            database.__class__ = Rehearsal
        for engine in (self._owner, *(database.engine for database in self.databases)):
            event.listen(engine.sync_engine, "before_cursor_execute", self._look, retval=True)
            event.listen(engine.sync_engine, "after_cursor_execute", _count)

    @property
    def databases(self) -> tuple[Database, Database]:
        """As the application's role, and as staff's."""
        return self.app.state.runtime.app, self.app.state.runtime.staff

    @contextmanager
    def rewriting(self, rewrite: Rewrite) -> Iterator[None]:
        """Change the text of every statement while the block runs."""
        self._rewrite = rewrite
        try:
            yield
        finally:
            self._rewrite = None

    @contextmanager
    def without_a_principal(self) -> Iterator[None]:
        """No transaction names a tenant while the block runs."""
        Rehearsal.forgets = True
        try:
            yield
        finally:
            Rehearsal.forgets = False

    @contextmanager
    def without_policies(self) -> Iterator[None]:
        """The application works as the server's owner, who sees all rows, while the block runs."""
        app, _staff = self.databases
        kept, app.engine = app.engine, self._owner
        try:
            yield
        finally:
            app.engine = kept

    async def ask(self, ask: Ask) -> Answer:
        """The answer; a stream ends when what it must tell has come, or else after a while."""
        answer = Answer()
        _SEEN.set(answer)
        enough, given = asyncio.Event(), False
        content = b"" if ask.body is None else json.dumps(ask.body).encode()

        async def receive() -> dict[str, Any]:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": content, "more_body": False}
            await enough.wait()
            return {"type": "http.disconnect"}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                for name, value in message["headers"]:
                    answer.headers[name.decode().lower()] = value.decode()
            else:
                answer.text += message.get("body", b"").decode()
                streams = "event-stream" in answer.headers.get("content-type", "")
                if not message.get("more_body") or (streams and ask.until in answer.text):
                    enough.set()

        async with asyncio.timeout(PATIENCE):
            await self.app(_scope(ask, content), receive, send)
        return answer

    def _look(
        self,
        _connection: Connection,
        _cursor: object,
        statement: str,
        parameters: object,
        _context: object,
        _many: object,
    ) -> tuple[str, object]:
        seen = _SEEN.get()
        if seen is None:
            return statement, parameters
        seen.statements.append(statement)
        return (self._rewrite(statement) if self._rewrite else statement), parameters


def _count(
    _connection: Connection,
    cursor: Any,
    statement: str,
    _parameters: object,
    _context: object,
    _many: object,
) -> None:
    seen = _SEEN.get()
    if seen is not None:
        seen.rows.setdefault(statement, set()).add(cursor.rowcount)


def _scope(ask: Ask, content: bytes) -> dict[str, Any]:
    headers = {"host": "house.test", **ask.headers}
    if ask.token is not None:
        headers["authorization"] = f"Bearer {ask.token}"
    if ask.body is not None:
        headers |= {"content-type": "application/json", "content-length": str(len(content))}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": ask.method,
        "scheme": "http",
        "path": ask.path,
        "raw_path": ask.path.encode(),
        "root_path": "",
        "query_string": ask.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": (ADDRESS, 1),
        "server": ("house.test", 80),
        "state": {},
    }
