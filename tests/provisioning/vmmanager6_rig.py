"""The VMmanager 6 driver against the fake."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from selling_service.provisioning.drivers.foreign import ForeignPlatform, Limits
from selling_service.provisioning.drivers.vmmanager6 import (
    VMmanager6API,
    VMmanager6Hands,
    VMmanager6Settings,
)
from selling_service.provisioning.drivers.vmmanager6.words import read_comment
from selling_service.provisioning.platform import PlatformUnavailable
from tests.provisioning.rigs import create
from tests.provisioning.vmmanager6_fake import (
    CLUSTER,
    EMAIL,
    PASSWORD,
    POOL,
    SYSTEM,
    FakeVMmanager6,
    serve,
)

DOMAIN = "clients.example.com"


@dataclass
class VMmanager6Rig:
    platform: ForeignPlatform
    engine: AsyncEngine
    fake: FakeVMmanager6
    settings: VMmanager6Settings
    api: VMmanager6API
    image: str = "debian-12"
    guest_image: str = "debian-12"

    def with_limits(self, **limits: int) -> ForeignPlatform:
        hands = VMmanager6Hands(self.settings, self.api)
        return ForeignPlatform(hands, self.engine, name="vmmanager6", limits=Limits(**limits))

    def rebuilt(self) -> ForeignPlatform:
        return self.with_limits()

    async def with_room_for(self, vms: int) -> None:
        self.platform = self.with_limits(vms=vms)

    async def with_images(self) -> None:
        """Its images are always those of its settings."""

    async def create_half(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        self.fake.failing["account"] = "The node is away"
        try:
            await create(self, owner_id=owner_id, vm_id=vm_id, fence=fence)
        except PlatformUnavailable:
            return
        raise AssertionError("it was made whole")

    async def restart_node(self) -> None:
        """The node starts again what had run; what had been stopped stays so."""
        for row in self.fake.hosts.values():
            if row["state"] == "active":
                row["state"] = "stopped"
                self.fake._boot(row["id"])

    async def die(self, vm_id: UUID) -> None:
        self.host(vm_id)["state"] = "stopped"

    async def console(self, vm_id: UUID) -> str:
        row = self.host(vm_id)
        return f"tandem-guest ready hostname={row['seen_name']} boots={row['boots']}"

    async def traces(self, vm_id: UUID) -> list[str]:
        return [row["name"] for row in self.fake.hosts.values() if str(vm_id) in row["comment"]]

    def host(self, vm_id: UUID) -> dict[str, Any]:
        """The VM as VMmanager has it."""
        (row,) = [
            row
            for row in self.fake.hosts.values()
            if (ours := read_comment(row["comment"])) and ours.vm_id == vm_id
        ]
        return row


@asynccontextmanager
async def vmmanager6_rig(engine: AsyncEngine) -> AsyncIterator[VMmanager6Rig]:
    """A cluster with one operating system, and its administrator's login."""
    async with serve() as fake:
        settings = VMmanager6Settings(
            url=fake.url,
            email=EMAIL,
            password=PASSWORD,
            templates={"debian-12": SYSTEM},
            cluster=CLUSTER,
            pools=(POOL,),
            login_domain=DOMAIN,
            stop_grace=0.2,
            sleep_patience=1.0,
        )
        async with VMmanager6API(settings) as api:
            rig = VMmanager6Rig(None, engine, fake, settings, api)  # type: ignore[arg-type]
            rig.platform = rig.rebuilt()
            yield rig
