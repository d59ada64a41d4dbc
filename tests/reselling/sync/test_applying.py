"""A batch is applied once, in order, up to the first gap; a bad event parks its service only."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from reselling_service.sellers.queries import SellerAccess, find_access
from reselling_service.sync.actions import Progress, apply_events
from shared.contract.events import Event
from shared.kit.ids import new_id
from tests.kit.spans import recording
from tests.reselling.sellers.rig import Rig
from tests.reselling.sync.services import create_service, emit, find_feed, find_service


async def access(rig: Rig) -> SellerAccess:
    async with rig.runtime.staff.read() as session:
        return await find_access(session, seller_id=rig.seller_id)


async def apply(rig: Rig, *events: dict[str, Any]) -> Progress:
    who = await access(rig)
    async with rig.runtime.staff.write() as session:
        return await apply_events(session, who, [Event.model_validate(each) for each in events])


async def test_batch_moves_state_and_cursor_together(rig: Rig) -> None:
    ref = await create_service(rig)
    first, second = emit(rig, ref, 1), emit(rig, ref, 2, state="suspended")
    progress = await apply(rig, first, second)
    assert progress == Progress(applied=2, parked=0, gap=False)
    assert (await find_service(rig, ref)).heard_state == "suspended"
    feed = await find_feed(rig)
    assert (feed.number, feed.cursor) == (2, second["cursor"])


async def test_repeated_event_is_skipped(rig: Rig) -> None:
    ref = await create_service(rig)
    first, second = emit(rig, ref, 1), emit(rig, ref, 2)
    await apply(rig, first, second)
    progress = await apply(rig, first, second)
    assert progress == Progress(applied=0, parked=0, gap=False)
    assert (await find_feed(rig)).number == 2


async def test_gap_stops_the_batch_before_it(rig: Rig) -> None:
    ref = await create_service(rig)
    events = [emit(rig, ref, revision) for revision in (1, 2, 3, 4)]
    progress = await apply(rig, events[0], events[1], events[3])
    assert progress == Progress(applied=2, parked=0, gap=True)
    assert (await find_service(rig, ref)).heard_revision == 2
    assert (await find_feed(rig)).number == 2


async def test_failed_transaction_moves_neither_state_nor_cursor(rig: Rig) -> None:
    ref = await create_service(rig)
    event = Event.model_validate(emit(rig, ref, 1))
    who = await access(rig)

    async def die() -> None:
        async with rig.runtime.staff.write() as session:
            await apply_events(session, who, [event])
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await die()
    assert (await find_service(rig, ref)).heard_revision == 0
    assert (await find_feed(rig)).cursor is None


async def test_poison_event_parks_its_service_and_no_other(rig: Rig) -> None:
    poisoned, well = await create_service(rig), await create_service(rig)
    events = [
        emit(rig, poisoned, 1, wanted_power="flying"),
        emit(rig, well, 1),
        emit(rig, poisoned, 2, wanted_power="flying"),
        emit(rig, well, 2),
    ]
    progress = await apply(rig, *events)
    assert progress == Progress(applied=4, parked=2, gap=False)
    assert (await find_service(rig, well)).heard_revision == 2
    parked = await find_service(rig, poisoned)
    assert parked.parked is not None
    assert parked.heard_revision == 0
    assert (await find_service(rig, well)).parked is None
    assert (await find_feed(rig)).number == 4


async def test_each_event_is_a_step_of_the_trace_that_it_carries(rig: Rig) -> None:
    poisoned, well = await create_service(rig), await create_service(rig)
    traces = {poisoned: f"00-{'ab' * 16}-{'cd' * 8}-01", well: f"00-{'ef' * 16}-{'12' * 8}-01"}
    events = [
        emit(rig, poisoned, 1, wanted_power="flying") | {"traceparent": traces[poisoned]},
        emit(rig, well, 1) | {"traceparent": traces[well]},
    ]
    with recording() as spans:
        await apply(rig, *events)
    seen = spans.seen("apply service.started")
    assert [span.attributes["tandem.event.outcome"] for span in seen] == ["parked", "applied"]
    went_on = [(span.trace.trace_id, span.parent_id) for span in seen]
    assert went_on == [("ab" * 16, "cd" * 8), ("ef" * 16, "12" * 8)]


async def test_event_of_another_installation_is_stepped_over(rig: Rig) -> None:
    ref = await create_service(rig)
    event = emit(rig, ref, 1) | {"installation_id": str(new_id())}
    assert await apply(rig, event) == Progress(applied=1, parked=0, gap=False)
    assert (await find_service(rig, ref)).heard_revision == 0
    assert (await find_feed(rig)).number == 1


async def test_batch_waits_for_a_service_without_holding_the_others(rig: Rig) -> None:
    """A wish holds its service and then wants the client's balance; a batch must not want both."""
    refs = [await create_service(rig), await create_service(rig)]
    ids = {(await find_service(rig, ref)).id: ref for ref in refs}
    first, second = sorted(ids)
    hold = text("SELECT id FROM services WHERE id = :id FOR UPDATE NOWAIT")
    async with rig.runtime.staff.write() as wish:
        await wish.execute(hold, {"id": first})
        batch = asyncio.create_task(apply(rig, emit(rig, ids[second], 1), emit(rig, ids[first], 1)))
        await wait_until_somebody_waits(rig)
        await wish.execute(hold, {"id": second})
    assert (await batch).applied == 2


async def wait_until_somebody_waits(rig: Rig) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(10):
        while True:
            async with rig.runtime.staff.read() as session:
                if await session.scalar(waiting):
                    return
            await asyncio.sleep(0.02)
