"""A shop that takes commands once: the smallest application around `shared.kit.idempotency`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, ClassVar
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, field_validator
from sqlalchemy import func, select, text

from shared.kit import idempotency
from shared.kit.db import Database, WriteSession
from shared.kit.idempotency import (
    Answer,
    CommandColumns,
    CommandId,
    CommandRoute,
    answer_once,
    refuse_with,
)
from shared.kit.problems import ProblemError
from shared.kit.web import create_api
from tests.kit.stage import Base, ManualClock, stage, write_diary

PARTNER = uuid4()


class Received(CommandColumns, Base):
    __tablename__ = "received"


class Order(BaseModel):
    """What may be ordered; a later release may take less."""

    most: ClassVar[int] = 100
    number: int
    gifts: list[int] = []

    @field_validator("number")
    @classmethod
    def _not_too_many(cls, number: int) -> int:
        if number > cls.most:
            message = f"at most {cls.most}"
            raise ValueError(message)
        return number


@dataclass
class Shop:
    """Sells numbers; can be told to wait, refuse or break."""

    database: Database
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    problem: ProblemError | None = None
    crash: bool = False
    unstorable: bool = False

    async def order(self, session: WriteSession, number: int) -> Answer:
        await write_diary(session, lane=None, number=number, worker=0)
        self.began.set()
        await self.go_on.wait()
        if self.problem is not None:
            raise self.problem
        if self.unstorable:
            await session.execute(text("SELECT CAST(:word AS text)"), {"word": "\0"})
        if self.crash:
            # As if the process had been killed: the connection goes, nothing is said to the other.
            async with self.database.write() as other:
                pid = await session.scalar(select(func.pg_backend_pid()))
                await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        operation_id = uuid4()
        headers = {"Location": f"/operations/{operation_id}"}
        body = {"number": number, "operation": str(operation_id)}
        return Answer(status=202, body=body, headers=headers, operation_id=operation_id)


async def replay(known: Received) -> Answer:
    return Answer(status=202, body={"operation": str(known.operation_id), "from": "memory"})


Act = Callable[[], Awaitable[Answer]]


@dataclass(kw_only=True)
class Till:
    """One request at the counter, with its transaction."""

    request: Request
    session: WriteSession
    command_id: UUID

    async def answer(self, act: Act) -> JSONResponse:
        body = await self.request.body()
        command = idempotency.Request(
            tenant_id=PARTNER,
            command_id=self.command_id,
            fingerprint=self.session.vault.fingerprint(b"POST", b"/orders", body),
            path="/orders",
        )
        answer = await answer_once(self.session, Received, command, act, replay=replay)
        return JSONResponse(
            answer.body,
            status_code=answer.status,
            headers=dict(answer.headers),
            media_type=answer.media_type,
        )

    async def refuse(self, problem: ProblemError) -> JSONResponse:
        async def act() -> Answer:
            raise problem

        return await self.answer(act)


def make_app(shop: Shop) -> FastAPI:
    router = APIRouter(route_class=CommandRoute)

    async def write_session() -> AsyncIterator[WriteSession]:
        async with shop.database.write() as session:
            yield session

    def open_till(
        request: Request,
        command_id: CommandId,
        session: Annotated[WriteSession, Depends(write_session, scope="function")],
    ) -> Till:
        till = Till(request=request, session=session, command_id=command_id)
        refuse_with(request, till.refuse)
        return till

    @router.post("/orders")
    async def order(
        body: Order, till: Annotated[Till, Depends(open_till, scope="function")]
    ) -> JSONResponse:
        return await till.answer(lambda: shop.order(till.session, body.number))

    @router.post("/unkept")
    async def unkept(
        body: Order,
        _command_id: CommandId,
        session: Annotated[WriteSession, Depends(write_session, scope="function")],
    ) -> None:
        await shop.order(session, body.number)

    @asynccontextmanager
    async def nothing(_app: FastAPI) -> AsyncIterator[None]:
        yield

    async def ready() -> dict[str, bool]:
        return {}

    return create_api(
        title="Shop",
        description="",
        version="1",
        tags=[],
        routers=[router],
        lifespan=nothing,
        ready=ready,
        max_body_bytes=1000,
    )


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def shop(empty_database_url: str, clock: ManualClock) -> AsyncIterator[Shop]:
    async with stage(empty_database_url, clock=clock) as database:
        one = Shop(database)
        one.go_on.set()
        yield one


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(shop))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as one:
        yield one


async def send(client: httpx.AsyncClient, key: UUID | str, *, number: int = 1) -> httpx.Response:
    return await client.post(
        "/orders", json={"number": number}, headers={"Idempotency-Key": str(key)}
    )


def replayed(first: httpx.Response, second: httpx.Response) -> bool:
    """Whether the second is the first again, and says so."""
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    same = ("content-type", "location", "content-length")
    return (first.status_code, first.content) == (second.status_code, second.content) and all(
        first.headers.get(name) == second.headers.get(name) for name in same
    )
