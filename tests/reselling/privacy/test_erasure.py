"""A client who is forgotten is nowhere in the database, and their money still adds up."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select

from reselling_service.ledger.models import Entry
from reselling_service.staff.models import PEOPLE, AuditEntry
from shared.kit.people import Role
from shared.kit.people.chain import verify_chain
from tests.reselling.house import PASSWORD, code_of
from tests.reselling.privacy.planted import EMAIL, NEEDLE, PAID_IN, Planted, open_planted, write
from tests.reselling.services.shop import PRICE, SETUP

LEFT = PAID_IN - PRICE - SETUP


@pytest.fixture
async def planted(reselling_database_url: str) -> AsyncIterator[Planted]:
    async with open_planted(reselling_database_url) as opened:
        yield opened


async def test_nothing_of_the_identity_is_left_anywhere(planted: Planted) -> None:
    await planted.end()
    await write(
        planted,
        "INSERT INTO jobs (kind, priority, tenant_id, payload, state, run_at, attempts, claims,"
        " max_attempts, last_error, created_at) VALUES ('x', 100, :client, '{}', 'dead', :now, 1,"
        " 1, 1, 'planted error', :now)",
        client=planted.client.id,
        now=planted.shop.clock.now(),
    )
    await write(
        planted,
        "INSERT INTO reconciliation_differences (id, kind, key, scope, refs, evidence, repair,"
        " safe, ways, first_seen_at, last_seen_at, last_run_id, decision, decided_by,"
        " decided_at, reason)"
        " VALUES (:client, 'x', 'x', 'x', jsonb_build_object('service', cast(:ref AS text)), '{}',"
        " 'x', false, '{}', :now, :now, :client, 'ignore', 'staff', :now, 'planted reason')",
        client=planted.client.id,
        ref=str((await planted.service()).service_ref),
        now=planted.shop.clock.now(),
    )
    before = await planted.dump()
    assert before.count(NEEDLE) > 10, "or this test finds nothing because nothing was there"
    erased = await planted.erase(LEFT)
    assert erased.status_code == 200, erased.text
    after = await planted.dump()
    place = after.find(NEEDLE)
    assert place == -1, after[max(0, place - 200) : place + 200]


async def test_money_rows_and_audit_rows_stay_and_still_add_up(planted: Planted) -> None:
    await planted.end()
    mine = Entry.tenant_id == planted.client.id
    statement = (
        select(Entry.id, Entry.amount, Entry.number, Entry.at).where(mine).order_by(Entry.id)
    )
    async with planted.house.runtime.staff.read() as session:
        money = (await session.execute(statement)).all()
        audited = (await session.scalars(select(AuditEntry.id))).all()
    assert (await planted.erase(LEFT)).status_code == 200
    async with planted.house.runtime.staff.read() as session:
        after = (await session.execute(statement)).all()
        total = await session.scalar(select(func.sum(Entry.amount)).where(mine))
        left = set((await session.scalars(select(AuditEntry.id))).all())
    assert after[: len(money)] == money
    assert len(after) == len(money) + 2, "what was paid out is booked on both sides"
    assert total == 0
    assert set(audited) < left
    await verify_chain(planted.house.runtime.staff, PEOPLE)  # raises where it is broken
    balance = await planted.house.owner.get(f"/staff/v1/clients/{planted.client.id}/balance")
    assert balance["balance"]["amount"] == 0


async def test_what_stands_in_the_way_is_listed_and_nothing_is_touched(planted: Planted) -> None:
    refused = await planted.erase(None)
    assert code_of(refused) == (409, "erasure_blocked")
    found = {blocker["kind"]: blocker for blocker in refused.json()["blockers"]}
    assert found["service"]["id"] == str(planted.service_id)
    assert found["balance"]["amount"] == LEFT
    assert (await planted.client.get("/client/v1/me"))["email"] == EMAIL
    await planted.client.post(
        f"/client/v1/services/{planted.service_id}/terminate", {"when": "now"}
    )
    pending = (await planted.erase(LEFT)).json()["blockers"]
    assert {blocker["kind"] for blocker in pending} == {"service", "command"}


@pytest.mark.parametrize("paid_out", [None, LEFT - 1, LEFT + 1, -LEFT, 0])
async def test_a_balance_goes_only_with_exactly_what_was_paid_out(
    planted: Planted, paid_out: int | None
) -> None:
    await planted.end()
    assert code_of(await planted.erase(paid_out)) == (409, "erasure_blocked")


async def test_who_was_erased_is_out_and_can_begin_anew_with_their_address(
    planted: Planted,
) -> None:
    await planted.end()
    first = (await planted.erase(LEFT)).json()
    assert (await planted.client.ask("GET", "/client/v1/me")).status_code == 401
    login = {"email": EMAIL, "password": PASSWORD}
    assert (await planted.house.http.post("/client/v1/login", json=login)).status_code == 401
    assert (await planted.erase(None)).json() == first
    again = login | {"name": "Somebody New"}
    assert (await planted.house.http.post("/client/v1/sign-up", json=again)).status_code == 201
    payment = {
        "reference": "0196f0c4-7c1d-4c5e-9c57-3d4f6a1b2c3d",
        "amount": {"amount": 100, "currency": "EUR"},
        "text": "late, with a name in it",
    }
    path = f"/staff/v1/clients/{planted.client.id}/top-ups"
    assert (await planted.house.owner.ask("POST", path, json=payment)).status_code == 404


async def test_only_owners_erase_and_only_owners_and_operators_export(planted: Planted) -> None:
    path = f"/staff/v1/clients/{planted.client.id}"
    for role in (Role.OPERATOR, Role.FINANCE, Role.READ_ONLY):
        person = await planted.house.staff(role)
        erased = await person.ask("POST", f"{path}/erase", json={"paid_out": None})
        assert code_of(erased) == (403, "role_required")
        exported = await person.ask("GET", f"{path}/export")
        assert exported.status_code == (200 if role is Role.OPERATOR else 403)
