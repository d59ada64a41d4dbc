"""Serves an application on a loopback port in the test's own loop, as the real process does."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI

from shared.kit.serving import Server
from tests.kit.stage import eventually


async def started(server: Server) -> bool:
    return server.started


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[tuple[httpx.AsyncClient, Server]]:
    """A client of the application, and the server, which ends with the block."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = Server(config, state=app.state)
    running = asyncio.create_task(server._serve([listener]))
    await eventually(lambda: started(server))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client, server
    finally:
        server.should_exit = True
        await running
