from datetime import timedelta
from uuid import uuid4

import pytest
from httpx import Response

from shared.contract.basics import Scope
from shared.kit.people import Role
from tests.kit.people_house import BASE, House
from tests.selling.partners.factories import create_reseller

ME = f"{BASE}/whoami"


def is_unauthorized(answer: Response) -> bool:
    return (
        answer.status_code == 401
        and answer.json()["code"] == "unauthorized"
        and answer.headers["WWW-Authenticate"] == "Bearer"
    )


async def test_a_key_speaks_for_its_partner_and_its_installation(house: House) -> None:
    reseller = await create_reseller(house)
    async with reseller.client() as client:
        answer = await client.get(ME)
    assert answer.json() == {
        "partner_id": str(reseller.partner_id),
        "installation_id": str(reseller.installation_id),
        "key_id": str(reseller.key_id),
        "state": "active",
        "name": "Reseller A",
    }


async def test_whatever_isnt_a_key_gets_one_and_the_same_answer(house: House) -> None:
    reseller = await create_reseller(house)
    _, key_id, secret = reseller.token.split("_", 2)
    tokens = [
        None,
        "",
        "nonsense",
        f"tpr_{key_id}_{secret}",
        f"tps_{key_id}_",
        f"tps_{key_id}",
        f"tps_{key_id}_{secret}x",
        f"tps_{key_id}_{secret[:-1]}",
        f"tps_{uuid4().hex}_{secret}",
        f"tps_not-an-id_{secret}",
        f"tps_{key_id}_\xe9",
    ]
    bodies = []
    for token in tokens:
        value = f"Bearer {token}".encode("latin-1")
        headers = [] if token is None else [(b"Authorization", value)]
        async with house.client() as client:
            answer = await client.get(ME, headers=headers)
        assert is_unauthorized(answer), token
        bodies.append(answer.json() | {"request_id": None, "trace_id": None})
    assert bodies == [bodies[0]] * len(tokens)


async def test_a_session_of_the_staff_is_no_key(house: House) -> None:
    async with await house.as_(Role.OWNER) as client:
        assert is_unauthorized(await client.get(ME))


async def test_a_key_is_no_session_of_the_staff(house: House) -> None:
    reseller = await create_reseller(house)
    async with reseller.client() as client:
        assert is_unauthorized(await client.get(reseller.path))


async def test_a_key_ends_at_its_time(house: House) -> None:
    end = house.clock.now() + timedelta(days=1)
    reseller = await create_reseller(house, expires_at=end)
    async with reseller.client() as client:
        house.clock.advance(timedelta(days=1) - timedelta(seconds=1))
        assert (await client.get(ME)).status_code == 200
        house.clock.advance(timedelta(seconds=1))
        assert is_unauthorized(await client.get(ME))


@pytest.mark.parametrize("lacking", list(Scope))
async def test_each_route_wants_its_scope(house: House, lacking: Scope) -> None:
    scopes = tuple(scope for scope in Scope if scope is not lacking)
    reseller = await create_reseller(house, scopes=scopes)
    async with reseller.client() as client:
        got = {
            Scope.EVENTS_READ: await client.get(f"{BASE}/events"),
            Scope.SERVICES_MANAGE: await client.post(f"{BASE}/suspend"),
            Scope.SERVICES_ORDER: await client.post(f"{BASE}/order"),
        }
        unscoped = await client.get(ME)
    refused = {scope: answer.json()["code"] for scope, answer in got.items() if answer.is_error}
    assert refused == ({lacking: "insufficient_scope"} if lacking in got else {})
    assert unscoped.status_code == 200


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::1", True),
        ("198.51.100.1", False),
        ("2001:db9::1", False),
        ("not-an-address", False),
    ],
)
async def test_a_key_works_from_its_networks_only(
    house: House, address: str, *, allowed: bool
) -> None:
    reseller = await create_reseller(house, networks=("192.0.2.0/24", "2001:db8::/32"))
    async with reseller.client(address=address) as client:
        answer = await client.get(ME)
    if allowed:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "address_not_allowed")


async def test_a_wrong_secret_from_elsewhere_learns_nothing_of_the_networks(house: House) -> None:
    reseller = await create_reseller(house, networks=("192.0.2.0/24",))
    async with house.client(f"{reseller.token}x", address="198.51.100.1") as client:
        assert is_unauthorized(await client.get(ME))
