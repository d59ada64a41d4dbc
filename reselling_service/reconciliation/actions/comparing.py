"""One comparison with one seller: what it has found, tried and couldn't do.

What would send commands again waits until all is found: few go out alone, many wait for people,
since then something is wrong that no single row shows (another seller at this address, say).
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from reselling_service.database import ResellingRuntime
from reselling_service.reconciliation.models import DESK
from reselling_service.sellers.client import SellerClient
from reselling_service.sellers.queries import SellerAccess
from shared.kit.db import WriteSession
from shared.kit.reconciling import Finding, Recorder, Way, note_tried
from shared.kit.reconciling.report import REPAIRS

Repair = Callable[[WriteSession], Awaitable[bool]]
_log = structlog.get_logger(__name__)


@dataclass
class Comparison:
    """The state of one comparison. `repair` callables say whether the difference is gone by it.

    `money`: our key may read charges.
    """

    runtime: ResellingRuntime
    access: SellerAccess
    client: SellerClient
    recorder: Recorder
    tried: int = 0
    money: bool = True
    _waiting: list[tuple[Finding, Repair]] = field(default_factory=list)
    _too_many: bool = False

    @property
    def counts(self) -> Counter[str]:
        """How much was compared and found."""
        return self.recorder.counts

    async def keep(
        self,
        session: WriteSession,
        finding: Finding,
        repair: Repair | None = None,
        *,
        follows: bool = False,
    ) -> None:
        """Write a difference down and, where that is safe and was never tried, repair it.

        `follows`: this repair comes after another one of this difference, which has succeeded.
        """
        row = await self.recorder.record(session, finding)
        if repair is None or not finding.safe:
            return
        if row.decision == Way.IGNORE or (not follows and (row.tried_at or row.decision)):
            return
        gone = await repair(session)
        await note_tried(session, DESK, row.id, gone=gone)
        self.tried += 1
        REPAIRS.labels(finding.kind).inc()
        _log.info("reconciliation.repaired", kind=finding.kind, key=finding.key)

    async def keep_later(self, finding: Finding, repair: Repair) -> None:
        """Write down a difference whose repair sends a command, when all are known."""
        self._waiting.append((finding, repair))
        if self._too_many or len(self._waiting) > self.runtime.settings.reconciliation_most_alone:
            self._too_many = True
            await self.send_again()

    async def send_again(self) -> None:
        """Send again what waits for it, or leave it to people where it is too much at once."""
        waiting, self._waiting = self._waiting, []
        for finding, repair in waiting:
            many = self._too_many
            note = " Too many at once to be sent alone: look first." if many else ""
            kept = replace(finding, safe=not many, repair=finding.repair + note)
            async with self.runtime.staff.write() as session:
                await self.keep(session, kept, repair)
