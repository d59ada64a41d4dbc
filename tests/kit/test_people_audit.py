from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from shared.kit.people import Role, Unattended, audit
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, House

__all__ = ["house", "service"]


async def test_a_change_says_who_made_it_what_it_was_and_in_which_request(house: House) -> None:
    await house.hire(Role.OPERATOR, email="nora@example.com")
    async with await house.as_(Role.OWNER, email="olga@example.com") as owner:
        olga = (await owner.get(f"{BASE}/me")).json()["id"]
        people = (await owner.get(f"{BASE}/staff")).json()["items"]
        (nora,) = [person["id"] for person in people if person["email"] == "nora@example.com"]
        changed = await owner.patch(
            f"{BASE}/staff/{nora}", json={"role": "finance", "password": "a new password"}
        )
        wanted = {"object_type": "staff", "object_id": nora, "actor_id": olga}
        found = (await owner.get(f"{BASE}/audit", params=wanted)).json()["items"]
        everything = await owner.get(f"{BASE}/audit")
    (entry,) = found
    picture = {"email": "nora@example.com", "name": "nora@example.com", "active": True}
    assert (entry["actor_kind"], entry["actor_id"]) == ("staff", olga)
    assert (entry["action"], entry["object_id"]) == ("staff.change", nora)
    assert entry["before"] == picture | {"role": "operator"}
    assert entry["after"] == picture | {"role": "finance", "password": "[hidden]"}
    assert entry["request_id"] == changed.headers["X-Request-Id"]
    assert entry["traceparent"] == changed.headers["traceparent"]
    assert (entry["number"], entry["redacted_at"]) == (len(everything.json()["items"]), None)
    assert len(bytes.fromhex(entry["hash"])) == 32
    assert "a new password" not in everything.text
    assert "argon2" not in everything.text


async def test_what_nobody_logged_in_for_is_told_apart(house: House) -> None:
    await house.hire(Role.OWNER)
    async with house.runtime.staff.write() as session:
        await audit(
            session,
            house.people,
            Unattended.SYSTEM,
            "thing.change",
            object_type="thing",
            object_id="one",
        )
    async with await house.as_(Role.READ_ONLY) as client:
        entries = (await client.get(f"{BASE}/audit")).json()["items"]
    assert [(entry["actor_kind"], entry["actor_id"]) for entry in entries] == [
        ("cli", None),
        ("system", None),
        ("cli", None),
    ]


async def test_secrets_are_hidden_however_deep_and_dates_and_ids_are_kept(house: House) -> None:
    thing, at = uuid4(), datetime(2030, 1, 2, tzinfo=UTC)
    async with house.runtime.staff.write() as session:
        await audit(
            session,
            house.people,
            Unattended.CLI,
            "thing.change",
            object_type="thing",
            object_id=thing,
            after={"id": thing, "at": at, "keys": [{"secret_hash": b"x"}], "token": "t"},
        )
    async with await house.as_(Role.READ_ONLY) as client:
        answer = await client.get(f"{BASE}/audit", params={"object_type": "thing"})
    (entry,) = answer.json()["items"]
    assert entry["after"] == {
        "id": str(thing),
        "at": "2030-01-02T00:00:00Z",
        "keys": [{"secret_hash": "[hidden]"}],
        "token": "[hidden]",
    }


async def test_a_change_that_fails_leaves_no_entry(house: House) -> None:
    async with await house.as_(Role.OWNER) as owner:
        me = (await owner.get(f"{BASE}/me")).json()["id"]
        await owner.patch(f"{BASE}/staff/{me}", json={"role": "finance"})
        entries = (await owner.get(f"{BASE}/audit")).json()["items"]
    assert [entry["action"] for entry in entries] == ["staff.create"]


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET action = ''", "DELETE FROM audit_entries"]
)
async def test_the_services_own_login_cant_rewrite_the_audit(house: House, statement: str) -> None:
    await house.hire(Role.OWNER)
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with house.runtime.staff.write() as session:
            await session.execute(text(statement))


async def test_a_filter_that_a_database_cant_read_is_refused(house: House) -> None:
    async with await house.as_(Role.READ_ONLY) as client:
        answer = await client.get(f"{BASE}/audit?object_type=%00")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("table", ["staff", "staff_sessions", "staff_lockouts", "audit_entries"])
async def test_the_tenants_login_sees_nothing_of_the_staff(house: House, table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with house.runtime.app.read() as session:
            await session.execute(text(f"SELECT 1 FROM {table}"))  # noqa: S608
