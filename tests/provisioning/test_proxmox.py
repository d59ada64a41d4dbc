"""What only Proxmox VE knows: numbers that are used again, pools, roles, and its own words."""

import re
import ssl
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from selling_service.provisioning.drivers.proxmox import ProxmoxHands
from selling_service.provisioning.drivers.proxmox.words import pool_name, user_name
from selling_service.provisioning.platform import (
    NotFound,
    PlatformRefused,
    PlatformUnavailable,
    Power,
    mark_of,
)
from selling_service.settings import SellingSettings
from tests.provisioning.proxmox_rig import NODE, TEMPLATE, ProxmoxRig
from tests.provisioning.rigs import CONTENT, SIZE, create, new_user


@pytest.fixture
def rig(proxmox: ProxmoxRig) -> ProxmoxRig:
    return proxmox


@pytest.fixture
async def owner_id(rig: ProxmoxRig) -> UUID:
    return await new_user(rig.platform)


@pytest.fixture
async def vm(rig: ProxmoxRig, owner_id: UUID) -> UUID:
    vm_id = uuid4()
    await create(rig, owner_id=owner_id, vm_id=vm_id)
    return vm_id


def as_client(rig: ProxmoxRig, owner_id: UUID) -> httpx.Client:
    """The client at PVE's own API, with what the driver has granted him there.

    The fake keeps no grants that come over its API: what was asked for is granted here.
    """
    user = user_name(owner_id, "pve")
    privileges = {"TandemClient": CLIENTS}
    rig.pve.acl = {"tandem@pve": [("/", {*ALL})]}
    for path, role in granted(rig, user):
        rig.pve.grant(user, path, *privileges.get(role, ("VM.Audit",)))
    rig.pve.apitokens[f"{user}!own"] = "secret"
    headers = {"Authorization": f"PVEAPIToken={user}!own=secret"}
    trusted = ssl.create_default_context(cafile=rig.settings.authority)
    return httpx.Client(
        base_url=f"{rig.pve.url}/api2/json", headers=headers, verify=trusted, trust_env=False
    )


CLIENTS = ("VM.Audit", "VM.Console", "VM.PowerMgmt")
ALL = (
    *("VM.Audit", "VM.Console", "VM.PowerMgmt", "VM.Allocate", "VM.Clone", "Pool.Allocate"),
    *("VM.Config.Options", "VM.Config.Disk", "VM.Config.CPU", "VM.Config.Memory"),
    *("VM.Config.Network", "VM.Config.HWType", "VM.Config.Cloudinit", "Sys.Audit"),
    *("Pool.Audit", "Permissions.Modify", "User.Modify", "Datastore.AllocateSpace"),
)


def granted(rig: ProxmoxRig, user: str) -> list[tuple[str, str]]:
    """Path and role of every grant to this user that PVE was asked for."""
    found = []
    for method, path, body in rig.pve.requests:
        if (method, path) == ("PUT", "/api2/json/access/acl"):
            values = httpx.QueryParams(body)
            if values["users"] == user:
                found.append((values["path"], values["roles"]))
    return found


async def test_a_client_may_run_only_his_own_and_nothing_that_is_locked(
    rig: ProxmoxRig, owner_id: UUID, vm: UUID
) -> None:
    other = await new_user(rig.platform)
    theirs = uuid4()
    await create(rig, owner_id=other, vm_id=theirs)
    mine, foreign = (rig._vms(each)[0].vmid for each in (vm, theirs))
    with as_client(rig, owner_id) as client:
        listed = client.get("/cluster/resources", params={"type": "vm"}).json()["data"]
        assert [row["vmid"] for row in listed] == [mine]
        assert client.post(f"/nodes/{NODE}/qemu/{foreign}/status/stop").status_code == 403
        assert client.post(f"/nodes/{NODE}/qemu/{mine}/status/stop").is_success
        assert client.post(f"/nodes/{NODE}/qemu/{mine}/status/start").is_success

        await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)

        assert client.post(f"/nodes/{NODE}/qemu/{mine}/status/start").status_code == 403
    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert (state.power, state.locked) == (Power.STOPPED, True)


