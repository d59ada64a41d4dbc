"""Reconciliation of many services: time and peak memory, beside those of few.

The rows are copies of one real service, made in SQL. Both comparisons run as the command line runs
them, over real HTTP, with a hundred services of which an event was lost.
"""

import asyncio
import os
import sys
import time
from dataclasses import dataclass

import asyncpg

from bench.chain import buyers
from shared.kit.hints import asyncpg_arguments
from tests.journeys.stack import Stack

LOST = 100
_REF, _ID = "md5('ref ' || n)::uuid", "md5('id ' || n)::uuid"
_MAKE = "FROM {table} t, generate_series($1::int, $2::int) n WHERE t.{key} = $3"
# By table: the key of the row that is copied, and what is different in each copy.
_SELLING = {
    "services": ("id", {"id": _ID, "service_ref": _REF}),
    "simulated_vms": ("vm_id", {"vm_id": _ID}),
    "entries": (
        "service_id",
        {
            "id": "md5('entry ' || n || t.book)::uuid",
            "transaction_id": "md5('transaction ' || n)::uuid",
            "number": "t.number + n",
            "reference": "md5('operation ' || n)::uuid",
            "service_id": _ID,
        },
    ),
}
_RESELLING = {
    "services": ("service_ref", {"id": _ID, "service_ref": _REF}),
    "seller_charges": (
        "service_ref",
        {"operation_id": "md5('operation ' || n)::uuid", "service_ref": _REF},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds and peak memory (MiB) of one comparison."""

    seconds: float
    peak: float


def compare_many(stack: Stack, sizes: list[int]) -> None:
    """Print what a comparison of each size costs, on both sides."""
    shop, (client,) = buyers(stack, 1)
    service_id = stack.order_active(client, shop)["id"]
    ref = stack.staff.service(service_id)["service_ref"]
    upstream = stack.upstream(shop, service_id)["id"]
    stack.kill("selling-worker", "reselling-worker")
    made = 1
    first: dict[str, tuple[int, Cost]] = {}
    for size in sorted(sizes):
        asyncio.run(_multiply(stack.selling_database, _SELLING, upstream, made, size))
        asyncio.run(_multiply(stack.reselling_database, _RESELLING, ref, made, size))
        asyncio.run(_lose(stack.reselling_database))
        made = size + 1
        for side in ("selling", "reselling"):
            cost = _compared(stack, side)
            base = first.setdefault(side, (size, cost))
            print(
                f"{side}: {size} services in {cost.seconds:.1f} s"
                f" ({size / base[0]:.0f} times the rows, {cost.seconds / base[1].seconds:.1f} times"
                f" the time), peak {cost.peak:.0f} MiB ({cost.peak / base[1].peak:.2f} times)"
            )


async def _multiply(
    url: str, tables: dict[str, tuple[str, dict[str, str]]], key: str, first: int, last: int
) -> None:
    database = await asyncpg.connect(**asyncpg_arguments(url))
    # As a restore does it: the triggers that watch single postings are for those.
    await database.execute("SET session_replication_role = replica")
    for table, (column, changed) in tables.items():
        names = [
            row["column_name"]
            for row in await database.fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_name = $1", table
            )
        ]
        values = ", ".join(changed.get(name, f"t.{name}") for name in names)
        source = _MAKE.format(table=table, key=column)
        await database.execute(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} {source}",
            first,
            last,
            key,
            timeout=1200,
        )
        await database.execute(f"ANALYZE {table}", timeout=600)
    await database.close()


async def _lose(url: str) -> None:
    """Let a hundred services have missed what happened last."""
    database = await asyncpg.connect(**asyncpg_arguments(url))
    await database.execute(
        "UPDATE services SET heard_revision = heard_revision - 1, heard_power = 'stopped'"
        " WHERE service_ref IN (SELECT service_ref FROM services ORDER BY service_ref LIMIT $1)",
        LOST,
    )
    await database.close()


def _compared(stack: Stack, side: str) -> Cost:
    program = [sys.executable, "-m", f"{side}_service.cli", "reconcile", "--run"]
    began = time.perf_counter()
    child = os.posix_spawn(
        program[0],
        program,
        stack.variables(),
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _pid, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    if status:
        raise RuntimeError(f"the comparison of the {side} side ended with {status}")
    return Cost(seconds=seconds, peak=usage.ru_maxrss / 1024)
