"""Services over HTTP: clients and what is theirs, staff and everything, told in plain words."""

import json
from uuid import UUID

from sqlalchemy import select, text

from reselling_service.commands.models import Command
from reselling_service.services import actions
from reselling_service.services.models import Service
from shared.kit.ids import new_id
from shared.kit.people import Role
from tests.reselling.house import House, Person, code_of
from tests.reselling.services.counter import buy, open_counter
from tests.reselling.services.voice import MONTH, ManualClock, Voice

CLIENT, STAFF = "/client/v1/services", "/staff/v1/services"
VERBS = {
    "suspend": None,
    "resume": None,
    "start": None,
    "stop": None,
    "restart": None,
    "rename": {"hostname": "web-2.example.com"},
    "terminate": {"when": "now"},
    "restore": {"renew": True},
    "renew": {},
}
# An active service starts, resumes and comes back by nothing being sent.
FULFILLED = {"start", "resume", "restore"}
STAFF_CAUSE = {"cause": "staff"}


async def activate(house: House, service_id: str) -> Voice:
    """The seller builds the service and tells so; its side of it."""
    async with house.runtime.staff.write() as session:
        row = await session.get_one(Service, UUID(service_id))
        installation_id = await session.scalar(text("SELECT installation_id FROM sellers"))
        command = (await session.scalars(select(Command).where(Command.service_id == row.id))).one()
        voice = Voice(
            service_ref=row.service_ref,
            client_ref=row.client_ref,
            installation_id=installation_id,
            clock=ManualClock(),
        )
        event = voice.says(
            "service.activated",
            command=command,
            state="active",
            power="running",
            paid_until=session.clock.now() + MONTH,
        )
        await actions.hear(session, row.seller_id, event)
        return voice


async def two_clients(house: House) -> tuple[Person, Person, str]:
    """Anna with a service, Berta with none."""
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    bought = await buy(house, anna, await open_counter(house))
    await activate(house, bought["id"])
    return anna, berta, bought["id"]


async def test_foreign_service_is_not_found_like_an_absent_one(house: House) -> None:
    _anna, berta, service_id = await two_clients(house)
    for verb, body in VERBS.items():
        answers = [
            await berta.ask("POST", f"{CLIENT}/{one}/{verb}", json=body)
            for one in (service_id, new_id())
        ]
        assert [code_of(answer) for answer in answers] == [(404, "not_found")] * 2
        assert answers[0].json()["detail"] == answers[1].json()["detail"]


async def test_lists_and_changes_stop_at_the_own_services(house: House) -> None:
    anna, berta, service_id = await two_clients(house)
    assert [row["id"] for row in (await anna.get(CLIENT))["items"]] == [service_id]
    assert (await berta.get(CLIENT))["items"] == []
    assert code_of(await berta.ask("GET", f"{CLIENT}/{service_id}")) == (404, "not_found")
    changed = await berta.ask("PATCH", f"{CLIENT}/{service_id}", json={"name": "mine"})
    assert code_of(changed) == (404, "not_found")


async def test_database_itself_hides_the_services_of_others(house: House) -> None:
    _anna, berta, _service_id = await two_clients(house)
    async with house.runtime.app.read(tenant=berta.id) as session:
        assert (await session.scalars(select(Service))).all() == []


async def test_client_is_told_the_state_in_plain_words(house: House) -> None:
    anna = await house.sign_up("Anna")
    bought = await buy(house, anna, await open_counter(house))
    assert (bought["state"], bought["addresses"]) == ("waiting", None)
    assert [row["kind"] for row in bought["pending"]] == ["order"]

    await activate(house, bought["id"])
    active = await anna.get(f"{CLIENT}/{bought['id']}")
    assert (active["state"], active["addresses"]) == ("active", ["192.0.2.7"])
    assert (active["pending"], active["auto_renew"]) == ([], True)


async def test_client_never_reads_of_the_provider_or_its_prices(house: House) -> None:
    anna, _berta, service_id = await two_clients(house)
    await house.owner.post(
        f"{STAFF}/{service_id}/suspend", {"cause": "client_debt", "note": "Rechnung 17"}
    )
    shown = json.dumps(await anna.get(f"{CLIENT}/{service_id}"))
    for hidden in ("Hosting A", ": 701,", "upstream", "Rechnung", "seller", "client_ref"):
        assert hidden not in shown
    assert '"amount": 1000,' in shown, "amounts are written so"


