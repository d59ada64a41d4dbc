"""The Proxmox driver against a fake that checks each call by PVE's own schema."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import fakepve.qemu
from fakepve import FakePve
from fakepve.model import FakeVm
from sqlalchemy.ext.asyncio import AsyncEngine

from selling_service.provisioning.drivers.foreign import ForeignPlatform, Limits
from selling_service.provisioning.drivers.proxmox import ProxmoxAPI, ProxmoxHands, ProxmoxSettings
from selling_service.provisioning.drivers.proxmox.words import first_name
from selling_service.provisioning.platform import PlatformUnavailable
from tests.provisioning.rigs import create

__all__ = ["FakePve", "ProxmoxRig", "proxmox_rig"]

NODE = "pve1"
TEMPLATE = 9000
TOKEN = "tandem@pve!worker"
SECRET = "8f1a9d4c-0000-4000-8000-000000000000"


class Guest(FakeVm):  # type: ignore[misc]
    """A VM whose guest reads its host name at each start, and counts them."""

    def __init__(self, *args: Any, **given: Any) -> None:
        self.boots, self.seen_hostname, self._status = 0, "", "stopped"
        super().__init__(*args, **given)

    @property
    def status(self) -> str:
        return self._status

    @status.setter
    def status(self, value: str) -> None:
        if value == "running" and self._status != "running":
            self.boots += 1
            self.seen_hostname = self.config["name"]
        self._status = value


@dataclass
class ProxmoxRig:
    platform: ForeignPlatform
    engine: AsyncEngine
    pve: FakePve
    settings: ProxmoxSettings
    api: ProxmoxAPI
    image: str = "debian-12"
    guest_image: str = "debian-12"

    def with_limits(self, **limits: int) -> ForeignPlatform:
        hands = ProxmoxHands(self.settings, self.api)
        return ForeignPlatform(hands, self.engine, name="proxmox", limits=Limits(**limits))

    def rebuilt(self) -> ForeignPlatform:
        return self.with_limits()

    async def with_room_for(self, vms: int) -> None:
        self.platform = self.with_limits(vms=vms)

    async def with_images(self) -> None:
        """Its images are always those of its settings."""

    async def create_half(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        self.pve.fail("PUT", "/config", 596, "Connection timed out", times=1)
        try:
            await create(self, owner_id=owner_id, vm_id=vm_id, fence=fence)
        except PlatformUnavailable:
            return
        raise AssertionError("it was made whole")

    async def restart_node(self) -> None:
        for vm in self._vms():
            vm.status = vm.qmpstatus = "stopped"
        for vm in self._vms():
            if vm.config.get("onboot") in {1, "1"}:
                vm.status = vm.qmpstatus = "running"

    async def die(self, vm_id: UUID) -> None:
        for vm in self._vms(vm_id):
            vm.status = vm.qmpstatus = "stopped"

    async def console(self, vm_id: UUID) -> str:
        (vm,) = self._vms(vm_id)
        return f"tandem-guest ready hostname={vm.seen_hostname} boots={vm.boots}"

    async def traces(self, vm_id: UUID) -> list[str]:
        return [vm.name for vm in self._vms(vm_id)]

    def _vms(self, vm_id: UUID | None = None) -> list[Any]:
        wanted = first_name(vm_id) if vm_id else ""
        return [
            vm
            for vm in self.pve.vms
            if vm.vmid != TEMPLATE and wanted in f"{vm.config.get('tags')} {vm.name}"
        ]


@contextmanager
def stocked(pve: FakePve) -> Iterator[None]:
    """A node with one template and a token for us."""
    pve.apitokens[TOKEN] = SECRET
    disk = "local-lvm:base-9000-disk-0"
    pve.storages["local-lvm"]["volumes"] = {
        "base-9000-disk-0": {
            "content": "images",
            "format": "raw",
            "size": 1 << 28,
            "vmid": TEMPLATE,
        }
    }
    config = {"scsi0": f"{disk},size=256M", "memory": 512, "cores": 1}
    fakepve.qemu.FakeVm = Guest
    pve.add_vm(TEMPLATE, "template", node=NODE, template=True, config=config)
    yield
    fakepve.qemu.FakeVm = FakeVm


@asynccontextmanager
async def proxmox_rig(
    pve: FakePve, *, engine: AsyncEngine, authority: Path
) -> AsyncIterator[ProxmoxRig]:
    """The driver, and a node that is stocked."""
    settings = ProxmoxSettings(
        url=pve.url,
        token=f"{TOKEN}={SECRET}",
        authority=authority,
        templates={"debian-12": {NODE: TEMPLATE}},
    )
    with stocked(pve):
        async with ProxmoxAPI(settings) as api:
            rig = ProxmoxRig(None, engine, pve, settings, api)  # type: ignore[arg-type]
            rig.platform = rig.rebuilt()
            yield rig
