"""Keeps account of how calls to a seller go: one circuit per seller, shared by all processes.

Each of these is a short transaction of its own, beside the work that made the call.
"""

from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import update

from reselling_service.sellers.models import Seller
from reselling_service.sellers.queries import SellerAccess, lock_seller
from reselling_service.sellers.rules import (
    PROBE_SECONDS,
    Circuit,
    after_failure,
    blames_link,
    circuit,
    key_refused,
)
from shared.kit.db import WriteSession
from shared.kit.jobs import enqueue

SELLER_BACK_JOB = "seller_back"

_log = structlog.get_logger(__name__)
_FAILURES = Counter(
    "tandem_seller_failures_total", "Calls that blame the link to a seller", ["seller"]
)
_CHANGES = Counter(
    "tandem_seller_link_changes_total", "Links that broke or came back", ["seller", "link"]
)


async def seconds_to_wait(session: WriteSession, access: SellerAccess) -> float | None:
    """How long a call must wait; None where it may go out, be it as the probe."""
    now = session.clock.now()
    state = circuit(retry_at=access.retry_at, now=now)
    if state is Circuit.CLOSED or access.retry_at is None:
        return None
    if state is Circuit.OPEN:
        return (access.retry_at - now).total_seconds()
    claimed = await session.execute(
        update(Seller)
        .where(Seller.id == access.seller_id, Seller.retry_after == access.retry_at)
        .values(retry_after=now + timedelta(seconds=PROBE_SECONDS))
        .returning(Seller.id)
        .execution_options(synchronize_session=False)
    )
    # Whoever moves the time is the probe; the others come back when it has an answer.
    return None if claimed.first() is not None else 1.0


async def note_success(session: WriteSession, access: SellerAccess) -> None:
    """The seller answered: the circuit closes, and whatever waited is hurried up."""
    now = session.clock.now()
    row = await lock_seller(session, seller_id=access.seller_id)
    if row.failures == 0 and row.link == "ok":
        return
    row.failures, row.retry_after = 0, None
    if row.link != "ok":
        row.link, row.link_problem, row.link_since = "ok", None, now
        _CHANGES.labels(str(access.seller_id), "ok").inc()
        _log.info("seller.link_back", seller=str(access.seller_id), name=access.name)
        await wake_waiting(session, seller_id=access.seller_id)


async def note_failure(
    session: WriteSession,
    access: SellerAccess,
    *,
    status: int | None,
    code: str | None,
    reason: str,
) -> None:
    """The seller didn't answer, or not as one. Answers that don't blame the link are a success.

    While the circuit is open only the probe counts: late ends of calls from before say nothing new.
    Nor does a call with a key or at an address that has been replaced since.
    """
    if not blames_link(status=status, code=code):
        await note_success(session, access)
        return
    now = session.clock.now()
    row = await lock_seller(session, seller_id=access.seller_id)
    outdated = row.key != access.sealed_key or row.url != access.url
    not_the_probe = row.retry_after is not None and access.retry_at is None
    if outdated or not_the_probe:
        return
    _FAILURES.labels(str(access.seller_id)).inc()
    refused = key_refused(status=status, code=code)
    found = after_failure(failures=row.failures, key=refused, now=now)
    row.failures, row.retry_after = found.failures, found.retry_at
    if not found.broken:
        return
    if row.link == "ok":
        row.link, row.link_since = "broken", now
        _CHANGES.labels(str(access.seller_id), "broken").inc()
        _log.error(
            "seller.link_broken", seller=str(access.seller_id), name=access.name, reason=reason
        )
    row.link_problem = reason


async def hurry(session: WriteSession, *, seller_id: UUID) -> None:
    """Let the next call go out as the probe now, and what waits for the seller with it."""
    row = await lock_seller(session, seller_id=seller_id)
    if row.retry_after is not None:
        row.retry_after = session.clock.now()
    await wake_waiting(session, seller_id=seller_id)


async def wake_waiting(session: WriteSession, *, seller_id: UUID) -> None:
    """Have the commands that wait for this seller sent soon; the room of commands has the task."""
    await enqueue(
        session,
        SELLER_BACK_JOB,
        payload={"seller_id": seller_id},
        dedupe_key=f"{SELLER_BACK_JOB}:{seller_id}",
    )
