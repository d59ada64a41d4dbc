"""Services at home for tests of the feed, and what the seller says of them."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from reselling_service.sellers.models import SellerFeed
from reselling_service.services.models import Service
from reselling_service.sync import queries
from shared.kit.ids import new_id
from tests.reselling.sellers.fake import NOON, new_status
from tests.reselling.sellers.rig import ALICE, Rig, until


async def create_service(rig: Rig, *, name: str = "web") -> UUID:
    """A service that was ordered from the rig's seller; its service_ref."""
    service_ref = uuid4()
    async with rig.runtime.staff.write() as session:
        session.add(
            Service(
                id=new_id(),
                client_id=rig.client_id,
                seller_id=rig.seller_id,
                tariff_id=new_id(),
                tariff_name="S",
                service_ref=service_ref,
                client_ref=uuid4(),
                name=name,
                hostname=session.vault.encrypt_text("web.example.com"),
                os="debian-12",
                period="month",
                price=500,
                currency="EUR",
                upstream_max_price=400,
                auto_renew=False,
                created_at=NOON,
            )
        )
    return service_ref


async def find_service(rig: Rig, service_ref: UUID) -> Service:
    statement = select(Service).where(Service.service_ref == service_ref)
    async with rig.runtime.staff.read() as session:
        return (await session.scalars(statement)).one()


async def find_feed(rig: Rig) -> SellerFeed:
    async with rig.runtime.staff.read() as session:
        return await queries.get_feed(session, ALICE, seller_id=rig.seller_id)


async def heard(rig: Rig, service_ref: UUID, revision: int) -> Service:
    """Wait until this revision was heard."""

    async def look() -> Service | None:
        row = await find_service(rig, service_ref)
        return row if row.heard_revision >= revision else None

    return await until(look)


def emit(rig: Rig, service_ref: UUID, revision: int, **changes: object) -> dict[str, Any]:
    """Have the seller tell of a new state of a service."""
    status = new_status(service_ref, revision=revision, **changes)
    rig.fake.services[str(service_ref)] = view(service_ref, revision, rig, **changes)
    return rig.fake.emit(service_ref=str(service_ref), service=status)


def view(service_ref: UUID, revision: int, rig: Rig, **changes: object) -> dict[str, Any]:
    """A service as GET shows it."""
    return new_status(service_ref, revision=revision, **changes) | {
        "hostname": "web.example.com",
        "data_center": "fra",
        "installation_id": str(rig.fake.installation_id),
        "created_at": NOON.isoformat(),
        "renewal_price": {"amount": 400, "currency": "EUR"},
        "allowed": [],
    }
