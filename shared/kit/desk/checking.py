"""Compares the books with themselves, sets aside what contradicts itself, and takes it up again.

Everything else goes on: one broken account must not stop the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import structlog

from shared.kit.bookkeeping import Books
from shared.kit.bookkeeping.faults import Faults, Finding, by_subject, evidence_of
from shared.kit.db import ReadSession, WriteSession
from shared.kit.desk.cases import (
    NOT_PARKED,
    STILL_WRONG,
    CaseColumns,
    find_settled,
    settle_by_hand,
)
from shared.kit.people import People, StaffPrincipal, Unattended, audit
from shared.kit.problems import ProblemError

_log = structlog.get_logger(__name__)
_SERVICE = "service"
_ACCOUNT = "account"


class FindAccounts(Protocol):
    """What contradicts itself in all accounts, or in this owner's."""

    async def __call__(self, session: ReadSession, owner: UUID | None, /) -> Sequence[Finding]: ...


class FindServices(Protocol):
    """What contradicts itself in the money of all services, or of this one."""

    async def __call__(
        self, session: ReadSession, *, service_id: UUID | None = None
    ) -> Sequence[Finding]: ...


class ParkService(Protocol):
    """Sets a service aside; false where there is none, or it was before."""

    async def __call__(
        self, session: WriteSession, *, service_id: UUID, code: str, detail: str
    ) -> bool: ...


class UnparkService(Protocol):
    """Takes a service up again; false where it isn't parked."""

    async def __call__(
        self, session: WriteSession, staff: StaffPrincipal, *, service_id: UUID, reason: str
    ) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyCheck:
    """The check of one service's own books."""

    books: Books[Any, Any, Any]
    cases: type[CaseColumns]
    people: People
    find_accounts: FindAccounts
    find_services: FindServices
    park_service: ParkService
    unpark_service: UnparkService

    async def find_wrong(self, session: ReadSession) -> Faults:
        """What contradicts itself, by what is to be parked, but for what people made good."""
        accounts = await self.find_accounts(session, None)
        services = await self.find_services(session)
        found = by_subject([*accounts, *services])
        settled = await find_settled(session, self.cases, [key[1] for key in found])
        return {
            key: findings
            for key, findings in found.items()
            if (key[0], key[1], evidence_of(findings)) not in settled
        }

    async def park(self, session: WriteSession, found: Faults) -> int:
        """Park what was found; how many weren't parked before."""
        parked = 0
        for (kind, object_id), findings in sorted(found.items()):
            code, detail = findings[0].fault, evidence_of(findings)
            if kind == _SERVICE:
                news = await self.park_service(
                    session, service_id=object_id, code=code, detail=detail
                )
            else:
                news = await self.park_account(session, owner=object_id, code=code, detail=detail)
            if news:
                _log.error("money.parked", kind=kind, object_id=str(object_id), code=code)
            parked += news
        return parked

    async def park_account(
        self, session: WriteSession, *, owner: UUID, code: str, detail: str
    ) -> bool:
        """Take no new holds and charges of an account; false where that was so before."""
        if not await self.books.park(session, owner=owner, code=code, detail=detail):
            return False
        after = {"code": code, "detail": detail}
        await self._audit(session, Unattended.SYSTEM, "account.park", owner, after)
        return True

    async def unpark(
        self,
        session: WriteSession,
        staff: StaffPrincipal,
        *,
        kind: str,
        item_id: UUID,
        reason: str,
        settled_by_hand: bool,
    ) -> None:
        """Let it go on, once its books agree or what is wrong was made good by hand.

        Raises `not_parked`, `still_wrong` with the evidence.
        """
        findings = await self._look_again(session, kind, item_id)
        if findings and not settled_by_hand:
            detail = (
                "Its books still don't agree; see blockers. Correct them, or say settled_by_hand."
            )
            blockers = [{"code": item.fault, "detail": item.evidence} for item in findings]
            raise ProblemError(STILL_WRONG, detail, blockers=blockers)
        evidence = evidence_of(findings) if findings else None
        await settle_by_hand(session, self.cases, kind=kind, object_id=item_id, evidence=evidence)
        if kind == _SERVICE:
            done = await self.unpark_service(session, staff, service_id=item_id, reason=reason)
        else:
            done = await self.books.unpark(session, owner=item_id)
            await self._audit(session, staff, "account.unpark", item_id, {"reason": reason})
        if not done:
            raise ProblemError(NOT_PARKED, "It goes on already.")

    async def _look_again(
        self, session: ReadSession, kind: str, item_id: UUID
    ) -> Sequence[Finding]:
        if kind == _SERVICE:
            return await self.find_services(session, service_id=item_id)
        if kind == _ACCOUNT:
            return await self.find_accounts(session, item_id)
        raise ProblemError(NOT_PARKED, "Only services and accounts are parked.")

    async def _audit(
        self,
        session: WriteSession,
        doer: StaffPrincipal | Unattended,
        action: str,
        owner: UUID,
        after: dict[str, str],
    ) -> None:
        await audit(
            session,
            self.people,
            doer,
            action,
            object_type=_ACCOUNT,
            object_id=owner,
            after=after,
        )
