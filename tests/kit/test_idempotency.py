"""One command, one answer: twins, refusals, crashes, burned ids and answers no longer kept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, field_validator
from sqlalchemy import func, select, text

from shared.contract.operations import CommandState
from shared.contract.problems import NO_CAPACITY, PARTNER_BLOCKED
from shared.kit import idempotency
from shared.kit.db import Database, WriteSession
from shared.kit.idempotency import (
    Answer,
    CommandColumns,
    CommandId,
    CommandRoute,
    answer_once,
    forget_answers,
    refuse_with,
)
from shared.kit.problems import ProblemError
from shared.kit.web import create_api
from tests.kit.stage import Base, Diary, ManualClock, count, stage, write_diary

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


async def test_the_same_key_is_carried_out_once_and_answered_the_same(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    first, second = await send(client, key), await send(client, key)
    assert first.status_code == 202
    assert replayed(first, second)
    assert await count(shop.database, "diary") == 1
    assert (await send(client, uuid4())).json() != first.json()
    assert await count(shop.database, "diary") == 2


async def test_a_twin_that_comes_meanwhile_is_told_to_wait(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    shop.go_on.clear()
    first = asyncio.create_task(send(client, key))
    await asyncio.wait_for(shop.began.wait(), timeout=5)
    twin = await send(client, key)
    assert (twin.status_code, twin.json()["code"]) == (409, "in_progress")
    assert twin.json()["outcome"] is None
    assert twin.headers["retry-after"] == "1"
    shop.go_on.set()
    assert replayed(await first, await send(client, key))
    assert await count(shop.database, "diary") == 1


async def test_twenty_twins_at_once_make_one(client: httpx.AsyncClient, shop: Shop) -> None:
    key = uuid4()
    answers = await asyncio.gather(*(send(client, key) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert await count(shop.database, "diary") == 1


async def test_a_refusal_undoes_the_action_and_is_repeated_word_for_word(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    shop.problem = ProblemError(NO_CAPACITY, "There is no room.")
    key = uuid4()
    first = await send(client, key)
    assert (first.status_code, first.json()["outcome"]) == (409, "refused")
    assert await count(shop.database, "diary") == 0
    shop.problem = None
    second = await send(client, key)
    assert replayed(first, second)
    assert second.headers["content-type"] == "application/problem+json"
    assert await count(shop.database, "diary") == 0


async def test_a_problem_that_is_not_final_leaves_no_trace(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    shop.problem = ProblemError(PARTNER_BLOCKED, "Ask the provider.")
    key = uuid4()
    assert (await send(client, key)).status_code == 403
    assert await count(shop.database, "received") == 0
    shop.problem = None
    assert (await send(client, key)).status_code == 202


async def test_the_same_key_with_another_body_is_refused_to_be_mixed_up(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    first = await send(client, key, number=1)
    other = await send(client, key, number=2)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["outcome"] is None
    assert replayed(first, await send(client, key, number=1))
    async with shop.database.read() as session:
        assert (await session.scalars(select(Diary.number))).all() == [1]


async def test_what_was_accepted_is_not_refused_by_a_stricter_release(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = uuid4()
    first = await send(client, key, number=7)
    monkeypatch.setattr(Order, "most", 5)
    assert replayed(first, await send(client, key, number=7))
    other = await send(client, key, number=8)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["outcome"] is None
    assert await count(shop.database, "diary") == await count(shop.database, "received") == 1


async def test_what_is_not_valid_is_refused_once_and_stays_so(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = uuid4()
    first = await send(client, key, number=101)
    assert (first.status_code, first.json()["code"]) == (422, "invalid_request")
    assert first.json()["outcome"] == "refused"
    monkeypatch.setattr(Order, "most", 200)
    assert replayed(first, await send(client, key, number=101))
    async with shop.database.read() as session:
        assert (await session.scalars(select(Received.state))).all() == [CommandState.REFUSED]
    assert await count(shop.database, "diary") == 0


async def test_what_the_database_cannot_take_is_refused_under_its_key(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    shop.unstorable = True
    first = await send(client, key)
    assert (first.status_code, first.json()["code"]) == (422, "invalid_request")
    assert first.json()["outcome"] == "refused"
    shop.unstorable = False
    assert replayed(first, await send(client, key))
    assert await count(shop.database, "diary") == 0


async def test_nothing_is_said_of_a_command_that_was_not_looked_up(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    shop.unstorable = True
    for number in (1, 101):
        answer = await client.post("/unkept", json={"number": number}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["outcome"] is None
    assert await count(shop.database, "diary") == await count(shop.database, "received") == 0


async def test_of_many_mistakes_a_hundred_are_told(client: httpx.AsyncClient) -> None:
    body = {"number": 1, "gifts": ["x"] * 150}
    answer = await client.post("/orders", json=body, headers={"Idempotency-Key": str(uuid4())})
    assert (answer.json()["outcome"], len(answer.json()["errors"])) == ("refused", 100)


@pytest.mark.parametrize("key", [None, b"", b"not-a-uuid", b"\xe9" * 36, b"1" * 500])
async def test_a_missing_or_strange_key_is_refused_before_anything(
    client: httpx.AsyncClient, shop: Shop, key: bytes | None
) -> None:
    headers = [] if key is None else [(b"Idempotency-Key", key)]
    answer = await client.post("/orders", json={"number": 1}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert await count(shop.database, "diary") == 0


async def test_a_crash_in_the_middle_leaves_nothing_and_blocks_nobody(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    shop.crash = True
    answer = await send(client, key)
    assert answer.status_code in {500, 503}
    assert answer.json()["outcome"] is None
    assert await count(shop.database, "received") == 0
    assert await count(shop.database, "diary") == 0
    shop.crash = False
    assert (await send(client, key)).status_code == 202
    assert await count(shop.database, "diary") == 1


async def test_an_id_that_was_cancelled_before_it_arrived_is_burned(
    client: httpx.AsyncClient, shop: Shop, clock: ManualClock
) -> None:
    key = uuid4()
    async with shop.database.write() as session:
        session.add(
            Received(
                tenant_id=PARTNER,
                command_id=key,
                state=CommandState.CANCELLED,
                received_at=clock.now(),
            )
        )
    answer = await send(client, key)
    assert (answer.status_code, answer.json()["code"]) == (409, "command_cancelled")
    assert answer.json()["outcome"] == "refused"
    assert await count(shop.database, "diary") == 0


async def test_after_seven_days_the_remembered_operation_answers(
    client: httpx.AsyncClient, shop: Shop, clock: ManualClock
) -> None:
    accepted, refused = uuid4(), uuid4()
    first = await send(client, accepted)
    shop.problem = ProblemError(NO_CAPACITY, "There is no room.")
    no = await send(client, refused)
    shop.problem = None
    for days, forgotten in ((6.9, 0), (0.2, 2), (1, 0)):
        clock.advance(timedelta(days=days))
        async with shop.database.write() as session:
            assert await forget_answers(session, Received) == forgotten
    again = await send(client, accepted)
    operation = first.json()["operation"]
    assert (again.status_code, again.json()) == (202, {"operation": operation, "from": "memory"})
    assert again.headers["idempotency-replayed"] == "true"
    assert replayed(no, await send(client, refused))
    assert (await send(client, accepted, number=2)).status_code == 422
    assert await count(shop.database, "diary") == 1
