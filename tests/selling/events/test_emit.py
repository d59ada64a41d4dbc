"""Events are numbered per partner without gaps, and commit in the order of their numbers."""

import asyncio
import json
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from selling_service.database import SellingRuntime
from selling_service.events.actions import emit
from selling_service.events.queries import find_head, list_events
from shared.contract.basics import Money
from shared.contract.events import EventType, make_cursor
from shared.contract.services import ServiceFacts, ServiceView
from shared.kit.ids import new_id, new_ref
from shared.kit.telemetry import in_trace, parse_traceparent
from tests.kit.stage import START
from tests.selling.events.stage import Seat, happen, operation, seat


async def numbers(runtime: SellingRuntime, of: Seat) -> list[int]:
    async with runtime.app.read(tenant=of.partner_id) as session:
        rows = await list_events(session, of.partner_id, after=0, limit=1000)
        return [row.number for row in rows]


async def test_many_writers_at_once_leave_no_gap_and_commit_in_order(
    runtime: SellingRuntime,
) -> None:
    a = await seat(runtime, name="Reseller A")
    b = await seat(runtime, name="Reseller B")
    seen: list[list[int]] = []

    async def watch() -> None:
        while True:
            seen.append(await numbers(runtime, a))
            await asyncio.sleep(0.005)

    async def write(number: int) -> None:
        for _ in range(10):
            await happen(runtime, a if number % 4 else b)
            if number == 1:
                with pytest.raises(ZeroDivisionError):
                    await emit_and_crash(runtime, a)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(write(number) for number in range(8)))
    watching.cancel()
    assert await numbers(runtime, a) == list(range(1, 61))
    assert await numbers(runtime, b) == list(range(1, 21))
    # Nobody ever saw a number before all smaller ones.
    assert len(seen) > 3
    for found in seen:
        assert found == list(range(1, len(found) + 1))


async def emit_and_crash(runtime: SellingRuntime, of: Seat) -> None:
    async with runtime.app.write(tenant=of.partner_id) as session:
        await emit(
            session,
            of.partner_id,
            type=EventType.ACCEPTED,
            installation_id=None,
            service=None,
            operation=operation(),
        )
        raise ZeroDivisionError


async def test_an_event_carries_refs_trace_and_the_public_state_only(
    runtime: SellingRuntime,
) -> None:
    one = await seat(runtime, name="Reseller A")
    view = ServiceView(
        service_ref=new_ref(),
        client_ref=new_ref(),
        revision=3,
        state="active",
        power="running",
        wanted_power="running",
        suspensions=[],
        tariff_id=new_id(),
        tariff_version=1,
        period="month",
        activated_at=START,
        paid_until=START,
        terminate_at=None,
        terminated_at=None,
        delete_at=None,
        facts=ServiceFacts(vcpu=1, ram_mib=512, disk_gib=5, ipv4=["192.0.2.1"], os="debian-12"),
        hostname="ada-lovelace.example.com",
        data_center="A",
        installation_id=one.installation_id,
        created_at=START,
        renewal_price=Money(amount=990, currency="EUR"),
        allowed=[],
    )
    done = operation(service_ref=view.service_ref, state="succeeded")
    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"
    with in_trace(trace):
        await happen(runtime, one, type_=EventType.ACTIVATED, service=view, operation_=done)
    async with runtime.app.read(tenant=one.partner_id) as session:
        [row] = await list_events(session, one.partner_id, after=0, limit=10)
        assert await find_head(session, one.partner_id) == make_cursor(number=1, event_id=row.id)
    assert (row.type, row.at, row.installation_id) == (
        "service.activated",
        START,
        one.installation_id,
    )
    assert (row.client_ref, row.service_ref) == (view.client_ref, view.service_ref)
    assert (row.operation_id, row.command_id) == (done.id, done.command_id)
    went_on = parse_traceparent(row.traceparent)
    assert went_on is not None
    assert went_on.trace_id == "ab" * 16
    assert row.body["service"]["revision"] == 3
    assert row.body["operation"]["state"] == "succeeded"
    # A host name is the client's content: it never travels in events.
    assert "ada-lovelace" not in json.dumps(row.body)


async def test_another_partner_sees_and_writes_nothing(runtime: SellingRuntime) -> None:
    a = await seat(runtime, name="Reseller A")
    b = await seat(runtime, name="Reseller B")
    await happen(runtime, a)
    async with runtime.app.read(tenant=b.partner_id) as session:
        assert await list_events(session, a.partner_id, after=0, limit=10) == []
        assert (await session.scalars(text("SELECT count(*) FROM feeds"))).one() == 0
    with pytest.raises(DBAPIError, match="row-level security"):
        await emit_as(runtime, b.partner_id, into=a)
    assert await numbers(runtime, a) == [1]


async def emit_as(runtime: SellingRuntime, tenant: UUID, *, into: Seat) -> None:
    async with runtime.app.write(tenant=tenant) as session:
        await emit(
            session,
            into.partner_id,
            type=EventType.ACCEPTED,
            installation_id=None,
            service=None,
            operation=None,
        )
