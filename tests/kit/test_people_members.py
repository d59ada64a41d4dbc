import asyncio
from uuid import uuid4

import pytest
from httpx import AsyncClient
from sqlalchemy import select

from shared.kit.people import Role
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, PASSWORD, House

__all__ = ["house", "service"]
NEW = {
    "email": "nora@example.com",
    "name": "Nora",
    "role": "operator",
    "password": "a password for nora",
}


async def who(client: AsyncClient) -> str:
    found: str = (await client.get(f"{BASE}/me")).json()["id"]
    return found


@pytest.mark.parametrize("role", list(Role))
async def test_only_owners_see_and_change_the_staff(house: House, role: Role) -> None:
    async with await house.as_(Role.OWNER, email="olga@example.com") as owner:
        olga = await who(owner)
    async with await house.as_(role, email="rita@example.com") as client:
        answers = {
            "list": await client.get(f"{BASE}/staff"),
            "get": await client.get(f"{BASE}/staff/{olga}"),
            "add": await client.post(f"{BASE}/staff", json=NEW),
            "change": await client.patch(f"{BASE}/staff/{olga}", json={"name": "Olga"}),
        }
    got = {name: answer.status_code for name, answer in answers.items()}
    allowed = {"list": 200, "get": 200, "add": 201, "change": 200}
    assert got == (allowed if role is Role.OWNER else dict.fromkeys(allowed, 403))
    if role is not Role.OWNER:
        assert {answer.json()["code"] for answer in answers.values()} == {"role_required"}


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_sees_themselves_and_the_audit(house: House, role: Role) -> None:
    async with await house.as_(role) as client:
        assert (await client.get(f"{BASE}/me")).status_code == 200
        assert (await client.get(f"{BASE}/audit")).status_code == 200


async def test_a_new_person_can_log_in_and_is_shown_without_the_password(house: House) -> None:
    async with await house.as_(Role.OWNER) as owner:
        made = await owner.post(f"{BASE}/staff", json=NEW)
        listed = (await owner.get(f"{BASE}/staff")).json()
    assert made.status_code == 201
    assert "password" not in made.text
    assert [person["email"] for person in listed["items"]] == [
        "owner@example.com",
        "nora@example.com",
    ]
    assert await house.log_in("nora@example.com", password=NEW["password"])


async def test_two_people_cant_have_one_address(house: House) -> None:
    async with await house.as_(Role.OWNER) as owner:
        body = NEW | {"email": "OWNER@example.com"}
        refused = await owner.post(f"{BASE}/staff", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "login_taken")


async def test_who_is_deactivated_is_out_at_once_and_can_come_back(house: House) -> None:
    async with (
        await house.as_(Role.OWNER, email="olga@example.com") as owner,
        await house.as_(Role.OPERATOR, email="nora@example.com") as nora,
    ):
        path = f"{BASE}/staff/{await who(nora)}"
        left = await owner.patch(path, json={"active": False})
        assert (left.status_code, left.json()["active"]) == (200, False)
        assert (await nora.get(f"{BASE}/me")).status_code == 401
        body = {"email": "nora@example.com", "password": PASSWORD}
        assert (await nora.post(f"{BASE}/login", json=body)).status_code == 401
        back = await owner.patch(path, json={"active": True})
        assert back.json()["deactivated_at"] is None
        assert (await nora.get(f"{BASE}/me")).status_code == 401
    assert await house.log_in("nora@example.com")


async def test_an_owner_sets_a_password_and_the_sessions_end(house: House) -> None:
    async with (
        await house.as_(Role.OWNER, email="olga@example.com") as owner,
        await house.as_(Role.OPERATOR, email="nora@example.com") as nora,
    ):
        body = {"password": "what olga chose"}
        changed = await owner.patch(f"{BASE}/staff/{await who(nora)}", json=body)
        assert changed.status_code == 200
        assert (await nora.get(f"{BASE}/me")).status_code == 401
    assert await house.log_in("nora@example.com", password="what olga chose")


async def test_another_role_ends_the_sessions_of_the_old_one(house: House) -> None:
    async with (
        await house.as_(Role.OWNER, email="olga@example.com") as olga,
        await house.as_(Role.OWNER, email="otto@example.com") as otto,
    ):
        path = f"{BASE}/staff/{await who(otto)}"
        assert (await olga.patch(path, json={"name": "Otto"})).status_code == 200
        assert (await otto.get(f"{BASE}/staff")).status_code == 200
        assert (await olga.patch(path, json={"role": "read_only"})).status_code == 200
        assert (await otto.get(f"{BASE}/staff")).status_code == 401
    async with house.client(await house.log_in("otto@example.com")) as otto:
        assert (await otto.get(f"{BASE}/staff")).status_code == 403


