"""What a seller is asked for comparisons: digests by range, and charge lines."""

from collections.abc import AsyncIterator
from uuid import UUID

from reselling_service.sellers.client import SellerClient
from shared.contract.basics import Page
from shared.contract.inventory import ChargeLine, InventoryDigests

# Digits of a range so small that it holds hardly more than one service.
_SMALLEST = 8
# A seller reads everything for the digests of a whole side: of a million lines in some seconds.
_DIGEST_SECONDS = 300.0


async def ask_digests(client: SellerClient, prefix: str) -> InventoryDigests:
    """Counts and digests of our services and charges, by range. Raises SellerProblem."""
    return await client.read(
        InventoryDigests, "/inventory/digests", seconds=_DIGEST_SECONDS, prefix=prefix
    )


async def ask_charges(client: SellerClient, prefix: str) -> AsyncIterator[ChargeLine]:
    """What our services of a range were charged. Raises SellerProblem."""
    after: str | None = None
    while True:
        page = await client.read(Page[ChargeLine], "/inventory/charges", after=after, prefix=prefix)
        for line in page.items:
            yield line
        if page.next is None:
            return
        after = page.next


async def ask_charges_of(client: SellerClient, service_ref: UUID) -> list[ChargeLine]:
    """What one service was charged, oldest first. Raises SellerProblem."""
    lines = ask_charges(client, service_ref.hex[:_SMALLEST])
    return [line async for line in lines if line.service_ref == service_ref]
