"""The provider's API and worker as real processes: readiness, the log, an orderly end."""

import asyncio
import json
import signal
from asyncio.subprocess import Process

import httpx
import pytest

from selling_service.main import CAPABILITIES
from tests.kit.stage import ManualClock, eventually
from tests.selling.events.stage import Seat, open_runtime, seat
from tests.selling.processes import process, variables_for

STREAM = "/partner/v1/events/stream"
POLL = "/partner/v1/events?wait=30"


async def answers(client: httpx.AsyncClient, path: str, status: int) -> bool:
    try:
        return (await client.get(path)).status_code == status
    except httpx.TransportError:
        return False


async def stop_while_a_stream_is_open(
    api: Process, client: httpx.AsyncClient, reader: Seat
) -> list[str]:
    """Tell the API to stop; what the stream still said until its end.

    First it is only no longer ready, and answers all else; then the stream and a long poll end.
    """
    async with client.stream("GET", STREAM, headers=reader.headers) as response:
        reading = response.aiter_lines()
        assert await anext(reading) == ": the feed begins"
        poll = asyncio.create_task(client.get(POLL, headers=reader.headers))
        api.send_signal(signal.SIGTERM)
        await eventually(lambda: answers(client, "/readyz", 503), what="the drain")
        assert (await client.get("/readyz")).json() == {"serving": False}
        about = await client.get("/partner/v1/about", headers=reader.headers)
        assert (about.status_code, about.headers["connection"]) == (200, "close")
        assert not poll.done()
        async with asyncio.timeout(30):
            said = [line async for line in reading if line]
            polled = await poll
    assert (polled.status_code, polled.json()["items"]) == (200, [])
    return said


@pytest.mark.slow
async def test_api_and_worker_start_tell_about_themselves_and_end_in_order(
    selling_database_url: str,
) -> None:
    variables = variables_for(selling_database_url) | {"SELLING_DRAIN_SECONDS": "5"}
    async with open_runtime(selling_database_url, clock=ManualClock()) as runtime:
        reader = await seat(runtime, name="Reseller A")
    base = f"http://127.0.0.1:{variables['SELLING_PORT']}"
    async with (
        process("selling_service.main", variables) as api,
        process("selling_service.worker", variables) as worker,
        httpx.AsyncClient(base_url=base, timeout=10) as client,
    ):
        await eventually(lambda: answers(client, "/readyz", 200), seconds=150, what="readiness")
        ready = (await client.get("/readyz")).json()
        assert ready == {"database": True, "migrations": True, "worker": True}
        about = (await client.get("/partner/v1/about", headers=reader.headers)).json()
        assert about["capabilities"] == CAPABILITIES
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.wait(), timeout=30) == 0
        assert set(await stop_while_a_stream_is_open(api, client, reader)) <= {": still here"}
        _, said = await asyncio.wait_for(api.communicate(), timeout=30)
    written = [json.loads(line) for line in said.decode().splitlines()]
    asked = [line for line in written if line.get("route") == "/partner/v1/about"]
    assert [(line["status"], line["service"]) for line in asked] == [(200, "selling")] * 2
    assert asked[0]["request_id"] != asked[0]["trace_id"]
    assert reader.token not in said.decode()
