"""Forgets what clients wrote into services that ended long ago: nobody asks for it any more."""

from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, func, select, update

from selling_service.services.models import ServiceRow
from shared.contract.basics import ServiceState
from shared.kit.batches import AT_ONCE
from shared.kit.db import WriteSession

_ENDED = (ServiceState.DELETED, ServiceState.FAILED)
_NO_NAME = "erased"


async def forget_ended(session: WriteSession, *, age: timedelta) -> int:
    """Host names and content of up to `AT_ONCE` services whose VM is gone for `age`; how many."""
    now = session.clock.now()
    ended_at = func.coalesce(ServiceRow.delete_at, ServiceRow.terminated_at, ServiceRow.created_at)
    some = (
        select(ServiceRow.id)
        .where(
            ServiceRow.forgotten_at.is_(None),
            ServiceRow.state.in_(_ENDED),
            ServiceRow.holds_room.is_(False),
            ended_at <= now - age,
        )
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    hidden = session.vault.encrypt_text(_NO_NAME)
    gone = (
        update(ServiceRow)
        .where(ServiceRow.id.in_(some))
        .values(hostname=hidden, content=None, forgotten_at=now)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", await session.execute(gone)).rowcount
