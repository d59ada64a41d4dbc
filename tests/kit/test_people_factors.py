"""Staff may have a second factor, and some must."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from httpx import AsyncClient, Response
from sqlalchemy import select

from shared.kit.people import Role
from shared.kit.people.lockouts import MOST_ATTEMPTS
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, PASSWORD, House, run_house

__all__ = ["house", "service"]
FACTOR = f"{BASE}/me/second-factor"
STEP = timedelta(seconds=30)


@dataclass
class Device:
    """Somebody's device, in the time of the house."""

    house: House
    secret: str
    recovery_codes: list[str]

    def code(self, *, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(self.house.clock.now() + steps * STEP)


async def log_in(house: House, email: str, code: str | None = None, **other: str) -> Response:
    async with house.client() as client:
        body = {"email": email, "password": PASSWORD, **({"code": code} if code else {}), **other}
        return await client.post(f"{BASE}/login", json=body)


async def enrol(house: House, client: AsyncClient) -> Device:
    made = await client.post(FACTOR, json={"password": PASSWORD})
    assert made.status_code == 201, made.text
    device = Device(house, made.json()["secret"], [])
    on = await client.post(f"{FACTOR}/confirm", json={"code": device.code()})
    assert on.status_code == 200, on.text
    device.recovery_codes = on.json()["recovery_codes"]
    house.clock.advance(STEP)
    return device


def code_of(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_device_is_enrolled_confirmed_and_asked_for_from_then_on(house: House) -> None:
    async with await house.as_(Role.OPERATOR, email="nora@example.com") as nora:
        before = (await nora.get(FACTOR)).json()
        made = (await nora.post(FACTOR, json={"password": PASSWORD})).json()
        uri = urlsplit(made["uri"])
        assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
        assert parse_qs(uri.query)["secret"] == [made["secret"]]
        # Not asked for before it was shown to work.
        assert (await log_in(house, "nora@example.com")).status_code == 201
        device = await enrol(house, nora)
        after = (await nora.get(FACTOR)).json()
    assert before == {
        "active": False,
        "wanted": False,
        "confirmed_at": None,
        "recovery_codes_left": 0,
    }
    assert (after["active"], after["recovery_codes_left"]) == (True, 10)
    wanted = await log_in(house, "nora@example.com")
    assert code_of(wanted) == (401, "second_factor_required")
    assert (await log_in(house, "nora@example.com", device.code())).status_code == 201
    wrong = await log_in(house, "nora@example.com", device.code(), password="not the password")
    assert code_of(wrong) == (401, "unauthorized")


async def test_confirming_ends_the_other_sessions_that_had_no_second_factor(house: House) -> None:
    async with (
        await house.as_(Role.OPERATOR, email="nora@example.com") as nora,
        house.client(await house.log_in("nora@example.com")) as elsewhere,
    ):
        await enrol(house, nora)
        assert (await nora.get(f"{BASE}/me")).status_code == 200
        assert (await elsewhere.get(f"{BASE}/me")).status_code == 401


async def test_a_code_counts_once_and_a_step_early_or_late(house: House) -> None:
    async with await house.as_(Role.OPERATOR, email="nora@example.com") as nora:
        device = await enrol(house, nora)
    house.clock.advance(10 * STEP)
    for steps in (-2, 2):
        far = await log_in(house, "nora@example.com", device.code(steps=steps))
        assert code_of(far) == (403, "second_factor_wrong")
    late = device.code(steps=-1)
    assert (await log_in(house, "nora@example.com", late)).status_code == 201
    assert code_of(await log_in(house, "nora@example.com", late)) == (403, "second_factor_wrong")
    early = device.code(steps=1)
    assert (await log_in(house, "nora@example.com", early)).status_code == 201
    # Older than what was used, though never used itself.
    older = await log_in(house, "nora@example.com", device.code())
    assert code_of(older) == (403, "second_factor_wrong")


async def test_a_code_sent_twice_at_once_opens_one_session(house: House) -> None:
    async with await house.as_(Role.OPERATOR, email="nora@example.com") as nora:
        device = await enrol(house, nora)
    code = device.code()
    answers = await asyncio.gather(*(log_in(house, "nora@example.com", code) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 403, 403]


async def test_wrong_codes_lock_the_login_like_wrong_passwords(house: House) -> None:
    async with await house.as_(Role.OPERATOR, email="nora@example.com") as nora:
        device = await enrol(house, nora)
    async with house.client(address="198.51.100.7") as stranger:
        body = {"email": "nora@example.com", "password": PASSWORD, "code": "000000"}
        answers = [
            (await stranger.post(f"{BASE}/login", json=body)).status_code
            for _ in range(MOST_ATTEMPTS + 1)
        ]
        body["code"] = device.code()
        assert (await stranger.post(f"{BASE}/login", json=body)).status_code == 429
    assert answers == [403] * MOST_ATTEMPTS + [429]


async def test_a_recovery_code_lets_in_once_however_it_is_typed(house: House) -> None:
    async with await house.as_(Role.OPERATOR, email="nora@example.com") as nora:
        device = await enrol(house, nora)
    one = device.recovery_codes[0].upper().replace("-", " ")
    assert (await log_in(house, "nora@example.com", one)).status_code == 201
    assert code_of(await log_in(house, "nora@example.com", one)) == (403, "second_factor_wrong")
    table = house.people.recovery_codes
    async with house.runtime.staff.read() as session:
        kept = (await session.scalars(select(table.code_hash))).all()
    assert len(kept) == 9
    assert not any(code.encode() in row for code in device.recovery_codes for row in kept)


async def test_new_recovery_codes_take_the_place_of_the_old(house: House) -> None:
    async with await house.as_(Role.OPERATOR, email="nora@example.com") as nora:
        device = await enrol(house, nora)
        proof = {"password": PASSWORD, "code": device.code()}
        made = (await nora.post(f"{FACTOR}/recovery-codes", json=proof)).json()["recovery_codes"]
    old, new = device.recovery_codes[0], made[0]
    assert (await log_in(house, "nora@example.com", old)).status_code == 403
    assert (await log_in(house, "nora@example.com", new)).status_code == 201


async def test_it_is_taken_off_with_password_and_code_only(house: House) -> None:
    async with await house.as_(Role.OPERATOR, email="nora@example.com") as nora:
        device = await enrol(house, nora)
        refusals: list[tuple[dict[str, Any], str]] = [
            ({"password": "not the password", "code": device.code()}, "wrong_password"),
            ({"password": PASSWORD, "code": "000000"}, "second_factor_wrong"),
        ]
        for body, code in refusals:
            assert code_of(await nora.post(f"{FACTOR}/disable", json=body)) == (403, code)
        again = await nora.post(FACTOR, json={"password": PASSWORD})
        assert code_of(again) == (409, "second_factor_active")
        off = {"password": PASSWORD, "code": device.code()}
        assert (await nora.post(f"{FACTOR}/disable", json=off)).status_code == 204
        assert (await nora.get(f"{BASE}/me")).status_code == 401
    assert (await log_in(house, "nora@example.com")).status_code == 201


async def test_an_owner_helps_who_lost_the_device_and_the_audit_tells(house: House) -> None:
    async with (
        await house.as_(Role.OWNER, email="olga@example.com") as olga,
        await house.as_(Role.OPERATOR, email="nora@example.com") as nora,
    ):
        device = await enrol(house, nora)
        nora_id = (await nora.get(f"{BASE}/me")).json()["id"]
        olga_id = (await olga.get(f"{BASE}/me")).json()["id"]
        reset = f"{BASE}/staff/{nora_id}/second-factor"
        assert (await nora.delete(reset)).status_code == 403
        assert (await olga.delete(reset)).status_code == 204
        assert (await nora.get(f"{BASE}/me")).status_code == 401
        # Not one's own: whoever stole the owner's session would be rid of it, too.
        await enrol(house, olga)
        own = await olga.delete(f"{BASE}/staff/{olga_id}/second-factor")
        assert code_of(own) == (409, "second_factor_active")
        audit = await olga.get(f"{BASE}/audit", params={"object_id": nora_id})
    assert (await log_in(house, "nora@example.com")).status_code == 201
    entries = {entry["action"]: entry for entry in audit.json()["items"]}
    assert entries["staff.second_factor_reset"]["actor_id"] == olga_id
    assert device.secret not in audit.text


async def test_the_secret_lies_encrypted(house: House) -> None:
    async with await house.as_(Role.OPERATOR, email="nora@example.com") as nora:
        device = await enrol(house, nora)
    async with house.runtime.staff.read() as session:
        (kept,) = (await session.scalars(select(house.people.factors.secret))).all()
    assert device.secret.encode() not in kept
    assert house.runtime.vault.decrypt_text(kept) == device.secret


async def test_roles_that_must_have_one_can_do_nothing_before(service: tuple[str, str]) -> None:
    name, url = service
    async with (
        run_house(name, url=url, routers=[], second_factor_roles=["owner"]) as house,
        await house.as_(Role.FINANCE, email="fay@example.com") as fay,
        await house.as_(Role.OWNER, email="olga@example.com") as olga,
    ):
        assert (await fay.get(f"{BASE}/audit")).status_code == 200
        refused = await olga.get(f"{BASE}/staff")
        assert code_of(refused) == (403, "second_factor_enrolment")
        assert (await olga.get(f"{BASE}/me")).status_code == 200
        assert (await olga.get(FACTOR)).json()["wanted"] is True
        await enrol(house, olga)
        assert (await olga.get(f"{BASE}/staff")).status_code == 200


@pytest.mark.parametrize("code", ["", "12345", "123456'--", "\u0661\u0662\u0663\u0664\u0665\u0666"])
async def test_what_is_no_code_is_refused_as_such(house: House, code: str) -> None:
    async with house.client() as client:
        body = {"email": "nora@example.com", "password": PASSWORD, "code": code}
        refused = await client.post(f"{BASE}/login", json=body)
    assert code_of(refused) == (422, "invalid_request")
