from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient

from shared.kit.people import Role
from tests.kit.people_house import BASE, House
from tests.selling.partners.factories import Reseller, create_reseller

ME = f"{BASE}/whoami"


def new_key(reseller: Reseller, **more: object) -> dict[str, Any]:
    return {
        "installation_id": str(reseller.installation_id),
        "name": "second",
        "scopes": ["services:read"],
    } | more


async def works(house: House, token: str) -> bool:
    async with house.client(token) as client:
        return (await client.get(ME)).status_code == 200


@pytest.mark.parametrize("role", list(Role))
async def test_everybody_reads_and_only_owners_and_operators_change(
    house: House, role: Role
) -> None:
    a = await create_reseller(house)
    key = f"{a.path}/keys/{a.key_id}"
    async with await house.as_(role) as client:
        reads = [
            await client.get(path)
            for path in (f"{BASE}/partners", a.path, f"{a.path}/installations", f"{a.path}/keys")
        ]
        changes = [
            await client.post(f"{BASE}/partners", json={"name": "B"}),
            await client.patch(a.path, json={"state": "blocked"}),
            await client.post(f"{a.path}/installations", json={"name": "shop-2"}),
            await client.post(f"{a.path}/keys", json=new_key(a)),
            await client.post(f"{key}/rotate", json={}),
            await client.post(f"{key}/revoke"),
        ]
    assert [answer.status_code for answer in reads] == [200] * 4
    may = role in {Role.OWNER, Role.OPERATOR}
    assert [answer.status_code for answer in changes] == (
        [201, 200, 201, 201, 201, 200] if may else [403] * 6
    )


async def test_the_way_from_a_new_partner_to_a_key_that_works(house: House) -> None:
    async with await house.as_(Role.OPERATOR) as staff:
        partner = (await staff.post(f"{BASE}/partners", json={"name": "Reseller Ä"})).json()
        path = f"{BASE}/partners/{partner['id']}"
        installation = (await staff.post(f"{path}/installations", json={"name": "shop"})).json()
        body = {
            "installation_id": installation["id"],
            "name": "first",
            "scopes": ["events:read", "services:order"],
            "allowed_networks": ["192.0.2.1", "2001:db8::/32"],
        }
        key = (await staff.post(f"{path}/keys", json=body)).json()
        listed = await staff.get(f"{path}/keys")
        audit = await staff.get(f"{BASE}/audit")
    assert key["token"].startswith(f"tps_{key['id'].replace('-', '')}_")
    assert key["allowed_networks"] == ["192.0.2.1/32", "2001:db8::/32"]
    assert await works(house, key["token"])
    secret = key["token"].split("_", 2)[2]
    assert secret not in listed.text + audit.text
    assert listed.json()["items"] == [{name: key[name] for name in key if name != "token"}]
    actions = [entry["action"] for entry in audit.json()["items"]]
    assert actions == [
        "staff.create",
        "partner.create",
        "installation.create",
        "partner_key.create",
    ]


async def test_a_blocked_partner_is_shown_and_audited(house: House) -> None:
    a = await create_reseller(house)
    async with await house.as_(Role.OPERATOR) as staff:
        changed = (await staff.patch(a.path, json={"state": "blocked"})).json()
        found = await staff.get(f"{BASE}/audit", params={"object_id": str(a.partner_id)})
    assert (changed["state"], changed["name"]) == ("blocked", "Reseller A")
    entry = found.json()["items"][-1]
    assert entry["before"] == {"name": "Reseller A", "state": "active"}
    assert entry["after"] == {"name": "Reseller A", "state": "blocked"}


async def test_names_are_taken_once(house: House) -> None:
    a, b = await create_reseller(house, name="A"), await create_reseller(house, name="B")
    async with await house.as_(Role.OPERATOR) as staff:
        answers = [
            await staff.post(f"{BASE}/partners", json={"name": "A"}),
            await staff.patch(b.path, json={"name": "A"}),
            await staff.post(f"{a.path}/installations", json={"name": "shop-1"}),
        ]
        own = await staff.patch(a.path, json={"name": "A"})
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (409, "name_taken")
    ] * 3
    assert own.status_code == 200


async def test_a_rotated_key_works_beside_its_successor_until_the_overlap_is_over(
    house: House,
) -> None:
    a = await create_reseller(house, networks=("192.0.2.0/24",))
    async with await house.as_(Role.OPERATOR) as staff:
        path = f"{a.path}/keys/{a.key_id}/rotate"
        new = (await staff.post(path, json={"overlap_seconds": 3600})).json()
        old = (await staff.get(f"{a.path}/keys")).json()["items"][0]
    same = {"name", "scopes", "allowed_networks", "installation_id", "partner_id"}
    assert {name: new[name] for name in same} == {name: old[name] for name in same}
    assert await works(house, a.token)
    assert await works(house, new["token"])
    house.clock.advance(timedelta(hours=1))
    assert not await works(house, a.token)
    assert await works(house, new["token"])


