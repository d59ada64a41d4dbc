"""The health check of a container asks over TLS where its service speaks it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest
from typer.testing import CliRunner

from shared.kit.certificates import app
from shared.kit.probe import is_ready


async def ask(environment: Mapping[str, str]) -> bool:
    return await asyncio.to_thread(is_ready, "SELLING", environment)


@asynccontextmanager
async def answering(status: str, *, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The port of something that answers every request so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        found = status if asked.startswith(b"GET /readyz ") else "404 Not Found"
        writer.write(f"HTTP/1.1 {found}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield str(server.sockets[0].getsockname()[1])


async def test_it_is_ready_where_it_says_so() -> None:
    async with answering("200 OK") as port:
        assert await ask({"SELLING_PORT": port, "SELLING_TLS_CERTIFICATE": ""})


async def test_it_is_not_where_it_says_no() -> None:
    async with answering("503 Service Unavailable") as port:
        with pytest.raises(HTTPError, match="503"):
            await ask({"SELLING_PORT": port})


async def test_it_is_asked_over_tls_under_whatever_name(tmp_path: Path) -> None:
    for words in (["authority", str(tmp_path)], ["server", str(tmp_path), "provider.example.com"]):
        assert CliRunner().invoke(app, words).exit_code == 0
    certificate, key = (tmp_path / f"provider.example.com{end}.pem" for end in ("", "-key"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with answering("200 OK", context=context) as port:
        assert await ask({"SELLING_PORT": port, "SELLING_TLS_CERTIFICATE": str(certificate)})
