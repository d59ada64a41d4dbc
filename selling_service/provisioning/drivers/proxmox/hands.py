"""The single acts on Proxmox VE; see `Hands` for what each promises."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from selling_service.provisioning.drivers.foreign import Plan, Seen
from selling_service.provisioning.drivers.proxmox.api import ProxmoxAPI, Said
from selling_service.provisioning.drivers.proxmox.settings import ProxmoxSettings
from selling_service.provisioning.drivers.proxmox.words import (
    first_name,
    mark_of_tags,
    owner_of,
    pool_name,
    tags,
    user_name,
    vm_id_of,
)
from selling_service.provisioning.platform import (
    GuestContent,
    NotFound,
    PlatformRefused,
    PlatformUnavailable,
    Power,
    UnknownImage,
    VMSize,
)
from shared.contract.basics import Capability

_MIB, _GIB = 1 << 20, 1 << 30
_SIZE = re.compile(r"\bsize=(\d+)([KMGT]?)")
_UNITS = {"": 1, "K": 1 << 10, "M": _MIB, "G": _GIB, "T": 1 << 40}
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVM(Seen):
    """`handle` is its path; `lock` is PVE's word for what is being done to it."""

    pool: str | None
    lock: str | None


class ProxmoxHands:
    """One Proxmox VE. Its API takes no user data: that is a file on the node."""

    capabilities = frozenset(Capability) - {Capability.USER_DATA}

    def __init__(self, settings: ProxmoxSettings, api: ProxmoxAPI) -> None:
        self._settings = settings
        self._api = api

    async def has_image(self, image: str) -> bool:
        return image in self._settings.templates

    # ------------------------------------------------------------------------------------- users

    async def put_user(self, owner_id: UUID) -> None:
        settings, user = self._settings, user_name(owner_id, self._settings.realm)
        await self._unless("already exists", "POST", "/access/users", userid=user, enable=True)
        for locked, role in ((False, settings.role), (True, settings.locked_role)):
            pool = pool_name(owner_id, locked=locked)
            await self._unless("already exists", "POST", "/pools", poolid=pool)
            await self._api.ask("PUT", "/access/acl", path=f"/pool/{pool}", users=user, roles=role)

    async def drop_user(self, owner_id: UUID) -> None:
        user = user_name(owner_id, self._settings.realm)
        await self._unless("no such user", "DELETE", f"/access/users/{user}")
        for locked in (False, True):
            pool = pool_name(owner_id, locked=locked)
            await self._unless("does not exist", "DELETE", "/pools", poolid=pool)

    async def _unless(self, words: str, method: str, where: str, **values: object) -> None:
        """Ask; that it is so already is no failure."""
        try:
            await self._api.ask(method, where, **values)
        except Said as error:
            if words not in error.detail:
                raise

    # ----------------------------------------------------------------------------------- finding

    async def find(self, vm_id: UUID) -> SeenVM | None:
        return next((seen for seen in await self._all() if seen.vm_id == vm_id), None)

    async def find_all(self, owner_id: UUID | None = None) -> list[Seen]:
        return [
            seen
            for seen in await self._all()
            if seen.owner_id != _NOBODY and owner_id in {None, seen.owner_id}
        ]

    async def _all(self) -> list[SeenVM]:
        every = await self._api.ask("GET", "/cluster/resources", type="vm")
        return [
            _seen(row, vm_id)
            for row in every
            if row["type"] == "qemu" and (vm_id := vm_id_of(row)) is not None
        ]

    async def _config(self, seen: Seen) -> dict[str, Any]:
        """Its settings. Raises `NotFound` where the number is another VM's by now."""
        found: dict[str, Any] = await self._api.ask("GET", f"{seen.handle}/config")
        if vm_id_of(found) != seen.vm_id:
            raise NotFound("no such VM")
        return found

    # ---------------------------------------------------------------------------------- building

    async def build(self, plan: Plan, content: GuestContent) -> Seen:
        if content.user_data is not None:
            raise PlatformRefused("Proxmox VE takes no user data over its API")
        seen = await self.find(plan.vm_id) or await self._clone(plan)
        if seen.lock is not None:
            raise PlatformUnavailable(f"the VM is being worked on: {seen.lock}")
        await self._move(seen, plan.owner_id, locked=True)
        config = await self._config(seen)
        await self._grow(seen, config, gib=plan.size.disk_gib)
        await self._configure(seen, **self._wanted(plan, content))
        return await self._found(plan.vm_id)

    async def _clone(self, plan: Plan) -> SeenVM:
        node = await self._place(plan.image)
        template = self._settings.templates[plan.image][node]
        await self._api.run(
            "POST",
            f"/nodes/{node}/qemu/{template}/clone",
            newid=int(await self._api.ask("GET", "/cluster/nextid")),
            name=first_name(plan.vm_id),
            pool=pool_name(plan.owner_id, locked=True),
            full=True,
            storage=self._settings.storage,
        )
        return await self._found(plan.vm_id)

    async def _place(self, image: str) -> str:
        """The node with this template that has the most memory free."""
        templates = self._settings.templates.get(image)
        if templates is None:
            raise UnknownImage(f"this platform has no OS template {image!r}")
        every = await self._api.ask("GET", "/cluster/resources", type="node")
        free: dict[str, int] = {
            row["node"]: row.get("maxmem", 0) - row.get("mem", 0)
            for row in every
            if row["status"] == "online" and row["node"] in templates
        }
        if not free:
            raise PlatformUnavailable("no node with this OS template is online")
        return max(sorted(free), key=free.__getitem__)

    async def _found(self, vm_id: UUID) -> SeenVM:
        seen = await self.find(vm_id)
        if seen is None:
            raise PlatformUnavailable("the VM that was made isn't there")
        return seen

    async def _grow(self, seen: Seen, config: dict[str, Any], *, gib: int) -> None:
        """A smaller disk would be ignored without a word."""
        disk = self._settings.disk
        found = _SIZE.search(str(config.get(disk, "")))
        has = int(found[1]) * _UNITS[found[2]] if found else 0
        if has > gib * _GIB:
            raise PlatformRefused("the OS template's disk is larger than the VM's may be")
        if has < gib * _GIB:
            await self._api.run("PUT", f"{seen.handle}/resize", disk=disk, size=f"{gib}G")

    def _wanted(self, plan: Plan, content: GuestContent) -> dict[str, Any]:
        keys = "\n".join(content.ssh_keys)
        return {
            "cores": plan.size.vcpu,
            "memory": plan.size.ram_mib,
            "net0": f"virtio,bridge={self._settings.bridge},firewall=1",
            "ipconfig0": "ip=dhcp",
            "sshkeys": quote(keys, safe="") if keys else None,
            "cipassword": content.password_hash,
            "tags": tags(plan.vm_id, plan.mark),
            "onboot": False,
            "name": content.hostname,
        }

    async def _configure(self, seen: Seen, **values: object) -> None:
        await self._api.ask("PUT", f"{seen.handle}/config", **values)

    # ----------------------------------------------------------------------------- power and end

    async def guard(self, seen: Seen, *, locked: bool) -> None:
        config = await self._config(seen)
        if locked and config.get("onboot"):
            await self._configure(seen, onboot=False)
        await self._move(await self._found(seen.vm_id), seen.owner_id, locked=locked)

    async def _move(self, seen: SeenVM, owner_id: UUID, *, locked: bool) -> None:
        """Into the pool in which its user may start it, or the other one."""
        pool, number = pool_name(owner_id, locked=locked), seen.handle.rpartition("/")[2]
        if seen.pool != pool:
            await self._api.ask("PUT", "/pools", poolid=pool, vms=number, allow_move=True)

    async def start(self, seen: Seen) -> None:
        await self._config(seen)
        current = await self._api.ask("GET", f"{seen.handle}/status/current")
        if current["status"] != "running":
            await self._api.run("POST", f"{seen.handle}/status/start")
        await self._configure(seen, onboot=True)

    async def stop(self, seen: Seen) -> None:
        await self._config(seen)
        await self._configure(seen, onboot=False)
        current = await self._api.ask("GET", f"{seen.handle}/status/current")
        if current["status"] == "running":
            grace = self._settings.stop_grace
            await self._api.run(
                "POST", f"{seen.handle}/status/shutdown", timeout=grace, forceStop=True
            )

    async def rename(self, seen: Seen, hostname: str) -> None:
        await self._config(seen)
        await self._configure(seen, name=hostname)

    async def drop(self, seen: Seen) -> None:
        await self._config(seen)
        await self._api.run("DELETE", seen.handle, purge=True, destroy_unreferenced_disks=True)


def _seen(row: dict[str, Any], vm_id: UUID) -> SeenVM:
    size = VMSize(
        vcpu=int(row.get("maxcpu", 0)),
        ram_mib=int(row.get("maxmem", 0)) // _MIB,
        disk_gib=int(row.get("maxdisk", 0)) // _GIB,
        ipv4=0,
    )
    return SeenVM(
        handle=f"/nodes/{row['node']}/qemu/{row['vmid']}",
        vm_id=vm_id,
        owner_id=owner_of(row.get("pool")) or _NOBODY,
        power=Power.RUNNING if row["status"] == "running" else Power.STOPPED,
        size=size,
        hostname=str(row.get("name", "")),
        mark=mark_of_tags(row),
        pool=row.get("pool"),
        lock=row.get("lock"),
    )
