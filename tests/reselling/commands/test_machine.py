"""Whatever happens to a command in whatever order: it ends once, and its money moves once."""

import asyncio
from collections.abc import Callable, Coroutine
from uuid import UUID, uuid4

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from reselling_service.commands import actions
from reselling_service.commands.models import Command
from reselling_service.commands.rules import TRANSITIONS, CommandStatus
from reselling_service.database import ResellingRuntime
from reselling_service.ledger.models import BOOKS, Hold
from reselling_service.sellers.actions.connect import connect_seller
from shared.contract.basics import CommandKind
from shared.contract.offers import About
from shared.contract.operations import CommandRecord, Operation
from shared.contract.services import PowerRequest
from shared.kit.bookkeeping import Posting
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.people import Unattended
from tests.reselling.sellers.fake import NOON, FakeSeller
from tests.reselling.sellers.rig import new_runtime

ENDS = ("succeeded", "failed", "superseded", "cancelled")
STATES = st.sampled_from(["queued", "running", "waiting", *ENDS])
Step = Callable[[WriteSession, Command], Coroutine[object, object, object]]


class CommandMachine(RuleBasedStateMachine):
    """One command with 500 of its client's money held for it."""

    runner: asyncio.Runner
    runtime: ResellingRuntime
    seller_id: UUID

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeSeller()
        self.client_id, self.command_id, self.hold_id = new_id(), new_id(), new_id()
        self.state, self.attempts, self.ended = CommandStatus.QUEUED, 0, False

    @initialize()
    def send(self) -> None:
        async def make() -> None:
            async with self.runtime.staff.write() as session:
                await BOOKS.open_balance(session, owner=self.client_id, currency="EUR")
                posting = Posting(kind="x", text="x")
                await BOOKS.top_up(session, owner=self.client_id, amount=1000, posting=posting)
                hold = await BOOKS.hold(session, owner=self.client_id, amount=500, posting=posting)
                command = await actions.send_command(
                    session,
                    seller_id=self.seller_id,
                    client_id=self.client_id,
                    service_id=new_id(),
                    service_ref=uuid4(),
                    kind=CommandKind.START,
                    body=PowerRequest(),
                    asked_by="staff",
                    hold_id=hold.id,
                )
            self.command_id, self.hold_id = command.id, hold.id

        self.runner.run(make())

    def step(self, step: Step) -> object:
        async def act() -> object:
            async with self.runtime.staff.write() as session:
                command = await session.get_one(Command, self.command_id)
                return await step(session, command)

        return self.runner.run(act())

    def operation(self, state: str) -> Operation:
        found = self.fake.operation(str(self.command_id), "start", str(uuid4()))
        return Operation.model_validate(found | {"state": state})

    @rule()
    def attempt(self) -> None:
        began = self.step(actions.begin_attempt)
        assert began is (self.state in {"queued", "unanswered"})
        self.attempts += bool(began)

    @rule(state=STATES)
    def accepted(self, state: str) -> None:
        found = self.operation(state)
        moved = self.step(lambda session, command: actions.accept(session, command, found))
        assert moved is (self.state in {"unanswered", "cancelling"})

    @rule()
    def cancel_at_home(self) -> None:
        cancelled = self.step(actions.cancel_unsent)
        assert cancelled is (self.attempts == 0 and not self.ended)

    @rule()
    def wish_cancelled(self) -> None:
        self.step(actions.wish_cancelled)

    @rule()
    def seller_will_not_cancel(self) -> None:
        self.step(actions.go_on_waiting)

    @rule()
    def seller_forgot(self) -> None:
        self.step(actions.send_again)

    @rule(state=STATES)
    def record(self, state: str) -> None:
        record = CommandRecord(
            command_id=self.command_id,
            state="cancelled" if state == "cancelled" else "accepted",
            received_at=NOON,
            operation=self.operation(state),
            problem=None,
        )
        self.step(lambda session, command: actions.settle_by_record(session, command, record))

    @rule(end=st.sampled_from([*ENDS, "refused"]))
    def settle(self, end: str) -> None:
        settled = self.step(lambda session, command: actions.settle(session, command, state=end))
        assert settled is not self.ended

    @invariant()
    def goes_one_way_and_moves_money_once(self) -> None:
        async def look() -> tuple[Command, Hold, int]:
            async with self.runtime.staff.read() as session:
                command = await session.get_one(Command, self.command_id)
                hold = await session.get_one(Hold, self.hold_id)
                balance = await BOOKS.balance(session, owner=self.client_id)
                return command, hold, balance.balance - balance.held

        command, hold, available = self.runner.run(look())
        state = CommandStatus(command.state)
        if state is not self.state:
            # A rule may take two steps: through `unanswered` nothing is lost.
            assert state in TRANSITIONS[self.state]
        assert command.attempts == self.attempts
        self.state, self.ended = state, not TRANSITIONS[state]
        wanted = {CommandStatus.SUCCEEDED: ("captured", 500)}.get(
            state, ("released", 1000) if self.ended else ("open", 500)
        )
        assert (hold.state, available) == wanted
        assert (command.settled_at is not None) is self.ended
        assert (command.body == b"") is self.ended


def test_commands_end_once(reselling_database_url: str) -> None:
    runtime, _clock = new_runtime(reselling_database_url)
    fake = FakeSeller(url="http://127.0.0.1:1")

    async def connect() -> UUID:
        async with runtime.staff.write() as session:
            about = About.model_validate(fake._about())
            made = await connect_seller(
                session, Unattended.CLI, name="A", url=fake.url, key=fake.key, about=about
            )
            return made.id

    async def close() -> None:
        await runtime.staff.aclose()
        await runtime.app.aclose()

    with asyncio.Runner() as runner:
        CommandMachine.runner, CommandMachine.runtime = runner, runtime
        CommandMachine.seller_id = runner.run(connect())
        run_state_machine_as_test(
            CommandMachine,
            settings=settings(max_examples=25, stateful_step_count=12, deadline=None),
        )
        runner.run(close())
