"""A login of production can't leave its role: whatever it tries, others' rows stay shut."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from local_stack.first_owners import make_first_owner
from reselling_service.main import create_app as create_reselling_app
from reselling_service.settings import ResellingSettings
from selling_service.database import TENANT_SETTING, SellingRuntime
from selling_service.main import create_app as create_selling_app
from selling_service.settings import SellingSettings
from selling_service.worker import work
from shared.kit.walls import WallsCanFall
from tests.isolation.logins import as_login, connected, execute, proper_logins
from tests.secret_key import SECRET_KEY

SETTINGS = {"selling": SellingSettings, "reselling": ResellingSettings}
A_ROW = {
    "selling": (
        "partners",
        "INSERT INTO partners VALUES (gen_random_uuid(), 'A', 'active', now())",
    ),
    "reselling": (
        "balances",
        "INSERT INTO balances (client_id, currency) VALUES (gen_random_uuid(), 'EUR')",
    ),
}
# Each is refused, or changes nothing about what is seen afterwards.
ESCAPES = (
    "SET ROLE NONE",
    "SET ROLE tandem_staff",
    "SET ROLE tandem_owner",
    "SET ROLE postgres",
    "RESET ROLE",
    "SET SESSION AUTHORIZATION tandem_staff",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET row_security = off",
    "RESET ALL",
    "DISCARD ALL",
    "ALTER ROLE {login} BYPASSRLS",
    "ALTER ROLE {login} SUPERUSER",
    "ALTER ROLE {login} IN DATABASE {database} SET role = tandem_staff",
    "GRANT tandem_staff TO {login}",
    "GRANT tandem_owner TO {login}",
    "GRANT pg_read_all_data TO {login}",
    "CREATE ROLE helper IN ROLE tandem_staff",
    "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {table} OWNER TO {login}",
    "DROP POLICY tenant ON {table}",
    "CREATE POLICY open ON {table} USING (true)",
    "CREATE VIEW everything AS SELECT * FROM {table}",
    "CREATE FUNCTION f() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'",
    "CREATE TEMP TABLE alembic_version (version_num text)",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION dblink",
    "COPY {table} TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION')",
    "REVOKE ALL ON {table} FROM tandem_app",
)
# What a login may not be, beside a member of `tandem_app`; and the word that tells it.
TOO_MUCH = {
    "SUPERUSER": "superuser",
    "BYPASSRLS": "free of row-level security",
    "CREATEROLE": "allowed to create roles",
    "IN ROLE tandem_staff": "may become tandem_staff",
    "IN ROLE tandem_owner": "may become tandem_owner",
    "IN ROLE pg_read_all_data": "may become pg_read_all_data",
}


@pytest.fixture(params=["selling", "reselling"])
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def owner_url(service: str, request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{service}_database_url")
    return url


@pytest.fixture
def logins(
    service: str, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    monkeypatch.delenv("SELLING_ALLOW_POWERFUL_LOGIN")
    monkeypatch.delenv("RESELLING_ALLOW_POWERFUL_LOGIN")
    with proper_logins(owner_url, service) as found:
        yield {**found, f"{service.upper()}_SECRET_KEYS": SECRET_KEY}


@pytest.fixture
async def login_with(selling_database_url: str) -> AsyncIterator[str]:
    """The name of a login that is a member of `tandem_app`, so far."""
    name = "test_powerful"
    await execute(
        selling_database_url, f"CREATE ROLE {name} LOGIN PASSWORD 'a password' IN ROLE tandem_app"
    )
    yield name
    await execute(selling_database_url, f"DROP ROLE {name}")


async def escaped(url: str, table: str, *, role: str | None = None) -> list[str]:
    """What of all that is tried leads to rows of somebody."""
    found = []
    for escape in ESCAPES:
        settings = {"role": role} if role else {}
        async with connected(url, server_settings=settings) as connection:
            login = await connection.fetchval("SELECT session_user")
            database = await connection.fetchval("SELECT current_database()")
            try:
                await connection.execute(escape.format(table=table, login=login, database=database))
                seen = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
            except asyncpg.PostgresError:
                continue
            if seen:
                found.append(escape)
    return found


def test_login_of_the_application_finds_no_way_out(
    logins: dict[str, str], service: str, owner_url: str
) -> None:
    table, row = A_ROW[service]
    url = logins[f"{service.upper()}_APP_DATABASE_URL"]
    asyncio.run(execute(owner_url, row))
    assert asyncio.run(escaped(url, table)) == []
    # Nothing of it had an effect that lasts, and there was something to see.
    assert asyncio.run(count(url, table)) == 0
    assert asyncio.run(count(owner_url, table)) == 1


def test_what_is_tried_leads_out_where_the_login_has_power(selling_database_url: str) -> None:
    table, row = A_ROW["selling"]
    asyncio.run(execute(selling_database_url, row))
    found = asyncio.run(escaped(selling_database_url, table, role="tandem_app"))
    assert {"SET ROLE NONE", "SET ROLE tandem_staff", "SET ROLE postgres"} <= set(found)


async def count(url: str, table: str) -> int:
    async with connected(url) as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608


def test_service_starts_with_logins_of_its_own(logins: dict[str, str], service: str) -> None:
    make_first_owner(service, logins, login=lambda: ("a@example.com", "correct horse battery"))


def test_half_s_logins_do_not_enter_the_other_half_s_database(
    selling_database_url: str, reselling_database_url: str
) -> None:
    async def enter(url: str) -> None:
        async with connected(url):
            pass

    with (
        proper_logins(selling_database_url) as selling,
        proper_logins(reselling_database_url, "reselling") as reselling,
    ):
        name = make_url(selling["SELLING_APP_DATABASE_URL"]).username or ""
        asyncio.run(enter(selling["SELLING_APP_DATABASE_URL"]))
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
            asyncio.run(enter(as_login(reselling["RESELLING_APP_DATABASE_URL"], name)))


@pytest.mark.parametrize("power", TOO_MUCH)
async def test_login_that_could_escape_is_refused_and_told_why(
    selling_database_url: str, login_with: str, power: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SELLING_ALLOW_POWERFUL_LOGIN")
    if power.startswith("IN ROLE"):
        grant = f"GRANT {power.removeprefix('IN ROLE ')} TO {login_with}"
    else:
        grant = f"ALTER ROLE {login_with} {power}"
    await execute(selling_database_url, grant)
    settings = settings_of(as_login(selling_database_url, login_with))
    runtime = SellingRuntime(settings, tenant_setting=TENANT_SETTING)
    with pytest.raises(WallsCanFall, match=TOO_MUCH[power]) as refused:
        async with runtime.running():
            pass
    assert "SELLING_APP_DATABASE_URL" in str(refused.value)
    assert "a password" not in str(refused.value)


def settings_of(url: str, **more: object) -> SellingSettings:
    known = {"database_url": url, "app_database_url": url, "secret_keys": SECRET_KEY}
    return SellingSettings.model_validate(known | more)


async def test_neither_api_nor_worker_starts_with_a_login_that_could_escape(
    selling_database_url: str, reselling_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SELLING", "RESELLING"):
        monkeypatch.delenv(f"{name}_ALLOW_POWERFUL_LOGIN")
    reselling = ResellingSettings(
        database_url=SecretStr(reselling_database_url), secret_keys=[SecretStr(SECRET_KEY)]
    )
    for app in (
        create_selling_app(settings_of(selling_database_url)),
        create_reselling_app(reselling),
    ):
        with pytest.raises(WallsCanFall):
            async with app.router.lifespan_context(app):
                pass
    with pytest.raises(WallsCanFall):
        await work(settings_of(selling_database_url))


async def test_sandbox_takes_any_login(
    selling_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SELLING_ALLOW_POWERFUL_LOGIN")
    app = create_selling_app(settings_of(selling_database_url, sandbox=True))
    async with app.router.lifespan_context(app):
        pass


async def test_power_given_while_a_process_runs_stops_its_next_connections(
    selling_database_url: str, login_with: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SELLING_ALLOW_POWERFUL_LOGIN")
    settings = settings_of(as_login(selling_database_url, login_with), allow_powerful_login=True)
    known = settings.model_copy(update={"allow_powerful_login": False})
    runtime = SellingRuntime(known, tenant_setting=TENANT_SETTING)
    async with runtime.app.read():
        pass
    await execute(selling_database_url, f"GRANT tandem_staff TO {login_with}")
    await runtime.app.engine.dispose()
    with pytest.raises(WallsCanFall):
        async with runtime.app.read() as session:
            await session.connection()
