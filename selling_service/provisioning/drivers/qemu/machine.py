"""Starts and stops the QEMU process of a VM. Knows neither owners' rights nor fences.

The caller holds the VM's lock, but for `power`. `launch` is the only way to a running VM, and it
refuses a locked one.
"""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

from selling_service.provisioning.drivers.qemu import process as processes
from selling_service.provisioning.drivers.qemu.command import OpenFiles, command_line
from selling_service.provisioning.drivers.qemu.layout import Layout, private_folder, remove_tree
from selling_service.provisioning.drivers.qemu.process import Process
from selling_service.provisioning.drivers.qemu.qmp import QMP, SERIAL, listen, session
from selling_service.provisioning.drivers.qemu.records import VMRecord
from selling_service.provisioning.drivers.qemu.seed import iso_path
from selling_service.provisioning.drivers.qemu.settings import QemuImage, QemuSettings
from selling_service.provisioning.platform import (
    PlatformUnavailable,
    Power,
    UnknownImage,
    VMLocked,
)

_END_AFTER_QUIT = 2.0
_END_AFTER_KILL = 10.0


class Machine:
    """The processes under one root."""

    def __init__(self, settings: QemuSettings, layout: Layout) -> None:
        self._settings = settings
        self._layout = layout

    async def power(self, vm_id: UUID) -> Power:
        return Power.STOPPED if await self._find(vm_id) is None else Power.RUNNING

    async def was_cut_off(self, vm_id: UUID) -> bool:
        """Say whether the machine went down under the VM, or its start did not succeed."""
        return await asyncio.to_thread(processes.was_cut_off, self._layout.run(vm_id))

    async def launch(self, record: VMRecord, *, uid: int | None) -> None:
        """Start the VM; a running one is left as it is. Raises `VMLocked`."""
        if record.locked:
            raise VMLocked("the VM is suspended")
        if await self._find(record.vm_id) is not None:
            return
        image = self._settings.images.get(record.image)
        if image is None:
            raise UnknownImage("the OS template is gone from this platform")
        run = self._layout.run(record.vm_id)
        await asyncio.to_thread(_fresh_folder, run)
        with _open_files(run, self._layout.seed(record.vm_id), image) as files:
            process = await processes.spawn(
                command_line(self._settings, record, image=image, files=files),
                cwd=self._layout.vm(record.owner_id, record.vm_id),
                run=run,
                uid=uid,
                files=files.numbers(),
            )
        await self._begin(record, process)

    async def halt(self, vm_id: UUID, *, grace: float) -> None:
        """Stop the VM: ask the guest, after `grace` seconds QEMU, and then the kernel."""
        process = await self._find(vm_id)
        while process is not None:
            await self._end(vm_id, process, grace=grace)
            process = await self._find(vm_id)
        await asyncio.to_thread(remove_tree, self._layout.run(vm_id))

    async def _begin(self, record: VMRecord, process: Process) -> None:
        """Wait until QEMU answers; one that does not is not left behind."""
        try:
            await self._ask(record.vm_id, "query-status")
        except PlatformUnavailable as error:
            processes.kill(process)
            await processes.gone(process, within=_END_AFTER_KILL)
            await asyncio.to_thread(_fresh_folder, self._layout.run(record.vm_id))
            folder = self._layout.vm(record.owner_id, record.vm_id)
            told = await asyncio.to_thread(processes.complaint, folder)
            raise PlatformUnavailable(f"QEMU did not start: {told}") from error

    async def _end(self, vm_id: UUID, process: Process, *, grace: float) -> None:
        with contextlib.suppress(PlatformUnavailable):
            if grace > 0:
                await self._ask(vm_id, "system_powerdown")
                if await processes.gone(process, within=grace):
                    return
            await self._ask(vm_id, "quit")
            if await processes.gone(process, within=_END_AFTER_QUIT):
                return
        processes.kill(process)
        if not await processes.gone(process, within=_END_AFTER_KILL):
            raise PlatformUnavailable("the VM's process does not end")

    async def _ask(self, vm_id: UUID, command: str) -> None:
        run = self._layout.run(vm_id)
        async with session(run, vm_id, seconds=self._settings.answer_timeout) as client:
            await client.execute(command)

    async def _find(self, vm_id: UUID) -> Process | None:
        return await asyncio.to_thread(processes.find, self._layout.run(vm_id), vm_id)


def _fresh_folder(run: Path) -> None:
    remove_tree(run)
    private_folder(run)


@contextmanager
def _open_files(run: Path, seed: Path, image: QemuImage) -> Iterator[OpenFiles]:
    """Open all that QEMU inherits, and close this side of it."""
    with ExitStack() as opened:

        def reading(path: Path) -> int:
            number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            opened.callback(os.close, number)
            return number

        folder = reading(run)
        yield OpenFiles(
            qmp=opened.enter_context(listen(folder, QMP)).fileno(),
            serial=opened.enter_context(listen(folder, SERIAL)).fileno(),
            seed=reading(iso_path(seed)),
            base=None if image.base is None else reading(image.base),
            kernel=None if image.kernel is None else reading(image.kernel),
            initrd=None if image.initrd is None else reading(image.initrd),
        )
