"""The single acts on VMmanager 6; see `Hands` for what each promises."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from selling_service.provisioning.drivers.foreign import Plan, Seen
from selling_service.provisioning.drivers.vmmanager6.api import VMmanager6API
from selling_service.provisioning.drivers.vmmanager6.settings import VMmanager6Settings
from selling_service.provisioning.drivers.vmmanager6.words import (
    Comment,
    keeper,
    login,
    read_comment,
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

_MIB_PER_GIB = 1024
_RUNNING, _STOPPED = "active", "stopped"
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHost(Seen):
    """`handle` is its path; `state` VMmanager's word for what it does; `account` whose it is."""

    state: str
    account: int


class VMmanager6Hands:
    """One VMmanager 6.

    It wants a password in clear, and we have hashes only: it gets one that nobody knows, and the
    client sets his own by way of the platform's panel.
    """

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, settings: VMmanager6Settings, api: VMmanager6API) -> None:
        self._settings = settings
        self._api = api

    async def has_image(self, image: str) -> bool:
        return image in self._settings.templates

    # ------------------------------------------------------------------------------------- users

    async def put_user(self, owner_id: UUID) -> None:
        await self._account(login(owner_id, self._settings.login_domain))

    async def drop_user(self, owner_id: UUID) -> None:
        number = await self._find_account(login(owner_id, self._settings.login_domain))
        if number is not None:
            await self._api.ask("DELETE", f"/vm/v3/user/{number}")

    async def _account(self, email: str) -> int:
        """The number of the account with this login, which is made where there is none."""
        found = await self._find_account(email)
        if found is not None:
            return found
        made = {
            "email": email,
            "full_name": email.partition("@")[0],
            "password": secrets.token_urlsafe(32),
            "role": "@user",
        }
        return int((await self._api.ask("POST", "/vm/v3/account", made))["id"])

    async def _find_account(self, email: str) -> int | None:
        rows = await self._api.every(f"/vm/v3/account?where=email+EQ+'{email}'")
        # Asked for one login, and yet compared: a filter that is ignored lists all.
        return next((int(row["id"]) for row in rows if row["email"] == email), None)

    # ----------------------------------------------------------------------------------- finding

    async def find(self, vm_id: UUID) -> SeenHost | None:
        return next((seen for seen in await self._all() if seen.vm_id == vm_id), None)

    async def find_all(self, owner_id: UUID | None = None) -> list[Seen]:
        return [seen for seen in await self._all() if owner_id in {None, seen.owner_id}]

    async def _all(self) -> list[SeenHost]:
        rows = await self._api.every("/vm/v3/host")
        return [_seen(row, ours) for row in rows if (ours := read_comment(row.get("comment")))]

    async def _again(self, seen: Seen) -> SeenHost:
        """The same as it is now. Raises `NotFound` where its number is another VM's by now."""
        rows = await self._api.every(f"/vm/v3/host?where=id+EQ+{seen.handle.rpartition('/')[2]}")
        for row in rows:
            ours = read_comment(row.get("comment"))
            if ours is not None and ours.vm_id == seen.vm_id:
                return _seen(row, ours)
        raise NotFound("no such VM")

    # ---------------------------------------------------------------------------------- building

    async def build(self, plan: Plan, content: GuestContent) -> Seen:
        if content.ssh_keys or content.password_hash or content.user_data is not None:
            raise PlatformRefused("VMmanager 6 takes neither keys, hashes nor user data from us")
        seen = await self.find(plan.vm_id)
        if seen is None:
            await self._create(plan, content)
            seen = await self._found(plan.vm_id)
        seen = await self._at_rest(seen)
        if seen.size.disk_gib > plan.size.disk_gib:
            # It would ignore a smaller disk without a word.
            raise PlatformRefused("the VM's disk is larger than it may be")
        return seen

    async def _create(self, plan: Plan, content: GuestContent) -> None:
        system = self._settings.templates.get(plan.image)
        if system is None:
            raise UnknownImage(f"this platform has no OS template {plan.image!r}")
        comment = Comment(vm_id=plan.vm_id, owner_id=plan.owner_id, mark=plan.mark)
        await self._api.run(
            "POST",
            "/vm/v3/host",
            {
                "name": content.hostname,
                "domain": content.hostname,
                "comment": str(comment),
                "account": await self._account(keeper(self._settings.login_domain)),
                "cluster": self._settings.cluster,
                "os": system,
                "password": secrets.token_urlsafe(32),
                "cpu_number": plan.size.vcpu,
                "ram_mib": plan.size.ram_mib,
                "hdd_mib": plan.size.disk_gib * _MIB_PER_GIB,
                "ipv4_number": plan.size.ipv4,
                "ipv4_pool": list(self._settings.pools),
                "anti_spoofing": True,
            },
        )

    async def _found(self, vm_id: UUID) -> SeenHost:
        seen = await self.find(vm_id)
        if seen is None:
            raise PlatformUnavailable("the VM that was made isn't there")
        return seen

    async def _at_rest(self, seen: SeenHost) -> SeenHost:
        """Wait while it is being made, also by an attempt before this one."""
        try:
            async with asyncio.timeout(self._settings.task_timeout):
                while seen.state not in {_RUNNING, _STOPPED}:
                    await asyncio.sleep(_LOOK_SECONDS)
                    seen = await self._again(seen)
        except TimeoutError as error:
            raise PlatformUnavailable(f"the VM stays {seen.state}") from error
        return seen

    # ----------------------------------------------------------------------------- power and end

    async def guard(self, seen: Seen, *, locked: bool) -> None:
        """A locked VM belongs to nobody who could log in."""
        domain = self._settings.login_domain
        whose = await self._account(keeper(domain) if locked else login(seen.owner_id, domain))
        if (await self._again(seen)).account != whose:
            await self._api.run("POST", f"{seen.handle}/account", {"account": whose})

    async def start(self, seen: Seen) -> None:
        if (await self._again(seen)).state != _RUNNING:
            await self._api.run("POST", f"{seen.handle}/start", {})

    async def stop(self, seen: Seen) -> None:
        """The guest is asked first, and after its grace not any more."""
        if (await self._again(seen)).state == _STOPPED:
            return
        await self._api.run("POST", f"{seen.handle}/stop", {"force": False})
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.stop_grace
        while (await self._again(seen)).state != _STOPPED:
            if loop.time() > until:
                await self._api.run("POST", f"{seen.handle}/stop", {"force": True})
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def rename(self, seen: Seen, hostname: str) -> None:
        await self._again(seen)
        await self._api.ask("POST", seen.handle, {"name": hostname, "domain": hostname})

    async def drop(self, seen: Seen) -> None:
        await self._again(seen)
        await self._api.run("DELETE", seen.handle)


def _seen(row: dict[str, Any], ours: Comment) -> SeenHost:
    size = VMSize(
        vcpu=int(row.get("cpu_number", 0)),
        ram_mib=int(row.get("ram_mib", 0)),
        disk_gib=int(row.get("hdd_mib", 0)) // _MIB_PER_GIB,
        ipv4=len(row.get("ip4") or ()),
    )
    return SeenHost(
        handle=f"/vm/v3/host/{row['id']}",
        vm_id=ours.vm_id,
        owner_id=ours.owner_id,
        power=Power.RUNNING if row["state"] == _RUNNING else Power.STOPPED,
        size=size,
        hostname=str(row.get("domain") or row.get("name") or ""),
        addresses=tuple(str(each["ip"]) for each in row.get("ip4") or ()),
        mark=ours.mark,
        state=str(row["state"]),
        account=int((row.get("account") or {}).get("id", 0)),
    )
