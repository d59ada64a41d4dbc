"""The provider's application as a whole: `/about`, readiness, what its documentation shows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from selling_service.ledger.models import BOOKS
from selling_service.main import CAPABILITIES, TAGS, create_app
from selling_service.settings import SellingSettings
from selling_service.worker import work
from shared.contract.basics import Edition, Scope
from shared.kit.bookkeeping import OtherCurrency
from tests.kit.stage import ManualClock
from tests.secret_key import SECRET_KEY
from tests.selling.events.stage import open_runtime, seat


@asynccontextmanager
async def serving(
    url: str, *, edition: Edition = Edition.HOSTING_CLOUD, sandbox: bool = False
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application."""
    keys = [SecretStr(SECRET_KEY)]
    app = create_app(
        SellingSettings(
            database_url=SecretStr(url),
            secret_keys=keys,
            pool_size=3,
            edition=edition,
            sandbox=sandbox,
        )
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://seller.test") as client,
    ):
        yield client


@pytest.mark.parametrize("edition", list(Edition))
async def test_about_answers_whatever_the_edition_and_the_state_of_the_partner(
    selling_database_url: str, edition: Edition
) -> None:
    async with open_runtime(selling_database_url, clock=ManualClock()) as runtime:
        one = await seat(runtime, name="Reseller A", scopes=(Scope.MONEY_READ,))
        async with runtime.staff.write() as session:
            await session.execute(text("UPDATE partners SET state = 'blocked'"))
    async with serving(selling_database_url, edition=edition) as client:
        answer = await client.get("/partner/v1/about", headers=one.headers)
        assert (await client.get("/partner/v1/about")).status_code == 401
    assert answer.status_code == 200
    body = answer.json()
    assert body["edition"] == edition.value
    assert body["partner_state"] == "blocked"
    assert body["installation_id"] == str(one.installation_id)
    assert body["contract_min"] <= answer.headers["tandem-contract"] <= body["contract_max"]
    assert answer.headers["ratelimit"].startswith('"default";r=')


async def test_capabilities_name_what_the_api_has(selling_database_url: str) -> None:
    async with serving(selling_database_url) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    services = "/partner/v1/services/{service_ref}"
    shown_by = {
        "orders": "/partner/v1/services",
        "quotes": "/partner/v1/quotes",
        "renew": f"{services}/renew",
        "suspend": f"{services}/suspend",
        "power": f"{services}/restart",
        "rename": f"{services}/rename",
        "terminate_at_period_end": f"{services}/terminate",
        "restore": f"{services}/restore",
        "inventory": "/partner/v1/inventory",
        "inventory_digests": "/partner/v1/inventory/digests",
        "events_long_poll": "/partner/v1/events",
        "events_stream": "/partner/v1/events/stream",
        "webhooks": "/partner/v1/webhook-endpoints",
        "trail": "/partner/v1/trail/{trace_id}",
        "panel": "/partner/v1/accounts/{client_ref}/panel-links",
    }
    assert {name: path in paths for name, path in shown_by.items()} == CAPABILITIES


async def test_every_tag_that_is_used_is_described(selling_database_url: str) -> None:
    async with serving(selling_database_url) as client:
        document = (await client.get("/openapi.json")).json()
    operations = [one for path in document["paths"].values() for one in path.values()]
    used = {tag for one in operations for tag in one["tags"]}
    assert used == {tag["name"] for tag in TAGS} - {"sandbox"}
    assert [one["operationId"] for one in operations if not one.get("summary")] == []
    assert set(document["components"]["securitySchemes"]) == {"partner_key", "staff_session"}


async def test_the_clock_can_be_moved_in_a_sandbox_only(selling_database_url: str) -> None:
    for sandbox, status in ((False, 404), (True, 401)):
        async with serving(selling_database_url, sandbox=sandbox) as client:
            assert (await client.get("/admin/v1/clock")).status_code == status


async def test_readiness_looks_at_database_migrations_and_worker(
    selling_database_url: str,
) -> None:
    async with serving(selling_database_url) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"database": True, "migrations": True, "worker": False}
        async with open_runtime(selling_database_url, clock=ManualClock()) as runtime:
            async with runtime.staff.write() as session:
                seen = "INSERT INTO workers VALUES (1, clock_timestamp(), clock_timestamp())"
                await session.execute(text(seen))
            assert (await client.get("/readyz")).status_code == 200
            async with runtime.staff.write() as session:
                old = "UPDATE workers SET seen_at = clock_timestamp() - interval '11 seconds'"
                await session.execute(text(old))
            assert (await client.get("/readyz")).json()["worker"] is False


async def test_nothing_starts_on_balances_in_another_currency(selling_database_url: str) -> None:
    async with open_runtime(selling_database_url, clock=ManualClock()) as runtime:
        one = await seat(runtime, name="Reseller A")
        async with runtime.staff.write() as session:
            await BOOKS.lock(session, owner=one.partner_id)
    settings = SellingSettings(
        database_url=SecretStr(selling_database_url),
        secret_keys=[SecretStr(SECRET_KEY)],
        currency="USD",
    )
    app = create_app(settings)
    with pytest.raises(OtherCurrency, match=r"balances in EUR.*count in USD"):
        async with app.router.lifespan_context(app):
            pass
    with pytest.raises(OtherCurrency):
        await work(settings)


async def test_readiness_sees_a_database_that_is_behind(selling_database_url: str) -> None:
    async with serving(selling_database_url) as client:
        await set_version(selling_database_url, "0001")
        assert (await client.get("/readyz")).json()["migrations"] is False


async def test_a_database_that_a_later_release_has_moved_on_is_fine(
    selling_database_url: str,
) -> None:
    async with serving(selling_database_url) as client:
        await set_version(selling_database_url, "9999")
        assert (await client.get("/readyz")).json()["migrations"] is True


async def set_version(url: str, version: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        statement = text("UPDATE alembic_version SET version_num = :version")
        await connection.execute(statement, {"version": version})
    await engine.dispose()


async def test_readiness_sees_a_database_that_is_away() -> None:
    async with serving("postgresql+asyncpg://a:b@127.0.0.1:1/none") as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"database": False, "migrations": False, "worker": False}
