"""What belongs to one client is behind two walls: the queries, and the database's own policies."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Table, func, select, text
from sqlalchemy.exc import DBAPIError

from reselling_service.clients import queries
from reselling_service.clients.models import Client, ClientSession
from reselling_service.database import TENANT_COLUMN, Base
from shared.kit.ids import new_id
from shared.kit.keys import hash_secret
from shared.kit.principals import ClientId
from tests.reselling.house import House, Person


def walled_tables() -> Iterator[Table]:
    for table in Base.metadata.sorted_tables:
        if TENANT_COLUMN in table.c:
            yield table


async def rows_seen(house: House, table: Table, *, tenant: UUID | None) -> int:
    async with house.runtime.app.read(tenant=tenant) as session:
        count = await session.scalar(select(func.count()).select_from(table))
        return int(count or 0)


async def two_clients(house: House) -> tuple[Person, Person]:
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    await house.top_up(anna, 1000)
    await house.top_up(berta, 2000)
    return anna, berta


def test_every_table_with_a_client_is_known_here() -> None:
    names = {table.name for table in walled_tables()}
    assert {"clients", "client_sessions", "balances", "holds", "entries", "services"} <= names


async def test_every_table_of_clients_has_forced_policies(house: House) -> None:
    statement = text("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
    async with house.runtime.staff.read() as session:
        guarded = set((await session.scalars(statement)).all())
    assert {table.name for table in walled_tables()} == guarded


async def test_without_a_principal_every_table_of_clients_is_empty(house: House) -> None:
    await two_clients(house)
    filled = {"clients", "client_sessions", "balances", "entries"}
    async with house.runtime.staff.read() as session:
        for name in filled:
            table = Base.metadata.tables[name]
            assert await session.scalar(select(func.count()).select_from(table))
    seen = {table.name: await rows_seen(house, table, tenant=None) for table in walled_tables()}
    assert set(seen.values()) == {0}


async def test_with_a_principal_only_their_rows_are_there(house: House) -> None:
    anna, _ = await two_clients(house)
    for name, expected in (("clients", 1), ("client_sessions", 1), ("balances", 1), ("entries", 2)):
        assert await rows_seen(house, Base.metadata.tables[name], tenant=anna.id) == expected


async def test_a_forgotten_where_finds_nobody_else(house: House) -> None:
    anna, berta = await two_clients(house)
    async with house.runtime.app.read(tenant=anna.id) as session:
        found = (await session.scalars(select(Client.id))).all()
        assert list(found) == [anna.id]
        assert await session.get(Client, berta.id) is None


async def test_nobody_writes_rows_of_another_client(house: House) -> None:
    anna, berta = await two_clients(house)
    async with house.runtime.app.write(tenant=anna.id) as session:
        now = session.clock.now()
        session.add(
            ClientSession(
                token_hash=b"x", id=new_id(), client_id=berta.id, created_at=now, expires_at=now
            )
        )
        with pytest.raises(DBAPIError, match="row-level security"):
            await session.flush()
        await session.rollback()


async def test_the_look_ups_before_a_login_tell_one_thing_each(house: House) -> None:
    anna, _ = await two_clients(house)
    async with house.runtime.app.read() as session:
        found = await queries.find_login(session, email="anna@example.com")
        assert found is not None
        assert found.client_id == anna.id
        assert "argon2" not in repr(found)
        idle = timedelta(hours=1)
        present = await queries.find_session(session, token_hash=hash_secret(anna.token), idle=idle)
        assert present is not None
        assert present.client_id == anna.id
        assert await queries.find_session(session, token_hash=b"other", idle=idle) is None
        assert (await session.scalars(select(Client.id))).all() == []


async def test_clients_have_no_way_into_the_tables_of_staff(house: House) -> None:
    for name in ("staff", "staff_sessions", "staff_lockouts", "audit_entries", "seller_feeds"):
        async with house.runtime.app.read(tenant=new_id()) as session:
            with pytest.raises(DBAPIError, match="permission denied"):
                await session.execute(text(f"SELECT * FROM {name}"))  # noqa: S608 - fixed names


async def test_a_client_can_not_change_what_tariffs_cost(house: House) -> None:
    async with house.runtime.app.write(tenant=new_id()) as session:
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(text("UPDATE tariff_prices SET price = 0"))
        await session.rollback()


async def test_a_seller_s_key_is_out_of_a_client_s_reach(house: House) -> None:
    async with house.runtime.app.read(tenant=new_id()) as session:
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(text("SELECT key FROM sellers"))


async def test_one_client_sees_nothing_of_another_through_any_route(house: House) -> None:
    anna, berta = await two_clients(house)
    for path in ("/client/v1/me", "/client/v1/balance", "/client/v1/statement"):
        own = (await anna.ask("GET", path)).text
        assert own != (await berta.ask("GET", path)).text
        assert str(berta.id) not in own
        assert "erta" not in own
        assert "2000" not in own


async def test_a_change_of_one_profile_leaves_the_other(house: House) -> None:
    anna, berta = await two_clients(house)
    before = await berta.get("/client/v1/me")
    await anna.patch("/client/v1/me", {"name": "Anna B.", "address": "Here"})
    assert await berta.get("/client/v1/me") == before
    assert (await anna.get("/client/v1/me"))["name"] == "Anna B."


async def test_whoever_orders_keeps_the_client_from_being_closed(house: House) -> None:
    anna = await house.sign_up("Anna")
    async with house.runtime.app.write(tenant=anna.id) as session:
        await queries.check_may_order(session, ClientId(anna.id))
        async with house.runtime.staff.write() as other:
            statement = select(Client).where(Client.id == anna.id)
            with pytest.raises(DBAPIError, match="could not obtain lock"):
                await other.execute(statement.with_for_update(nowait=True))
            await other.rollback()
