"""The application as a whole: ready or not, its pages, its walls between staff and clients."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from reselling_service.database import TENANT_SETTING
from reselling_service.main import create_app
from reselling_service.settings import ResellingSettings
from reselling_service.worker import run
from shared.kit.bookkeeping import OtherCurrency
from shared.kit.runtime import Runtime
from tests.reselling.house import House, open_house
from tests.reselling.house_fixtures import house
from tests.secret_key import SECRET_KEY

__all__ = ["house"]

_OPEN = {"/staff/v1/login", "/client/v1/login", "/client/v1/sign-up"}


def routes(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


async def openapi(house: House) -> dict[str, Any]:
    found: dict[str, Any] = (await house.http.get("/openapi.json")).json()
    return found


async def test_it_is_alive_without_a_worker_but_not_ready(house: House) -> None:
    assert (await house.http.get("/healthz")).status_code == 200
    answer = await house.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"database": True, "migrations": True, "worker": False}


async def test_it_is_ready_once_a_worker_was_seen(house: House) -> None:
    seen = "INSERT INTO workers VALUES (1, clock_timestamp(), clock_timestamp())"
    async with house.runtime.staff.write() as session:
        await session.execute(text(seen))
    assert (await house.http.get("/readyz")).status_code == 200


async def test_without_a_database_it_says_so_and_answers_503() -> None:
    settings = ResellingSettings.model_validate(
        {
            "database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
            "secret_keys": SECRET_KEY,
        }
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://house.test") as http,
    ):
        assert (await http.get("/readyz")).json()["database"] is False
        headers = {"Authorization": "Bearer something"}
        answer = await http.get("/client/v1/me", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_nothing_starts_on_balances_in_another_currency(
    house: House, reselling_database_url: str
) -> None:
    await house.top_up(await house.sign_up("Anna"), 1000)
    settings = ResellingSettings.model_validate(
        {
            "database_url": reselling_database_url,
            "secret_keys": SECRET_KEY,
            "currency": "USD",
        }
    )
    app = create_app(settings)
    with pytest.raises(OtherCurrency, match=r"balances in EUR.*count in USD"):
        async with app.router.lifespan_context(app):
            pass
    with pytest.raises(OtherCurrency):
        await run(Runtime(settings, tenant_setting=TENANT_SETTING))


async def test_every_route_names_its_session_but_those_that_open_one(house: House) -> None:
    for path, method, operation in routes(await openapi(house)):
        if not path.startswith(("/staff/", "/client/")) or path in _OPEN:
            assert "security" not in operation, path
            continue
        scheme = "staff_session" if path.startswith("/staff/") else "client_session"
        assert operation["security"] == [{scheme: []}], (method, path)


async def test_every_route_is_explained_and_tagged(house: House) -> None:
    document = await openapi(house)
    known = {tag["name"] for tag in document["tags"]}
    for path, method, operation in routes(document):
        assert operation.get("summary"), (method, path)
        assert set(operation.get("tags", [])) & known, (method, path)


async def test_the_pages_load_and_can_authorize(house: House) -> None:
    page = await house.http.get("/docs")
    assert page.status_code == 200
    schemes = (await openapi(house))["components"]["securitySchemes"]
    assert set(schemes) == {"staff_session", "client_session"}


async def test_the_clock_can_be_moved_in_a_sandbox_only(
    house: House, reselling_database_url: str
) -> None:
    assert (await house.owner.ask("GET", "/staff/v1/clock")).status_code == 404
    assert "/staff/v1/clock" not in (await openapi(house))["paths"]


async def test_a_sandbox_says_how_to_move_its_clock(reselling_database_url: str) -> None:
    async with open_house(reselling_database_url, sandbox=True) as house:
        assert "/staff/v1/clock" in (await openapi(house))["paths"]


async def test_requests_at_once_all_get_their_own_answer(house: House) -> None:
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    people = [anna, berta] * 10
    found = await asyncio.gather(*(person.get("/client/v1/me") for person in people))
    assert [item["id"] for item in found] == [str(person.id) for person in people]
