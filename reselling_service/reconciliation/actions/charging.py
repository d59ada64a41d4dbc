"""Compares the charges of one service: what the seller has charged us, and what we know of."""

from dataclasses import replace
from functools import partial
from uuid import UUID

from reselling_service.commands.models import Command
from reselling_service.commands.rules import CommandStatus
from reselling_service.reconciliation import queries
from reselling_service.reconciliation.actions.asking import ask_charges_of
from reselling_service.reconciliation.actions.comparing import Comparison
from reselling_service.reconciliation.actions.ranging import same_charge
from reselling_service.reconciliation.rules import GIVE_BACK, Kind, charge_words, finding
from reselling_service.services import queries as services
from reselling_service.services.actions import renew_again
from reselling_service.services.actions.again import asked_from
from reselling_service.services.actions.charges import ORDER, keep_charge
from reselling_service.services.models import SellerCharge, Service
from reselling_service.services.rules import Life
from shared.contract.inventory import ChargeLine
from shared.kit.db import WriteSession
from shared.kit.reconciling import Finding, Way

_RANGE = 8


async def look_at_charges(comparison: Comparison, service_ref: UUID) -> None:
    """Compare the charges of one service that both sides know."""
    seller_id, prefix = comparison.access.seller_id, service_ref.hex[:_RANGE]
    told = await ask_charges_of(comparison.client, service_ref)
    theirs = {line.operation_id: line for line in told}
    async with comparison.runtime.staff.read() as session:
        service = await queries.find_by_ref(session, seller_id, service_ref=service_ref)
        known = await queries.list_charges(session, seller_id, prefix=prefix)
    if service is None:
        return
    ours = {key: line for key, line in known.items() if line.service_ref == service_ref}
    for key in sorted(ours.keys() | theirs.keys()):
        own, its = ours.get(key), theirs.get(key)
        if same_charge(own, its):
            continue
        if own is None and its is not None:
            await _unknown_here(comparison, service, its)
        elif own is not None and its is None:
            replaced = own.kind == ORDER and any(each.kind == ORDER for each in theirs.values())
            await _unknown_there(comparison, service, own, replaced=replaced)
        else:
            found = _about(comparison, Kind.CHARGE_AMOUNT, service, own, its)
            async with comparison.runtime.staff.write() as session:
                await comparison.keep(session, found)


async def _unknown_here(comparison: Comparison, service: Service, line: ChargeLine) -> None:
    async with comparison.runtime.staff.write() as session:
        command = await queries.find_command(session, command_id=line.command_id)
        if command is not None and command.settled_at is None:
            return
        # The client has paid for it: only the telling of it was lost.
        paid = command is not None and command.state == CommandStatus.SUCCEEDED
        found = _about(comparison, Kind.CHARGE_UNKNOWN_HERE, service, None, line, safe=paid)
        await comparison.keep(session, found, partial(_learn, service.seller_id, line))


async def _learn(seller_id: UUID, line: ChargeLine, session: WriteSession) -> bool:
    await learn(session, seller_id, line)
    return True


async def learn(session: WriteSession, seller_id: UUID, line: ChargeLine) -> None:
    """Take a seller's charge into our books."""
    await keep_charge(
        session,
        SellerCharge(
            seller_id=seller_id,
            operation_id=line.operation_id,
            command_id=line.command_id,
            service_ref=line.service_ref,
            kind=line.kind,
            amount=line.amount.amount,
            currency=line.amount.currency,
            at=line.at,
        ),
    )


async def _unknown_there(
    comparison: Comparison, service: Service, line: ChargeLine, *, replaced: bool
) -> None:
    """The seller has forgotten a charge: it gave the money back by being restored."""
    async with comparison.runtime.staff.read() as session:
        before = await queries.find_command(session, command_id=line.command_id)
        repeat = await queries.find_repeat(session, before) if before is not None else None
        busy = bool((await services.find_open_commands(session, [service]))[service.id])
    if busy:
        return
    void = partial(_void, service.seller_id, line.operation_id)
    if replaced or (repeat is not None and repeat.state == CommandStatus.SUCCEEDED):
        found = _about(comparison, Kind.CHARGE_UNKNOWN_THERE, service, line, None, safe=True)
        async with comparison.runtime.staff.write() as session:
            await comparison.keep(session, found, void, follows=True)
        return
    # Of an order there is no term to renew, nor of a service that was given up.
    has_term = line.kind != ORDER and service.wanted_life != Life.CANCELLED
    renewable = (
        before is not None
        and repeat is None
        and has_term
        and asked_from(before) == service.heard_paid_until
        and await comparison.client.command(before.id) is None
    )
    found = _about(comparison, Kind.CHARGE_UNKNOWN_THERE, service, line, None, safe=renewable)
    if not has_term:
        found = replace(found, ways=(Way.UNDO,), repair=GIVE_BACK)
    if renewable and before is not None:
        again = partial(_renew_again, service.id, before, line.amount.amount)
        await comparison.keep_later(found, again)
        return
    async with comparison.runtime.staff.write() as session:
        await comparison.keep(session, found)


async def _renew_again(
    service_id: UUID, before: Command, amount: int, session: WriteSession
) -> bool:
    service = await services.lock_by_id(session, service_id=service_id)
    if service is not None:
        await renew_again(session, service, before=before, max_price=amount)
    return False


async def _void(seller_id: UUID, operation_id: UUID, session: WriteSession) -> bool:
    await void(session, seller_id, operation_id)
    return True


async def void(session: WriteSession, seller_id: UUID, operation_id: UUID) -> None:
    """Strike out a charge that the seller doesn't know (any more)."""
    row = await queries.find_charge(session, seller_id, operation_id=operation_id)
    if row is not None:
        await session.delete(row)
        await session.flush()


def _about(
    comparison: Comparison,
    kind: Kind,
    service: Service,
    ours: ChargeLine | None,
    theirs: ChargeLine | None,
    *,
    safe: bool = False,
) -> Finding:
    line = ours or theirs
    return finding(
        kind,
        key=line.operation_id if line is not None else service.service_ref,
        seller_id=comparison.access.seller_id,
        refs={
            "service": service.id,
            "service_ref": service.service_ref,
            "client": service.client_id,
            "operation": line.operation_id if line is not None else None,
        },
        ours=charge_words(ours),
        theirs=charge_words(theirs),
        safe=safe,
    )
