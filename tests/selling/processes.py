"""Starts the provider's real processes for tests; none outlives its test."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.ports import free_port
from tests.secret_key import SECRET_KEY

ROOT = Path(__file__).resolve().parents[2]


def variables_for(url: str) -> dict[str, str]:
    """The variables of a provider on this database."""
    return {
        "SELLING_DATABASE_URL": url,
        "SELLING_SECRET_KEYS": SECRET_KEY,
        "SELLING_PORT": str(free_port()),
        "SELLING_POOL_SIZE": "5",
        "SELLING_ALLOW_POWERFUL_LOGIN": "true",  # the tests' databases are opened as a superuser
    }


@asynccontextmanager
async def process(module: str, variables: Mapping[str, str]) -> AsyncIterator[Process]:
    """`python -m module`; killed at the end where it still runs."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("SELLING_")}
    one = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, cwd=ROOT, env=others | dict(variables), stderr=PIPE
    )
    try:
        yield one
    finally:
        if one.returncode is None:
            one.kill()
        await one.communicate()
