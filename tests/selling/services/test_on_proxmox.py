"""A service whose data centre is on a Proxmox VE: the settings alone put it there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import text

from selling_service.catalog import routes as catalogue
from selling_service.catalog.actions.room import record_capacity
from selling_service.catalog.models import PlatformRow
from selling_service.provisioning.drivers.proxmox.words import pool_name, user_name, vm_id_of
from selling_service.settings import SellingSettings
from tests.provisioning.proxmox_rig import NODE, SECRET, TEMPLATE, TOKEN, FakePve, stocked
from tests.secret_key import SECRET_KEY
from tests.selling.services.house import Caller, House, open_house

SETTINGS: dict[str, Any] = {
    "proxmox_token": f"{TOKEN}={SECRET}",
    "proxmox_templates": {"tandem-guest": {NODE: TEMPLATE}},
    "proxmox_vms": 3,
}


@pytest.fixture
async def house(
    selling_database_url: str, fakepve: FakePve, fakepve_cafile: str
) -> AsyncIterator[House]:
    """The house of the services' tests, its data centre on a Proxmox VE."""
    given = {"proxmox_url": fakepve.url, "proxmox_authority": Path(fakepve_cafile), **SETTINGS}
    with stocked(fakepve):
        async with open_house(selling_database_url, retention_seconds=0, **given) as found:
            for router in catalogue.partner_routers:
                found.app.include_router(router, prefix="/partner/v1")
            for router in catalogue.admin_routers:
                found.app.include_router(router, prefix="/admin/v1")
            async with found.runtime.staff.write() as session:
                session.add(PlatformRow(name="proxmox"))
                await session.flush()
                await session.execute(text("UPDATE data_centers SET platform = 'proxmox'"))
                room = await found.platforms["proxmox"].capacity()
                await record_capacity(
                    session,
                    platform="proxmox",
                    capacity=room,
                    capabilities=found.platforms["proxmox"].capabilities,
                )
            yield found


def machine(pve: FakePve, vm_id: UUID) -> Any:
    (vm,) = [
        vm for vm in pve.vms if vm_id_of({"tags": vm.config.get("tags"), "name": vm.name}) == vm_id
    ]
    return vm


async def ids(house: House, partner: Caller) -> tuple[UUID, UUID]:
    """The account and the service of the partner's only service."""
    async with house.runtime.staff.read() as session:
        found = text("SELECT account_id, id FROM services WHERE partner_id = :id")
        row = (await session.execute(found, {"id": partner.id})).one()
        return row.account_id, row.id


async def test_a_life_from_order_to_deletion(
    house: House, partner: Caller, fakepve: FakePve
) -> None:
    body = house.order()
    ref = body["service_ref"]
    assert (await partner.send("/services", body)).status_code == 202
    await house.settle(partner.id)
    account_id, vm_id = await ids(house, partner)
    service = await partner.service(ref)
    assert (service["state"], service["power"]) == ("active", "running")
    vm = machine(fakepve, vm_id)
    assert (vm.status, vm.pool) == ("running", pool_name(account_id, locked=False))
    users = [
        httpx.QueryParams(sent)["userid"]
        for method, path, sent in fakepve.requests
        if (method, path) == ("POST", "/api2/json/access/users")
    ]
    assert users == [user_name(account_id, "pve")]

    await partner.send(f"/services/{ref}/suspend", {"actor": "partner"})
    await house.settle(partner.id)
    vm = machine(fakepve, vm_id)
    assert (vm.status, vm.pool) == ("stopped", pool_name(account_id, locked=True))
    await partner.send(f"/services/{ref}/resume", {"actor": "partner"})
    await house.settle(partner.id)
    assert machine(fakepve, vm_id).status == "running"

    await partner.send(f"/services/{ref}/terminate", {"when": "now"})
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "deleted"
    assert [vm.vmid for vm in fakepve.vms] == [TEMPLATE]


async def test_what_it_cant_do_is_shown_and_refused_before_money_moves(
    house: House, partner: Caller
) -> None:
    (shown,) = (await partner.http.get("/catalog")).json()["tariffs"]
    assert shown["capabilities"] == ["password", "ssh_keys"]
    body = house.order(options={"user_data": "#cloud-config\n{}\n"})
    refused = await partner.send("/services", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_supported")
    assert "can't be given: user_data" in refused.json()["detail"]
    for table in ("services", "operations", "holds", "accounts"):
        assert await house.count(table) == 0


async def test_room_is_what_the_settings_say(house: House, partner: Caller) -> None:
    for _ in range(SETTINGS["proxmox_vms"]):
        assert (await partner.send("/services", house.order())).status_code == 202
    refused = await partner.send("/services", house.order())
    assert (refused.status_code, refused.json()["code"]) == (409, "no_capacity")


async def test_data_centre_on_a_platform_that_is_not_driven_is_refused(house: House) -> None:
    desk = await house.as_staff()
    wanted = {"code": "ams1", "title": "Amsterdam 1", "platform": "qemu"}
    refused = await desk.post("/data-centers", json=wanted)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["path"] == "body.platform"
    assert "drives proxmox, simulated" in error["message"]
    assert await house.count("data_centers", "code = 'ams1'") == 0
    made = await desk.post("/data-centers", json={**wanted, "platform": "proxmox"})
    assert made.status_code == 201


async def test_platforms_that_the_settings_name_are_opened_side_by_side(
    selling_database_url: str,
) -> None:
    named = {
        **SETTINGS,
        "proxmox_url": "https://pve.example.com:8006",
        "vmmanager6_url": "https://vm.example.com",
        "vmmanager6_email": "admin@example.com",
        "vmmanager6_password": "provider's own",
        "vmmanager6_templates": {"tandem-guest": 17},
        "vmmanager6_cluster": 3,
        "vmmanager6_login_domain": "clients.example.com",
        "vmmanager6_vms": 5,
    }
    async with open_house(selling_database_url, **named) as house:
        assert set(house.platforms) == {"simulated", "proxmox", "vmmanager6"}
        room = {name: await each.capacity() for name, each in house.platforms.items()}
    assert (room["proxmox"].vms, room["vmmanager6"].vms) == (3, 5)


@pytest.mark.parametrize("missing", ["proxmox_token", "proxmox_templates"])
def test_url_alone_says_what_is_missing(missing: str) -> None:
    given = {name: value for name, value in SETTINGS.items() if name != missing}
    with pytest.raises(ValidationError, match=f"is set, but not SELLING_{missing.upper()}"):
        SellingSettings.model_validate(
            {
                "database_url": "postgresql+asyncpg://localhost/x",
                "secret_keys": [SECRET_KEY],
                "proxmox_url": "https://pve.example.com:8006",
                **given,
            }
        )
