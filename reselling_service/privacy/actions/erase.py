"""Forgets a client: identity goes, money rows stay with somebody who has no name.

Refused while anything of theirs lives or is owed, with all that stands in the way.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, case, cast, delete, func, text, update

from reselling_service.clients.actions.login import shut_out
from reselling_service.clients.models import Client
from reselling_service.clients.queries import get_client
from reselling_service.clients.rules import ClientState
from reselling_service.commands.models import Attempt, Command
from reselling_service.database import Job
from reselling_service.desk.models import DeskCase
from reselling_service.ledger.models import BOOKS
from reselling_service.orders.models import Order
from reselling_service.privacy import queries
from reselling_service.privacy.errors import ERASURE_BLOCKED
from reselling_service.reconciliation.models import Difference
from reselling_service.services.models import Service, WantedSuspension
from reselling_service.staff.actions import audit
from reselling_service.staff.models import PEOPLE
from shared.contract.basics import Money
from shared.kit.bookkeeping import HoldState, Posting
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.people import StaffPrincipal, redact_audit
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError

ERASED = "erased"
# Its code stays. Where there is no problem, it may be null as JSON knows it.
_WITHOUT_WORDS = case(
    (
        func.jsonb_typeof(Command.problem) == "object",
        Command.problem.op("-")(cast("detail", Text)),
    ),
    else_=Command.problem,
)
_ENTRIES = text("SELECT erase_entry_texts(:client_id)")


async def erase_client(
    session: WriteSession, staff: StaffPrincipal, client_id: ClientId, *, paid_out: Money | None
) -> Client:
    """Forget a client for ever; done already, nothing happens.

    Raises `not_found`, `erasure_blocked`. Orders wait for the client's lock, payments for the
    balance's, so that nothing slips in between the question and the end.
    """
    client = await get_client(session, client_id, lock=True)
    if client.erased_at is not None:
        return client
    balance = await BOOKS.lock(session, owner=client_id)
    paid = paid_out is not None and paid_out.currency == balance.currency
    left = balance.balance - (paid_out.amount if paid_out and paid else 0)
    blockers = await _blockers(session, client_id)
    if left or (paid_out is not None and (not paid or paid_out.amount < 0)):
        amount = Money(amount=balance.balance, currency=balance.currency)
        blockers.append({"kind": "balance", **amount.model_dump()})
    if blockers:
        kinds = ", ".join(sorted({str(blocker["kind"]) for blocker in blockers}))
        detail = f"Nothing was erased. See blockers: {kinds}. A balance is paid out by `paid_out`."
        raise ProblemError(ERASURE_BLOCKED, detail, blockers=blockers)
    if balance.balance:
        posting = Posting(kind="payout", text="Paid out", reference=new_id())
        await BOOKS.top_up(session, owner=client_id, amount=-balance.balance, posting=posting)
    await _forget_audit(session, staff, client_id)
    await _forget_identity(session, client)
    await _forget_content(session, client_id)
    await audit(session, staff, "client.erase", object_type="client", object_id=client_id)
    return client


async def _blockers(session: WriteSession, client_id: ClientId) -> list[dict[str, Any]]:
    """What must come to its end first."""
    return [
        *(
            {"kind": "service", "id": str(row.id), "state": row.heard_state or row.wanted_life}
            for row in await queries.standing_services(session, client_id)
        ),
        *(
            {"kind": "command", "id": str(row.id), "state": row.state}
            for row in await queries.open_commands(session, client_id)
        ),
        *(
            {"kind": "hold", "id": str(row.id), "amount": row.amount}
            for row in await queries.holds_of(session, client_id, state=HoldState.OPEN)
        ),
    ]


async def _forget_audit(session: WriteSession, staff: StaffPrincipal, client_id: ClientId) -> None:
    objects = await queries.objects_of(session, client_id)
    entries = [row.id for row in await queries.audit_of(session, objects)]
    await redact_audit(session, PEOPLE, staff, entries, object_type="client", object_id=client_id)
    await _forget_reasons(session, client_id, objects)
    noted = update(DeskCase).where(DeskCase.object_id.in_(objects))
    await session.execute(noted.values(note=None))


async def _forget_reasons(
    session: WriteSession, client_id: ClientId, objects: Sequence[UUID]
) -> None:
    """What staff wrote when they decided on a difference of one of the client's services."""
    refs = [row.service_ref for row in await queries.services_of(session, client_id)]
    named = [f"%{name}%" for name in (*objects, *refs)]
    found = cast(Difference.refs, Text).like(any_(cast(named, ARRAY(Text))))
    await session.execute(
        update(Difference)
        .where(Difference.reason.is_not(None), found)
        .values(reason=None)
        .execution_options(synchronize_session=False)
    )


async def _forget_identity(session: WriteSession, client: Client) -> None:
    """Also what of the login is known to nobody but by its HMAC."""
    await shut_out(session, client)
    client.email = f"{client.id}@{ERASED}.invalid"
    client.name = ERASED
    client.phone = client.address = client.note = client.password_hash = None
    client.state, client.erased_at = ClientState.CLOSED, session.clock.now()
    await session.flush()
    await session.execute(_ENTRIES, {"client_id": client.id})


async def _forget_content(session: WriteSession, client_id: ClientId) -> None:
    """What they called their services, and what anybody wrote beside them."""
    hidden = session.vault.encrypt_text(ERASED)
    now = session.clock.now()
    for statement in (
        update(Service)
        .where(Service.client_id == client_id)
        .values(name=ERASED, hostname=hidden, hostname_before=None, forgotten_at=now),
        delete(WantedSuspension).where(WantedSuspension.client_id == client_id),
        update(Order)
        .where(Order.client_id == client_id)
        .values(request_key=None, fingerprint=None),
        update(Command)
        .where(Command.client_id == client_id)
        .values(body=b"", problem=_WITHOUT_WORDS),
        update(Attempt).where(Attempt.client_id == client_id).values(detail=None),
        update(Job).where(Job.tenant_id == client_id).values(last_error=None),
    ):
        await session.execute(statement.execution_options(synchronize_session=False))