async def test_staff_suspend_and_the_client_can_neither_start_nor_resume(house: House) -> None:
    anna, _berta, service_id = await two_clients(house)
    shown = await house.owner.post(
        f"{STAFF}/{service_id}/suspend", {"cause": "staff", "reason": "abuse", "note": "spam"}
    )
    assert shown["wanted_suspensions"][0]["note"] == "spam"
    assert shown["agrees"] is False

    start = await anna.ask("POST", f"{CLIENT}/{service_id}/start")
    resume = await anna.ask("POST", f"{CLIENT}/{service_id}/resume")
    assert code_of(start) == (409, "service_suspended")
    assert code_of(resume) == (409, "not_yours_to_resume")
    assert start.json()["blockers"] == [
        {"by": "staff", "reason": "abuse", "text": "We suspended it; please contact us."}
    ]
    lifted = await house.owner.post(f"{STAFF}/{service_id}/resume", {"cause": "staff"})
    assert lifted["wanted_suspensions"] == []


async def test_what_staff_did_is_in_the_audit(house: House) -> None:
    _anna, _berta, service_id = await two_clients(house)
    await house.owner.post(f"{STAFF}/{service_id}/suspend", {"cause": "client"})
    await house.owner.post(f"{STAFF}/{service_id}/stop?in_name_of=client")
    await house.owner.patch(f"{STAFF}/{service_id}", {"auto_renew": False})
    async with house.runtime.staff.read() as session:
        rows = await session.execute(
            text("SELECT action, after FROM audit_entries WHERE object_id = :id ORDER BY id"),
            {"id": service_id},
        )
        found = {row.action: row.after for row in rows}
    assert found["service.suspend"]["in_name_of"] == "client"
    assert found["service.stop"]["in_name_of"] == "client"
    assert found["service.change"] == {"in_name_of": "staff", "auto_renew": False}


async def test_staff_without_the_role_only_look(house: House) -> None:
    _anna, _berta, service_id = await two_clients(house)
    reader = await house.staff(Role.READ_ONLY)
    assert (await reader.get(f"{STAFF}/{service_id}"))["client_id"]
    refused = await reader.ask("POST", f"{STAFF}/{service_id}/stop")
    assert code_of(refused) == (403, "role_required")


async def test_staff_find_services_by_client_seller_and_state(house: House) -> None:
    anna, berta, service_id = await two_clients(house)
    service = await house.owner.get(f"{STAFF}/{service_id}")

    async def found(**filters: object) -> list[str]:
        page = await house.owner.get(STAFF, params=filters)
        return [row["id"] for row in page["items"]]

    assert await found(client_id=anna.id) == [service_id]
    assert await found(client_id=berta.id) == []
    assert await found(seller_id=service["seller_id"], state="active") == [service_id]
    assert await found(state="suspended") == []
    assert await found(life="terminated") == []


async def test_name_and_renewal_stay_at_home(house: House) -> None:
    anna, _berta, service_id = await two_clients(house)
    changed = await anna.patch(f"{CLIENT}/{service_id}", {"name": "Shop", "auto_renew": False})
    assert (changed["name"], changed["auto_renew"], changed["pending"]) == ("Shop", False, [])


async def test_every_wish_is_answered_with_what_is_under_way(house: House) -> None:
    anna, tariff_id = await house.sign_up("Anna"), await open_counter(house)
    for verb, body in VERBS.items():
        by_cause = STAFF_CAUSE if verb in {"suspend", "resume"} else body
        for person, path, words in ((anna, CLIENT, body), (house.owner, STAFF, by_cause)):
            service_id = (await buy(house, anna, tariff_id))["id"]
            await activate(house, service_id)
            shown = await person.post(f"{path}/{service_id}/{verb}", words)
            expected = [] if verb in FULFILLED else [verb]
            assert [row["kind"] for row in shown["pending"]] == expected


async def test_termination_is_taken_back_over_http(house: House) -> None:
    anna, _berta, service_id = await two_clients(house)
    await anna.post(f"{CLIENT}/{service_id}/terminate", {"when": "period_end"})
    refused = await anna.ask("POST", f"{CLIENT}/{service_id}/renew", json={})
    assert code_of(refused) == (409, "not_in_this_state")
    shown = await anna.post(f"{CLIENT}/{service_id}/restore", {})
    assert [row["kind"] for row in shown["pending"]] == ["terminate", "restore"]
