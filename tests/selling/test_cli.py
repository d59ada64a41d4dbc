"""The provider's command line: what an operator does first, audited, with errors in plain words."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner, Result

from selling_service.cli import app
from selling_service.settings import get_settings
from shared.kit.keys import split_key
from tests.selling.processes import variables_for

REFERENCE = "0189fb1e-7b4c-7c3e-9d6f-0123456789ab"
CATALOGUE = """
data_centers:
  - {code: fra1, title: Frankfurt 1}
os_templates:
  - {code: debian-12, title: Debian 12, image: debian-12}
tariffs:
  - code: vps-1
    title: VPS 1
    data_center: fra1
    vcpu: 1
    ram_mib: 1024
    disk_gib: 10
    os_templates: [debian-12]
    prices:
      month: {price: "990", setup_fee: "0"}
"""


@pytest.fixture(autouse=True)
def settings(selling_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the command line find this test's database."""
    for name, value in variables_for(selling_database_url).items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def command(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, words, input=typed)


def said(*words: str, typed: str = "") -> str:
    """What a command that succeeds says."""
    result = command(*words, typed=typed)
    assert result.exit_code == 0, result.output
    return result.stdout


async def fetch(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        rows = [tuple(row) for row in await connection.execute(text(statement))]
    await engine.dispose()
    return rows


def found(url: str, statement: str) -> list[tuple[object, ...]]:
    return asyncio.run(fetch(url, statement))


def test_an_operator_sets_up_a_partner_who_can_sell(
    selling_database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "tariffs.yaml"
    file.write_text(CATALOGUE, encoding="utf-8")
    made = said("create-staff", "olga@example.com", "--role", "operator", "--generate")
    password = made.split("password ")[1].strip()
    assert len(password) >= 16
    assert said("create-partner", "Reseller A").startswith("partner ")
    key = split_key(said("create-key", "--partner", "Reseller A").strip(), prefix="tps")
    assert key is not None
    assert "created tariff vps-1" in said("load-tariffs", str(file)).splitlines()
    assert "unchanged tariff vps-1" in said("load-tariffs", str(file)).splitlines()
    granted = ("grant", "--partner", "Reseller A", "--tariff", "vps-1", "--discount", "12.5")
    assert said(*granted) == "Reseller A may resell vps-1\n"
    for _ in range(2):
        topped_up = ("top-up", "10000", "--partner", "Reseller A", "--reference", REFERENCE)
        assert said(*topped_up) == "balance 10000\n"

    audit = found(selling_database_url, "SELECT action, actor_kind FROM audit_entries")
    assert {kind for _, kind in audit} == {"cli"}
    expected = {"staff.create", "partner.create", "partner_key.create", "balance.top_up"}
    assert expected <= {action for action, _ in audit}
    [(discount,)] = found(selling_database_url, "SELECT discount_percent FROM offers")
    assert str(discount) == "12.50"
    # Neither the key nor the password can be read in the database.
    kept = str(found(selling_database_url, "SELECT p::text, s::text FROM partner_keys p, staff s"))
    assert key[1] not in kept
    assert password not in kept


def test_a_password_comes_from_standard_input_or_is_asked_for() -> None:
    password = "correct horse battery"
    words = ("create-staff", "olga@example.com", "--password-stdin")
    assert password not in said(*words, typed=f"{password}\n")
    asked = said("create-staff", "otto@example.com", typed=f"{password}\n{password}\n")
    assert password not in asked


def test_the_same_login_twice_is_refused() -> None:
    words = ("create-staff", "olga@example.com", "--generate")
    said(*words)
    again = command(*words)
    assert again.exit_code == 1
    assert again.stderr.count("\n") == 1


def test_a_weak_password_is_refused_and_not_repeated() -> None:
    refused = command("create-staff", "x@example.com", "--password-stdin", typed="hunter2\n")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("password: ")
    assert "hunter2" not in refused.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("create-key", "--partner", "Nobody"), "there is no partner Nobody"),
        (("top-up", "0", "--partner", "Nobody"), "amount: "),
        (("grant", "--partner", "Nobody", "--tariff", "x"), "there is no partner Nobody"),
        (("create-partner", ""), "name: "),
    ],
)
def test_mistakes_are_told_in_one_line(words: tuple[str, ...], expected: str) -> None:
    result = command(*words)
    assert result.exit_code == 1
    assert result.stderr.startswith(expected)
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_wrong_changes_nothing(selling_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "tariffs.yaml"
    file.write_text(CATALOGUE.replace("data_center: fra1", "data_center: nowhere"), "utf-8")
    assert command("load-tariffs", str(file)).exit_code == 1
    file.write_text("tariffs: [", "utf-8")
    assert command("load-tariffs", str(file)).exit_code == 1
    assert found(selling_database_url, "SELECT count(*) FROM data_centers") == [(0,)]


def test_a_database_that_is_away_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "postgresql+asyncpg://a:hunter2@127.0.0.1:1/none"
    monkeypatch.setenv("SELLING_DATABASE_URL", url)
    get_settings.cache_clear()
    result = command("create-partner", "Reseller A")
    assert result.exit_code == 1
    assert "The database did not do it" in result.stderr
    assert "hunter2" not in result.output
