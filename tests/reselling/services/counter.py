"""Furnishes the running application with something to sell."""

from uuid import UUID

from tests.reselling.house import JSON, House, Person
from tests.reselling.services.shop import furnish


async def open_counter(house: House) -> UUID:
    """A seller with one tariff on sale; the tariff's id."""
    async with house.runtime.staff.write() as session:
        _seller_id, _installation_id, tariff_id = await furnish(session)
    return tariff_id


def order_body(tariff_id: UUID, **options: JSON) -> dict[str, JSON]:
    """A valid order."""
    chosen = {"os": "debian-12", "hostname": "web-1.example.com"} | options
    return {"tariff_id": str(tariff_id), "period": "month", "options": chosen}


async def buy(house: House, client: Person, tariff_id: UUID) -> JSON:
    """A client with money orders; the service as the client sees it."""
    await house.top_up(client, 10_000)
    order = await client.post("/client/v1/orders", order_body(tariff_id))
    return await client.get(f"/client/v1/services/{order['service_id']}")
