"""Sits at the serial console of a guest."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Console:
    """What was typed and read; `read` waits up to 20 s for a text to appear."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self, until: str) -> str:
        seen = ""
        async with asyncio.timeout(20):
            while until not in seen:
                got = await self.reader.read(1024)
                assert got, f"the console closed after {seen!r}"
                seen += got.decode(errors="replace")
        return seen

    async def type(self, line: str) -> None:
        self.writer.write(f"{line}\n".encode())
        await self.writer.drain()

    async def log_in(self, *, password: str) -> None:
        await self.type("")
        await self.read("login: ")
        await self.type("root")
        await self.read("Password: ")
        await self.type(password)


@asynccontextmanager
async def console(run_folder: Path) -> AsyncIterator[Console]:
    """Connect to the console of a running VM."""
    folder = os.open(run_folder, os.O_RDONLY)
    try:
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/serial.sock")
    finally:
        os.close(folder)
    try:
        yield Console(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()
