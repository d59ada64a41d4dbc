"""What is kept for a time only goes by itself, in batches, and the audit's chain still holds."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from shared.kit import batches
from shared.kit.people import Role, retention
from shared.kit.people.chain import verify_chain
from shared.kit.people.retention import staff_retention
from tests.job import job_of
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, PASSWORD, House

__all__ = ["house", "service"]
NO_JOB = job_of("forget_staff")


async def forget(house: House) -> None:
    task = staff_retention(house.runtime, house.people)
    assert task.every == timedelta(hours=1)
    await task.work(NO_JOB)


async def count(house: House, table: type) -> int:
    async with house.runtime.staff.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_sessions_go_when_they_are_over_and_attempts_after_thirty_days(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (batches, retention):
        monkeypatch.setattr(module, "AT_ONCE", 2)
    email = await house.hire(Role.OWNER)
    for _ in range(5):
        await house.log_in(email)
    async with house.client() as client:
        for number in range(3):
            body = {"email": f"guess{number}@example.com", "password": PASSWORD}
            await client.post(f"{BASE}/login", json=body)
    house.clock.advance(timedelta(hours=11))
    await house.log_in(email)
    house.clock.advance(timedelta(hours=1))
    await forget(house)
    assert await count(house, house.people.sessions) == 1
    # A login from its address, and three unknown ones from there and from anywhere; the count of
    # the address itself began anew after an hour, and the good login was given back.
    assert await count(house, house.people.lockouts) == 1 + 3 * 2
    house.clock.advance(timedelta(days=31))
    await forget(house)
    assert await count(house, house.people.lockouts) == 0


async def test_the_audit_forgets_what_was_changed_after_three_years_and_still_verifies(
    house: House,
) -> None:
    await house.hire(Role.OWNER, email="olga@example.com")
    house.clock.advance(timedelta(days=1095))
    await house.hire(Role.OPERATOR, email="nora@example.com")
    await forget(house)
    assert await contents(house) == ["olga@example.com", "nora@example.com"]
    house.clock.advance(timedelta(days=2))
    await forget(house)
    await forget(house)
    assert await contents(house) == [None, "nora@example.com"]
    await verify_chain(house.runtime.staff, house.people)
    entries = house.people.audit
    async with house.runtime.staff.read() as session:
        records = select(func.count()).where(entries.action == "audit.redact")
        assert await session.scalar(records) == 1, "nothing is redacted twice"


async def contents(house: House) -> list[str | None]:
    table = house.people.audit
    statement = select(table.after["email"].astext).where(table.action == "staff.create")
    async with house.runtime.staff.read() as session:
        return list((await session.scalars(statement.order_by(table.id))).all())
