"""Compares the books with themselves, sets aside what contradicts itself, and takes it up again.

Everything else goes on: one broken account must not stop the others.
"""

from collections.abc import Sequence
from uuid import UUID

import structlog

from reselling_service.desk import queries
from reselling_service.desk.models import DeskCase
from reselling_service.desk.rules import DeskKind
from reselling_service.ledger.models import BOOKS
from reselling_service.services.actions.parking import park_service, unpark_service
from reselling_service.staff.actions import audit
from shared.kit.bookkeeping.faults import Faults, Finding, by_subject, evidence_of
from shared.kit.db import ReadSession, WriteSession
from shared.kit.desk import NOT_PARKED, STILL_WRONG, find_settled, settle_by_hand
from shared.kit.people import StaffPrincipal, Unattended
from shared.kit.problems import ProblemError

_log = structlog.get_logger(__name__)


async def find_wrong(session: ReadSession) -> Faults:
    """What contradicts itself, by what is to be parked, but for what people have made good."""
    accounts = await queries.find_wrong_accounts(session, None)
    services = await queries.find_wrong_services(session)
    found = by_subject([*accounts, *services])
    settled = await find_settled(session, DeskCase, [key[1] for key in found])
    return {
        key: findings
        for key, findings in found.items()
        if (key[0], key[1], evidence_of(findings)) not in settled
    }


async def check_money(session: WriteSession, found: Faults) -> int:
    """Park what was found; how many weren't parked before."""
    parked = 0
    for (kind, object_id), findings in sorted(found.items()):
        code, detail = findings[0].fault, evidence_of(findings)
        if kind == DeskKind.SERVICE:
            new = await park_service(session, service_id=object_id, code=code, detail=detail)
            news = new is not None
        else:
            news = await park_account(session, client_id=object_id, code=code, detail=detail)
        if news:
            _log.error("money.parked", kind=kind, object_id=str(object_id), code=code)
        parked += news
    return parked


async def park_account(session: WriteSession, *, client_id: UUID, code: str, detail: str) -> bool:
    """Take no new holds and charges of a client; false where that was so before."""
    if not await BOOKS.park(session, owner=client_id, code=code, detail=detail):
        return False
    doer = Unattended.SYSTEM
    await _audit(session, doer, "account.park", client_id=client_id, code=code, detail=detail)
    return True


async def unpark(
    session: WriteSession,
    staff: StaffPrincipal,
    *,
    kind: DeskKind,
    item_id: UUID,
    reason: str,
    settled_by_hand: bool,
) -> None:
    """Let it go on, once its books agree or what is wrong was made good by hand.

    Raises `not_parked`, `still_wrong` with the evidence.
    """
    findings = await _look_again(session, kind, item_id)
    if findings and not settled_by_hand:
        detail = "Its books still don't agree; see blockers. Correct them, or say settled_by_hand."
        blockers = [{"code": item.fault, "detail": item.evidence} for item in findings]
        raise ProblemError(STILL_WRONG, detail, blockers=blockers)
    evidence = evidence_of(findings) if findings else None
    await settle_by_hand(session, DeskCase, kind=kind, object_id=item_id, evidence=evidence)
    if kind is DeskKind.SERVICE:
        done = await unpark_service(session, staff, service_id=item_id, reason=reason)
    else:
        done = await BOOKS.unpark(session, owner=item_id)
        await _audit(session, staff, "account.unpark", client_id=item_id, reason=reason)
    if not done:
        raise ProblemError(NOT_PARKED, "It goes on already.")


async def _look_again(session: ReadSession, kind: DeskKind, item_id: UUID) -> Sequence[Finding]:
    if kind is DeskKind.SERVICE:
        return await queries.find_wrong_services(session, service_id=item_id)
    if kind is DeskKind.ACCOUNT:
        return await queries.find_wrong_accounts(session, item_id)
    raise ProblemError(NOT_PARKED, "Only services and accounts are parked.")


async def _audit(
    session: WriteSession,
    doer: StaffPrincipal | Unattended,
    action: str,
    *,
    client_id: UUID,
    **after: str,
) -> None:
    await audit(session, doer, action, object_type="account", object_id=client_id, after=after)
