"""What the driver keeps of each VM, as one file each. Knows no process and no disk."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any, Self
from uuid import UUID

from selling_service.provisioning.drivers.qemu.files import remove_file, write_whole
from selling_service.provisioning.drivers.qemu.layout import Layout
from selling_service.provisioning.platform import Power, VMSize, VMState


@dataclass(frozen=True, slots=True, kw_only=True)
class VMRecord:
    """One VM.

    `built` once its disk and seed stand and its first start was made or is not wanted; `wanted` is
    the power that a restart of the machine brings back.
    """

    vm_id: UUID
    owner_id: UUID
    size: VMSize
    image: str
    hostname: str
    fence: int
    locked: bool
    wanted: Power
    built: bool = False
    mark: str | None = None

    def with_(self, **changes: Any) -> Self:  # noqa: ANN401  # the fields' own types
        return replace(self, **changes)

    def state(self, power: Power) -> VMState:
        """Say what the platform says. QEMU's user network has no addresses to hand out."""
        return VMState(
            vm_id=self.vm_id,
            owner_id=self.owner_id,
            power=power,
            locked=self.locked,
            size=self.size,
            image=self.image,
            hostname=self.hostname,
            addresses=(),
            fence=self.fence,
            mark=self.mark,
        )


class Records:
    """The records under one root. Every method reads or writes files: call it from a thread."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def read(self, vm_id: UUID) -> VMRecord | None:
        try:
            text = self._layout.vm_record(vm_id).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return _parsed(text)

    def write(self, record: VMRecord) -> None:
        path = self._layout.vm_record(record.vm_id)
        write_whole(path, json.dumps(asdict(record), default=str))

    def forget(self, vm_id: UUID) -> None:
        remove_file(self._layout.vm_record(vm_id))

    def all(self) -> Iterator[VMRecord]:
        """Yield every VM of every owner, in a steady order."""
        for path in sorted(self._layout.vm_records.glob("*.json")):
            record = self.read(UUID(path.stem))
            if record is not None:
                yield record

    def some(self, after: UUID | None, limit: int) -> list[VMRecord]:
        """Return up to `limit` VMs with ids after this one, in the order of ids."""
        names = sorted(path.stem for path in self._layout.vm_records.glob("*.json"))
        wanted = (name for name in names if after is None or name > str(after))
        found = (self.read(UUID(name)) for name in wanted)
        return list(islice((record for record in found if record is not None), limit))

    def of(self, owner_id: UUID) -> list[VMRecord]:
        return [record for record in self.all() if record.owner_id == owner_id]

    def note_deleted(self, vm_id: UUID, *, fence: int) -> None:
        """Remember the fence of a deleted VM, so that an overtaken create can't bring it back."""
        if fence <= self.deleted_fence(vm_id):
            return
        # The line break in front closes a line that a power cut may have torn.
        line = f"\n{vm_id} {fence}\n".encode()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._layout.deleted, flags, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def deleted_fence(self, vm_id: UUID) -> int:
        """Return the highest fence under which this VM was deleted, or -1."""
        highest = -1
        start = f"{vm_id} "
        try:
            with self._layout.deleted.open(encoding="ascii") as lines:
                for line in lines:
                    if line.startswith(start) and line.endswith("\n"):
                        highest = max(highest, int(line.removeprefix(start)))
        except FileNotFoundError:
            return highest
        return highest


def _parsed(text: str) -> VMRecord:
    kept = json.loads(text)
    return VMRecord(
        vm_id=UUID(kept["vm_id"]),
        owner_id=UUID(kept["owner_id"]),
        size=VMSize(**kept["size"]),
        image=kept["image"],
        hostname=kept["hostname"],
        fence=kept["fence"],
        locked=kept["locked"],
        wanted=Power(kept["wanted"]),
        built=kept["built"],
        mark=kept.get("mark"),
    )
