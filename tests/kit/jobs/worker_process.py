"""A worker process for tests: `python -m tests.kit.jobs.worker_process URL LEASE STOP`.

Jobs `note` carry `number` and `seconds`; their completion writes the diary. Prints
`ready <number of the worker>`, and `began <number>` for each job that it takes up.
"""

import asyncio
import signal
import sys

from shared.kit.db import Database, WriteSession
from shared.kit.jobs import Completion, Job, Task, Worker
from tests.kit.stage import open_database, write_diary


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


async def note(job: Job) -> Completion:
    say(f"began {job.payload['number']}")
    await asyncio.sleep(job.payload.get("seconds", 0))

    async def record(session: WriteSession) -> None:
        await write_diary(session, lane=job.lane, number=job.payload["number"], worker=job.worker)

    return record


async def work(database: Database, *, lease: float, stop_seconds: float) -> None:
    worker = Worker(
        database,
        tasks=[Task(kind="note", work=note)],
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
    asyncio.run(
        work(open_database(sys.argv[1]), lease=float(sys.argv[2]), stop_seconds=float(sys.argv[3]))
    )
