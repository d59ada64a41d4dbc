import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from uuid import UUID

import pytest

from selling_service.provisioning.drivers.qemu.qmp import session
from selling_service.provisioning.platform import PlatformUnavailable, Power, UnknownImage
from tests.provisioning.rigs import QemuRig, create, new_user


@pytest.fixture
def rig(qemu: QemuRig) -> QemuRig:
    return qemu


async def _other_worker(verb: str, rig: QemuRig, owner_id: UUID, vm_id: UUID) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.provisioning.other_worker"),
        *(verb, str(rig.settings.root), str(owner_id), str(vm_id)),
        stdout=PIPE,
    )


async def test_after_a_lock_the_process_is_gone(rig: QemuRig, owner_id: UUID, vm: UUID) -> None:
    process = rig.process(vm)
    assert process is not None

    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)

    assert not process.alive
    assert rig.process(vm) is None
    assert not rig.run_folder(vm).exists()


async def test_a_vm_outlives_the_worker_that_started_it(
    rig: QemuRig, owner_id: UUID, vm_id: UUID
) -> None:
    worker = await _other_worker("create", rig, owner_id, vm_id)
    assert await worker.wait() == -signal.SIGKILL

    assert rig.process(vm_id) is not None
    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm_id)
    assert state.power is Power.RUNNING
    state = await create(rig, owner_id=owner_id, vm_id=vm_id)
    assert state.power is Power.RUNNING
    state = await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm_id, fence=2)
    assert state.power is Power.STOPPED


async def test_a_process_that_nobody_wrote_down_is_found_and_locked_too(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    process = rig.process(vm)
    assert process is not None
    (rig.run_folder(vm) / "process.json").unlink()

    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert state.power is Power.RUNNING
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)

    assert not process.alive


async def test_another_process_with_the_same_id_is_neither_taken_for_the_vm_nor_killed(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    await rig.die(vm)
    stranger = await asyncio.create_subprocess_exec("sleep", "60")
    rig.note(vm, pid=stranger.pid)

    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert state.power is Power.STOPPED
    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm, fence=2)

    assert stranger.returncode is None
    stranger.kill()
    assert await stranger.wait() == -signal.SIGKILL


async def test_a_qemu_that_does_not_answer_is_stopped_all_the_same(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    process = rig.process(vm)
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)

    impatient = rig.with_settings(answer_timeout=0.3)
    state = await impatient.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)

    assert state.power is Power.STOPPED
    assert not process.alive


async def test_a_socket_that_somebody_else_keeps_busy_does_not_save_the_vm(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    impatient = rig.with_settings(answer_timeout=0.3)

    async with session(rig.run_folder(vm), vm, seconds=20):
        state = await impatient.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)
        assert state.power is Power.STOPPED

    assert rig.process(vm) is None


async def test_a_vm_whose_worker_is_frozen_in_a_call_is_busy_until_that_worker_ends(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    worker = await _other_worker("hold", rig, owner_id, vm)
    assert worker.stdout is not None
    assert await worker.stdout.readline() == b"held\n"
    worker.send_signal(signal.SIGSTOP)
    hasty = rig.with_settings(lock_timeout=0.2)

    with pytest.raises(PlatformUnavailable):
        await hasty.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert (await hasty.get_vm(owner_id=owner_id, vm_id=vm)).power is Power.RUNNING

    worker.kill()
    await worker.wait()
    state = await hasty.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert state.power is Power.STOPPED


async def test_a_qemu_that_does_not_start_is_told_with_its_own_words(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    wrong = rig.with_settings(machine="abacus")

    with pytest.raises(PlatformUnavailable, match="unsupported machine type"):
        await wrong.start_vm(owner_id=owner_id, vm_id=vm, fence=3)

    assert rig.process(vm) is None
    state = await rig.platform.start_vm(owner_id=owner_id, vm_id=vm, fence=4)
    assert state.power is Power.RUNNING


async def test_a_missing_program_is_a_reason_to_try_again(
    rig: QemuRig, owner_id: UUID, vm: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(PlatformUnavailable, match="genisoimage is not installed"):
        await rig.platform.rename_vm(owner_id=owner_id, vm_id=vm, hostname="x", fence=3)


async def test_a_template_that_was_taken_away_is_refused_at_the_next_start(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)

    with pytest.raises(UnknownImage):
        await rig.with_settings(images={}).start_vm(owner_id=owner_id, vm_id=vm, fence=3)


async def test_a_restart_of_the_worker_does_not_start_what_ended_by_itself(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    await rig.die(vm)

    report = await rig.rebuilt().boot_node()

    assert (report.started, report.failed) == ([], {})
    assert (await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)).power is Power.STOPPED


async def test_one_vm_that_does_not_start_keeps_no_other_from_starting(
    rig: QemuRig, owner_id: UUID, vm: UUID
) -> None:
    other = await new_user(rig.platform)
    broken = (await create(rig, owner_id=other, vm_id=UUID(int=7))).vm_id
    for vm_id in (vm, broken):
        await rig.die(vm_id)
        rig.note(vm_id, boot="an earlier one")
    (rig.folder(owner_id=other, vm_id=broken) / "disk.qcow2").unlink()

    report = await rig.rebuilt().boot_node()

    assert report.started == [vm]
    assert list(report.failed) == [broken]

    again = await rig.rebuilt().boot_node()
    assert (again.started, list(again.failed)) == ([], [broken])
