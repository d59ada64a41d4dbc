"""The edge of an application: request ids, traces, limits, and problems for whatever goes wrong."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError

from shared.kit.telemetry import configure_logging, current_trace
from shared.kit.web import create_api

TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
FOREIGN = "11111111-2222-4333-8444-555555555555"


class Words(BaseModel):
    words: str


def make_router() -> APIRouter:
    router, words = APIRouter(), APIRouter()

    @words.post("/words/{name}")
    async def say(name: str, body: Words) -> dict[str, str]:
        structlog.get_logger("words").info("words.said", name=name)
        return {"words": body.words, "trace": current_trace().header()}

    @router.get("/broken")
    async def broken() -> None:
        raise KeyError("a secret of the inside")

    @router.get("/away")
    async def away() -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    @router.get("/refused")
    async def refused() -> None:
        raise ConnectionRefusedError

    partner = APIRouter(prefix="/partner/v1")
    partner.include_router(words)
    router.include_router(partner)
    return router


@asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
def ready() -> dict[str, bool]:
    return {"database": True, "worker": True}


@pytest.fixture
async def client(ready: dict[str, bool]) -> AsyncIterator[httpx.AsyncClient]:
    async def look() -> dict[str, bool]:
        return ready

    app = create_api(
        title="Words",
        description="",
        version="1",
        tags=[],
        routers=[make_router()],
        lifespan=nothing,
        ready=look,
        max_body_bytes=200,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://words.test") as one:
        yield one


SAY = "/partner/v1/words/a"


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["type"] == f"/problems#{body['code']}"
    return answer.status_code, body["code"]


async def test_every_answer_has_a_request_id_of_our_own(client: httpx.AsyncClient) -> None:
    answers = [
        await client.post(SAY, json={"words": "x"}, headers={"X-Request-Id": FOREIGN}),
        await client.get("/nowhere", headers={"X-Request-Id": FOREIGN}),
    ]
    ids = [UUID(answer.headers["x-request-id"]) for answer in answers]
    assert len({*ids, UUID(FOREIGN)}) == 3
    assert FOREIGN not in answers[1].text


async def test_the_trace_goes_on_and_nothing_else_of_it_travels(client: httpx.AsyncClient) -> None:
    foreign = {"traceparent": TRACE, "tracestate": "vendor=client-name", "baggage": "client=name"}
    answer = await client.post(SAY, json={"words": "x"}, headers=foreign)
    _, trace_id, span_id, _ = answer.headers["traceparent"].split("-")
    assert trace_id == "ab" * 16
    assert span_id != "cd" * 8
    assert answer.json()["trace"] == answer.headers["traceparent"]
    assert {"tracestate", "baggage"} & set(answer.headers) == set()


@pytest.mark.parametrize(
    "traceparent", ["", "00-zz-1", f"00-{'0' * 32}-{'cd' * 8}-01", TRACE.upper(), TRACE + "-x"]
)
async def test_a_trace_that_can_not_be_read_begins_anew(
    client: httpx.AsyncClient, traceparent: str
) -> None:
    answer = await client.post(SAY, json={"words": "x"}, headers={"traceparent": traceparent})
    assert len(answer.headers["traceparent"]) == 55
    assert "ab" * 16 not in answer.headers["traceparent"]


async def test_every_log_line_carries_request_id_and_trace(
    client: httpx.AsyncClient, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging(service="words", level="INFO")
    try:
        answer = await client.post(
            f"{SAY}?secret=hunter2", json={"words": "hunter2"}, headers={"traceparent": TRACE}
        )
        logging.getLogger("foreign").warning("not ours")
    finally:
        configure_logging(service="tests", level="WARNING")
    written = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    said = [line for line in written if line["event"] in {"words.said", "http.answer"}]
    assert len(said) == 2
    for line in said:
        assert line["request_id"] == answer.headers["x-request-id"]
        assert line["trace_id"] == "ab" * 16
        assert line["service"] == "words"
    assert said[1]["route"] == "/partner/v1/words/{name}"
    assert said[1]["status"] == 200
    assert [line["service"] for line in written if line["event"] == "not ours"] == ["words"]
    # Neither bodies nor queries are written down.
    assert "hunter2" not in json.dumps(written)


async def test_the_contract_is_named_on_the_wire_only(client: httpx.AsyncClient) -> None:
    answer = await client.post(SAY, json={"words": "x"})
    assert answer.headers["tandem-contract"] == "1.0"
    assert (await client.get("/partner/v1/nowhere")).headers["tandem-contract"] == "1.0"
    assert "tandem-contract" not in (await client.get("/healthz")).headers


async def test_what_is_not_there_is_a_problem(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/nowhere")) == (404, "no_such_route")
    assert problem(await client.get("/healthz/")) == (404, "no_such_route")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    client: httpx.AsyncClient, method: str
) -> None:
    answer = await client.request(method, SAY)
    assert answer.headers["allow"] == "POST"
    assert answer.status_code == 405
    if method != "HEAD":
        assert problem(answer) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"\xff\xfe", b'{"words": "\xff"}', b"[" * 150],
    ids=["cut", "empty", "not UTF-8", "not UTF-8 inside", "deep"],
)
async def test_a_body_that_can_not_be_read_is_malformed_or_invalid(
    client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post(SAY, content=body, headers={"content-type": "application/json"})
    expected = (422, "invalid_request") if body == b"" else (400, "malformed_request")
    assert problem(answer) == expected


async def test_wrong_fields_are_named_and_their_values_are_not(client: httpx.AsyncClient) -> None:
    answer = await client.post(SAY, json={"words": ["hunter2"]})
    assert problem(answer) == (422, "invalid_request")
    assert answer.json()["outcome"] == "refused"
    assert [error["path"] for error in answer.json()["errors"]] == ["body.words"]
    assert "hunter2" not in answer.text


async def test_a_body_too_large_is_refused_by_its_announced_length(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post(SAY, json={"words": "x" * 300})
    assert problem(answer) == (413, "body_too_large")


async def test_a_body_too_large_is_refused_while_it_comes(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 50
            yield b"x" * 50

    answer = await client.post(SAY, content=endless())
    assert problem(answer) == (413, "body_too_large")
    assert sent <= 300


async def test_a_bug_is_an_honest_answer_that_tells_nothing_of_the_inside(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/broken")
    assert problem(answer) == (500, "internal_error")
    assert answer.json()["outcome"] is None
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/away", "/refused"])
async def test_a_database_that_is_away_says_come_back(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert problem(answer) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_health_readiness_and_figures(
    client: httpx.AsyncClient, ready: dict[str, bool]
) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.head("/healthz")).status_code == 200
    assert (await client.get("/readyz")).status_code == 200
    ready["worker"] = False
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"database": True, "worker": False})
    assert (await client.head("/readyz")).status_code == 503
    await client.post("/partner/v1/words/private-name", json={"words": "x"})
    figures = await client.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain")
    counted = (
        'tandem_http_answers_total{method="POST",route="/partner/v1/words/{name}",status="200"}'
    )
    assert counted in figures.text
    assert "private-name" not in figures.text


async def test_the_description_of_the_api_is_whole(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["info"]["title"] == "Words"
    edge = {"408", "413", "415", "431", "500"}
    assert set(document["paths"]["/readyz"]["get"]["responses"]) == {"200", "503", *edge}
    assert (await client.get("/docs")).status_code == 200
