"""A worker process for tests: `python -m tests.kit.jobs.worker_process URL LEASE STOP AHEAD`.

Jobs `note` carry `number` and `seconds`; their completion writes the diary. Jobs `fatal` take the
process along, once everything else that was claimed with them is under way. Prints
`ready <number of the worker>`, and `began <number>` for each job that it takes up. With AHEAD its
clock is so many seconds after that of the tests, and runs fast.
"""

import asyncio
import os
import signal
import sys
import time
from datetime import datetime, timedelta

from shared.kit.db import Database, WriteSession
from shared.kit.jobs import Completion, Job, Task, Worker
from tests.kit.stage import START, ManualClock, open_database, write_diary


class QuickClock(ManualClock):
    """Twenty seconds in one."""

    def __init__(self, *, ahead: float) -> None:
        super().__init__(START + timedelta(seconds=ahead))
        self._began = time.monotonic()

    def now(self) -> datetime:
        return self.at + timedelta(seconds=20 * (time.monotonic() - self._began))


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


async def note(job: Job) -> Completion:
    say(f"began {job.payload['number']}")
    await asyncio.sleep(job.payload.get("seconds", 0))

    async def record(session: WriteSession) -> None:
        await write_diary(session, lane=job.lane, number=job.payload["number"], worker=job.worker)

    return record


async def fatal(job: Job) -> None:
    say(f"began {job.payload['number']}")
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


async def work(database: Database, *, lease: float, stop_seconds: float) -> None:
    worker = Worker(
        database,
        tasks=[Task(kind="note", work=note), Task(kind="fatal", work=fatal)],
        concurrency=8,
        lease_seconds=lease,
        stop_seconds=stop_seconds,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await database.context.hints.start()
    say(f"ready {worker.number}")
    await worker.run()
    await database.context.hints.aclose()
    await database.aclose()


if __name__ == "__main__":
    url, lease, stop_seconds, ahead = sys.argv[1:]
    clock = QuickClock(ahead=float(ahead)) if float(ahead) else ManualClock()
    asyncio.run(
        work(open_database(url, clock=clock), lease=float(lease), stop_seconds=float(stop_seconds))
    )
