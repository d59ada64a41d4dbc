"""Transactions: who commits, what stays out, which role and tenant they have, what errors tell."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.kit.db import Database, WriteSession
from shared.kit.web import create_api
from tests.kit.stage import START, ManualClock, count, open_database, stage, write_diary


async def test_a_read_session_can_not_write_and_spoils_no_later_transaction(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        for _ in range(6):
            async with database.read() as session:
                with pytest.raises(DBAPIError, match="read-only transaction"):
                    await session.execute(text("DELETE FROM diary"))
        async with database.write() as writing:
            await write_diary(writing, lane=None, number=1, worker=0)
        assert await count(database, "diary") == 1


async def test_sessions_carry_the_clock_and_the_vault_of_their_process(
    empty_database_url: str,
) -> None:
    clock = ManualClock()
    async with stage(empty_database_url, clock=clock) as database, database.write() as session:
        assert session.clock.now() == START
        assert session.vault.decrypt(session.vault.encrypt(b"x")) == b"x"


async def test_hints_go_out_only_after_the_commit(empty_database_url: str) -> None:
    async with (
        stage(empty_database_url) as database,
        database.context.hints.subscribe("events", "a") as hint,
    ):
        hint.clear()
        with pytest.raises(ZeroDivisionError):
            await hint_and_crash(database)
        assert not hint.is_set()
        async with database.write() as session:
            session.hint("events", "a")
            assert not hint.is_set()
        assert hint.is_set()


async def hint_and_crash(database: Database) -> None:
    async with database.write() as session:
        session.hint("events", "a")
        raise ZeroDivisionError


async def test_the_tenant_is_named_for_one_transaction_only(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    tenant = uuid4()
    statement = text("SELECT current_setting('tandem.partner', true)")
    async with database.write(tenant=tenant) as session:
        assert await session.scalar(statement) == str(tenant)
    for _ in range(6):
        async with database.write() as session:
            assert not await session.scalar(statement)
    await database.aclose()


async def test_errors_of_statements_never_tell_their_values(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        with pytest.raises(DBAPIError) as caught:
            await fail(database, "hunter2")
    assert "hunter2" not in str(caught.value)


async def fail(database: Database, secret: str) -> None:
    async with database.write() as session:
        await session.execute(text("SELECT 1 / 0 WHERE :secret <> ''"), {"secret": secret})


@asynccontextmanager
async def asking(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that runs any statement."""

    async def session() -> AsyncIterator[WriteSession]:
        async with database.write() as one:
            yield one

    router = APIRouter()

    @router.post("/run")
    async def run(
        body: dict[str, str], one: Annotated[WriteSession, Depends(session, scope="function")]
    ) -> None:
        await one.execute(text(body["sql"]), {"value": body["value"]})

    @asynccontextmanager
    async def nothing(_app: FastAPI) -> AsyncIterator[None]:
        yield

    async def ready() -> dict[str, bool]:
        return {}

    app = create_api(
        title="SQL",
        description="",
        version="1",
        tags=[],
        routers=[router],
        lifespan=nothing,
        ready=ready,
        max_body_bytes=1000,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sql.test") as client:
        yield client


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELECT cast(:value AS text)", 422, "invalid_request"),
        ("SELECT pg_terminate_backend(pg_backend_pid()) WHERE :value <> ''", 503, "unavailable"),
        ("SELECT nothing FROM nowhere WHERE :value <> ''", 500, "internal_error"),
    ],
)
async def test_what_the_database_says_becomes_an_honest_answer(
    empty_database_url: str, sql: str, status: int, code: str
) -> None:
    async with stage(empty_database_url) as database, asking(database) as client:
        value = "a\0b" if status == 422 else "x"
        answer = await client.post("/run", json={"sql": sql, "value": value})
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    nobody = open_database("postgresql+asyncpg://a:b@127.0.0.1:1/none", listen=False)
    async with asking(nobody) as client:
        answer = await client.post("/run", json={"sql": "SELECT :value", "value": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