async def test_a_number_that_is_another_vms_by_now_is_left_alone(
    rig: ProxmoxRig, owner_id: UUID, vm: UUID
) -> None:
    hands = ProxmoxHands(rig.settings, rig.api)
    seen = await hands.find(vm)
    assert seen is not None
    (ours,) = rig._vms(vm)
    rig.pve.vms.remove(ours)
    other = rig.pve.add_vm(ours.vmid, "somebody-else", node=NODE, status="running")

    for act in (hands.stop, hands.start, hands.drop):
        with pytest.raises(NotFound):
            await act(seen)
    with pytest.raises(NotFound):
        await hands.guard(seen, locked=True)

    assert other in rig.pve.vms
    assert other.status == "running"
    with pytest.raises(NotFound):
        await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)


async def test_size_content_and_mark_arrive(rig: ProxmoxRig, owner_id: UUID) -> None:
    partner, ref, vm_id = uuid4(), uuid4(), uuid4()
    await rig.platform.create_vm(
        owner_id=owner_id,
        vm_id=vm_id,
        size=replace(SIZE, vcpu=2, ram_mib=2048, disk_gib=3),
        image=rig.image,
        content=CONTENT,
        fence=1,
        mark=mark_of(partner, ref),
    )

    (vm,) = rig._vms(vm_id)
    assert (int(vm.config["cores"]), int(vm.config["memory"])) == (2, 2048)
    # The fake says yes to a resize, and changes nothing.
    (resized,) = [body for _, path, body in rig.pve.requests if path.endswith("/resize")]
    assert httpx.QueryParams(resized) == httpx.QueryParams({"disk": "scsi0", "size": "3G"})
    assert vm.config["cipassword"] == CONTENT.password_hash
    assert vm.config["sshkeys"] == "ssh-ed25519%20AAAAC3Nz"
    assert vm.pool == pool_name(owner_id, locked=False)
    seen = await ProxmoxHands(rig.settings, rig.api).find(vm_id)
    assert seen is not None
    assert seen.mark == mark_of(partner, ref)


async def test_user_data_and_a_template_that_is_too_large_are_refused(
    rig: ProxmoxRig, owner_id: UUID
) -> None:
    told = replace(CONTENT, user_data="#cloud-config\n")
    template = next(vm for vm in rig.pve.vms if vm.vmid == TEMPLATE)
    for content, disk in ((told, "256M"), (CONTENT, "2G")):
        template.config["scsi0"] = f"local-lvm:base-9000-disk-0,size={disk}"
        volume = rig.pve.storages["local-lvm"]["volumes"]["base-9000-disk-0"]
        volume["size"] = 2 << 30 if disk == "2G" else 1 << 28
        with pytest.raises(PlatformRefused):
            await rig.platform.create_vm(
                owner_id=owner_id,
                vm_id=uuid4(),
                size=SIZE,
                image=rig.image,
                content=content,
                fence=1,
            )


async def test_what_may_pass_is_tried_again(rig: ProxmoxRig, owner_id: UUID, vm: UUID) -> None:
    (ours,) = rig._vms(vm)
    ours.lock = ours.config["lock"] = "backup"
    with pytest.raises(PlatformUnavailable, match="backup"):
        await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)
    ours.lock = ours.config["lock"] = None
    state = await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert (state.power, state.locked) == (Power.STOPPED, True)

    rig.pve.apitokens.clear()
    with pytest.raises(PlatformUnavailable):
        await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)


async def test_a_deleted_user_leaves_neither_pools_nor_rights(
    rig: ProxmoxRig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm, fence=2)
    await rig.platform.delete_user(owner_id=owner_id)

    assert [name for name in rig.pve.pools if owner_id.hex in name] == []
    assert ("DELETE", f"/api2/json/access/users/{user_name(owner_id, 'pve')}") in [
        request[:2] for request in rig.pve.requests
    ]


def test_the_page_names_the_privileges_and_settings_that_there_are() -> None:
    page = Path("docs/platforms.md").read_text(encoding="utf-8")
    roles = dict(re.findall(r'pveum role add (\w+) -privs "([^"]+)"', page))
    assert set(roles["TandemWorker"].split()) == set(ALL)
    assert set(roles["TandemClient"].split()) == set(CLIENTS)
    table = page.partition("(`SELLING_PROXMOX_…`)")[2].partition("\n\n")[0]
    named = {
        name for row in table.splitlines() for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])
    }
    fields = SellingSettings.model_fields
    assert {f"proxmox_{name.lower()}" for name in named} == {
        name for name in fields if name.startswith("proxmox_")
    }
