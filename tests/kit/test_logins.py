"""Logins of a service's processes: members of one role each, which is all that they can be."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator

import asyncpg
import pytest
from sqlalchemy import make_url

from shared.kit.hints import asyncpg_arguments
from shared.kit.logins import make_logins

MEMBERS = """
SELECT array_agg(role.rolname ORDER BY 1) FROM pg_auth_members
JOIN pg_roles role ON role.oid = roleid JOIN pg_roles login ON login.oid = member
WHERE login.rolname = $1
"""
_GONE = """
DO $$ BEGIN
    DROP OWNED BY {name};
    DROP ROLE {name};
EXCEPTION WHEN undefined_object THEN NULL;
END $$
"""


async def ask(url: str, statement: str, *arguments: object) -> object:
    connection = await asyncpg.connect(**asyncpg_arguments(url))
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()


def url_of(owner: str, name: str, password: str) -> str:
    url = make_url(owner).set(username=name, password=password)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def variables(selling_database_url: str) -> Iterator[dict[str, str]]:
    """URLs as an operator would set them; the logins don't exist, and go afterwards."""
    names = {part: f"test_{part}_{secrets.token_hex(4)}" for part in ("app", "staff")}
    yield {
        "SELLING_OWNER_DATABASE_URL": selling_database_url,
        **{
            f"SELLING_{part.upper()}_DATABASE_URL": url_of(selling_database_url, name, "it's % \\")
            for part, name in names.items()
        },
    }
    for name in names.values():
        # What it was granted on this test's database goes with it.
        asyncio.run(ask(selling_database_url, _GONE.format(name=name)))


async def test_each_login_is_a_member_of_its_role_only(variables: dict[str, str]) -> None:
    app, staff = await make_logins("SELLING", variables)
    owner = variables["SELLING_OWNER_DATABASE_URL"]
    await ask(owner, f"GRANT tandem_staff TO {app}")
    assert await make_logins("SELLING", variables) == [app, staff]
    assert await ask(owner, MEMBERS, app) == ["tandem_app"]
    assert await ask(owner, MEMBERS, staff) == ["tandem_staff"]


async def test_login_reads_as_its_role_and_can_become_no_other(variables: dict[str, str]) -> None:
    await make_logins("SELLING", variables)
    url = variables["SELLING_APP_DATABASE_URL"]
    assert await ask(url, "SELECT count(*) FROM services") == 0
    for role in ("tandem_staff", "tandem_owner"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(url, f"SET ROLE {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(url, "SELECT count(*) FROM staff")


async def test_password_is_set_anew_each_time(variables: dict[str, str]) -> None:
    owner = variables["SELLING_OWNER_DATABASE_URL"]
    stored = "SELECT rolpassword FROM pg_authid WHERE rolname = $1"
    app, _staff = await make_logins("SELLING", variables)
    before = await ask(owner, stored, app)
    changed = {**variables, "SELLING_APP_DATABASE_URL": url_of(owner, app, "another")}
    await make_logins("SELLING", changed)
    after = await ask(owner, stored, app)
    assert before != after
    assert str(after).startswith("SCRAM-SHA-256")


def test_missing_variable_is_named() -> None:
    known = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "shared.kit.logins", "SELLING"],
        env=known,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "set SELLING_APP_DATABASE_URL\n")
