"""What the worker does for privacy: it forgets names and host names of services that have ended."""

from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, select, update

from reselling_service.database import ResellingRuntime
from reselling_service.privacy.actions.erase import ERASED
from reselling_service.privacy.queries import ENDED
from reselling_service.services.models import Service
from shared.kit.batches import AT_ONCE, in_batches
from shared.kit.db import WriteSession
from shared.kit.jobs import Job, Task
from shared.kit.people.retention import EVERY


def tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room."""
    age = timedelta(days=runtime.settings.keep_ended_content_days)

    async def forget(_job: Job) -> None:
        await in_batches(runtime.staff, lambda session: _forget(session, age))

    return [Task(kind="forget_ended_services", work=forget, every=EVERY)]


async def _forget(session: WriteSession, age: timedelta) -> int:
    now = session.clock.now()
    some = (
        select(Service.id)
        .where(
            Service.forgotten_at.is_(None),
            Service.heard_state.in_(ENDED),
            Service.heard_at <= now - age,
        )
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    hidden = session.vault.encrypt_text(ERASED)
    gone = (
        update(Service)
        .where(Service.id.in_(some))
        .values(name=ERASED, hostname=hidden, hostname_before=None, forgotten_at=now)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", await session.execute(gone)).rowcount
