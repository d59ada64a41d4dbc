"""The readers: from the cursor, through breaks and silence, by poll, and through the inventory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from reselling_service.commands import tasks as commands
from reselling_service.sellers.models import SellerFeed
from reselling_service.services import actions as services
from reselling_service.sync.actions import Reader
from reselling_service.sync.actions import reading as reading_module
from reselling_service.sync.tasks import run_readers
from shared.contract.basics import CommandKind
from shared.contract.events import Event
from shared.kit.db import WriteSession
from tests.reselling.sellers.fake import Fault, new_status, problem
from tests.reselling.sellers.rig import Rig, until
from tests.reselling.sync.services import (
    create_service,
    emit,
    find_feed,
    find_service,
    heard,
    view,
)


@asynccontextmanager
async def reading(rig: Rig) -> AsyncIterator[None]:
    """One process's readers run during the block."""
    stop = asyncio.Event()
    running = asyncio.create_task(run_readers(rig.runtime, stop))
    try:
        yield
    finally:
        stop.set()
        await running


def streams(rig: Rig) -> list[str | None]:
    """The cursors from which streams were asked for."""
    return [headers.get("last-event-id") for headers, _ in rig.fake.sent("/events/stream")]


async def test_event_is_heard_over_the_stream(rig: Rig) -> None:
    ref = await create_service(rig)
    async with reading(rig):
        emit(rig, ref, 1)
        await heard(rig, ref, 1)
        emit(rig, ref, 2, state="suspended")
        row = await heard(rig, ref, 2)
    assert row.heard_state == "suspended"
    feed = await find_feed(rig)
    assert (feed.mode, feed.number, feed.problem) == ("stream", 2, None)


async def test_reader_that_was_away_goes_on_from_its_cursor(rig: Rig) -> None:
    ref = await create_service(rig)
    first = emit(rig, ref, 1)
    async with reading(rig):
        await until(lambda: _streaming(rig))
    for revision in range(2, 260):
        emit(rig, ref, revision)
    async with reading(rig):
        await heard(rig, ref, 259)
    assert streams(rig) == [first["cursor"]] * 2
    assert (await find_feed(rig)).number == 259


async def test_two_processes_open_one_stream(rig: Rig) -> None:
    ref = await create_service(rig)
    async with reading(rig), reading(rig):
        emit(rig, ref, 1)
        await heard(rig, ref, 1)
        await asyncio.sleep(0.3)
    assert rig.fake.streams == 1


async def test_two_readers_at_once_apply_each_event_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await create_service(rig)
    numbers: list[int] = []
    hear = services.hear

    async def noting(session: WriteSession, seller_id: object, event: Event) -> None:
        numbers.append(event.number)
        await hear(session, rig.seller_id, event)

    monkeypatch.setattr(services, "hear", noting)
    emit(rig, ref, 1)
    readers = [asyncio.create_task(Reader(rig.runtime, rig.seller_id).run()) for _ in range(2)]
    # What is told before both read on from the inventory's head would be stepped over.
    await until(lambda: _streams_opened(rig, 2))
    for revision in range(2, 60):
        emit(rig, ref, revision)
        await asyncio.sleep(0.005)
    await heard(rig, ref, 59)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    assert rig.fake.streams == 2
    assert numbers == sorted(set(numbers))


async def test_poison_is_read_again_and_unparked(rig: Rig) -> None:
    poisoned, well = await create_service(rig), await create_service(rig)
    async with reading(rig):
        emit(rig, well, 1)
        await heard(rig, well, 1)
        rig.fake.services[str(poisoned)] = view(poisoned, 7, rig)
        bad = new_status(poisoned, revision=6, wanted_power="flying")
        rig.fake.emit(service_ref=str(poisoned), service=bad)
        emit(rig, well, 2)
        await heard(rig, well, 2)
        row = await heard(rig, poisoned, 7)
    assert row.parked is None
    assert row.heard_power == "running"


async def test_service_that_reads_badly_stays_parked_alone(rig: Rig) -> None:
    poisoned, well = await create_service(rig), await create_service(rig)
    async with reading(rig):
        await until(lambda: _streaming(rig))
        emit(rig, poisoned, 1, wanted_power="flying")
        for revision in range(1, 5):
            emit(rig, well, revision)
            await heard(rig, well, revision)
    assert (await find_service(rig, poisoned)).parked is not None
    assert rig.fake.streams == 1, "the stream was never left for it"


async def test_command_whose_event_was_stepped_over_is_looked_up(rig: Rig) -> None:
    command = await rig.send()
    async with rig.working(commands.tasks(rig.runtime)):
        await rig.reached(command.id, "accepted")
        rig.fake.operations[str(command.id)]["state"] = "succeeded"
        async with reading(rig):
            await rig.reached(command.id, "succeeded")


