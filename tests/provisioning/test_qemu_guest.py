import asyncio
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from selling_service.provisioning.platform import GuestContent, Power
from tests.provisioning.consoles import console
from tests.provisioning.rigs import CONTENT, PASSWORD, PASSWORD_HASH, QemuRig, create_guest, until

GRACE = 15.0


@pytest.fixture
def rig(qemu: QemuRig) -> QemuRig:
    """A rig that gives its guests the time to power off."""
    qemu.settings = replace(qemu.settings, stop_grace=GRACE)
    qemu.platform = qemu.rebuilt()
    return qemu


@pytest.fixture
async def guest(rig: QemuRig, owner_id: UUID, vm_id: UUID) -> UUID:
    """A VM whose guest has said that it is ready."""
    keys = ("ssh-ed25519 AAAAC3NzaC1lZDI1", "ssh-ed25519 AAAAC3NzaC1lZDI2")
    content = GuestContent(hostname="mail-3", ssh_keys=keys, password_hash=PASSWORD_HASH)
    await create_guest(rig, owner_id=owner_id, vm_id=vm_id, content=content)
    said = await rig.console(vm_id)
    assert said == "tandem-guest ready hostname=mail-3 boots=1 keys=2"
    return vm_id


async def test_the_client_logs_in_with_the_password_and_powers_off_from_inside(
    rig: QemuRig, owner_id: UUID, guest: UUID
) -> None:
    async with console(rig.run_folder(guest)) as terminal:
        await terminal.log_in(password=PASSWORD)
        await terminal.read("~ #")
        await terminal.type("hostname; tail -n 1 /root/.ssh/authorized_keys")
        assert "mail-3" in await terminal.read("AAAAC3NzaC1lZDI2")
        await terminal.type("sync; poweroff -f")
        await until(lambda: rig.process(guest) is None)

    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=guest)
    assert (state.power, state.locked) == (Power.STOPPED, False)


async def test_a_wrong_password_is_refused(rig: QemuRig, guest: UUID) -> None:
    async with console(rig.run_folder(guest)) as terminal:
        await terminal.log_in(password="wrong")
        assert "~ #" not in await terminal.read("login: ")


async def test_the_guest_does_not_reach_the_machine_under_it(rig: QemuRig, guest: UUID) -> None:
    greeted = asyncio.Event()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.set()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, console(rig.run_folder(guest)) as terminal:
        await terminal.log_in(password=PASSWORD)
        await terminal.read("~ #")
        await terminal.type(f"nc -w 2 10.0.2.2 {port} </dev/null; echo exit=$?")
        await terminal.read("exit=1")

    assert not greeted.is_set()


async def test_suspend_lets_the_guest_power_off_and_resume_brings_back_its_disk(
    rig: QemuRig, owner_id: UUID, guest: UUID
) -> None:
    async with console(rig.run_folder(guest)) as terminal:
        await terminal.log_in(password=PASSWORD)
        await terminal.read("~ #")
        # The terminal repeats what is typed: only the shell says it in one word.
        await terminal.type("echo treasure >/data/note; sync; echo wri''tten")
        await terminal.read("written\r\n")

    loop = asyncio.get_running_loop()
    before = loop.time()
    state = await rig.platform.lock_vm(owner_id=owner_id, vm_id=guest, fence=2)
    assert (state.power, state.locked) == (Power.STOPPED, True)
    assert loop.time() - before < GRACE / 2

    await rig.platform.unlock_vm(owner_id=owner_id, vm_id=guest, fence=3)
    await rig.platform.start_vm(owner_id=owner_id, vm_id=guest, fence=4)
    assert "boots=2" in await rig.console(guest)
    async with console(rig.run_folder(guest)) as terminal:
        await terminal.log_in(password=PASSWORD)
        await terminal.read("~ #")
        await terminal.type("cat /data/note")
        await terminal.read("treasure\r\n")


async def test_without_a_password_nobody_logs_in_with_one(rig: QemuRig, owner_id: UUID) -> None:
    vm_id, content = uuid4(), replace(CONTENT, password_hash=None)
    await create_guest(rig, owner_id=owner_id, vm_id=vm_id, content=content)
    await rig.console(vm_id)

    async with console(rig.run_folder(vm_id)) as terminal:
        await terminal.log_in(password="*")
        assert "~ #" not in await terminal.read("login: ")
