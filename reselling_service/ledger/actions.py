"""What may be done with the clients' money by staff; holds and charges are made through BOOKS.

Whoever waits for a client's money hears of a payment through a job of kind `client_topped_up`
(payload `client_id`). The room of services has the task for it.
"""

from dataclasses import dataclass
from uuid import UUID

from reselling_service.ledger import queries
from reselling_service.ledger.errors import REFERENCE_TAKEN
from reselling_service.ledger.models import BOOKS, TOP_UP, Entry
from reselling_service.staff.actions import audit
from shared.kit.bookkeeping import Posting
from shared.kit.db import WriteSession
from shared.kit.jobs import enqueue
from shared.kit.people import StaffPrincipal, Unattended
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError, not_found

TOPPED_UP_JOB = "client_topped_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money that a client paid: minor units, under a reference of its own."""

    reference: UUID
    amount: int
    currency: str
    text: str


async def top_up(
    session: WriteSession, staff: StaffPrincipal | Unattended, client_id: ClientId, payment: Payment
) -> Entry:
    """Add a payment once; a repeat gives the first entry. Raises `not_found`, `reference_taken`."""
    if not await queries.client_exists(session, client_id):
        raise not_found("client")
    await BOOKS.open_balance(session, owner=client_id, currency=payment.currency)
    # The same button clicked twice at once: the second waits here, and then sees the first.
    await queries.lock_balance(session, client_id)
    if await queries.client_is_erased(session, client_id):
        raise not_found("client")
    before = await queries.find_top_up(session, client_id, reference=payment.reference)
    if before is not None:
        return _same(before, payment)
    posting = Posting(
        kind=TOP_UP,
        text=payment.text,
        reference=payment.reference,
        currency=payment.currency,
    )
    await BOOKS.top_up(session, owner=client_id, amount=payment.amount, posting=posting)
    entry = await queries.get_top_up(session, client_id, reference=payment.reference)
    await audit(
        session,
        staff,
        "client.top_up",
        object_type="client",
        object_id=client_id,
        after={"amount": payment.amount, "reference": str(payment.reference)},
    )
    await enqueue(session, TOPPED_UP_JOB, payload={"client_id": client_id}, tenant_id=client_id)
    return entry


def _same(entry: Entry, payment: Payment) -> Entry:
    if (entry.amount, entry.text) != (payment.amount, payment.text):
        detail = "This reference was used for another payment. Make a new one for a new payment."
        raise ProblemError(REFERENCE_TAKEN, detail)
    return entry
