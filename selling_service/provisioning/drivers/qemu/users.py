"""Platform users: a folder each and, where the driver runs as root, a uid each. Knows no VM.

Every method touches files and wants the node's lock held: call it from a thread.
"""

import json
from uuid import UUID

from selling_service.provisioning.drivers.qemu.files import remove_file, write_whole
from selling_service.provisioning.drivers.qemu.layout import (
    Layout,
    hand_over,
    private_folder,
    remove_tree,
)
from selling_service.provisioning.drivers.qemu.settings import QemuSettings
from selling_service.provisioning.platform import NotFound, PlatformFull


class Users:
    """The users under one root."""

    def __init__(self, settings: QemuSettings, layout: Layout) -> None:
        self._settings = settings
        self._layout = layout

    def ensure(self, owner_id: UUID) -> None:
        """Make the user, or finish one that was left half made."""
        record = self._layout.user_record(owner_id)
        if not record.exists():
            write_whole(record, json.dumps({"uid": self._new_uid()}))
        private_folder(self._layout.user(owner_id))
        hand_over(self._layout.user(owner_id), uid=self.uid(owner_id))

    def uid(self, owner_id: UUID) -> int | None:
        """Return the user's uid; None where all belong to the worker. Raises `NotFound`."""
        try:
            text = self._layout.user_record(owner_id).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise NotFound("no such platform user") from error
        uid: int | None = json.loads(text)["uid"]
        return uid

    def delete(self, owner_id: UUID) -> None:
        remove_tree(self._layout.user(owner_id))
        remove_file(self._layout.user_record(owner_id))

    def _new_uid(self) -> int | None:
        """Take the next uid for good: one that was given once is never given again."""
        if not self._settings.own_uids:
            return None
        counter = self._layout.next_uid
        if counter.exists():
            uid = int(counter.read_text(encoding="ascii"))
        else:
            uid = self._settings.first_uid
        if uid > self._settings.last_uid:
            raise PlatformFull("no uid is left for another platform user")
        write_whole(counter, f"{uid + 1}\n")
        return uid
