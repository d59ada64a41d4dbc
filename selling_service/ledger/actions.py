"""What staff do to a partner's money: top up, pay out, correct, set the credit limit."""

from uuid import UUID

from selling_service.ledger.errors import REFERENCE_USED
from selling_service.ledger.models import BOOKS, Balance
from selling_service.ledger.queries import Line, check_partner, find_posting, get_posting
from selling_service.ledger.rules import ByHand, signed
from selling_service.staff.actions import audit
from shared.kit.bookkeeping import Book, Posting
from shared.kit.db import WriteSession
from shared.kit.jobs import enqueue
from shared.kit.people.principals import Doer
from shared.kit.problems import ProblemError


async def book_by_hand(
    session: WriteSession,
    staff: Doer,
    partner_id: UUID,
    kind: ByHand,
    *,
    amount: int,
    reference: UUID,
    text: str,
) -> Line:
    """Book once per reference; the line on the statement, the same again for a repeat.

    Raises `not_found`, `insufficient_balance`, `invalid_request`, and `reference_used` where the
    reference came with another content.
    """
    await check_partner(session, partner_id)
    # Whoever repeats waits here, and then finds what the first has booked.
    await BOOKS.lock(session, owner=partner_id)
    change = signed(kind, amount)
    known = await find_posting(session, partner_id, reference=reference)
    if known is not None:
        if (known.entry.kind, known.entry.amount, known.entry.text) != (kind, change, text):
            detail = "This reference was booked with another content. Use a new one."
            raise ProblemError(REFERENCE_USED, detail)
        return known
    posting = Posting(kind=kind, text=text, reference=reference)
    against = Book.REVENUE if kind is ByHand.CORRECTION else Book.CASH
    transaction_id = await BOOKS.top_up(
        session, owner=partner_id, amount=change, posting=posting, against=against
    )
    await audit(
        session,
        staff,
        f"balance.{kind}",
        object_type="partner",
        object_id=partner_id,
        after={"amount": change, "reference": reference, "text": text},
    )
    await _look_at_debt(session, partner_id)
    return await get_posting(session, partner_id, transaction_id=transaction_id)


async def set_credit_limit(
    session: WriteSession, staff: Doer, partner_id: UUID, *, credit_limit: int
) -> Balance:
    """Set how far the balance may go below zero; holds and debts stay. Raises `not_found`."""
    await check_partner(session, partner_id)
    before = await BOOKS.set_credit_limit(session, owner=partner_id, credit_limit=credit_limit)
    if before != credit_limit:
        await audit(
            session,
            staff,
            "balance.credit_limit",
            object_type="partner",
            object_id=partner_id,
            before={"credit_limit": before},
            after={"credit_limit": credit_limit},
        )
        await _look_at_debt(session, partner_id)
    return await BOOKS.balance(session, owner=partner_id)


async def _look_at_debt(session: WriteSession, partner_id: UUID) -> None:
    """Have it decided which of the partner's services may run.

    The job's row is locked after the balance's: a completion closes its job last, too.
    """
    await enqueue(
        session,
        "partner_debt",
        payload={"partner_id": str(partner_id)},
        tenant_id=partner_id,
        dedupe_key=f"partner_debt:{partner_id}",
    )
