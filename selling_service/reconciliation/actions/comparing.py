"""Compares the books with themselves and with every platform, page by page.

What looks different is looked at a second time after a pause: what was merely under way is over
by then.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from uuid import UUID

import structlog

from selling_service.database import TENANT_COLUMN, SellingRuntime
from selling_service.provisioning.platform import (
    NotFound,
    Platform,
    PlatformError,
    Platforms,
    VMState,
)
from selling_service.reconciliation import queries
from selling_service.reconciliation.actions.repairing import repair
from selling_service.reconciliation.models import DESK
from selling_service.reconciliation.rules import Kept, judge, platform_scope
from shared.kit.reconciling import Finding, Recorder, begin_run, end_run, note_tried
from shared.kit.reconciling.books import BOOKS_SCOPE, look_at_books
from shared.kit.reconciling.report import REPAIRS, read_report
from shared.kit.reconciling.running import one_at_a_time

PAGE = 500
# So many are looked at again at once; more come in several rounds.
MOST_DOUBTED = 5000
_log = structlog.get_logger(__name__)
# A hold whose operation has ended, which the kit's looks can't know of.
_HOLDS = {
    "books_hold_of_ended": (
        "A hold ends with its operation: capture or release it by hand.",
        """
        SELECT h.id AS key, h.{tenant} AS owner, 'hold ' || h.state AS ours,
            'operation ' || o.state AS theirs
        FROM holds h JOIN operations o ON o.hold_id = h.id
        WHERE h.state = 'open' AND o.finished_at IS NOT NULL
        """,
    )
}
Doubts = dict[UUID, VMState | None]


async def run_once(runtime: SellingRuntime, platforms: Platforms, *, asked_by: str) -> bool:
    """Compare everything; whether repairs were begun, so that it is worth comparing again soon.

    Raises ComparingAlready.
    """
    async with one_at_a_time(runtime.staff):
        async with runtime.staff.write() as session:
            run_id = await begin_run(session, DESK, asked_by=asked_by)
        comparison = _Comparison(runtime, run_id)
        await comparison.books()
        for platform in platforms.values():
            await comparison.platform(platform)
        async with runtime.staff.write() as session:
            await end_run(
                session, DESK, run_id, counts=comparison.counts, problems=comparison.problems
            )
        async with runtime.staff.read() as session:
            await read_report(session, DESK)
        return comparison.tried > 0


class _Comparison:
    """One run: what it has counted, and what it couldn't compare."""

    def __init__(self, runtime: SellingRuntime, run_id: UUID) -> None:
        self._runtime = runtime
        self._recorder = Recorder(DESK, run_id)
        self.counts: Counter[str] = self._recorder.counts
        self.problems: list[str] = []
        self.tried = 0

    async def books(self) -> None:
        """The money: each side's sums, holds and charges."""
        async with self._runtime.staff.read() as session:
            found = [
                each async for each in look_at_books(session, tenant=TENANT_COLUMN, more=_HOLDS)
            ]
        async with self._runtime.staff.write() as session:
            for finding in found:
                await self._recorder.record(session, finding)
            await self._recorder.close_unseen(session, scope=BOOKS_SCOPE)

    async def platform(self, platform: Platform) -> None:
        """Every VM of a platform with its service; nothing is gone where it couldn't be asked."""
        try:
            await self._scan(platform)
        except PlatformError as error:
            self.problems.append(f"platform {platform.name}: {error.detail}")
            _log.warning("reconciliation.platform_away", platform=platform.name)
            return
        async with self._runtime.staff.write() as session:
            # What an operation is under way about was not judged: it isn't gone yet.
            busy = await queries.list_busy(session)
            await self._recorder.hold_on(session, ref="service", values=busy)
            await self._recorder.close_unseen(session, scope=platform_scope(platform.name))

    async def _scan(self, platform: Platform) -> None:
        after: UUID | None = None
        doubts: Doubts = {}
        while True:
            vms = await platform.scan_vms(after=after, limit=PAGE)
            async with self._runtime.staff.read() as session:
                kept = await queries.scan_services(
                    session, platform=platform.name, after=after, limit=PAGE
                )
            ends = [
                page[-1]
                for page in (_ids(vms, "vm_id"), _ids(kept, "service_id"))
                if len(page) == PAGE
            ]
            last = min(ends, default=None)
            here = {vm.vm_id: vm for vm in vms if last is None or vm.vm_id <= last}
            books = {row.service_id: row for row in kept if last is None or row.service_id <= last}
            self.counts["vms"] += len(here)
            self.counts["services"] += len(books)
            doubts |= _doubted(platform.name, books, here)
            if last is None or len(doubts) >= MOST_DOUBTED:
                await self._look_again(platform, doubts)
                doubts = {}
            if last is None:
                return
            after = last

    async def _look_again(self, platform: Platform, doubts: Doubts) -> None:
        if not doubts:
            return
        await asyncio.sleep(self._runtime.settings.reconciliation_recheck_seconds)
        async with self._runtime.staff.read() as session:
            kept = await queries.find_kept(
                session, platform=platform.name, service_ids=list(doubts)
            )
        for vm_id, seen in doubts.items():
            vm = await _find_vm(platform, vm_id, kept.get(vm_id), seen)
            finding = judge(platform.name, kept.get(vm_id), vm)
            if finding is not None:
                await self._keep(finding)

    async def _keep(self, finding: Finding) -> None:
        async with self._runtime.staff.write() as session:
            row = await self._recorder.record(session, finding)
            if not row.safe or row.tried_at is not None or row.decision is not None:
                return
            gone = await repair(session, finding)
            await note_tried(session, DESK, row.id, gone=gone)
        self.tried += 1
        REPAIRS.labels(finding.kind).inc()
        _log.info("reconciliation.repaired", kind=finding.kind, key=finding.key)


def _ids(rows: list[VMState] | list[Kept], name: str) -> list[UUID]:
    return [getattr(row, name) for row in rows]


def _doubted(platform: str, books: Mapping[UUID, Kept], here: Mapping[UUID, VMState]) -> Doubts:
    return {
        vm_id: here.get(vm_id)
        for vm_id in books.keys() | here.keys()
        if judge(platform, books.get(vm_id), here.get(vm_id)) is not None
    }


async def _find_vm(
    platform: Platform, vm_id: UUID, kept: Kept | None, seen: VMState | None
) -> VMState | None:
    """The VM as it is now, whoever it belongs to."""
    owner_id = seen.owner_id if seen is not None else kept.account_id if kept is not None else None
    if owner_id is None:
        return None
    try:
        return await platform.get_vm(owner_id=owner_id, vm_id=vm_id)
    except NotFound:
        return None
