"""Lets the provider compare, and reads what was found."""

from typing import Any

import httpx
from sqlalchemy import text

from selling_service.reconciliation.actions.comparing import run_once
from tests.selling.services.house import House


async def compare(house: House) -> None:
    await run_once(house.runtime, house.platforms, asked_by="schedule")


async def found(desk: httpx.AsyncClient, *, state: str = "open") -> list[dict[str, Any]]:
    answer = await desk.get("/reconciliation/differences", params={"state": state})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def decide(desk: httpx.AsyncClient, row: dict[str, Any], way: str) -> httpx.Response:
    path = f"/reconciliation/differences/{row['id']}/{way}"
    return await desk.post(path, json={"reason": "Agreed by telephone."})


async def on_vm(house: House, change: str) -> None:
    """Change the only VM behind the books' back, as people at the platform can."""
    async with house.runtime.staff.write() as session:
        await session.execute(text(f"UPDATE simulated_vms SET {change}"))  # noqa: S608
