"""Entries of the audit from before the chain are in it after the migration, in their order."""

import asyncio

import pytest
from alembic import command

from local_stack.migrations import configuration
from shared.kit.people.chain import Broken, verify_chain
from tests.kit.people_house import run_house
from tests.kit.superuser import as_superuser

ENTRIES = """
INSERT INTO audit_entries
    (id, at, actor_kind, action, object_type, object_id, before, after, traceparent)
SELECT ('00000000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid, clock_timestamp(), 'cli',
    'thing.' || number, 'thing', 'one', NULL, jsonb_build_object('number', number), ''
FROM generate_series(7, 1, -1) number
"""


async def test_old_entries_are_chained_in_the_order_of_time(empty_database_url: str) -> None:
    settings = configuration("selling", url=empty_database_url)
    await asyncio.to_thread(command.upgrade, settings, "0002")
    await as_superuser(empty_database_url, ENTRIES)
    await asyncio.to_thread(command.upgrade, settings, "head")
    async with run_house("selling", url=empty_database_url, routers=[]) as house:
        assert (await verify_chain(house.runtime.staff, house.people)).number == 7
        found = await as_superuser(
            empty_database_url, "SELECT action FROM audit_entries ORDER BY number"
        )
        assert [row.action for row in found] == [f"thing.{number}" for number in range(1, 8)]
        unguarded = "SET LOCAL session_replication_role = replica"
        change = "UPDATE audit_entries SET action = 'nothing' WHERE number = 4"
        await as_superuser(empty_database_url, unguarded, change)
        with pytest.raises(Broken, match="entry 4: it was changed"):
            await verify_chain(house.runtime.staff, house.people)
