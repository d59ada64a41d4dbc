"""Compares our books with themselves, then with each enabled seller's."""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog

from reselling_service.database import TENANT_COLUMN, ResellingRuntime
from reselling_service.reconciliation import queries
from reselling_service.reconciliation.actions.asking import ask_charges_of
from reselling_service.reconciliation.actions.charging import look_at_charges
from reselling_service.reconciliation.actions.comparing import Comparison
from reselling_service.reconciliation.actions.drifting import look_for_drift
from reselling_service.reconciliation.actions.looking import look_at_service, look_up_silent
from reselling_service.reconciliation.actions.ranging import doubts
from reselling_service.reconciliation.models import DESK
from reselling_service.reconciliation.rules import seller_scope
from reselling_service.sellers.client import client_for
from reselling_service.sellers.errors import SellerProblem
from reselling_service.sellers.queries import SellerAccess, list_accesses
from shared.contract.basics import Scope
from shared.contract.problems import INSUFFICIENT_SCOPE
from shared.kit.reconciling import Recorder, begin_run, end_run
from shared.kit.reconciling.books import BOOKS_SCOPE, look_at_books
from shared.kit.reconciling.report import read_report
from shared.kit.reconciling.running import one_at_a_time

# So many are looked at again at once; more come in several rounds.
MOST_DOUBTED = 2000
# Longer than any answer or event should take.
SILENT_AFTER = timedelta(minutes=10)
_MOST_SILENT = 500
_log = structlog.get_logger(__name__)
# A hold whose command has ended, which the kit's looks can't know of.
_HOLDS = {
    "books_hold_of_ended": (
        "A hold ends with its command: capture or release it by hand.",
        """
        SELECT h.id AS key, h.{tenant} AS owner, 'hold ' || h.state AS ours,
            'command ' || c.state AS theirs
        FROM holds h JOIN commands c ON c.hold_id = h.id
        WHERE (h.state = 'open') <> (c.settled_at IS NULL)
            OR (h.state = 'captured') <> (c.state = 'succeeded')
        """,
    )
}


async def run_once(runtime: ResellingRuntime, *, asked_by: str) -> bool:
    """Compare everything; whether repairs were begun, so that it is worth comparing again soon.

    The process's line to the sellers must be open. Raises ComparingAlready.
    """
    async with one_at_a_time(runtime.staff):
        async with runtime.staff.write() as session:
            run_id = await begin_run(session, DESK, asked_by=asked_by)
            accesses = await list_accesses(session)
        recorder, tried = Recorder(DESK, run_id), 0
        problems: list[str] = []
        await _compare_books(runtime, recorder)
        for access in accesses:
            client = client_for(runtime, url=access.url, key=access.key, trust=access.trust)
            comparison = Comparison(
                runtime=runtime, access=access, client=client, recorder=recorder
            )
            try:
                problems += await _look_at_scopes(comparison)
                await _compare(comparison)
            except SellerProblem as problem:
                problems.append(f"{access.name}: {problem.detail}")
                _log.warning("reconciliation.seller_away", seller=str(access.seller_id))
            tried += comparison.tried
        async with runtime.staff.write() as session:
            await end_run(session, DESK, run_id, counts=recorder.counts, problems=problems)
        async with runtime.staff.read() as session:
            await read_report(session, DESK)
        return tried > 0


async def _compare_books(runtime: ResellingRuntime, recorder: Recorder) -> None:
    async with runtime.staff.read() as session:
        found = [each async for each in look_at_books(session, tenant=TENANT_COLUMN, more=_HOLDS)]
    async with runtime.staff.write() as session:
        for finding in found:
            await recorder.record(session, finding)
        await recorder.close_unseen(session, scope=BOOKS_SCOPE)


async def _look_at_scopes(comparison: Comparison) -> list[str]:
    """What our key may not compare."""
    try:
        await ask_charges_of(comparison.client, UUID(int=0))
    except SellerProblem as problem:
        if problem.code != INSUFFICIENT_SCOPE.code:
            raise
        comparison.money = False
        return [f"{comparison.access.name}: our key lacks the scope {Scope.MONEY_READ}"]
    return []


async def _compare(comparison: Comparison) -> None:
    """Everything with one seller; nothing is gone where the seller couldn't be asked."""
    runtime, access = comparison.runtime, comparison.access
    doubted: set[UUID] = set()
    async for service_ref in doubts(comparison):
        doubted.add(service_ref)
        if len(doubted) >= MOST_DOUBTED:
            await _look_again(comparison, doubted)
            doubted = set()
    await _look_again(comparison, doubted)
    await look_for_drift(comparison)
    await _ask_about_silent(comparison, access)
    await comparison.send_again()
    async with runtime.staff.write() as session:
        # What a command is under way about was not judged: it isn't gone yet.
        busy = await queries.list_busy(session, access.seller_id)
        await comparison.recorder.hold_on(session, ref="service_ref", values=busy)
        await comparison.recorder.close_unseen(session, scope=seller_scope(access.seller_id))


async def _look_again(comparison: Comparison, doubted: set[UUID]) -> None:
    """A second look, after a pause: what was merely on its way has arrived by then."""
    if not doubted:
        return
    await asyncio.sleep(comparison.runtime.settings.reconciliation_recheck_seconds)
    for service_ref in sorted(doubted):
        if await look_at_service(comparison, service_ref) and comparison.money:
            await look_at_charges(comparison, service_ref)


async def _ask_about_silent(comparison: Comparison, access: SellerAccess) -> None:
    async with comparison.runtime.staff.read() as session:
        before = session.clock.now() - SILENT_AFTER
        silent = await queries.list_silent(
            session, access.seller_id, before=before, limit=_MOST_SILENT
        )
    await look_up_silent(comparison, list(silent))
