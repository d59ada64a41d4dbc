"""Whatever is wished, refused, told twice or moved by others: in the end wanted and heard agree."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from reselling_service.commands.models import Command
from reselling_service.ledger.models import Hold
from reselling_service.services import actions
from reselling_service.services.models import Service
from reselling_service.services.rules import Cause
from shared.contract.basics import SuspensionReason, TerminateWhen
from shared.kit.problems import ProblemError
from tests.reselling.services.host import Host, Refuses
from tests.reselling.services.shop import BY_CLIENT, BY_STAFF, Shop, execute, open_shop

Found = TypeVar("Found")
Wish = Callable[..., Awaitable[None]]
OTHER = SuspensionReason.OTHER
WISHES: dict[str, Wish] = {
    "start": actions.start,
    "stop": actions.stop,
    "restart": actions.restart,
    "renew": actions.renew,
    "terminate": partial(actions.terminate, when=TerminateWhen.NOW),
    "terminate later": partial(actions.terminate, when=TerminateWhen.PERIOD_END),
    "restore": partial(actions.restore, with_renewal=True),
    **{f"suspend {cause}": partial(actions.suspend, cause=cause, reason=OTHER) for cause in Cause},
    **{f"resume {cause}": partial(actions.resume, cause=cause) for cause in Cause},
}
CODES = st.sampled_from(["wrong_state", "insufficient_balance", "term_moved"])


class ServiceMachine(RuleBasedStateMachine):
    """One service of one client; every rule is what one process does in one transaction."""

    runner: asyncio.Runner
    shop: Shop

    def __init__(self) -> None:
        super().__init__()
        self.heard_up_to = 0
        self.revision = 0

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        return self.runner.run(work)

    @initialize()
    def order(self) -> None:
        self.run(self.shop.top_up(1_000_000))
        self.service: Service = self.run(self.shop.order())
        self.host = Host(self.shop.voice(self.service))
        self.served: set[object] = set()

    @rule(name=st.sampled_from(sorted(WISHES)), by_client=st.booleans())
    def wish(self, name: str, *, by_client: bool) -> None:
        asker = BY_CLIENT if by_client else BY_STAFF
        with contextlib.suppress(ProblemError):
            self.run(self.shop.wish(self.service, WISHES[name], asker))

    @rule(luck=st.integers(0, 9), code=CODES)
    def serve(self, luck: int, code: str) -> None:
        """The seller takes the next command: one in ten is refused, one in ten fails."""
        waiting = [
            command
            for command in self.run(self.shop.open_commands(self.service))
            if command.id not in self.served
        ]
        if waiting:
            self.served.add(waiting[0].id)
            self.run(self._serve(waiting[0], luck, code))

    async def _serve(self, command: Command, luck: int, code: str) -> None:
        if luck == 0:
            await self.shop.refuse(command, code)
        elif luck == 1:
            self.host.fail(command)
        else:
            try:
                self.host.carry_out(command)
            except Refuses as refusal:
                await self.shop.refuse(command, str(refusal))

    @rule(suspends=st.booleans())
    def provider(self, *, suspends: bool) -> None:
        self.host.provider(suspends=suspends)

    @rule(power=st.sampled_from(["running", "stopped"]))
    def panel(self, power: str) -> None:
        self.host.panel(power=power)

    @rule(chance=st.integers(0, 5))
    def delete(self, chance: int) -> None:
        if chance == 0:
            self.host.delete()

    @rule()
    def hear_next(self) -> None:
        if self.heard_up_to < len(self.host.told):
            self.run(self.shop.hear(self.host.told[self.heard_up_to]))
            self.heard_up_to += 1

    @rule(back=st.integers(1, 6))
    def hear_again(self, back: int) -> None:
        if self.heard_up_to:
            self.run(self.shop.hear(self.host.told[max(0, self.heard_up_to - back)]))

    @rule(days=st.integers(1, 31))
    def time_goes_by(self, days: int) -> None:
        self.shop.clock.advance(timedelta(days=days))
        self.run(self.shop.work())

    @invariant()
    def money_is_held_as_long_as_its_command_is_open(self) -> None:
        if not hasattr(self, "service"):
            return
        for command, hold in self.run(self._paid_commands()):
            ends = {"succeeded": "captured", None: "open"}
            end = command.state if command.settled_at is not None else None
            assert hold.state == ends.get(end, "released")
            assert hold.reference == command.id

    @invariant()
    def no_term_is_asked_for_twice_at_once(self) -> None:
        if not hasattr(self, "service"):
            return
        open_commands = self.run(self.shop.open_commands(self.service))
        asked = [command.summary["from"] for command in open_commands if _prolongs(command)]
        assert len(asked) == len(set(asked))

    @invariant()
    def revision_never_goes_back(self) -> None:
        if not hasattr(self, "service"):
            return
        found = self.run(self.shop.service(self.service.id)).heard_revision
        assert found >= self.revision
        self.revision = found

    async def _paid_commands(self) -> list[tuple[Command, Hold]]:
        async with self.shop.runtime.staff.read() as session:
            rows = await session.execute(
                select(Command, Hold)
                .join(Hold, Hold.id == Command.hold_id)
                .where(Command.service_id == self.service.id)
            )
            return [(command, hold) for command, hold in rows]

    def teardown(self) -> None:
        if not hasattr(self, "service"):
            return
        while self.run(self.shop.open_commands(self.service)):
            self.serve(luck=9, code="wrong_state")
            self.hear_next()
        while self.heard_up_to < len(self.host.told):
            self.hear_next()
        assert self.run(self.shop.open_commands(self.service)) == []
        self.money_is_held_as_long_as_its_command_is_open()
        assert self.run(self.shop.agrees(self.service)), self.run(self._told())
        self.run(execute(self.shop, "DELETE FROM jobs"))

    async def _told(self) -> str:
        service = await self.shop.service(self.service.id)
        causes = await self.shop.causes(service)
        wanted = (service.wanted_life, service.terminate_when, service.wanted_power, causes)
        return f"wanted {wanted}, heard {service.heard}"


def _prolongs(command: Command) -> bool:
    return bool(command.summary.get("from"))


@pytest.mark.slow
def test_wanted_and_heard_agree_in_the_end(reselling_database_url: str) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        shop = runner.run(stack.enter_async_context(open_shop(reselling_database_url)))
        try:
            ServiceMachine.runner, ServiceMachine.shop = runner, shop
            run_state_machine_as_test(
                ServiceMachine,
                settings=settings(max_examples=20, stateful_step_count=20, deadline=None),
            )
        finally:
            runner.run(stack.aclose())
