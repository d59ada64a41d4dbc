"""Where the QEMU driver keeps what. Knows names and modes of folders, not what is in the files.

Under the root: `state/` and `run/` belong to the driver alone; `users/<owner>/<vm>/` belongs to the
uid of that platform user and holds only what its QEMU process must read and write. What decides
over a VM (owner, fence, lock) is thus out of reach of a QEMU process that was taken over.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

_PRIVATE = 0o700
_PASSABLE = 0o711


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders under one root."""

    root: Path

    def prepare(self, *, passable: bool) -> None:
        """Make the folders; `passable` lets other uids walk through to their own."""
        mode = _PASSABLE if passable else _PRIVATE
        for folder, wanted in (
            (self.root, mode),
            (self.users, mode),
            (self._state, _PRIVATE),
            (self.vm_records, _PRIVATE),
            (self.user_records, _PRIVATE),
            (self._locks, _PRIVATE),
            (self._seeds, _PRIVATE),
            (self._run, _PRIVATE),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(wanted)

    @property
    def users(self) -> Path:
        return self.root / "users"

    @property
    def _state(self) -> Path:
        return self.root / "state"

    @property
    def _run(self) -> Path:
        return self.root / "run"

    @property
    def vm_records(self) -> Path:
        return self._state / "vms"

    @property
    def user_records(self) -> Path:
        return self._state / "users"

    @property
    def _locks(self) -> Path:
        return self._state / "locks"

    @property
    def _seeds(self) -> Path:
        return self._state / "seeds"

    @property
    def deleted(self) -> Path:
        """Fences of deleted VMs, a line each."""
        return self._state / "deleted"

    @property
    def next_uid(self) -> Path:
        return self._state / "next-uid"

    @property
    def node_lock(self) -> Path:
        return self._state / "node.lock"

    def vm_lock(self, vm_id: UUID) -> Path:
        return self._locks / f"{vm_id}.lock"

    def vm_record(self, vm_id: UUID) -> Path:
        return self.vm_records / f"{vm_id}.json"

    def user_record(self, owner_id: UUID) -> Path:
        return self.user_records / f"{owner_id}.json"

    def seed(self, vm_id: UUID) -> Path:
        """Folder of the seed's files, from which its ISO is made."""
        return self._seeds / str(vm_id)

    def run(self, vm_id: UUID) -> Path:
        """Folder of a running VM's sockets; it stands from just before the start."""
        return self._run / str(vm_id)

    def user(self, owner_id: UUID) -> Path:
        return self.users / str(owner_id)

    def vm(self, owner_id: UUID, vm_id: UUID) -> Path:
        """Folder of the VM's disk, seed ISO and logs."""
        return self.user(owner_id) / str(vm_id)


def private_folder(path: Path) -> None:
    """Make a folder that only its user may enter."""
    path.mkdir(mode=_PRIVATE, exist_ok=True)
    path.chmod(_PRIVATE)


def hand_over(path: Path, *, uid: int | None) -> None:
    """Give a file or folder to `uid` (None: leave it the worker's); links are not followed."""
    if uid is not None:
        os.chown(path, uid, uid, follow_symlinks=False)


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it; none is no error."""
    if path.exists():
        shutil.rmtree(path)
