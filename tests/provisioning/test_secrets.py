import logging
from dataclasses import replace
from uuid import UUID

import pytest

from tests.provisioning.rigs import CONTENT, PASSWORD_HASH, Rig, content_for, create_guest

USER_DATA = "#cloud-config\nwrite_files: [{path: /x, content: marzipan}]\n"


async def test_the_clients_secrets_are_neither_logged_nor_shown(
    rig: Rig, owner_id: UUID, vm_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger().debug("everything is captured")
    secrets = replace(CONTENT, password_hash=PASSWORD_HASH, user_data=USER_DATA)
    content = content_for(rig, secrets)

    state = await create_guest(rig, owner_id=owner_id, vm_id=vm_id, content=content)
    await rig.platform.rename_vm(owner_id=owner_id, vm_id=vm_id, hostname="x", fence=2)
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm_id, fence=3)
    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=4)

    shown = f"{caplog.text} {content!r} {state!r} {rig!r}"
    assert "everything is captured" in shown
    assert PASSWORD_HASH not in shown
    assert "marzipan" not in shown
