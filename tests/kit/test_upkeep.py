"""What an operator types about secrets and the audit, and what it answers."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

import reselling_service.cli
import selling_service.cli
from shared.kit.vault import Vault
from tests.kit.superuser import as_superuser

OLD, NEW = Vault.new_key(), Vault.new_key()
SIDES = {"selling": selling_service.cli, "reselling": reselling_service.cli}
Type = Callable[..., Result]


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    """Return the name of a service."""
    name: str = request.param
    return name


@pytest.fixture
def url(request: pytest.FixtureRequest, side: str) -> str:
    """Return the URL of a fresh database of it."""
    found: str = request.getfixturevalue(f"{side}_database_url")
    return found


@pytest.fixture
def type_(side: str, url: str) -> Type:
    """Type words with these secret keys, newest first."""

    def run(words: str, *keys: str, url: str = url) -> Result:
        prefix, program = side.upper(), SIDES[side]
        variables = {
            f"{prefix}_DATABASE_URL": url,
            f"{prefix}_SECRET_KEYS": ",".join(keys or (OLD,)),
            f"{prefix}_SANDBOX": "true",
        }
        program.get_settings.cache_clear()
        try:
            return CliRunner().invoke(program.app, words.split(), env=variables)
        finally:
            program.get_settings.cache_clear()

    return run


def tamper(url: str, statement: str) -> None:
    unguarded = "SET LOCAL session_replication_role = replica"
    asyncio.run(as_superuser(url, unguarded, statement))


def hire(type_: Type, name: str) -> None:
    done = type_(f"create-staff {name}@example.com --generate")
    assert done.exit_code == 0, done.output


def test_the_audit_is_verified_and_its_head_kept(type_: Type, url: str) -> None:
    hire(type_, "olga")
    head = type_("audit head").stdout.strip()
    hire(type_, "nora")
    done = type_(f"audit verify --head {head}")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "the chain holds, 2 entries")
    assert done.stdout.splitlines()[1] == f"head {type_('audit head').stdout.strip()}"
    tamper(url, "UPDATE audit_entries SET action = 'nothing' WHERE number = 1")
    broken = type_("audit verify")
    assert (broken.exit_code, broken.stdout) == (1, "")
    assert broken.stderr == "broken at entry 1: it was changed\n"


def test_what_is_no_head_is_explained(type_: Type) -> None:
    done = type_("audit verify --head nonsense")
    assert done.exit_code == 1
    assert "as `audit head` prints it" in done.stderr


def test_a_rotation_is_counted_audited_and_told(type_: Type, url: str) -> None:
    assert type_("secrets status").exit_code == 0
    before = type_("secrets status", NEW, OLD)
    assert (before.exit_code, "1 under older keys" in before.stdout) == (1, True)
    assert "run `secrets rotate`" in before.stderr
    done = type_("secrets rotate", NEW, OLD)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("1 rows encrypted anew\n")
    assert "fingerprint_key.key: 1 values, 0 under older keys, 0 that no key opens" in done.stdout
    assert type_("secrets status", NEW).exit_code == 0
    (entry,) = asyncio.run(as_superuser(url, "SELECT action, actor_kind, after FROM audit_entries"))
    assert tuple(entry) == ("secrets.rotate", "cli", {"rows": 1})
    assert not any(key in done.output + before.output for key in (OLD, NEW))


def test_wrong_keys_and_no_database_are_told_in_plain_words(type_: Type, url: str) -> None:
    type_("secrets status")
    wrong = type_("secrets status", NEW)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert "This database was used with other secret keys" in wrong.stderr
    nowhere = make_url(url).set(database="nowhere").render_as_string(hide_password=False)
    away = type_("audit verify", url=nowhere)
    assert (away.exit_code, away.stdout) == (1, "")
    assert "Traceback" not in away.output
