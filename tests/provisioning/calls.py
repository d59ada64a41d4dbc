"""Every changing call on a VM, in one form: rig, owner, VM, fence."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from tests.provisioning.rigs import Rig, create

Call = Callable[[Rig, UUID, UUID, int], Awaitable[object]]


async def _create(rig: Rig, owner_id: UUID, vm_id: UUID, fence: int) -> object:
    return await create(rig, owner_id=owner_id, vm_id=vm_id, fence=fence)


async def _rename(rig: Rig, owner_id: UUID, vm_id: UUID, fence: int) -> object:
    return await rig.platform.rename_vm(
        owner_id=owner_id, vm_id=vm_id, hostname="other", fence=fence
    )


def _named(name: str) -> Call:
    async def call(rig: Rig, owner_id: UUID, vm_id: UUID, fence: int) -> object:
        method = getattr(rig.platform, name)
        result: object = await method(owner_id=owner_id, vm_id=vm_id, fence=fence)
        return result

    return call


CALLS = {
    "create": _create,
    "rename": _rename,
    "start": _named("start_vm"),
    "stop": _named("stop_vm"),
    "restart": _named("restart_vm"),
    "lock": _named("lock_vm"),
    "unlock": _named("unlock_vm"),
    "delete": _named("delete_vm"),
}