async def test_the_overlap_is_a_day_and_never_prolongs_the_old_key(house: House) -> None:
    a = await create_reseller(house)
    soon = house.clock.now() + timedelta(hours=2)
    b = await create_reseller(house, name="B", expires_at=soon)
    async with await house.as_(Role.OPERATOR) as staff:
        ends = []
        for reseller in (a, b):
            await staff.post(f"{reseller.path}/keys/{reseller.key_id}/rotate", json={})
            ends.append((await staff.get(f"{reseller.path}/keys")).json()["items"][0]["expires_at"])
    assert ends == ["2030-01-02T00:00:00Z", "2030-01-01T02:00:00Z"]


async def test_the_successor_of_a_key_with_an_end_lives_as_long(house: House) -> None:
    a = await create_reseller(house, expires_at=house.clock.now() + timedelta(days=30))
    house.clock.advance(timedelta(days=29))
    async with await house.as_(Role.OPERATOR) as staff:
        new = await staff.post(f"{a.path}/keys/{a.key_id}/rotate", json={})
    ends = datetime.fromisoformat(new.json()["expires_at"])
    assert ends == house.clock.now() + timedelta(days=30)


async def test_a_revoked_key_is_good_for_nothing_and_stays_so(house: House) -> None:
    a = await create_reseller(house)
    async with await house.as_(Role.OPERATOR) as staff:
        path = f"{a.path}/keys/{a.key_id}"
        first = (await staff.post(f"{path}/revoke")).json()
        house.clock.advance(timedelta(hours=1))
        again = (await staff.post(f"{path}/revoke")).json()
        rotated = await staff.post(f"{path}/rotate", json={})
    assert first["revoked_at"] == again["revoked_at"] == "2030-01-01T00:00:00Z"
    assert (rotated.status_code, rotated.json()["code"]) == (409, "key_ended")
    assert not await works(house, a.token)


async def test_nothing_is_found_under_another_partner(house: House) -> None:
    a, b = await create_reseller(house, name="A"), await create_reseller(house, name="B")
    async with await house.as_(Role.OWNER) as staff:
        answers = [
            await staff.post(f"{a.path}/keys/{b.key_id}/revoke"),
            await staff.post(f"{a.path}/keys/{b.key_id}/rotate", json={}),
            await staff.post(f"{a.path}/keys", json=new_key(b)),
            *[
                await staff.get(f"{BASE}/partners/{uuid4()}{rest}")
                for rest in ("", "/installations", "/keys")
            ],
        ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (404, "not_found")
    }
    assert await works(house, b.token)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"name": "nul\u0000"},
        {"allowed_networks": ["not a network"]},
        {"allowed_networks": ["192.0.2.1/24"]},
        {"expires_at": "2029-12-31T23:59:59Z"},
        {"expires_at": "9999-12-31T23:59:59-14:00"},
        {"expires_at": "0001-01-01T00:00:00+14:00"},
        {"expires_at": "2031-01-01T00:00:00"},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_nasty_keys_are_refused(house: House, wrong: dict[str, object]) -> None:
    a = await create_reseller(house)
    async with await house.as_(Role.OPERATOR) as staff:
        refused = await staff.post(f"{a.path}/keys", json=new_key(a, **wrong))
        keys = (await staff.get(f"{a.path}/keys")).json()["items"]
    assert refused.status_code == 422, refused.text
    assert len(keys) == 1


async def pages(client: AsyncClient, path: str) -> list[str]:
    names: list[str] = []
    after: str | None = None
    while True:
        wanted = {"limit": "2"} | ({} if after is None else {"after": after})
        page = (await client.get(path, params=wanted)).json()
        names += [item["name"] for item in page["items"]]
        after = page["next"]
        if after is None:
            return names


async def test_lists_go_on_where_they_stopped(house: House) -> None:
    a = await create_reseller(house, name="A")
    async with await house.as_(Role.OPERATOR) as staff:
        for name in "BCD":
            await staff.post(f"{BASE}/partners", json={"name": name})
            await staff.post(f"{a.path}/installations", json={"name": name})
            await staff.post(f"{a.path}/keys", json=new_key(a, name=name))
        assert await pages(staff, f"{BASE}/partners") == ["A", "B", "C", "D"]
        assert await pages(staff, f"{a.path}/installations") == ["shop-1", "B", "C", "D"]
        assert await pages(staff, f"{a.path}/keys") == ["production", "B", "C", "D"]


async def test_times_are_answered_in_utc(house: House) -> None:
    a = await create_reseller(house)
    east = datetime(2030, 6, 1, 12, tzinfo=UTC).isoformat().replace("+00:00", "+02:00")
    async with await house.as_(Role.OPERATOR) as staff:
        made = await staff.post(f"{a.path}/keys", json=new_key(a, expires_at=east))
        kept = (await staff.get(f"{a.path}/keys")).json()["items"][-1]
    assert kept["expires_at"] == made.json()["expires_at"] == "2030-06-01T10:00:00Z"
