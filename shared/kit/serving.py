"""Runs processes: an API under uvicorn, or a worker, until told to stop; then ends in order."""

import asyncio
import signal
import socket
import ssl
import time
from typing import cast

import uvicorn
from fastapi import FastAPI
from prometheus_client import start_http_server
from starlette.datastructures import State

from shared.kit.connections import GuardedProtocol, Limits, guarded
from shared.kit.handshakes import Handshakes
from shared.kit.jobs import Worker
from shared.kit.settings import ServiceSettings
from shared.kit.tracing import stop_tracing

STOP_SECONDS = 10
# Longer than the reseller's client keeps a connection (15 s): it shall not meet our end of it.
KEEP_ALIVE_SECONDS = 20
_LOOK_SECONDS = 0.05


class Server(uvicorn.Server):
    """Ends in order: not ready, then no new connections and no endless answers, then the end.

    While it drains it answers as ever, but for `/readyz`: load balancers look there, and send
    nothing new. Endless answers end only when nobody can connect anew: whoever reads them comes
    back at once, to another process. A second signal ends it without waiting.
    """

    def __init__(self, config: uvicorn.Config, *, state: State, drain_seconds: float = 0.0) -> None:
        super().__init__(config)
        self._state = state
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, with handshakes that are ours to limit: uvicorn leaves them to the loop."""
        config = self.config
        if config.ssl is not None:
            protocol = cast("type[GuardedProtocol]", config.http_protocol_class)
            gate = Handshakes(protocol, config.ssl).gate
            config.ssl, config.http_protocol_class = None, cast("type[GuardedProtocol]", gate)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.draining.set()
        until = time.monotonic() + self._drain_seconds
        while not self.force_exit and time.monotonic() < until:  # noqa: ASYNC110 - a flag of theirs
            await asyncio.sleep(_LOOK_SECONDS)
        self._state.stopping.set()
        await super().shutdown(sockets)
        # Here, since the signal that told us to stop ends us as soon as uvicorn is done.
        stop_tracing()


def serve(app: FastAPI, *, host: str, port: int, settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT; then drain, and give answers that have begun 10 s to end."""
    config = configure(app, host=host, port=port, settings=settings)
    Server(config, state=app.state, drain_seconds=settings.drain_seconds).run()


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
    stop_tracing()


def expose_metrics(settings: ServiceSettings) -> None:
    """Let a worker's figures be read at `worker_metrics_port`, where one is set."""
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port, addr=settings.worker_metrics_host)
