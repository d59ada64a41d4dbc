"""Clients come in by themselves, and nobody learns from a refusal who is a client."""

import asyncio

import pytest

from reselling_service.clients.actions import login
from shared.kit.passwords import Checked, check_password
from shared.kit.people.lockouts import LOCK, MOST_ATTEMPTS
from tests.reselling.house import PASSWORD, House, body_of, code_of, open_house


async def test_a_client_signs_up_and_reads_their_profile(house: House) -> None:
    anna = await house.sign_up("Anna", phone="+49 30 0000000")
    found = await anna.get("/client/v1/me")
    assert (found["email"], found["name"], found["phone"], found["address"]) == (
        "anna@example.com",
        "Anna",
        "+49 30 0000000",
        None,
    )


async def test_an_address_is_one_client_whatever_way_it_is_typed(house: House) -> None:
    await house.sign_up("Anna")
    body = {"email": "ANNA@Example.com", "name": "Another", "password": PASSWORD}
    refused = await house.http.post("/client/v1/sign-up", json=body)
    assert code_of(refused) == (409, "email_taken")
    login = {"email": "aNNa@example.COM", "password": PASSWORD}
    assert (await house.http.post("/client/v1/login", json=login)).status_code == 200


async def test_two_sign_ups_at_once_make_one_client(house: House) -> None:
    body = {"email": "anna@example.com", "name": "Anna", "password": PASSWORD}
    answers = await asyncio.gather(
        *(house.http.post("/client/v1/sign-up", json=body) for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert len((await house.owner.get("/staff/v1/clients"))["items"]) == 1


async def test_sign_up_is_refused_where_the_house_has_closed_it(
    reselling_database_url: str,
) -> None:
    async with open_house(reselling_database_url, client_sign_up=False) as house:
        body = {"email": "anna@example.com", "name": "Anna", "password": PASSWORD}
        refused = await house.http.post("/client/v1/sign-up", json=body)
        assert code_of(refused) == (403, "sign_up_closed")


async def test_an_unknown_login_is_refused_in_the_same_words_as_a_wrong_password(
    house: House,
) -> None:
    await house.sign_up("Anna")
    answers = [
        await house.http.post("/client/v1/login", json={"email": email, "password": "wrong"})
        for email in ("anna@example.com", "nobody@example.com")
    ]
    bodies = [answer.json() | {"request_id": None, "trace_id": None} for answer in answers]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "unauthorized"


@pytest.mark.parametrize("email", ["anna@example.com", "nobody@example.com"])
async def test_a_login_tried_too_often_waits_whether_it_exists_or_not(
    reselling_database_url: str, email: str
) -> None:
    async with open_house(reselling_database_url, sandbox=True) as house:
        await house.sign_up("Anna")
        wrong = {"email": email, "password": "wrong"}
        answers = [
            await house.http.post("/client/v1/login", json=wrong) for _ in range(MOST_ATTEMPTS + 1)
        ]
        assert [answer.status_code for answer in answers] == [401] * MOST_ATTEMPTS + [429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= LOCK.total_seconds()
        right = {"email": email, "password": PASSWORD}
        assert (await house.http.post("/client/v1/login", json=right)).status_code == 429
        clock = {"advance_seconds": int(LOCK.total_seconds()) + 1}
        await house.owner.post("/staff/v1/clock", clock)
        after = await house.http.post("/client/v1/login", json=right)
        assert after.status_code == (200 if email == "anna@example.com" else 401)


async def test_logging_out_ends_this_session_and_no_other(house: House) -> None:
    anna = await house.sign_up("Anna")
    login = {"email": "anna@example.com", "password": PASSWORD}
    other = body_of(await house.http.post("/client/v1/login", json=login))["token"]
    await anna.post("/client/v1/logout")
    assert code_of(await anna.ask("GET", "/client/v1/me")) == (401, "unauthorized")
    headers = {"Authorization": f"Bearer {other}"}
    assert (await house.http.get("/client/v1/me", headers=headers)).status_code == 200


async def test_a_session_in_use_ends_after_twelve_hours(reselling_database_url: str) -> None:
    async with open_house(reselling_database_url, sandbox=True) as house:
        anna = await house.sign_up("Anna")
        for _ in range(7):
            await house.owner.post("/staff/v1/clock", {"advance_seconds": 6000})
            assert (await anna.ask("GET", "/client/v1/me")).status_code == 200
        await house.owner.post("/staff/v1/clock", {"advance_seconds": 1200})
        assert (await anna.ask("GET", "/client/v1/me")).status_code == 401


async def test_a_session_that_nobody_uses_ends_after_two_hours(
    reselling_database_url: str,
) -> None:
    async with open_house(reselling_database_url, sandbox=True) as house:
        anna = await house.sign_up("Anna")
        await house.owner.post("/staff/v1/clock", {"advance_seconds": 7200})
        assert (await anna.ask("GET", "/client/v1/me")).status_code == 401


async def test_a_new_password_ends_every_session(house: House) -> None:
    anna = await house.sign_up("Anna")
    change = {"current": PASSWORD, "new": "another horse and battery"}
    await anna.post("/client/v1/me/password", change)
    assert (await anna.ask("GET", "/client/v1/me")).status_code == 401
    old = {"email": "anna@example.com", "password": PASSWORD}
    assert (await house.http.post("/client/v1/login", json=old)).status_code == 401
    new = {"email": "anna@example.com", "password": change["new"]}
    assert (await house.http.post("/client/v1/login", json=new)).status_code == 200


async def test_no_session_outlives_a_new_password_that_came_while_it_was_opened(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await house.sign_up("Anna")

    async def slowly(password: str, password_hash: str | None) -> Checked:
        fits = await check_password(password, password_hash)
        monkeypatch.setattr(login, "check_password", check_password)
        change = {"current": PASSWORD, "new": "another horse and battery"}
        await anna.post("/client/v1/me/password", change)
        return fits

    monkeypatch.setattr(login, "check_password", slowly)
    stolen = {"email": "anna@example.com", "password": PASSWORD}
    refused = await house.http.post("/client/v1/login", json=stolen)
    assert code_of(refused) == (401, "unauthorized")


async def test_a_password_is_not_changed_without_the_current_one(house: House) -> None:
    anna = await house.sign_up("Anna")
    change = {"current": "wrong", "new": "another horse and battery"}
    refused = await anna.ask("POST", "/client/v1/me/password", json=change)
    assert code_of(refused) == (403, "wrong_password")
    assert (await anna.ask("GET", "/client/v1/me")).status_code == 200


async def test_a_staff_session_opens_no_client_route_and_the_reverse(house: House) -> None:
    anna = await house.sign_up("Anna")
    assert (await house.owner.ask("GET", "/client/v1/me")).status_code == 401
    assert (await anna.ask("GET", "/staff/v1/clients")).status_code == 401


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "An\u0000na"},
        {"name": ""},
        {"name": "a\nb"},
        {"phone": "\u009b2J"},
        {"address": "\u0000"},
        {"email": "not an address"},
        {"email": "anna@@example.com"},
        {"password": "elevenchars"},
        {"password": "qwerty123456"},
        {"password": "anna@example.com"},
        {"password": "with a \u0000 in it"},
        {"note": "clients have no notes"},
        {"is_admin": True},
    ],
    ids=str,
)
async def test_nasty_or_unknown_fields_are_refused(house: House, fault: dict[str, object]) -> None:
    body = {"email": "anna@example.com", "name": "Anna", "password": PASSWORD}
    refused = await house.http.post("/client/v1/sign-up", json=body | fault)
    assert code_of(refused) == (422, "invalid_request")
    assert PASSWORD not in refused.text
