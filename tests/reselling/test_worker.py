"""The worker as a process: it works the jobs of every room, and ends when it is told to."""

import asyncio
import signal

from sqlalchemy import text

from reselling_service.database import TENANT_SETTING, ResellingRuntime
from reselling_service.settings import ResellingSettings
from reselling_service.worker import all_tasks
from shared.kit.runtime import Runtime
from tests.reselling.house import House
from tests.reselling.house_fixtures import house
from tests.reselling.processes import start
from tests.reselling.sellers.rig import until
from tests.secret_key import SECRET_KEY

__all__ = ["house"]


async def test_the_worker_is_seen_alive_works_and_ends_at_sigterm(
    house: House, reselling_database_url: str
) -> None:
    anna = await house.sign_up("Anna")
    await house.top_up(anna, 1000)
    process = await start("reselling_service.worker", url=reselling_database_url)
    try:

        async def ready() -> bool:
            return (await house.http.get("/readyz")).status_code == 200

        async def no_job_of_a_payment() -> bool:
            statement = text("SELECT count(*) FROM jobs WHERE kind = 'client_topped_up'")
            async with house.runtime.staff.read() as session:
                return not await session.scalar(statement)

        await until(ready, seconds=30)
        await until(no_job_of_a_payment)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, errors.decode()


def test_each_kind_of_job_has_one_task() -> None:
    settings = ResellingSettings.model_validate(
        {
            "database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/none",
            "secret_keys": SECRET_KEY,
        }
    )
    runtime: ResellingRuntime = Runtime(settings, tenant_setting=TENANT_SETTING)
    kinds = [task.kind for task in all_tasks(runtime)]
    assert len(kinds) == len(set(kinds))
    assert {"client_topped_up", "check_sellers"} <= set(kinds)
