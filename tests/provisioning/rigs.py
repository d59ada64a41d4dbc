"""One rig per driver: the driver, and what a test does behind its back."""

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from selling_service.provisioning.drivers.qemu import QemuPlatform, QemuSettings, process
from selling_service.provisioning.drivers.simulated import (
    Behaviour,
    Fault,
    FaultKind,
    SimulatedPlatform,
)
from selling_service.provisioning.platform import (
    GuestContent,
    Platform,
    PlatformUnavailable,
    VMSize,
    VMState,
)
from shared.contract.basics import Capability

READY = re.compile(r"^tandem-guest ready .*$", re.MULTILINE)
SIZE = VMSize(vcpu=1, ram_mib=32, disk_gib=1, ipv4=1)
GUEST_SIZE = VMSize(vcpu=1, ram_mib=96, disk_gib=1, ipv4=1)
PASSWORD = "sesame"
PASSWORD_HASH = (
    "$6$tandem$zuh4xFnVzyIfv3.t98s1x5ET5eSjnX8neNnTKZ1VhuqGrIW.n7"
    "PUvJVIxp4E6a4/ucs8J3Q8ZymzBOcfQ7Lk51"
)
CONTENT = GuestContent(
    hostname="web-1", ssh_keys=("ssh-ed25519 AAAAC3Nz",), password_hash=PASSWORD_HASH
)

NOTHING: dict[Capability, dict[str, Any]] = {
    Capability.SSH_KEYS: {"ssh_keys": ()},
    Capability.PASSWORD: {"password_hash": None},
    Capability.USER_DATA: {"user_data": None},
}


