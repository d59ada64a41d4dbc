"""A key that is bound to a client certificate is good for nobody who doesn't show it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.kit.connections import CERTIFICATE
from shared.kit.people import Role
from tests.kit.people_house import BASE, House
from tests.selling.partners.factories import Reseller, create_reseller

MINE = "ab" * 32
OTHER = "cd" * 32


def over_tls(house: House, token: str, *, certificate: str | None) -> httpx.AsyncClient:
    """A client whose server has seen this certificate."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"] = {CERTIFICATE: {"sha256": certificate}}
        await house.app(scope, receive, send)

    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://house.test", headers=headers
    )


@pytest.fixture
async def staff(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with await house.as_(Role.OPERATOR) as client:
        yield client


async def bound(staff: httpx.AsyncClient, reseller: Reseller, certificate: str) -> tuple[UUID, str]:
    body = {
        "installation_id": str(reseller.installation_id),
        "name": "bound",
        "scopes": ["services:read"],
        "client_certificate": certificate,
    }
    answer = await staff.post(f"{reseller.path}/keys", json=body)
    assert answer.json()["client_certificate"] == MINE
    return UUID(answer.json()["id"]), answer.json()["token"]


@pytest.mark.parametrize("written", [MINE, MINE.upper(), ":".join([MINE[:2].upper()] * 32)])
async def test_key_is_good_with_its_certificate_only(
    house: House, staff: httpx.AsyncClient, written: str
) -> None:
    reseller = await create_reseller(house)
    _, token = await bound(staff, reseller, written)
    for certificate, status in ((MINE, 200), (OTHER, 403), (None, 403)):
        async with over_tls(house, token, certificate=certificate) as client:
            answer = await client.get(f"{BASE}/whoami")
            assert answer.status_code == status
            if status == 403:
                assert answer.json()["code"] == "certificate_required"
    async with over_tls(house, reseller.token, certificate=None) as client:
        assert (await client.get(f"{BASE}/whoami")).status_code == 200


async def test_no_header_takes_the_place_of_the_handshake(
    house: House, staff: httpx.AsyncClient
) -> None:
    _, token = await bound(staff, await create_reseller(house), MINE)
    told = {"client_certificate": MINE, "X-Client-Cert": MINE, "X-SSL-Client-SHA256": MINE}
    async with over_tls(house, token, certificate=None) as client:
        answer = await client.get(f"{BASE}/whoami", headers=told)
    assert answer.json()["code"] == "certificate_required"


async def test_rotation_keeps_the_certificate_or_takes_another(
    house: House, staff: httpx.AsyncClient
) -> None:
    reseller = await create_reseller(house)
    key_id, _ = await bound(staff, reseller, MINE)
    rotate = f"{reseller.path}/keys/{key_id}/rotate"
    kept = await staff.post(rotate, json={"overlap_seconds": 60})
    assert kept.json()["client_certificate"] == MINE
    again = await staff.post(rotate, json={"client_certificate": OTHER})
    assert again.json()["client_certificate"] == OTHER


async def test_what_is_no_fingerprint_is_refused(house: House, staff: httpx.AsyncClient) -> None:
    reseller = await create_reseller(house)
    body = {
        "installation_id": str(reseller.installation_id),
        "name": "bound",
        "scopes": ["services:read"],
        "client_certificate": "ab:cd",
    }
    answer = await staff.post(f"{reseller.path}/keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
