"""Drives a VM to what is wanted on whichever platform it lives; knows no service and no money."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from selling_service.accounts.actions import remember_platform_user
from selling_service.accounts.queries import has_platform_user
from selling_service.database import SellingRuntime
from selling_service.provisioning.drivers.qemu import QemuPlatform
from selling_service.provisioning.platform import (
    GuestContent,
    NotFound,
    Platform,
    Platforms,
    PlatformUnavailable,
    VMState,
)
from shared.kit.db import WriteSession
from shared.kit.telemetry import SpanKind, in_span, is_recording

USERS_LOCK_MS = 5000
LOCK_NOT_AVAILABLE = "55P03"
_log = structlog.get_logger(__name__)


class _Traced:
    """A platform whose calls are spans. Their names and arguments say enough without values."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.name, self.capabilities = platform.name, platform.capabilities

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        act = getattr(self._platform, name)

        async def call(**given: object) -> Any:  # noqa: ANN401 - whatever the driver answers
            with in_span(f"platform {name}", kind=SpanKind.CLIENT) as span:
                span.note("tandem.platform", self.name)
                return await act(**given)

        return call


def traced(platforms: Platforms) -> Platforms:
    """The same, each call a span where spans are recorded."""
    if not is_recording():
        return platforms
    return {name: cast("Platform", _Traced(platform)) for name, platform in platforms.items()}


async def boot_nodes(platforms: Platforms) -> None:
    """Start what a restart of this machine cut off; nothing that is locked. Called by workers."""
    for platform in platforms.values():
        if isinstance(platform, QemuPlatform):
            report = await platform.boot_node()
            _log.info(
                "platform.booted",
                platform=platform.name,
                started=[str(vm_id) for vm_id in report.started],
                failed={str(vm_id): why for vm_id, why in report.failed.items()},
            )


@asynccontextmanager
async def answering(runtime: SellingRuntime) -> AsyncIterator[None]:
    """Give a platform its time to answer; one that says nothing is away: `PlatformUnavailable`.

    A call that is broken off like this may still be carried out: its fence keeps it harmless.
    """
    seconds = runtime.settings.platform_patience_seconds
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise PlatformUnavailable(f"no answer within {seconds:g} s") from error


async def ensure_user(
    runtime: SellingRuntime, platform: Platform, partner_id: UUID, *, account_id: UUID
) -> None:
    """Make the account's user where it has none there; one caller at a time per account."""
    async with runtime.app.read(tenant=partner_id) as session:
        if await has_platform_user(
            session, partner_id, account_id=account_id, platform=platform.name
        ):
            return
    async with runtime.app.write(tenant=partner_id) as session:
        # The only call that is made with a connection held: platforms look a user up and then
        # make it, so two workers at once would make two. It happens once per account.
        await hold_users_of(session, account_id)
        if not await has_platform_user(
            session, partner_id, account_id=account_id, platform=platform.name
        ):
            await platform.ensure_user(owner_id=account_id)
            await remember_platform_user(
                session, partner_id, account_id=account_id, platform=platform.name
            )


async def hold_users_of(session: WriteSession, account_id: UUID) -> None:
    """Keep others from making or deleting this account's users until the transaction ends.

    Raises `PlatformUnavailable` where another worker keeps us out for long: it may be frozen.
    """
    await session.execute(text(f"SET LOCAL lock_timeout = {USERS_LOCK_MS}"))
    try:
        await session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 13))"),
            {"name": str(account_id)},
        )
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise PlatformUnavailable("another worker is at this account's user") from error
    await session.execute(text("SET LOCAL lock_timeout = DEFAULT"))


def guest_content(*, hostname: str, content: str | None) -> GuestContent:
    """The client's content as the order carried it (a JSON object), or just the host name."""
    kept = json.loads(content) if content else {}
    return GuestContent(
        hostname=hostname,
        ssh_keys=tuple(kept.get("ssh_keys", ())),
        password_hash=kept.get("password_hash"),
        user_data=kept.get("user_data"),
    )


async def drive_power(
    platform: Platform,
    *,
    owner_id: UUID,
    vm_id: UUID,
    locked: bool,
    running: bool,
    fence: int,
) -> VMState | None:
    """Lock it, or unlock it and start or stop it. None where there is no such VM to be locked."""
    if locked:
        try:
            return await platform.lock_vm(owner_id=owner_id, vm_id=vm_id, fence=fence)
        except NotFound:
            return None
    await platform.unlock_vm(owner_id=owner_id, vm_id=vm_id, fence=fence)
    if not running:
        return await platform.stop_vm(owner_id=owner_id, vm_id=vm_id, fence=fence)
    return await platform.start_vm(owner_id=owner_id, vm_id=vm_id, fence=fence)
