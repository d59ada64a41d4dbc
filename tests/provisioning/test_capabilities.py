"""What a driver declares is so: what it can't do is refused, and nothing is made of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest

from selling_service.catalog.schemas import PlatformName
from selling_service.provisioning.drivers.proxmox import ProxmoxHands
from selling_service.provisioning.drivers.qemu import QemuPlatform
from selling_service.provisioning.drivers.simulated import SimulatedPlatform
from selling_service.provisioning.drivers.vmmanager6 import VMmanager6Hands
from selling_service.provisioning.platform import PlatformRefused
from shared.contract.basics import Capability
from tests.provisioning.rigs import CONTENT, NOTHING, PASSWORD_HASH, Rig, create_guest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlaXNwaWVsYmVpc3BpZWxiZWlzcGllbGJlaXNw"
ASKED: dict[Capability, dict[str, Any]] = {
    Capability.SSH_KEYS: {"ssh_keys": (KEY,)},
    Capability.PASSWORD: {"password_hash": PASSWORD_HASH},
    Capability.USER_DATA: {"user_data": "#cloud-config\n{}\n"},
}


DRIVERS: dict[str, frozenset[Capability]] = {
    "simulated": SimulatedPlatform.capabilities,
    "qemu": QemuPlatform.capabilities,
    "proxmox": ProxmoxHands.capabilities,
    "vmmanager6": VMmanager6Hands.capabilities,
}


def test_the_page_shows_what_the_code_declares() -> None:
    rows = [f"| | {' | '.join(DRIVERS)} |", f"|{'---|' * (len(DRIVERS) + 1)}"]
    for capability in Capability:
        answers = ("yes" if capability in able else "no" for able in DRIVERS.values())
        rows.append(f"| `{capability}` | {' | '.join(answers)} |")
    page = Path("docs/platforms.md").read_text(encoding="utf-8")
    assert "\n".join(rows) in page
    assert set(DRIVERS) == set(get_args(PlatformName))


def test_every_capability_is_asked_for() -> None:
    assert set(ASKED) == set(Capability)


@pytest.mark.parametrize("capability", Capability)
async def test_it_does_what_it_declares_and_refuses_the_rest(
    rig: Rig, owner_id: UUID, vm_id: UUID, capability: Capability
) -> None:
    nothing = {name: value for empty in NOTHING.values() for name, value in empty.items()}
    content = replace(CONTENT, **(nothing | ASKED[capability]))
    if capability in rig.platform.capabilities:
        await create_guest(rig, owner_id=owner_id, vm_id=vm_id, content=content)
        return
    with pytest.raises(PlatformRefused):
        await create_guest(rig, owner_id=owner_id, vm_id=vm_id, content=content)
    assert await rig.traces(vm_id) == []
