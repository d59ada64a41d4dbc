"""The audit is added to, numbered without gaps, and never rewritten; see `0003_audit_chain.sql`."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from tests.kit.audit_book import add, redact, rows, write
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import House
from tests.kit.superuser import as_superuser

__all__ = ["house", "service"]

IDS = "SELECT id FROM audit_entries"
SEALED_WRONGLY = "UPDATE audit_entries SET number = 7, hash = '', previous_hash = ''"
TOUCHED = [
    "UPDATE audit_entries SET action = ''",
    "UPDATE audit_entries SET after = NULL",
    "UPDATE audit_entries SET redacted_at = at, redacted_by = id, salt = NULL, after = '{}'",
    SEALED_WRONGLY,
    "DELETE FROM audit_entries",
    "TRUNCATE audit_entries",
]


async def test_each_entry_holds_the_hash_of_the_one_before(house: House) -> None:
    for number in range(3):
        await write(house, count=number)
    found = await rows(house)
    assert [row.number for row in found] == [1, 2, 3]
    assert found[0].previous_hash == bytes(32)
    assert [row.previous_hash for row in found[1:]] == [row.hash for row in found[:-1]]
    (head,) = await rows(house, "SELECT number, hash FROM audit_head")
    assert (head.number, head.hash) == (3, found[-1].hash)


async def test_writers_at_the_same_time_leave_no_gap_and_no_fork(house: House) -> None:
    async def several() -> None:
        async with house.runtime.staff.write() as session:
            for _ in range(3):
                await add(session, house, "thing.change")

    await asyncio.gather(*(several() for _ in range(8)))
    found = await rows(house)
    assert [row.number for row in found] == list(range(1, 25))
    assert [row.previous_hash for row in found[1:]] == [row.hash for row in found[:-1]]


async def test_a_change_under_way_does_not_hold_others_up(house: House) -> None:
    async with house.runtime.staff.write() as slow:
        await add(slow, house, "thing.slow")
        async with asyncio.timeout(5):
            await write(house, "thing.fast")
    found = await rows(house, "SELECT action FROM audit_entries ORDER BY number")
    assert [row.action for row in found] == ["thing.fast", "thing.slow"]


async def test_what_is_rolled_back_leaves_no_gap(house: House) -> None:
    await write(house)

    async def fail() -> None:
        async with house.runtime.staff.write() as session:
            await add(session, house, "thing.change")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await write(house)
    assert [row.number for row in await rows(house)] == [1, 2]


async def test_not_even_a_superuser_changes_an_entry_by_accident(
    house: House, service: tuple[str, str]
) -> None:
    await write(house, name="Anna")
    before = await rows(house, "SELECT * FROM audit_entries")
    for statement in TOUCHED:
        with pytest.raises(DBAPIError, match="only added to"):
            await as_superuser(service[1], statement)
    assert await rows(house, "SELECT * FROM audit_entries") == before


async def test_the_services_logins_lack_the_right_too(house: House) -> None:
    await write(house)
    for statement in (*TOUCHED, "UPDATE audit_head SET number = 0", "DELETE FROM audit_head"):
        for database in (house.runtime.app, house.runtime.staff):
            with pytest.raises(ProgrammingError, match="permission denied"):
                async with database.write() as session:
                    await session.execute(text(statement))


async def test_a_writer_cant_choose_number_hash_or_salt(house: House) -> None:
    async with house.runtime.staff.write() as session:
        await session.execute(
            text(
                "INSERT INTO audit_entries (id, at, actor_kind, action, object_type, object_id, "
                "traceparent, number, salt, content_hash, previous_hash, hash) VALUES "
                "(gen_random_uuid(), clock_timestamp(), 'cli', '', '', '', '', 9, '', '', '', '')"
            )
        )
    (entry,) = await rows(house, "SELECT * FROM audit_entries")
    assert entry.number == 1
    assert [len(entry.salt), len(entry.content_hash), len(entry.hash)] == [32, 32, 32]


async def test_redaction_takes_content_and_salt_and_is_an_entry_itself(house: House) -> None:
    first, second = await write(house, name="Anna"), await write(house, name="Berta")
    assert await redact(house, [first]) == 1
    taken, kept, record = await rows(house, "SELECT * FROM audit_entries ORDER BY number")
    assert (taken.id, taken.before, taken.after, taken.salt) == (first, None, None, None)
    assert (taken.redacted_at, taken.redacted_by) == (record.at, record.id)
    assert (kept.id, kept.after, kept.redacted_at) == (second, {"name": "Berta"}, None)
    assert (record.action, record.after) == ("audit.redact", {"entries": [str(first)]})


async def test_records_of_redactions_and_what_was_redacted_stay_as_they_are(house: House) -> None:
    first = await write(house, name="Anna")
    await redact(house, [first])
    before = await rows(house, "SELECT * FROM audit_entries ORDER BY number")
    assert await redact(house, [row.id for row in before]) == 0
    after = await rows(house, "SELECT * FROM audit_entries ORDER BY number")
    assert after[:2] == before


async def test_no_redaction_without_a_record_of_this_transaction(house: House) -> None:
    first = await write(house, name="Anna")
    await redact(house, [first])
    for record in ("gen_random_uuid()", *(f"'{row.id}'" for row in await rows(house, IDS))):
        with pytest.raises(DBAPIError, match="needs its own record"):
            async with house.runtime.staff.write() as session:
                await session.execute(text(f"SELECT audit_redact({record}, clock_timestamp())"))


async def test_the_tenants_login_redacts_nothing(house: House) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with house.runtime.app.write() as session:
            await session.execute(text("SELECT audit_redact(gen_random_uuid(), clock_timestamp())"))
