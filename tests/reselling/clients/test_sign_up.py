"""Sign-ups from one address are few, and fewer where they meet an address that is taken."""

import httpx
import pytest

from tests.reselling.house import PASSWORD, House, code_of, open_house

HOME, AWAY = "192.0.2.1", "198.51.100.7"


async def sign_up(house: House, name: str, *, address: str = HOME) -> httpx.Response:
    transport = httpx.ASGITransport(house.app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://house.test") as http:
        body = {"email": f"{name}@example.com", "name": "A Client", "password": PASSWORD}
        return await http.post("/client/v1/sign-up", json=body)


async def test_many_sign_ups_from_one_address_wait_and_others_dont(
    reselling_database_url: str,
) -> None:
    async with open_house(reselling_database_url, sign_ups_per_address=3) as house:
        for number in range(3):
            assert (await sign_up(house, f"anna{number}")).status_code == 201
        refused = await sign_up(house, "anna3")
        assert code_of(refused) == (429, "rate_limited")
        assert refused.headers["Retry-After"] in {"299", "300"}
        assert (await sign_up(house, "anna3", address=AWAY)).status_code == 201


async def test_who_asks_which_addresses_are_taken_soon_gets_no_answer(
    reselling_database_url: str,
) -> None:
    async with open_house(reselling_database_url, taken_sign_ups_per_address=2) as house:
        await sign_up(house, "anna", address=AWAY)
        # Good ones in between don't count, and don't buy more looks.
        for name in ("anna", "bert", "anna"):
            answer = await sign_up(house, name)
            assert answer.status_code == (409 if name == "anna" else 201)
        assert code_of(await sign_up(house, "anna")) == (429, "rate_limited")
        assert code_of(await sign_up(house, "nobody")) == (429, "rate_limited")
        login = {"email": "nobody@example.com", "password": PASSWORD}
        assert (await house.http.post("/client/v1/login", json=login)).status_code == 401


@pytest.mark.parametrize("wrong", ["qwerty123456", "P@ssw0rd2024", "aaaaaaaaaaaa", "A.Client.1999"])
async def test_a_password_that_is_tried_first_is_refused_with_what_to_do(
    reselling_database_url: str, wrong: str
) -> None:
    async with open_house(reselling_database_url) as house:
        body = {"email": "anna@example.com", "name": "A Client", "password": wrong}
        refused = await house.http.post("/client/v1/sign-up", json=body)
    assert code_of(refused) == (422, "invalid_request")
    assert [error["path"] for error in refused.json()["errors"]] == ["body.password"]
    assert wrong not in refused.text


async def test_a_client_sees_and_ends_their_sessions(reselling_database_url: str) -> None:
    async with open_house(reselling_database_url) as house:
        anna = await house.sign_up("Anna")
        berta = await house.sign_up("Berta")
        login = {"email": "anna@example.com", "password": PASSWORD}
        token = (await house.http.post("/client/v1/login", json=login)).json()["token"]
        old, new = (await anna.get("/client/v1/me/sessions"))["items"]
        assert (old["current"], new["current"]) == (True, False)
        path = f"/client/v1/me/sessions/{new['id']}"
        assert (await berta.ask("DELETE", path)).status_code == 404
        assert (await anna.ask("DELETE", path)).status_code == 204
        headers = {"Authorization": f"Bearer {token}"}
        assert (await house.http.get("/client/v1/me", headers=headers)).status_code == 401
        assert (await anna.ask("DELETE", "/client/v1/me/sessions")).status_code == 204
        assert (await anna.ask("GET", "/client/v1/me")).status_code == 401
        assert (await berta.ask("GET", "/client/v1/me")).status_code == 200
