import asyncio
import os
import stat
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from selling_service.provisioning.drivers.qemu import QemuImage
from selling_service.provisioning.platform import (
    PlatformFull,
    PlatformRefused,
    PlatformUnavailable,
    Power,
    VMSize,
)
from tests.provisioning.rigs import CONTENT, SIZE, QemuRig, create, new_user, until
from tests.requirements import require

# Prints its message on the first serial line and halts: mov si, mov dx, lodsb, out, hlt.
BOOT_CODE = bytes.fromhex("be167cbaf803ac84c07403eeebf8f4ebfd") + bytes(5)
BOOT_MESSAGE = b"hello from the template\n\0"


@pytest.fixture
def rig(qemu: QemuRig) -> QemuRig:
    return qemu


@pytest.fixture
def base_image(tmp_path: Path) -> Path:
    """A raw disk that greets, made into a template by the test."""
    raw = tmp_path / "base.raw"
    raw.write_bytes((BOOT_CODE + BOOT_MESSAGE).ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    return raw


async def _qcow2(raw: Path, *, gib: int = 1) -> Path:
    made = raw.with_suffix(".qcow2")
    for command in (
        ("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(made)),
        ("qemu-img", "resize", "-q", str(made), f"{gib}G"),
    ):
        process = await asyncio.create_subprocess_exec(*command)
        assert await process.wait() == 0
    made.chmod(0o644)
    return made


def _proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


async def _listing_as(uid: int, folder: Path) -> int:
    process = await asyncio.create_subprocess_exec(
        *("ls", "."),
        cwd=folder,
        user=uid,
        group=uid,
        extra_groups=[],
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()


async def test_each_platform_user_has_a_uid_and_a_folder_that_no_other_can_enter(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    require(os.geteuid() == 0, "only root can give each platform user a uid")
    other = await new_user(rig.platform)
    await create(rig, owner_id=other, vm_id=uuid4())
    folders = [rig.folder(owner_id=owner, vm_id=vm).parent for owner in (owner_id, other)]

    uids = [folder.stat().st_uid for folder in folders]

    assert len({*uids, 0}) == 3
    for folder, uid in zip(folders, uids, strict=True):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.rglob("*"):
            assert path.stat().st_uid == uid
            assert not path.stat().st_mode & 0o077
    assert await _listing_as(uids[0], folders[0]) == 0
    assert await _listing_as(uids[0], folders[1]) != 0
    assert await _listing_as(uids[0], rig.settings.root / "state") != 0
    assert await _listing_as(uids[0], rig.settings.root / "run") != 0


async def test_the_process_of_a_vm_runs_as_its_platform_user(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    process = rig.process(vm)
    assert process is not None

    status = _proc(process.pid, "status").decode()

    uid = rig.folder(owner_id=owner_id, vm_id=vm).stat().st_uid
    told = {line.split()[0]: line.split()[1:] for line in status.splitlines() if line.split()}
    assert told["Uid:"] == [str(uid)] * 4
    assert told["Seccomp:"] == ["2"]
    assert (uid != 0) == rig.settings.own_uids


async def test_a_uid_is_never_given_again(rig: QemuRig) -> None:
    require(os.geteuid() == 0, "only root can give each platform user a uid")
    uids = []
    for _ in range(2):
        owner_id = await new_user(rig.rebuilt())
        uids.append(rig.folder(owner_id=owner_id, vm_id=uuid4()).parent.stat().st_uid)
        await rig.platform.delete_user(owner_id=owner_id)
    few = rig.with_settings(last_uid=max(uids))

    with pytest.raises(PlatformFull):
        await new_user(few)
    assert uids == [rig.settings.first_uid, rig.settings.first_uid + 1]


async def test_without_uids_of_their_own_vms_live_all_the_same(rig: QemuRig) -> None:
    plain = rig.with_settings(root=rig.settings.root.parent / "plain", own_uids=False)
    owner_id = await new_user(plain)
    vm_id = uuid4()

    state = await create(rig, plain, owner_id=owner_id, vm_id=vm_id)

    assert state.power is Power.RUNNING
    await plain.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=2)


async def test_the_password_hash_lies_in_the_seed_and_nowhere_else(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    process = rig.process(vm)
    assert process is not None
    secret = CONTENT.password_hash
    assert secret is not None

    holders = [
        path.relative_to(rig.settings.root)
        for path in rig.settings.root.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]

    seed = Path("state/seeds") / str(vm)
    assert sorted(holders) == [seed / "files/vendor-data", seed / "seed.iso"]
    assert secret.encode() not in _proc(process.pid, "cmdline")


async def test_a_folder_with_a_long_name_serves_too(rig: QemuRig, vm_id: UUID) -> None:
    deep = rig.with_settings(root=rig.settings.root / ("deep" * 40))
    owner_id = await new_user(deep)

    state = await create(rig, deep, owner_id=owner_id, vm_id=vm_id)
    assert state.power is Power.RUNNING
    await deep.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=2)


async def test_a_vm_starts_from_its_template_and_keeps_its_own_disk(
    rig: QemuRig, owner_id: UUID, vm_id: UUID, base_image: Path
) -> None:
    template = await _qcow2(base_image)
    before = template.read_bytes()
    images = {"hello": QemuImage(base=template)}

    await rig.with_settings(images=images).create_vm(
        owner_id=owner_id, vm_id=vm_id, size=SIZE, image="hello", content=CONTENT, fence=1
    )

    log = rig.folder(owner_id=owner_id, vm_id=vm_id) / "serial.log"
    await until(lambda: b"hello from the template" in log.read_bytes())
    assert template.read_bytes() == before


async def test_a_disk_smaller_than_its_template_is_refused_before_anything_is_made(
    rig: QemuRig, owner_id: UUID, vm_id: UUID, base_image: Path
) -> None:
    images = {"big": QemuImage(base=await _qcow2(base_image, gib=3))}
    small = VMSize(vcpu=1, ram_mib=32, disk_gib=2, ipv4=1)

    with pytest.raises(PlatformRefused, match="smaller"):
        await rig.with_settings(images=images).create_vm(
            owner_id=owner_id, vm_id=vm_id, size=small, image="big", content=CONTENT, fence=1
        )

    assert await rig.traces(vm_id) == []


async def test_a_link_in_the_users_folder_leads_the_driver_nowhere(
    rig: QemuRig, owner_id: UUID, vm_id: UUID, tmp_path: Path
) -> None:
    require(os.geteuid() == 0, "only root can give each platform user a uid")
    treasure = tmp_path / "treasure"
    treasure.write_bytes(b"of somebody else")
    folder = rig.folder(owner_id=owner_id, vm_id=vm_id)
    folder.mkdir()
    (folder / "disk.qcow2.new").symlink_to(treasure)
    os.chown(folder, folder.parent.stat().st_uid, folder.parent.stat().st_uid)

    with pytest.raises(PlatformUnavailable, match="Permission denied"):
        await create(rig, owner_id=owner_id, vm_id=vm_id)

    assert treasure.read_bytes() == b"of somebody else"
