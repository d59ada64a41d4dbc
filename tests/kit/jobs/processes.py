"""Starts worker processes for tests, and sees to it that none outlives its test."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    process: Process
    number: int

    async def began(self, job_number: int) -> None:
        """Wait until it has taken up this job."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while await self.process.stdout.readline() != f"began {job_number}\n".encode():
                pass

    def send(self, signal_: signal.Signals) -> None:
        self.process.send_signal(signal_)


@asynccontextmanager
async def worker_process(
    url: str, *, lease: float = 30.0, stop_seconds: float = 8.0, ahead: float = 0.0
) -> AsyncIterator[WorkerProcess]:
    """A worker in a process of its own; killed at the end."""
    command = (sys.executable, "-m", "tests.kit.jobs.worker_process", url)
    process = await asyncio.create_subprocess_exec(
        *command, str(lease), str(stop_seconds), str(ahead), cwd=ROOT, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        words = (await process.stdout.readline()).split()
        yield WorkerProcess(process=process, number=int(words[1]))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.communicate()