@pytest.mark.parametrize("code", ["cursor_lost", "cursor_expired"])
async def test_lost_cursor_leads_through_the_inventory(rig: Rig, code: str) -> None:
    stale, fresh = await create_service(rig), await create_service(rig)
    if code == "cursor_expired":
        rig.fake.oldest = 500
    head = emit(rig, fresh, 1)
    rig.fake.services[str(stale)] = view(stale, 9, rig, state="suspended")
    rig.fake.services[str(fresh)] = view(fresh, 1, rig)
    async with rig.runtime.staff.write() as session:
        feed = await session.get_one(SellerFeed, rig.seller_id)
        feed.number, feed.cursor = 4, "4-0123456789ab"
    async with reading(rig):
        row = await heard(rig, stale, 9)
        assert row.heard_state == "suspended"
        await heard(rig, fresh, 1)
        emit(rig, fresh, 2)
        await heard(rig, fresh, 2)
    assert streams(rig)[-1] == head["cursor"]
    assert (await find_feed(rig)).number == head["number"] + 1


@pytest.mark.parametrize("code", ["unavailable", "internal_error"])
async def test_service_that_cant_be_read_while_catching_up_is_asked_for_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Its events are before the inventory's head and stepped over: nothing else tells of it."""
    monkeypatch.setattr(reading_module, "PARKED_SECONDS", 0.1)
    stale = await create_service(rig)
    emit(rig, stale, 4)
    rig.fake.service_faults.extend([Fault("refuse", problem(code))] * 2)
    async with reading(rig):
        row = await heard(rig, stale, 4)
    assert not rig.fake.service_faults
    assert row.parked is None


async def test_refused_stream_falls_back_to_poll(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = await create_service(rig)
    rig.fake.stream_faults.extend([Fault("refuse", problem("too_many_streams"))] * 20)
    async with reading(rig):
        emit(rig, ref, 1)
        await heard(rig, ref, 1)
        emit(rig, ref, 2)
        await heard(rig, ref, 2)
        assert (await find_feed(rig)).mode == "poll"
    assert len(streams(rig)) == 1
    assert (await rig.seller()).link == "ok"


async def test_polling_goes_back_to_the_stream(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "POLL_FOR_SECONDS", 0.1)
    ref = await create_service(rig)
    rig.fake.stream_faults.append(Fault("refuse", problem("too_many_streams")))
    async with reading(rig):
        emit(rig, ref, 1)
        await until(lambda: _streaming(rig))
        emit(rig, ref, 2)
        await heard(rig, ref, 2)
    assert (await find_feed(rig)).mode == "stream"


async def test_silent_stream_is_opened_again(rig: Rig) -> None:
    ref = await create_service(rig)
    emit(rig, ref, 1)
    rig.fake.heartbeat = 60.0
    async with reading(rig):
        await heard(rig, ref, 1)
        await until(lambda: _streams_opened(rig, 2))
        emit(rig, ref, 2)
        await heard(rig, ref, 2)


async def test_broken_streams_lead_to_poll(rig: Rig) -> None:
    ref = await create_service(rig)
    rig.fake.stream_faults.extend([Fault("drop")] * 20)
    async with reading(rig):
        emit(rig, ref, 1)
        await until(lambda: _streams_opened_or_polled(rig))
        emit(rig, ref, 2)
        await heard(rig, ref, 2)
    # The transport itself repeats a GET once on a connection that broke.
    assert len(streams(rig)) <= 2 * reading_module.STREAM_FAULTS_BEFORE_POLL
    assert (await rig.seller()).link == "ok"


async def test_disabled_seller_is_not_read(rig: Rig) -> None:
    ref = await create_service(rig)
    async with rig.runtime.staff.write() as session:
        seller = await session.get_one(type(await rig.seller()), rig.seller_id)
        seller.enabled = False
    async with reading(rig):
        emit(rig, ref, 1)
        await asyncio.sleep(0.5)
    assert rig.fake.requests == []
    assert (await find_service(rig, ref)).heard_revision == 0


async def test_trouble_of_the_feed_alone_keeps_no_command_waiting(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "LONGEST_PAUSE", 0.02)
    bad_gateway = Fault("refuse", (502, {}, b""))
    rig.fake.stream_faults.extend([bad_gateway] * 200)
    rig.fake.read_faults.extend([bad_gateway] * 200)
    async with reading(rig):
        await until(lambda: _complained(rig))
        assert len(rig.fake.sent("/events/stream")) + len(rig.fake.sent("/inventory")) > 8
        assert (await rig.seller()).retry_after is None
        command = await rig.send(CommandKind.SUSPEND)
        async with rig.working(commands.tasks(rig.runtime)):
            await rig.reached(command.id, "accepted")
    assert (await rig.seller()).failures == 0


async def test_refused_key_shows_as_broken_link(rig: Rig) -> None:
    rig.fake.key = "another_key_0123456789"

    async def broken() -> bool:
        return (await rig.seller()).link == "broken"

    async with reading(rig):
        await until(broken)
        ref = await create_service(rig)
        emit(rig, ref, 1)
        rig.fake.key = "tps_test_key_0123456789"
        await heard(rig, ref, 1)

        async def well() -> bool:
            return (await rig.seller()).link == "ok"

        await until(well)


async def _complained(rig: Rig) -> bool:
    calls = len(rig.fake.sent("/events/stream")) + len(rig.fake.sent("/inventory"))
    return calls > 8 and (await find_feed(rig)).mode == "waiting"


async def _streaming(rig: Rig) -> bool:
    return (await find_feed(rig)).mode == "stream"


async def _streams_opened(rig: Rig, count: int) -> bool:
    return rig.fake.streams >= count


async def _streams_opened_or_polled(rig: Rig) -> bool:
    return bool(rig.fake.sent("/events"))
