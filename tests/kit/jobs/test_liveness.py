"""A worker goes on showing that it lives, whatever the driver says of a server that has died."""

import asyncio
from typing import Any, cast

import asyncpg
import pytest

from shared.kit.db import Database
from shared.kit.jobs.liveness import Liveness


class Nowhere:
    def connect_arguments(self) -> dict[str, Any]:
        return {}


async def test_server_that_dies_in_the_middle_of_a_statement_is_connected_to_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried, again = [], asyncio.Event()

    async def connect(**_arguments: object) -> None:
        tried.append(1)
        if len(tried) == 1:
            raise asyncpg.InternalClientError("another operation is in progress")
        again.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncpg, "connect", connect)
    liveness = Liveness(
        cast("Database", Nowhere()),
        number=1,
        lease_seconds=3.0,
        in_hand=list,
        on_held=lambda: None,
    )
    running = asyncio.create_task(liveness.run())
    await asyncio.wait_for(again.wait(), 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
