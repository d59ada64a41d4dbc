"""What answers tell a browser; the pages for people still work under their own policy."""

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from shared.kit.web import create_api

EVERY_ANSWER = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
PAGES = ["/docs", "/redoc", "/problems"]


@asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


async def ready() -> dict[str, bool]:
    return {}


@pytest.fixture(params=["http", "https"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    app = create_api(
        title="Pages",
        description="",
        version="1",
        tags=[],
        routers=[],
        lifespan=nothing,
        ready=ready,
        max_body_bytes=1000,
    )
    transport = httpx.ASGITransport(app)
    base = f"{request.param}://pages.test"
    async with httpx.AsyncClient(transport=transport, base_url=base) as one:
        yield one


class Parts(HTMLParser):
    """The scripts and styles of a page: their files, and what is written in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.files: list[str] = []
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._inside = tag if tag in self.inline and not found.get("src") else ""
        file = found.get("src") or (found.get("href") if tag == "link" else None)
        if file and not file.startswith("data:"):
            self.files.append(file)
        assert not [name for name in found if name.startswith("on")], "a handler in the page"

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.inline[self._inside].append(data)


def policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    parts = (part.split() for part in answer.headers["content-security-policy"].split("; "))
    return {name: values for name, *values in parts}


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/metrics", "/openapi.json", *PAGES])
async def test_every_answer_is_shielded(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert EVERY_ANSWER.items() <= dict(answer.headers).items()
    policy = policy_of(answer)
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert answer.headers["cache-control"] == ("no-cache" if path in PAGES else "no-store")
    assert ("strict-transport-security" in answer.headers) == (client.base_url.scheme == "https")
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", PAGES)
async def test_pages_may_run_what_they_are_made_of_and_nothing_else(
    client: httpx.AsyncClient, path: str
) -> None:
    page = await client.get(path)
    policy, parts = policy_of(page), Parts(page.text)
    for kind, source in (("script", "script-src"), ("style", "style-src")):
        allowed = policy[source]
        assert "'unsafe-eval'" not in allowed
        for text in parts.inline[kind]:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in allowed or "'unsafe-inline'" in allowed
    assert "'unsafe-inline'" not in policy["script-src"]
    for file in parts.files:
        assert (await client.get(f"/{file}")).status_code == 200, file
    assert path == "/problems" or len(parts.files) > 0
