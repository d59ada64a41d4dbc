"""Notes what sellers say that they have charged us: told with the end of an operation."""

from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from reselling_service.services.models import SellerCharge, Service
from shared.contract.basics import CommandKind, Money
from shared.contract.operations import Operation
from shared.kit.db import WriteSession

ORDER, RENEWAL = "order", "renewal"


async def note_charge(session: WriteSession, seller_id: UUID, operation: Operation) -> None:
    """Keep the charge that the operation's result tells of; told again, nothing changes."""
    try:
        amount = Money.model_validate((operation.result or {}).get("charged"))
    except ValidationError:
        # An older seller tells none; the next comparison learns of it.
        return
    await keep_charge(
        session,
        SellerCharge(
            seller_id=seller_id,
            operation_id=operation.id,
            command_id=operation.command_id,
            service_ref=operation.service_ref,
            kind=ORDER if operation.kind == CommandKind.ORDER else RENEWAL,
            amount=amount.amount,
            currency=amount.currency,
            at=operation.finished_at or operation.created_at,
        ),
    )


async def void_all(session: WriteSession, service: Service) -> None:
    """Strike out all charges of a service that its seller knows nothing of any more."""
    await session.execute(
        delete(SellerCharge).where(
            SellerCharge.seller_id == service.seller_id,
            SellerCharge.service_ref == service.service_ref,
        )
    )


async def keep_charge(session: WriteSession, charge: SellerCharge) -> None:
    """Keep a charge, once per operation."""
    values = {
        column.key: getattr(charge, column.key) for column in SellerCharge.__mapper__.column_attrs
    }
    await session.execute(insert(SellerCharge).values(values).on_conflict_do_nothing())
