"""The reseller's command line, as an operator uses it on a new database."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from typer.testing import CliRunner, Result

from reselling_service.cli import app
from reselling_service.settings import get_settings
from tests.reselling.house import PASSWORD, body_of, open_house
from tests.reselling.sellers.fake import serve
from tests.reselling.tariffs.shop import Shop
from tests.secret_key import SECRET_KEY


class Terminal:
    """Types commands, in a thread of its own as the program has a loop of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._settings = {
            "RESELLING_DATABASE_URL": url,
            "RESELLING_SECRET_KEYS": SECRET_KEY,
        }

    async def type(self, *arguments: str, given: str = "") -> str:
        """What a command that must succeed prints."""
        done = await self._invoke(arguments, given)
        assert done.exit_code == 0, done.output
        return done.stdout

    async def fail(self, *arguments: str, given: str = "") -> str:
        """What a command that must fail says, without a traceback."""
        done = await self._invoke(arguments, given)
        assert (done.exit_code, done.stdout) == (1, "")
        assert isinstance(done.exception, SystemExit)
        return done.stderr

    async def _invoke(self, arguments: tuple[str, ...], given: str) -> Result:
        get_settings.cache_clear()
        try:
            return await asyncio.to_thread(
                lambda: CliRunner().invoke(app, arguments, input=given, env=self._settings)
            )
        finally:
            get_settings.cache_clear()


@pytest.fixture
def terminal(reselling_database_url: str) -> Terminal:
    return Terminal(reselling_database_url)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with serve(Shop()) as seller:
        assert isinstance(seller, Shop)
        yield seller


async def test_an_operator_goes_from_nothing_to_tariffs_on_sale(
    terminal: Terminal, shop: Shop
) -> None:
    shop.offer("vm-s")
    login = {"email": "olga@example.com", "password": PASSWORD}
    await terminal.type(
        "create-staff", "olga@example.com", "--password-stdin", given=f"{PASSWORD}\n"
    )
    connected = await terminal.type(
        "connect", "Hosting A", shop.url, "--key-stdin", given=f"{shop.key}\n"
    )
    assert connected.startswith("seller ")
    imported = await terminal.type(
        "import", "Hosting A", "--markup", "20", "--name", "vm-s=Small", "--enable"
    )
    assert imported == "new vm-s\n"
    async with open_house(terminal.url) as house:
        token = body_of(await house.http.post("/staff/v1/login", json=login))["token"]
        headers = {"Authorization": f"Bearer {token}"}
        (tariff,) = body_of(await house.http.get("/staff/v1/tariffs", headers=headers))["items"]
        assert (tariff["name"], tariff["enabled"]) == ("Small", True)
        entries = (await house.owner.get("/staff/v1/audit"))["items"]
        assert "tariffs.import" in {entry["action"] for entry in entries}
        assert {entry["actor_kind"] for entry in entries} == {"cli"}


async def test_a_client_is_made_and_their_money_added_once(terminal: Terminal) -> None:
    made = await terminal.type("create-client", "anna@example.com", "--generate")
    password = made.split("password ")[1].strip()
    reference = "0f5ed8d4-8a0c-4dd5-b0a5-0a4c2d0f0f01"
    for _ in range(2):
        said = await terminal.type("top-up", "Anna@example.com", "5000", "--reference", reference)
        assert said == "balance 5000\n"
    async with open_house(terminal.url) as house:
        login = {"email": "anna@example.com", "password": password}
        token = body_of(await house.http.post("/client/v1/login", json=login))["token"]
        headers = {"Authorization": f"Bearer {token}"}
        balance = body_of(await house.http.get("/client/v1/balance", headers=headers))
        assert balance["available"]["amount"] == 5000


async def test_a_provider_of_another_edition_is_refused_in_plain_words(
    terminal: Terminal, shop: Shop
) -> None:
    shop.edition = "hosting"
    said = await terminal.fail(
        "connect", "Hosting A", shop.url, "--key-stdin", given=f"{shop.key}\n"
    )
    assert "hosting_cloud" in said
    assert shop.key not in said


@pytest.mark.parametrize(
    ("command", "given", "words"),
    [
        (("create-staff", "olga@example.com", "--password-stdin"), "x\n", "at least"),
        (("create-client", "no address", "--generate"), "", "email"),
        (("top-up", "nobody@example.com", "5"), "", "there is no client nobody@example.com"),
        (("import", "Nobody", "--markup", "20"), "", "there is no enabled seller Nobody"),
        (("import", "Nobody", "--markup", "much"), "", "markup_percent"),
        (("import", "Nobody", "--markup", "20", "--name", "vm-s"), "", "CODE=NAME"),
    ],
    ids=str,
)
async def test_mistakes_are_said_in_a_line(
    terminal: Terminal, command: tuple[str, ...], given: str, words: str
) -> None:
    assert words in await terminal.fail(*command, given=given)


async def test_a_second_staff_of_one_address_is_refused(terminal: Terminal) -> None:
    command = ("create-staff", "olga@example.com", "--password-stdin")
    await terminal.type(*command, given=f"{PASSWORD}\n")
    said = await terminal.fail(*command, given=f"{PASSWORD}\n")
    assert "Somebody has this e-mail address already" in said
