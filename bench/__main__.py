"""`make bench`: event latency, and orders per second beside bare commits on the same PostgreSQL."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from bench.chain import buyers, event_latency, order_rate, running_pair
from bench.comparison import compare_many
from bench.floor import commits_per_second


def main(
    orders: Annotated[int, typer.Option(help="Orders per round.")] = 200,
    at_once: Annotated[int, typer.Option(help="Orders in flight.")] = 16,
    rounds: Annotated[int, typer.Option(help="Rounds; the floor is measured in each.")] = 3,
    events: Annotated[int, typer.Option(help="Samples of the event latency.")] = 100,
    compared: Annotated[
        list[int] | None,
        typer.Option(help="Instead: reconcile so many services. Repeat it for a ratio."),
    ] = None,
) -> None:
    """Print the figures, with the floor of the same run."""
    if compared:
        with (
            tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder,
            running_pair(Path(folder)) as stack,
        ):
            compare_many(stack, compared)
        return
    with (
        tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder,
        running_pair(Path(folder)) as stack,
    ):
        shop, clients = buyers(stack, 4)
        asyncio.run(order_rate(stack, shop, clients, count=20, at_once=4))
        latency = asyncio.run(event_latency(stack, shop, clients, count=events))
        print(
            f"event latency, seller's event to applied at the reseller, {latency.samples} events:"
            f" p50 {latency.p50:.1f} ms, p99 {latency.p99:.1f} ms"
        )
        for number in range(1, rounds + 1):
            url = stack.selling_database
            floor = asyncio.run(commits_per_second(url, count=orders * 5, writers=at_once))
            rate = asyncio.run(order_rate(stack, shop, clients, count=orders, at_once=at_once))
            print(
                f"round {number}: floor {floor:.0f} commits/s;"
                f" orders accepted {rate.accepted:.1f}/s, active on both sides"
                f" {rate.active:.1f}/s = {100 * rate.active / floor:.2f} % of the floor"
                f" ({floor / rate.active:.0f} commits of the floor per order)"
            )


if __name__ == "__main__":
    typer.run(main)
