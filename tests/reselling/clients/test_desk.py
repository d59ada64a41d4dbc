"""The staff's desk: make, find, change and close clients, each change audited."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert

from reselling_service.sellers.models import Seller
from reselling_service.services.models import Service
from shared.kit.ids import new_id
from shared.kit.people import Role
from tests.reselling.house import PASSWORD, House, code_of


async def audited(house: House, client_id: object) -> list[dict[str, Any]]:
    path = f"/staff/v1/audit?object_type=client&object_id={client_id}"
    items: list[dict[str, Any]] = (await house.owner.get(path))["items"]
    return items


async def add_service(house: House, client_id: UUID, *, wanted_life: str) -> None:
    async with house.runtime.staff.write() as session:
        seller_id = new_id()
        await session.execute(
            insert(Seller).values(
                id=seller_id,
                name=f"Hosting {seller_id}",
                url="http://127.0.0.1:1",
                key=session.vault.encrypt_text("tps_key"),
                key_hint="tps_…_key",
                installation_id=new_id(),
                currency="EUR",
                about={},
                created_at=session.clock.now(),
            )
        )
        await session.execute(
            insert(Service).values(
                id=new_id(),
                client_id=client_id,
                seller_id=seller_id,
                tariff_id=new_id(),
                tariff_name="Small",
                service_ref=uuid4(),
                client_ref=uuid4(),
                name="web",
                hostname=session.vault.encrypt_text("web-1"),
                os="debian-12",
                period="month",
                price=1000,
                currency="EUR",
                upstream_max_price=800,
                wanted_life=wanted_life,
                created_at=session.clock.now(),
            )
        )


async def test_staff_makes_a_client_who_can_log_in_once_given_a_password(house: House) -> None:
    body = {"email": "Berta@example.com", "name": "Berta", "note": "From the fair"}
    made = await house.owner.post("/staff/v1/clients", body)
    assert (made["email"], made["note"]) == ("berta@example.com", "From the fair")
    assert (made["state"], made["can_log_in"]) == ("active", False)
    login = {"email": "berta@example.com", "password": PASSWORD}
    assert (await house.http.post("/client/v1/login", json=login)).status_code == 401
    changed = await house.owner.patch(f"/staff/v1/clients/{made['id']}", {"password": PASSWORD})
    assert changed["can_log_in"]
    assert (await house.http.post("/client/v1/login", json=login)).status_code == 200


async def test_the_audit_tells_what_was_changed_and_no_password(house: House) -> None:
    body = {"email": "berta@example.com", "name": "Berta", "password": PASSWORD}
    made = await house.owner.post("/staff/v1/clients", body)
    change = {"name": "Berta B.", "phone": "+49 1", "password": "another horse and battery"}
    await house.owner.patch(f"/staff/v1/clients/{made['id']}", change)
    created, changed = await audited(house, made["id"])
    assert (created["action"], changed["action"]) == ("client.create", "client.change")
    assert (changed["before"]["name"], changed["after"]["name"]) == ("Berta", "Berta B.")
    assert changed["after"]["password"] == "[hidden]"
    assert PASSWORD not in str((created, changed))
    assert "another horse" not in str(changed)


async def test_what_is_left_out_of_a_change_stays_and_null_empties(house: House) -> None:
    body = {"email": "berta@example.com", "name": "Berta", "phone": "+49 1", "note": "x"}
    made = await house.owner.post("/staff/v1/clients", body)
    changed = await house.owner.patch(f"/staff/v1/clients/{made['id']}", {"phone": None})
    assert changed == made | {"phone": None}


async def test_a_client_can_not_take_anothers_address(house: House) -> None:
    await house.sign_up("Anna")
    berta = await house.sign_up("Berta")
    path = f"/staff/v1/clients/{berta.id}"
    refused = await house.owner.ask("PATCH", path, json={"email": "anna@example.com"})
    assert code_of(refused) == (409, "email_taken")
    assert (await berta.get("/client/v1/me"))["email"] == "berta@example.com"


async def test_a_new_address_ends_the_clients_sessions(house: House) -> None:
    anna = await house.sign_up("Anna")
    await house.owner.patch(f"/staff/v1/clients/{anna.id}", {"email": "anna2@example.com"})
    assert (await anna.ask("GET", "/client/v1/me")).status_code == 401
    login = {"email": "anna2@example.com", "password": PASSWORD}
    assert (await house.http.post("/client/v1/login", json=login)).status_code == 200


async def test_a_password_from_staff_ends_the_clients_sessions(house: House) -> None:
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    new = "another horse and battery"
    await house.owner.patch(f"/staff/v1/clients/{anna.id}", {"password": new})
    assert (await anna.ask("GET", "/client/v1/me")).status_code == 401
    assert (await berta.get("/client/v1/me"))["name"] == "Berta"
    for password, status in ((PASSWORD, 401), (new, 200)):
        login = {"email": "anna@example.com", "password": password}
        assert (await house.http.post("/client/v1/login", json=login)).status_code == status


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("ANNA@", ["Anna"]),
        ("ert", ["Berta"]),
        ("+49 2", ["Berta"]),
        ("example.com", ["Anna", "Berta"]),
        ("%", []),
        ("_", []),
    ],
)
async def test_clients_are_found_by_a_part_of_what_is_known(
    house: House, search: str, names: list[str]
) -> None:
    for name, phone in (("Anna", "+49 1"), ("Berta", "+49 2")):
        body = {"email": f"{name}@example.com", "name": name, "phone": phone}
        await house.owner.post("/staff/v1/clients", body)
    found = await house.owner.get("/staff/v1/clients", params={"search": search})
    assert [item["name"] for item in found["items"]] == names


async def test_clients_come_in_pages(house: House) -> None:
    names = ["Anna", "Berta", "Carla"]
    for name in names:
        body = {"email": f"{name}@example.com", "name": name}
        await house.owner.post("/staff/v1/clients", body)
    first = await house.owner.get("/staff/v1/clients?limit=2")
    second = await house.owner.get("/staff/v1/clients", params={"after": first["next"]})
    assert [item["name"] for item in first["items"] + second["items"]] == names
    assert second["next"] is None


async def test_a_search_with_nul_is_refused(house: House) -> None:
    refused = await house.owner.ask("GET", "/staff/v1/clients", params={"search": "a\x00"})
    assert code_of(refused) == (422, "invalid_request")


async def test_a_closed_client_is_out_at_once_and_for_good(house: House) -> None:
    anna = await house.sign_up("Anna")
    closed = await house.owner.post(f"/staff/v1/clients/{anna.id}/close")
    assert (closed["state"], closed["can_log_in"]) == ("closed", False)
    assert (await anna.ask("GET", "/client/v1/me")).status_code == 401
    login = {"email": "anna@example.com", "password": PASSWORD}
    assert (await house.http.post("/client/v1/login", json=login)).status_code == 401
    path = f"/staff/v1/clients/{anna.id}"
    refused = await house.owner.ask("PATCH", path, json={"password": PASSWORD})
    assert code_of(refused) == (409, "client_closed")
    assert (await house.owner.post(f"{path}/close"))["state"] == "closed"
    assert [entry["action"] for entry in await audited(house, anna.id)] == ["client.close"]


@pytest.mark.parametrize(("wanted_life", "status"), [("active", 409), ("terminated", 200)])
async def test_a_client_is_closed_only_without_living_services(
    house: House, wanted_life: str, status: int
) -> None:
    anna = await house.sign_up("Anna")
    await add_service(house, anna.id, wanted_life=wanted_life)
    answer = await house.owner.ask("POST", f"/staff/v1/clients/{anna.id}/close")
    assert answer.status_code == status
    state = (await house.owner.get(f"/staff/v1/clients/{anna.id}"))["state"]
    assert state == ("active" if status == 409 else "closed")
    assert (await anna.ask("GET", "/client/v1/me")).status_code == (200 if status == 409 else 401)


@pytest.mark.parametrize("role", [Role.FINANCE, Role.READ_ONLY])
async def test_who_may_not_change_clients_reads_them(house: House, role: Role) -> None:
    person = await house.staff(role)
    body = {"email": "berta@example.com", "name": "Berta"}
    refused = await person.ask("POST", "/staff/v1/clients", json=body)
    assert code_of(refused) == (403, "role_required")
    assert (await person.get("/staff/v1/clients"))["items"] == []


async def test_an_unknown_client_is_not_found(house: House) -> None:
    path = f"/staff/v1/clients/{new_id()}"
    for method in ("GET", "PATCH"):
        answer = await house.owner.ask(method, path, json={} if method == "PATCH" else None)
        assert code_of(answer) == (404, "not_found")
    assert (await house.owner.ask("POST", f"{path}/close")).status_code == 404
