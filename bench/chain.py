"""Orders through the whole chain: reseller's API, its worker, seller's API, its worker, the feed.

Everything runs as real processes over real HTTP on a durable PostgreSQL, platform simulated.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx

from local_stack import migrations
from local_stack.demo.callers import Client
from local_stack.postgres import EmbeddedPostgres
from shared.kit.hints import asyncpg_arguments
from tests.journeys.stack import OS, Shop, Stack

ENOUGH = 10_000_000
# Event latency is only clean while nothing else waits: one order at a time.
_DONE = "SELECT count(*) FROM services WHERE heard_state = 'active'"
_LATENCIES = """
SELECT extract(epoch FROM heard_at) AS heard, (heard ->> 'service_ref')::uuid AS ref
FROM services WHERE heard_state = 'active'
"""
_EVENTS = """
SELECT service_ref AS ref, extract(epoch FROM at) AS at
FROM events WHERE type = 'service.activated'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Orders per second: as accepted by the reseller's API, and as active on both sides."""

    accepted: float
    active: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds from the seller's event to its application at the reseller."""

    samples: int
    p50: float
    p99: float


@contextmanager
def running_pair(folder: Path) -> Iterator[Stack]:
    """A pair on a durable PostgreSQL of its own."""
    with EmbeddedPostgres(folder / "postgres", durable=True) as server:
        urls = {}
        for service in ("selling", "reselling"):
            server.create_database(service)
            urls[service] = server.url(service)
            migrations.upgrade(service, url=urls[service])
        with Stack(
            selling_database=urls["selling"],
            reselling_database=urls["reselling"],
            folder=folder,
            sandbox=False,
            environment={
                "SELLING_LOG_LEVEL": "WARNING",
                "RESELLING_LOG_LEVEL": "WARNING",
                "RESELLING_SELLER_PRIVATE_ADDRESSES": "true",
            },
        ) as stack:
            yield stack


def buyers(stack: Stack, count: int) -> tuple[Shop, list[Client]]:
    """A shop with a rich partner, and rich clients."""
    shop = stack.open_shop(paid_in=ENOUGH)
    return shop, [stack.new_client(paid_in=ENOUGH) for _ in range(count)]


async def order_rate(
    stack: Stack, shop: Shop, clients: list[Client], *, count: int, at_once: int
) -> Rate:
    """Place `count` orders, `at_once` at a time, and wait until all are active."""
    database = await asyncpg.connect(**asyncpg_arguments(stack.reselling_database))
    before = await database.fetchval(_DONE)
    left = iter(range(count))
    began = time.perf_counter()
    async with httpx.AsyncClient(base_url=stack.urls["reselling"], timeout=60) as http:

        async def place() -> None:
            for number in left:
                answer = await http.post(
                    "/client/v1/orders",
                    json=_order(shop, number),
                    headers=_session(clients[number % len(clients)]),
                )
                answer.raise_for_status()

        await asyncio.gather(*(place() for _ in range(at_once)))
        accepted = time.perf_counter() - began
    async with asyncio.timeout(300):
        while await database.fetchval(_DONE) < before + count:  # noqa: ASYNC110 - as a client looks
            await asyncio.sleep(0.05)
    active = time.perf_counter() - began
    await database.close()
    return Rate(accepted=count / accepted, active=count / active)


def _order(shop: Shop, number: int) -> dict[str, object]:
    return {
        "tariff_id": shop.tariff["id"],
        "period": "month",
        "options": {"os": OS, "hostname": f"bench-{number}.example.com"},
    }


def _session(client: Client) -> dict[str, str]:
    return {"Authorization": client.http.headers["Authorization"]}


async def event_latency(stack: Stack, shop: Shop, clients: list[Client], *, count: int) -> Latency:
    """Order one after another; from each activation's event to its application."""
    known = set(await _applied(stack))
    for number in range(count):
        await order_rate(stack, shop, [clients[number % len(clients)]], count=1, at_once=1)
    applied = await _applied(stack)
    made = await _made(stack)
    found = sorted((heard - made[ref]) * 1000 for ref, heard in applied.items() if ref not in known)
    cuts = statistics.quantiles(found, n=100)
    return Latency(samples=len(found), p50=cuts[49], p99=cuts[98])


async def _applied(stack: Stack) -> dict[UUID, float]:
    database = await asyncpg.connect(**asyncpg_arguments(stack.reselling_database))
    rows = await database.fetch(_LATENCIES)
    await database.close()
    return {row["ref"]: float(row["heard"]) for row in rows}


async def _made(stack: Stack) -> dict[UUID, float]:
    database = await asyncpg.connect(**asyncpg_arguments(stack.selling_database))
    rows = await database.fetch(_EVENTS)
    await database.close()
    return {row["ref"]: float(row["at"]) for row in rows}
