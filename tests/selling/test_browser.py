"""The pages for people in a real browser: they work, and their policy blocks nothing of them."""

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from selling_service.main import create_app
from selling_service.settings import SellingSettings
from shared.kit.headers import page_policy
from tests.kit.serving import serving
from tests.requirements import require
from tests.secret_key import SECRET_KEY

pytestmark = pytest.mark.slow

# It asks nobody but us, and finds nobody else.
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # Of the page's own time, which stands still while something is fetched.
    "--virtual-time-budget=10000",
    *("--enable-logging=stderr", "--dump-dom"),
)
CONSOLE = re.compile(r":CONSOLE[^\]]*\] (.*)")
# Swagger UI unfolds what stands beside this operation.
DOCS = "docs#/services/partner_order_service"
AN_OPERATION = "/partner/v1/services/{service_ref}/suspend"
LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page after its scripts have run, and what the browser found wrong with it."""

    dom: str
    blocked: list[str]


Show = Callable[[str], Awaitable[Shown]]


@pytest.fixture
def show(selling_database_url: str, tmp_path: Path) -> Show:
    """Open a page of a running provider's service."""
    browser = shutil.which("chromium")
    require(browser, "chromium is not installed")
    keys = [SecretStr(SECRET_KEY)]
    settings = SellingSettings(database_url=SecretStr(selling_database_url), secret_keys=keys)

    async def look(page: str) -> Shown:
        async with serving(create_app(settings)) as (client, _):
            chromium = await asyncio.create_subprocess_exec(
                str(browser),
                *OPTIONS,
                f"--user-data-dir={tmp_path}",
                f"{client.base_url}/{page}",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            dom, said = await chromium.communicate()
        assert chromium.returncode == 0, said.decode()
        console = CONSOLE.findall(said.decode())
        return Shown(
            dom=dom.decode(), blocked=[line for line in console if "Content Security" in line]
        )

    return look


async def test_documentation_shows_its_operations_and_nothing_is_blocked(show: Show) -> None:
    shown = await show(DOCS)
    assert AN_OPERATION in shown.dom.replace("<wbr>", "").replace("\u200b", "")
    assert shown.blocked == []


async def test_long_page_lacks_its_makers_logo_alone(show: Show) -> None:
    shown = await show("redoc")
    assert AN_OPERATION in shown.dom
    assert len(shown.blocked) == 1
    assert LOGO in shown.blocked[0]


async def test_problems_are_shown_in_their_own_style(show: Show) -> None:
    shown = await show("problems")
    assert "term_moved" in shown.dom
    assert shown.blocked == []


async def test_browser_blocks_a_script_that_the_policy_does_not_name(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless(html: str, *, writes_styles: bool = False) -> str:
        return re.sub(r" 'sha256-[^']+'", "", page_policy(html, writes_styles=writes_styles))

    monkeypatch.setattr("shared.kit.pages.page_policy", nameless)
    shown = await show(DOCS)
    assert AN_OPERATION not in shown.dom
    assert "inline script" in shown.blocked[0]
