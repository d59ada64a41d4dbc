from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.kit.people_house import BASE, House
from tests.selling.partners.factories import create_reseller

TABLES = ["partners", "installations"]


async def count(house: House, table: str, *, tenant: object = None) -> int:
    statement = text(f"SELECT count(*) FROM {table}")  # noqa: S608
    async with house.runtime.app.read(tenant=tenant) as session:  # type: ignore[arg-type]
        return int(await session.scalar(statement) or 0)


async def test_a_partner_sees_itself_even_where_a_query_forgets_to_ask(house: House) -> None:
    a, b = await create_reseller(house, name="A"), await create_reseller(house, name="B")
    for reseller in (a, b):
        async with reseller.client() as client:
            seen = (await client.get(f"{BASE}/visible")).json()
        mine = str(reseller.partner_id)
        assert seen == {"partners": [mine], "installations": [mine]}


async def test_a_write_sees_one_partner_as_well(house: House) -> None:
    await create_reseller(house, name="A")
    b = await create_reseller(house, name="B")
    async with b.client() as client:
        assert (await client.post(f"{BASE}/write")).json() == "B"


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_principal_there_is_nothing(house: House, table: str) -> None:
    reseller = await create_reseller(house)
    assert await count(house, table) == 0
    assert await count(house, table, tenant=uuid4()) == 0
    assert await count(house, table, tenant=reseller.partner_id) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM partner_keys",
        "UPDATE partners SET state = 'active'",
        "INSERT INTO installations SELECT * FROM installations",
        "DELETE FROM partners",
    ],
)
async def test_the_partners_login_reads_no_key_and_changes_no_partner(
    house: House, statement: str
) -> None:
    reseller = await create_reseller(house)
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with house.runtime.app.write(tenant=reseller.partner_id) as session:
            await session.execute(text(statement))


async def test_the_look_up_answers_for_one_id_only(house: House) -> None:
    a = await create_reseller(house, name="A")
    await create_reseller(house, name="B")
    lookup = text("SELECT key_id FROM partner_key_lookup(:id)")
    async with house.runtime.app.read() as session:
        found = (await session.scalars(lookup, {"id": a.key_id})).all()
        assert list(found) == [a.key_id]
        assert (await session.scalars(lookup, {"id": uuid4()})).all() == []


async def test_the_look_up_cant_be_led_astray_by_a_search_path(house: House) -> None:
    a = await create_reseller(house, name="A")
    async with house.runtime.staff.write() as session:
        await session.execute(text("CREATE TEMP TABLE partner_keys (id uuid)"))
        await session.execute(text("SET LOCAL search_path = pg_temp, public"))
        statement = text("SELECT key_id FROM public.partner_key_lookup(:id)")
        assert await session.scalar(statement, {"id": a.key_id}) == a.key_id


async def test_others_may_not_ask_the_look_up(house: House) -> None:
    async with house.runtime.staff.read() as session:
        statement = text(
            "SELECT count(*) FROM pg_proc, aclexplode(proacl) "
            "WHERE proname = 'partner_key_lookup' AND grantee = 0"
        )
        assert await session.scalar(statement) == 0
