"""Finds what differs from a seller's books by digests: only ranges that differ are listed."""

from collections.abc import AsyncIterator
from uuid import UUID

from reselling_service.reconciliation import queries
from reselling_service.reconciliation.actions.asking import ask_charges, ask_digests
from reselling_service.reconciliation.actions.comparing import Comparison
from reselling_service.reconciliation.rules import Line, Ranges, differing, line_of
from shared.contract.inventory import ChargeLine, InventoryDigests


async def doubts(comparison: Comparison) -> AsyncIterator[UUID]:
    """The refs of services that look different, or whose charges do; some twice."""
    waiting = [("", True, True)]
    while waiting:
        prefix, for_services, for_charges = waiting.pop()
        theirs = await ask_digests(comparison.client, prefix)
        services, charges = await _differing(comparison, theirs)
        if prefix == "":
            comparison.counts["services"] += sum(each.count for each in theirs.services)
            comparison.counts["charges"] += sum(each.count for each in theirs.charges)
        comparison.counts["ranges"] += 1
        wanted_services = services if for_services else Ranges((), ())
        wanted_charges = charges if for_charges else Ranges((), ())
        waiting += [
            (cut, cut in wanted_services.cut, cut in wanted_charges.cut)
            for cut in sorted({*wanted_services.cut, *wanted_charges.cut})
        ]
        for listed in wanted_services.listed:
            for ref in await _services_of(comparison, listed):
                yield ref
        for listed in wanted_charges.listed if comparison.money else ():
            for ref in await _charges_of(comparison, listed):
                yield ref


async def _differing(comparison: Comparison, theirs: InventoryDigests) -> tuple[Ranges, Ranges]:
    seller_id = comparison.access.seller_id
    async with comparison.runtime.staff.read() as session:
        services = await queries.digest_services(session, seller_id, prefix=theirs.prefix)
        charges = await queries.digest_charges(session, seller_id, prefix=theirs.prefix)
    return differing(services, theirs.services), differing(charges, theirs.charges)


async def _services_of(comparison: Comparison, prefix: str) -> set[UUID]:
    """Refs of the services of this range that look different."""
    theirs: dict[UUID, Line] = {}
    after: str | None = None
    while True:
        page = await comparison.client.inventory(after, prefix=prefix)
        theirs |= {item.service_ref: line_of(item) for item in page.items}
        if page.next is None:
            break
        after = page.next
    async with comparison.runtime.staff.read() as session:
        ours = await queries.list_lines(session, comparison.access.seller_id, prefix=prefix)
    comparison.counts["listed"] += len(theirs)
    return {ref for ref in ours.keys() | theirs.keys() if ours.get(ref) != theirs.get(ref)}


async def _charges_of(comparison: Comparison, prefix: str) -> set[UUID]:
    """Refs of the services of this range of which some charge looks different."""
    lines = ask_charges(comparison.client, prefix)
    theirs = {line.operation_id: line async for line in lines}
    async with comparison.runtime.staff.read() as session:
        ours = await queries.list_charges(session, comparison.access.seller_id, prefix=prefix)
    comparison.counts["listed"] += len(theirs)
    return {
        (ours.get(each) or theirs[each]).service_ref
        for each in ours.keys() | theirs.keys()
        if not same_charge(ours.get(each), theirs.get(each))
    }


def same_charge(ours: ChargeLine | None, theirs: ChargeLine | None) -> bool:
    """Whether both sides know of the same amount."""
    return ours is not None and theirs is not None and ours.amount == theirs.amount
