"""The third wall at the provider: no row of one partner can name a row of another."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from selling_service.database import Base
from tests.selling.services.house import House, open_house

OF_A_PARTNER = {name for name, table in Base.metadata.tables.items() if "partner_id" in table.c}


@pytest.fixture
async def house(selling_database_url: str) -> AsyncIterator[House]:
    """A provider with two partners, each with one active service."""
    async with open_house(selling_database_url) as house:
        for _ in range(2):
            partner = await house.new_partner()
            await partner.send("/services", house.order())
            await house.settle(partner.id)
        yield house


@pytest.mark.parametrize(
    ("table", "column", "named"),
    [
        ("accounts", "installation_id", "installations"),
        ("services", "installation_id", "installations"),
        ("services", "account_id", "accounts"),
        ("holds", "service_id", "services"),
        ("operations", "service_id", "services"),
        ("operations", "hold_id", "holds"),
        ("received_commands", "operation_id", "operations"),
    ],
)
async def test_row_cannot_name_what_is_another_partners(
    house: House, table: str, column: str, named: str
) -> None:
    assert await house.count(table, f"{column} IS NOT NULL") > 1
    theirs = f"SELECT id FROM {named} other WHERE other.partner_id <> mine.partner_id LIMIT 1"  # noqa: S608
    change = text(f"UPDATE {table} mine SET {column} = ({theirs})")  # noqa: S608
    with pytest.raises(IntegrityError, match=f"fk_{table}_partner_id_{column}_{named}"):
        async with house.runtime.staff.write() as session:
            await session.execute(change)


async def test_entry_cannot_name_what_is_another_partners(house: House) -> None:
    copied = text(
        "INSERT INTO entries SELECT e.partner_id, :id, e.transaction_id, 99, 'cash', 'forged', 0,"
        " null, null, s.id, '', e.at FROM entries e JOIN services s ON s.partner_id <> e.partner_id"
        " LIMIT 1"
    )
    with pytest.raises(IntegrityError, match="fk_entries_partner_id_service_id_services"):
        async with house.runtime.staff.write() as session:
            await session.execute(copied, {"id": "0197c7a4-55d0-7b6e-9d53-3a4f2f1f7c11"})


def test_every_key_between_tables_of_partners_names_the_partner() -> None:
    for name in OF_A_PARTNER:
        for key in Base.metadata.tables[name].foreign_key_constraints:
            if key.referred_table.name in OF_A_PARTNER:
                assert "partner_id" in key.column_keys, key.name
