"""Gives each test of the shared suite a rig per driver; `qemu` needs its programs and the guest."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from local_stack.guest.build import guest
from selling_service.provisioning.drivers.qemu import QemuImage, QemuPlatform, QemuSettings
from selling_service.provisioning.drivers.simulated import SimulatedPlatform
from tests.provisioning.proxmox_rig import FakePve, ProxmoxRig, proxmox_rig
from tests.provisioning.rigs import QemuRig, Rig, SimulatedRig, create, new_user
from tests.provisioning.vmmanager6_rig import VMmanager6Rig, vmmanager6_rig
from tests.requirements import require

PROGRAMS = ("qemu-system-x86_64", "qemu-img", "genisoimage", "prlimit")


@pytest.fixture
async def simulated_engine(selling_database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(selling_database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def simulated(simulated_engine: AsyncEngine) -> SimulatedRig:
    platform = SimulatedPlatform(simulated_engine, name="simulated")
    return SimulatedRig(platform=platform, engine=simulated_engine)


@pytest.fixture
async def qemu(tmp_path: Path) -> AsyncIterator[QemuRig]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    require(not missing, f"these programs are not installed: {', '.join(missing)}")
    made = guest()
    require(made.present, "the test guest is not built: python -m local_stack.guest")
    image = QemuImage(kernel=made.kernel, initrd=made.initrd, boot_args=made.boot_args)
    settings = QemuSettings(
        root=tmp_path / "qemu",
        images={"nothing": QemuImage(), "guest": image},
        least_ram_mib=32,
        stop_grace=0.1,
    )
    rig = QemuRig(platform=QemuPlatform(settings, name="qemu"), settings=settings)
    yield rig
    await rig.close()


@pytest.fixture
async def proxmox(
    simulated_engine: AsyncEngine, fakepve: FakePve, fakepve_cafile: str
) -> AsyncIterator[ProxmoxRig]:
    async with proxmox_rig(fakepve, engine=simulated_engine, authority=Path(fakepve_cafile)) as rig:
        yield rig


@pytest.fixture
async def vmmanager6(simulated_engine: AsyncEngine) -> AsyncIterator[VMmanager6Rig]:
    async with vmmanager6_rig(simulated_engine) as rig:
        yield rig


@pytest.fixture(params=["simulated", "qemu", "proxmox", "vmmanager6"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """The rig of each driver in turn."""
    found: Rig = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def owner_id(rig: Rig) -> UUID:
    return await new_user(rig.platform)


@pytest.fixture
def vm_id() -> UUID:
    return uuid4()


@pytest.fixture
async def vm(rig: Rig, owner_id: UUID, vm_id: UUID) -> UUID:
    """A running VM of `owner_id`; its fence is 1."""
    await create(rig, owner_id=owner_id, vm_id=vm_id)
    return vm_id