class Rig(Protocol):
    """`image` starts nothing (quick), `guest_image` a guest that speaks on its console."""

    @property
    def platform(self) -> Platform: ...

    @property
    def image(self) -> str: ...

    @property
    def guest_image(self) -> str: ...

    def rebuilt(self) -> Platform:
        """Return another driver object over the same platform, as a restarted worker has it."""

    async def with_room_for(self, vms: int) -> None:
        """Limit the platform to this many VMs."""

    async def with_images(self) -> None:
        """Let the platform have no other OS templates than the rig's."""

    async def create_half(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        """Attempt a creation that fails in the middle."""

    async def restart_node(self) -> None:
        """Let the machine under all VMs restart."""

    async def die(self, vm_id: UUID) -> None:
        """Let the VM end by itself."""

    async def console(self, vm_id: UUID) -> str:
        """Return the ready line of the guest's last start, waiting for it."""

    async def traces(self, vm_id: UUID) -> list[str]:
        """Return all that the platform still keeps under this id."""


@dataclass
class SimulatedRig:
    platform: SimulatedPlatform
    engine: AsyncEngine
    image: str = "debian-12"
    guest_image: str = "debian-12"

    def rebuilt(self) -> SimulatedPlatform:
        return SimulatedPlatform(self.engine, name=self.platform.name)

    async def with_room_for(self, vms: int) -> None:
        await self.platform.set_behaviour(Behaviour(vms=vms))

    async def with_images(self) -> None:
        await self.platform.set_behaviour(Behaviour(images=(self.image,)))

    async def create_half(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        fault = Fault(kind=FaultKind.HALF_DONE, times=1)
        await self.platform.set_behaviour(Behaviour(faults={"create_vm": fault}))
        await _fails(self, self.platform, owner_id=owner_id, vm_id=vm_id, fence=fence)

    async def restart_node(self) -> None:
        await self.platform.restart_node()

    async def die(self, vm_id: UUID) -> None:
        await self.platform.power_off_inside(vm_id=vm_id)

    async def console(self, vm_id: UUID) -> str:
        return await self.platform.console(vm_id=vm_id)

    async def traces(self, vm_id: UUID) -> list[str]:
        said = await self.platform.console(vm_id=vm_id)
        return [said] if said else []


@dataclass
class QemuRig:
    platform: QemuPlatform
    settings: QemuSettings
    image: str = "nothing"
    guest_image: str = "guest"

    def rebuilt(self) -> QemuPlatform:
        return QemuPlatform(self.settings, name=self.platform.name)

    def with_settings(self, **changes: object) -> QemuPlatform:
        """Return another driver object over the same root with other settings."""
        return QemuPlatform(replace(self.settings, **changes), name="other")  # type: ignore[arg-type]

    async def with_room_for(self, vms: int) -> None:
        self.platform = self.with_settings(vms=vms)

    async def with_images(self) -> None:
        """Its images are always those of its settings."""

    async def create_half(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        broken = self.with_settings(binary="false")
        await _fails(self, broken, owner_id=owner_id, vm_id=vm_id, fence=fence)

    async def restart_node(self) -> None:
        for vm_id in self.vm_ids():
            await self._kill(vm_id)
            self.note(vm_id, boot="an earlier one")
        self.platform = self.rebuilt()
        report = await self.platform.boot_node()
        assert report.failed == {}

    async def die(self, vm_id: UUID) -> None:
        await self._kill(vm_id)

    async def console(self, vm_id: UUID) -> str:
        log = next(self.settings.root.glob(f"users/*/{vm_id}/serial.log"))
        await until(lambda: bool(READY.search(log.read_text(errors="replace"))), within=40)
        found = READY.search(log.read_text(errors="replace"))
        assert found is not None
        return found.group()

    async def traces(self, vm_id: UUID) -> list[str]:
        return [str(path) for path in self.settings.root.rglob("*") if str(vm_id) in path.name]

    def folder(self, *, owner_id: UUID, vm_id: UUID) -> Path:
        return self.settings.root / "users" / str(owner_id) / str(vm_id)

    def run_folder(self, vm_id: UUID) -> Path:
        return self.settings.root / "run" / str(vm_id)

    def vm_ids(self) -> list[UUID]:
        return [UUID(path.stem) for path in (self.settings.root / "state/vms").glob("*.json")]

    def note(self, vm_id: UUID, **changes: object) -> None:
        """Change what the driver wrote down of the VM's process."""
        noted = self.run_folder(vm_id) / "process.json"
        if noted.exists():
            noted.write_text(json.dumps({**json.loads(noted.read_text()), **changes}))

    def process(self, vm_id: UUID) -> process.Process | None:
        return process.find(self.run_folder(vm_id), vm_id)

    async def close(self) -> None:
        """End every VM that a test has left."""
        for path in (self.settings.root / "run").iterdir():
            await self._kill(UUID(path.name))

    async def _kill(self, vm_id: UUID) -> None:
        found = self.process(vm_id)
        if found is not None:
            process.kill(found)
            assert await process.gone(found, within=10)


async def _fails(rig: Rig, platform: Platform, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
    failed = False
    with contextlib.suppress(PlatformUnavailable):
        failed = True
        await create(rig, platform, owner_id=owner_id, vm_id=vm_id, fence=fence)
        failed = False
    assert failed


def content_for(rig: Rig, content: GuestContent = CONTENT) -> GuestContent:
    """The content, as far as the platform can give it to a VM."""
    for capability in set(Capability) - rig.platform.capabilities:
        content = replace(content, **NOTHING[capability])
    return content


async def new_user(platform: Platform) -> UUID:
    owner_id = uuid4()
    await platform.ensure_user(owner_id=owner_id)
    return owner_id


async def create(
    rig: Rig,
    platform: Platform | None = None,
    *,
    owner_id: UUID,
    vm_id: UUID,
    fence: int = 1,
    started: bool = True,
    mark: str | None = None,
) -> VMState:
    """Create a quick VM."""
    return await (platform or rig.platform).create_vm(
        owner_id=owner_id,
        vm_id=vm_id,
        size=SIZE,
        image=rig.image,
        content=content_for(rig),
        fence=fence,
        started=started,
        mark=mark,
    )


async def create_guest(
    rig: Rig, *, owner_id: UUID, vm_id: UUID, content: GuestContent | None = None
) -> VMState:
    """Create a VM whose guest speaks."""
    return await rig.platform.create_vm(
        owner_id=owner_id,
        vm_id=vm_id,
        size=GUEST_SIZE,
        image=rig.guest_image,
        content=content or content_for(rig),
        fence=1,
    )


async def until(condition: Callable[[], bool], *, within: float = 20) -> None:
    """Wait for something outside of this process, `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():  # nobody there could set an event
            await asyncio.sleep(0.05)