@pytest.mark.parametrize("change", [{"active": False}, {"role": "finance"}])
async def test_the_last_owner_stays(house: House, change: dict[str, object]) -> None:
    await house.hire(Role.OPERATOR)
    async with await house.as_(Role.OWNER) as owner:
        refused = await owner.patch(f"{BASE}/staff/{await who(owner)}", json=change)
        assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
        assert (await owner.get(f"{BASE}/staff")).status_code == 200


async def test_two_owners_who_remove_each_other_at_once_leave_one(house: House) -> None:
    async with (
        await house.as_(Role.OWNER, email="olga@example.com") as olga,
        await house.as_(Role.OWNER, email="otto@example.com") as otto,
    ):
        mine, theirs = f"{BASE}/staff/{await who(olga)}", f"{BASE}/staff/{await who(otto)}"
        answers = await asyncio.gather(
            olga.patch(theirs, json={"active": False}), otto.patch(mine, json={"active": False})
        )
    assert 409 in {answer.status_code for answer in answers} or 401 in {
        answer.status_code for answer in answers
    }
    table = house.people.staff
    async with house.runtime.staff.read() as session:
        left = (await session.scalars(select(table).where(table.deactivated_at.is_(None)))).all()
    assert len(left) == 1


async def test_a_person_who_doesnt_exist_is_not_found(house: House) -> None:
    async with await house.as_(Role.OWNER) as owner:
        for answer in (
            await owner.get(f"{BASE}/staff/{uuid4()}"),
            await owner.patch(f"{BASE}/staff/{uuid4()}", json={"name": "Nobody"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "nul\u0000"},
        {"name": " "},
        {"name": "x" * 201},
        {"email": "nul\u0000@example.com"},
        {"email": "no address"},
        {"email": "two@@example.com"},
        {"password": "short"},
        {"password": "elevenchars"},
        {"password": "Password1234!"},
        {"password": "nora2024nora"},
        {"password": "nul in \u0000 a password"},
        {"role": "king"},
        {"unknown": "field"},
        {"name": None},
    ],
    ids=str,
)
async def test_nasty_input_is_refused_as_such(house: House, wrong: dict[str, object]) -> None:
    async with await house.as_(Role.OWNER) as owner:
        refused = await owner.post(f"{BASE}/staff", json=NEW | wrong)
        people = (await owner.get(f"{BASE}/staff")).json()["items"]
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert len(people) == 1


async def test_a_lone_surrogate_is_refused_as_such(house: House) -> None:
    async with await house.as_(Role.OWNER) as owner:
        body = b'{"email": "nora@example.com", "name": "\\ud800", "role": "owner", "password": "x"}'
        headers = {"Content-Type": "application/json"}
        refused = await owner.post(f"{BASE}/staff", content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_request")


async def test_the_list_goes_on_where_it_stopped(house: House) -> None:
    for number in range(4):
        await house.hire(Role.READ_ONLY, email=f"r{number}@example.com")
    seen: list[str] = []
    async with await house.as_(Role.OWNER) as owner:
        after: str | None = None
        while True:
            given = {"limit": "2"} | ({} if after is None else {"after": after})
            page = (await owner.get(f"{BASE}/staff", params=given)).json()
            seen += [person["email"] for person in page["items"]]
            after = page["next"]
            if after is None:
                break
        wrong = await owner.get(f"{BASE}/staff", params={"after": "!"})
    assert seen == [*(f"r{number}@example.com" for number in range(4)), "owner@example.com"]
    assert (wrong.status_code, wrong.json()["code"]) == (400, "cursor_invalid")


def wide(email: str) -> str:
    """The same address in full-width letters."""
    local, _, domain = email.partition("@")
    return "".join(chr(ord(letter) + 0xFEE0) for letter in local) + "@" + domain


async def test_an_address_in_other_letters_is_the_same_person(house: House) -> None:
    async with await house.as_(Role.OWNER) as owner:
        assert (await owner.post(f"{BASE}/staff", json=NEW)).status_code == 201
        for email in (wide(NEW["email"]), "NORA@example.com", " nora@example.com "):
            twin = await owner.post(f"{BASE}/staff", json={**NEW, "email": email})
            assert (twin.status_code, twin.json()["code"]) == (409, "login_taken"), email
            await house.log_in(email, password=NEW["password"])
        other = {**NEW, "email": wide("paul@example.com")}
        made = await owner.post(f"{BASE}/staff", json=other)
        assert made.json()["email"] == "paul@example.com"


@pytest.mark.parametrize(
    "email", ["no\u200bra@example.com", "nora\uff20a@example.com", "a\u202e@b"]
)
async def test_an_address_with_what_nobody_sees_is_refused(house: House, email: str) -> None:
    async with await house.as_(Role.OWNER) as owner:
        refused = await owner.post(f"{BASE}/staff", json={**NEW, "email": email})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
