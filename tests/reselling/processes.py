"""Starts the reselling service's own programs on a test's database."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process

from tests.secret_key import SECRET_KEY


async def start(
    module: str, *arguments: str, url: str, key: str | None = None, **variables: str
) -> Process:
    """A program of ours, with pipes; `key` where its secrets must be read by others too."""
    settings = {
        "RESELLING_DATABASE_URL": url,
        "RESELLING_SECRET_KEYS": key or SECRET_KEY,
        "RESELLING_LOG_LEVEL": "WARNING",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, **settings, **variables},
    )
