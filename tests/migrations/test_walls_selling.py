"""The second wall at the provider: role `app` sees the rows of the partner that it names, only."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from selling_service.database import Base
from tests.selling.services.house import House, open_house

OF_A_PARTNER = sorted(
    table.name for table in Base.metadata.tables.values() if "partner_id" in table.c
)
FILLED = {
    "accounts",
    "balances",
    "entries",
    "events",
    "feeds",
    "holds",
    "operation_attempts",
    "operations",
    "platform_users",
    "received_commands",
    "services",
    "suspensions",
    "terms",
}
CLOSED_TO_APP = {
    "staff",
    "staff_sessions",
    "staff_lockouts",
    "audit_entries",
    "partner_keys",
    "audit_head",
}


@pytest.fixture
async def house(selling_database_url: str) -> AsyncIterator[House]:
    """A provider with two partners, each with an active and a suspended service."""
    async with open_house(selling_database_url) as house:
        for _ in range(2):
            partner = await house.new_partner()
            for verb in (None, "suspend"):
                body = house.order()
                await partner.send("/services", body)
                if verb:
                    await partner.send(f"/services/{body['service_ref']}/{verb}", {})
            await house.settle(partner.id)
        yield house


async def count(house: House, table: str, *, partner: UUID | None, where: str = "true") -> int:
    """Rows that role `app` sees of a table."""
    async with house.runtime.app.read(tenant=partner) as session:
        statement = text(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608
        return int((await session.execute(statement)).scalar_one())


async def test_without_a_principal_every_table_of_a_partner_is_empty(house: House) -> None:
    for table in FILLED:
        assert await house.count(table) > 1, f"{table} should have rows, or nothing is shown here"
    for table in set(OF_A_PARTNER) - CLOSED_TO_APP:
        assert await count(house, table, partner=None) == 0, table


async def test_with_a_principal_only_its_rows_are_there(house: House) -> None:
    async with house.runtime.staff.read() as session:
        partners = [row.id for row in await session.execute(text("SELECT id FROM partners"))]
    assert len(partners) == 2
    for table in FILLED:
        seen = [await count(house, table, partner=partner) for partner in partners]
        foreign = [
            await count(house, table, partner=partner, where=f"partner_id <> '{partner}'")
            for partner in partners
        ]
        assert all(seen), table
        assert foreign == [0, 0], table
        assert sum(seen) == await house.count(table), table


async def test_rows_of_another_partner_cannot_be_written(house: House) -> None:
    async with house.runtime.staff.read() as session:
        mine, other = [row.id for row in await session.execute(text("SELECT id FROM partners"))]
    async with house.runtime.app.write(tenant=mine) as session:
        changed = await session.execute(
            text("UPDATE services SET revision = 9 WHERE partner_id = :other RETURNING id"),
            {"other": other},
        )
        assert changed.all() == []
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with house.runtime.app.write(tenant=mine) as session:
            await session.execute(
                text("INSERT INTO feeds (partner_id, head) VALUES (:id, 0)"), {"id": UUID(int=7)}
            )


@pytest.mark.parametrize("table", sorted(CLOSED_TO_APP))
async def test_tables_of_staff_and_keys_are_closed_to_the_application(
    house: House, table: str
) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        await count(house, table, partner=None)


async def test_every_table_with_a_partner_is_walled_off(house: House) -> None:
    """A table that is added later can't be forgotten."""
    async with house.runtime.staff.read() as session:
        rows = await session.execute(
            text(
                "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
                "WHERE a.attname = 'partner_id' AND c.relkind = 'r' "
                "AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
            )
        )
        assert [row.relname for row in rows] == []


@pytest.mark.parametrize("statement", ["UPDATE entries SET id = id", "DELETE FROM entries"])
async def test_books_and_audit_can_only_be_added_to(house: House, statement: str) -> None:
    for database in (house.runtime.app, house.runtime.staff):
        for table in ("entries", "audit_entries"):
            with pytest.raises(ProgrammingError, match="permission denied"):
                async with database.write() as session:
                    await session.execute(text(statement.replace("entries", table)))
