"""Runs processes: an API under uvicorn, or a worker, until told to stop; then ends in order."""

import asyncio
import signal
import socket
import ssl

import uvicorn
from fastapi import FastAPI

from shared.kit.connections import Limits, guarded
from shared.kit.jobs import Worker
from shared.kit.settings import ServiceSettings

STOP_SECONDS = 10
# Longer than the reseller's client keeps a connection (15 s): it shall not meet our end of it.
KEEP_ALIVE_SECONDS = 20
BACKLOG = 512


class Server(uvicorn.Server):
    """Tells endless answers to end, before it waits for all answers to end."""

    def __init__(self, config: uvicorn.Config, *, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


def serve(app: FastAPI, *, host: str, port: int, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT; answers that have begun have 10 s to end."""
    config = configure(app, host=host, port=port, settings=settings)
    Server(config, stopping=app.state.stopping).run()


def configure(
    app: FastAPI, *, host: str, port: int, settings: ServiceSettings, limits: Limits | None = None
) -> uvicorn.Config:
    """How the server runs. Only trusted proxies (addresses, networks) may say who asks."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=guarded(limits or limits_of(settings)),
        ws="none",
        # The edge writes the access log, and logging is set up by then.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=BACKLOG,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_ca_certs=str(settings.tls_client_ca) if settings.tls_client_ca else None,
        # Those who show none are let in; a key may still want one.
        ssl_cert_reqs=ssl.CERT_OPTIONAL if settings.tls_client_ca else ssl.CERT_NONE,
    )


def limits_of(settings: ServiceSettings) -> Limits:
    """The limits of connections that can be set, with the others as they are."""
    return Limits(
        connections=settings.max_connections,
        connections_per_address=settings.max_connections_per_address,
        proxies=settings.proxies,
    )


async def run_worker(worker: Worker) -> None:
    """Work until SIGTERM or SIGINT; then finish or hand back what is in hand."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, worker.stop)
    await worker.run()
