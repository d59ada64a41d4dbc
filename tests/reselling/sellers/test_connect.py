"""Connecting sellers and changing connections, over the staff's API."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from shared.contract.basics import Scope
from shared.kit.people import Role
from tests.reselling.house import House, code_of, open_house
from tests.reselling.sellers.fake import FakeSeller, Fault, problem, serve

PATH = "/staff/v1/sellers"


@pytest.fixture
async def house(reselling_database_url: str) -> AsyncIterator[House]:
    async with open_house(reselling_database_url, call_timeout_seconds=0.5) as running:
        yield running


def new(fake: FakeSeller, **changes: object) -> dict[str, object]:
    return {"name": "Hosting A", "url": fake.url, "key": fake.key} | changes


async def connect(house: House, fake: FakeSeller) -> dict[str, Any]:
    made: dict[str, Any] = await house.owner.post(PATH, new(fake))
    return made


async def test_connected_seller_is_shown_without_its_key(house: House, fake: FakeSeller) -> None:
    made = await connect(house, fake)
    assert made["edition"] == "hosting_cloud"
    assert made["currency"] == "EUR"
    assert made["link"]["state"] == "ok"
    assert made["circuit"]["state"] == "closed"
    assert made["clock_offset_ms"] > 0
    shown = await house.owner.get(f"{PATH}/{made['id']}")
    listed = await house.owner.get(PATH)
    assert listed["items"] == [shown]
    assert fake.key not in str(listed)
    assert shown["key_hint"] == "tps_…6789"


async def test_key_lies_encrypted(house: House, fake: FakeSeller) -> None:
    await connect(house, fake)
    async with house.runtime.staff.read() as session:
        row = (await session.execute(text("SELECT s::text FROM sellers s"))).scalar_one()
        audit = await session.execute(text("SELECT string_agg(a::text, '') FROM audit_entries a"))
    assert fake.key not in row
    assert fake.key.encode().hex() not in row
    assert fake.key not in str(audit.scalar_one())


async def test_url_may_hold_the_path_of_the_contract(house: House, fake: FakeSeller) -> None:
    made = await house.owner.post(PATH, new(fake, url=f"{fake.url}/partner/v1/"))
    assert made["url"] == fake.url


@pytest.mark.parametrize("edition", ["standalone", "hosting", "something_new"])
async def test_other_editions_are_refused_in_plain_words(
    house: House, fake: FakeSeller, edition: str
) -> None:
    fake.edition = edition
    answer = await house.owner.ask("POST", PATH, json=new(fake))
    assert code_of(answer) == (409, "edition_not_supported")
    assert edition in answer.json()["detail"]
    assert "hosting_cloud" in answer.json()["detail"]
    assert (await house.owner.get(PATH))["items"] == []


@pytest.mark.parametrize(("lowest", "highest"), [("2.0", "2.4"), ("0.1", "0.9"), ("x", "y")])
async def test_other_contracts_are_refused(
    house: House, fake: FakeSeller, lowest: str, highest: str
) -> None:
    fake.contract = (lowest, highest)
    answer = await house.owner.ask("POST", PATH, json=new(fake))
    assert code_of(answer) == (409, "contract_not_supported")


async def test_contract_that_spans_ours_is_taken(house: House, fake: FakeSeller) -> None:
    fake.contract = ("0.9", "3.1")
    assert (await connect(house, fake))["contract_max"] == "3.1"


async def test_wrong_key_is_refused(house: House, fake: FakeSeller) -> None:
    answer = await house.owner.ask("POST", PATH, json=new(fake, key="tps_wrong_key_0123456789"))
    assert code_of(answer) == (424, "seller_key_refused")


async def test_seller_that_is_not_there_is_refused(house: House, fake: FakeSeller) -> None:
    answer = await house.owner.ask("POST", PATH, json=new(fake, url="http://127.0.0.1:1"))
    assert code_of(answer) == (424, "seller_unreachable")


@pytest.mark.parametrize(
    "spoilt",
    [
        (200, {"content-type": "text/html"}, b"<h1>Welcome</h1>"),
        (200, {"content-type": "application/json"}, b'{"hello": "world"}'),
        (302, {"location": "/login"}, b""),
        (404, {}, b"nothing here"),
    ],
    ids=["html", "foreign_json", "redirect", "not_found"],
)
async def test_what_is_no_tandem_is_refused(
    house: House, fake: FakeSeller, spoilt: tuple[int, dict[str, str], bytes]
) -> None:
    fake.read_faults.append(Fault("spoilt", spoilt))
    answer = await house.owner.ask("POST", PATH, json=new(fake))
    assert code_of(answer) == (424, "not_a_seller")
    assert len(fake.requests) == 1, "a redirect isn't followed"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://provider.example.com",
        "provider.example.com",
        "https://user:secret@provider.example.com",
        "https://provider.example.com/?x=1",
        "https://provider.example.com/#there",
        "https://",
        "https://provider.example.com:99999",
        "https://provider example.com",
    ],
)
async def test_bad_addresses_are_refused(house: House, fake: FakeSeller, url: str) -> None:
    answer = await house.owner.ask("POST", PATH, json=new(fake, url=url))
    assert code_of(answer) == (422, "invalid_request")
    assert "secret" not in answer.text
    assert fake.requests == []


async def test_one_seller_is_connected_once(house: House, fake: FakeSeller) -> None:
    await connect(house, fake)
    same_name = await house.owner.ask("POST", PATH, json=new(fake))
    assert code_of(same_name) == (409, "seller_exists")
    same_seller = await house.owner.ask("POST", PATH, json=new(fake, name="Hosting B"))
    assert code_of(same_seller) == (409, "seller_exists")


async def test_replaced_key_is_tried_before_it_is_kept(house: House, fake: FakeSeller) -> None:
    made = await connect(house, fake)
    path = f"{PATH}/{made['id']}/key"
    wrong = await house.owner.ask("PUT", path, json={"key": "tps_wrong_key_0123456789"})
    assert code_of(wrong) == (424, "seller_key_refused")
    assert (await house.owner.get(f"{PATH}/{made['id']}"))["key_hint"] == made["key_hint"]
    fake.key = "tps_the_new_key_abcd"
    right = await house.owner.ask("PUT", path, json={"key": fake.key})
    assert right.json()["key_hint"] == "tps_…abcd"
    checked = await house.owner.post(f"{PATH}/{made['id']}/check")
    assert checked["link"]["state"] == "ok"


async def test_what_was_sold_goes_on_under_a_new_key_whatever_the_edition_is_now(
    house: House, fake: FakeSeller
) -> None:
    made = await connect(house, fake)
    fake.edition, fake.key = "hosting", "tps_another_key_0123456789"
    path = f"{PATH}/{made['id']}"
    kept = await house.owner.ask("PUT", f"{path}/key", json={"key": fake.key})
    assert (kept.status_code, kept.json()["edition"]) == (200, "hosting")
    moved = await house.owner.ask("PATCH", path, json={"url": fake.url})
    assert moved.status_code == 200


async def test_key_that_may_do_too_little_is_refused_with_what_it_lacks(
    house: House, fake: FakeSeller
) -> None:
    fake.scopes = {Scope.SERVICES_READ, Scope.SERVICES_ORDER, Scope.SERVICES_MANAGE}
    refused = await house.owner.ask("POST", PATH, json=new(fake))
    assert code_of(refused) == (409, "key_lacks_scopes")
    assert "events:read" in refused.json()["detail"]

    fake.scopes.add(Scope.EVENTS_READ)
    made = await connect(house, fake)
    fake.scopes.remove(Scope.SERVICES_MANAGE)
    kept = await house.owner.ask("PUT", f"{PATH}/{made['id']}/key", json={"key": fake.key})
    assert code_of(kept) == (409, "key_lacks_scopes")


async def test_address_of_another_tandem_is_no_seller(house: House, fake: FakeSeller) -> None:
    fake.read_faults.append(Fault("spoilt", problem("no_such_route")))
    answer = await house.owner.ask("POST", PATH, json=new(fake))
    assert code_of(answer) == (424, "not_a_seller")


async def test_new_address_must_lead_to_the_same_seller(house: House, fake: FakeSeller) -> None:
    made = await connect(house, fake)
    async with serve(FakeSeller()) as other:
        answer = await house.owner.ask("PATCH", f"{PATH}/{made['id']}", json={"url": other.url})
        assert code_of(answer) == (409, "other_seller")
    async with serve(FakeSeller(installation_id=fake.installation_id)) as moved:
        changed = await house.owner.patch(
            f"{PATH}/{made['id']}", {"url": moved.url, "name": "Hosting Z"}
        )
        assert (changed["url"], changed["name"]) == (moved.url, "Hosting Z")


async def test_check_notes_a_failure_and_a_recovery(house: House, fake: FakeSeller) -> None:
    made = await connect(house, fake)
    fake.read_faults.append(Fault("401", problem("unauthorized")))
    answer = await house.owner.ask("POST", f"{PATH}/{made['id']}/check")
    assert code_of(answer) == (424, "seller_key_refused")
    broken = await house.owner.get(f"{PATH}/{made['id']}")
    assert broken["link"]["state"] == "broken"
    assert "unauthorized" in broken["link"]["problem"]
    assert broken["circuit"]["state"] == "open"
    well = await house.owner.post(f"{PATH}/{made['id']}/check")
    assert (well["link"]["state"], well["link"]["problem"]) == ("ok", None)
    assert well["circuit"]["state"] == "closed"


async def test_seller_is_disabled_and_enabled_but_never_deleted(
    house: House, fake: FakeSeller
) -> None:
    made = await connect(house, fake)
    assert not (await house.owner.post(f"{PATH}/{made['id']}/disable"))["enabled"]
    assert (await house.owner.post(f"{PATH}/{made['id']}/enable"))["enabled"]
    deleted = await house.owner.ask("DELETE", f"{PATH}/{made['id']}")
    assert code_of(deleted) == (405, "method_not_allowed")


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.FINANCE])
async def test_others_look_but_connect_nothing(house: House, fake: FakeSeller, role: Role) -> None:
    person = await house.staff(role)
    assert (await person.ask("POST", PATH, json=new(fake))).status_code == 403
    assert (await person.get(PATH))["items"] == []


async def test_sync_is_shown(house: House, fake: FakeSeller) -> None:
    made = await connect(house, fake)
    shown = await house.owner.get(f"{PATH}/{made['id']}/sync")
    assert (shown["mode"], shown["cursor"], shown["parked"]) == ("idle", None, 0)
    missing = await house.owner.ask("GET", f"{PATH}/{house.owner.id}/sync")
    assert code_of(missing) == (404, "not_found")
