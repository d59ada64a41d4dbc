"""Reconciliation of many services: time and peak memory, beside those of few.

The rows are copies of one real service, made in SQL. Both comparisons run as the command line runs
them, over real HTTP, with a hundred services, spread over all ranges, of which an event was lost.
"""

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx

from bench.chain import buyers
from shared.contract.basics import BASE_PATH
from shared.kit.hints import asyncpg_arguments
from tests.journeys.stack import Shop, Stack

LOST = 100
RANGE = "7f"
PATIENCE = 600.0
LOOK_EVERY = 0.05
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
# The books are right, as after so many postings.
_BALANCES = """
UPDATE balances b SET balance = e.total, postings = e.last
FROM (SELECT {owner} AS owner, sum(amount) AS total, max(number) AS last
    FROM entries WHERE book = 'balance' GROUP BY 1) e
WHERE b.{owner} = e.owner
"""


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
        span = {"first": made, "last": size}
        selling, reselling = stack.selling_database, stack.reselling_database
        asyncio.run(_multiply(selling, _SELLING, key=upstream, owner="partner_id", **span))
        asyncio.run(_multiply(reselling, _RESELLING, key=ref, owner="client_id", **span))
        asyncio.run(_lose(stack.reselling_database))
        made = size + 1
        whole, one = _digested(stack, shop, ""), _digested(stack, shop, RANGE)
        print(
            f"{size} services: digests of the seller's side {whole:.2f} s, of a range {one:.3f} s"
        )
        for side in ("selling", "reselling"):
            cost = _compared(stack, side)
            base = first.setdefault(side, (size, cost))
            print(
                f"{side}: {size} services in {cost.seconds:.1f} s"
                f" ({size / base[0]:.0f} times the rows, {cost.seconds / base[1].seconds:.1f} times"
                f" the time), peak {cost.peak:.0f} MiB ({cost.peak / base[1].peak:.2f} times)"
            )


async def _multiply(
    url: str,
    tables: dict[str, tuple[str, dict[str, str]]],
    *,
    key: str,
    owner: str,
    first: int,
    last: int,
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
        await database.execute(f"VACUUM ANALYZE {table}", timeout=600)
    await database.execute(_BALANCES.format(owner=owner), timeout=600)
    await database.close()


async def _lose(url: str) -> None:
    """Let a hundred services have missed what happened last."""
    database = await asyncpg.connect(**asyncpg_arguments(url))
    await database.execute(
        "UPDATE services SET heard_revision = heard_revision - 1, heard_power = 'stopped'"
        " WHERE id IN (SELECT id FROM services ORDER BY id LIMIT $1)",
        LOST,
    )
    await database.close()


def _digested(stack: Stack, shop: Shop, prefix: str) -> float:
    """Seconds until a seller has answered with the digests of the ranges below a prefix."""
    began = time.perf_counter()
    answer = httpx.get(
        f"{stack.urls['selling']}{BASE_PATH}/inventory/digests",
        params={"prefix": prefix},
        headers={"Authorization": f"Bearer {shop.goods.key}"},
        timeout=PATIENCE,
    )
    answer.raise_for_status()
    return time.perf_counter() - began


def _compared(stack: Stack, side: str) -> Cost:
    program = [sys.executable, "-m", f"{side}_service.cli", "reconcile", "--run", "--json"]
    variables = stack.variables()
    began, peak = time.perf_counter(), 0
    with (
        tempfile.TemporaryFile() as report,
        subprocess.Popen(program, env=variables, stdout=report) as child,  # noqa: S603
    ):
        while child.poll() is None:
            peak = max(peak, _peak_kib(child.pid))
            time.sleep(LOOK_EVERY)
        seconds = time.perf_counter() - began
        report.seek(0)
        run = json.load(report)["run"]
    if run["state"] != "done":
        raise RuntimeError(f"the comparison of the {side} side: {run['problem']}")
    return Cost(seconds=seconds, peak=peak / 1024)


def _peak_kib(pid: int) -> int:
    """The most memory that this program has had so far; 0 where it has just ended.

    What `wait4` tells of an ended child won't do: it counts the parent's memory, from before the
    child became another program.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else 0
