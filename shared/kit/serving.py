"""Runs processes: an API under uvicorn, or a worker, until told to stop; then ends in order."""

import asyncio
import signal
import socket
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI

from shared.kit.jobs import Worker

STOP_SECONDS = 10


class Server(uvicorn.Server):
    """Tells endless answers to end, before it waits for all answers to end."""

    def __init__(self, config: uvicorn.Config, *, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


def serve(app: FastAPI, *, host: str, port: int, trusted_proxies: Sequence[str] = ()) -> None:
    """Serve until SIGTERM or SIGINT; answers that have begun have 10 s to end."""
    config = configure(app, host=host, port=port, trusted_proxies=trusted_proxies)
    Server(config, stopping=app.state.stopping).run()


def configure(
    app: FastAPI, *, host: str, port: int, trusted_proxies: Sequence[str]
) -> uvicorn.Config:
    """How the server runs. Only `trusted_proxies` (addresses, networks) may say who asks."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        # The edge writes the access log, and logging is set up by then.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=STOP_SECONDS,
    )


async def run_worker(worker: Worker) -> None:
    """Work until SIGTERM or SIGINT; then finish or hand back what is in hand."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, worker.stop)
    await worker.run()
