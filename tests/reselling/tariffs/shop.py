"""A seller on loopback whose catalogue the test fills."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.kit.ids import new_id
from tests.reselling.house import House
from tests.reselling.sellers.fake import NOON, Answer, FakeSeller, answer


@dataclass
class Shop(FakeSeller):
    """A fake seller with a catalogue."""

    tariffs: list[dict[str, Any]] = field(default_factory=list)
    currency: str = "EUR"

    def offer(self, code: str = "vm-s", **changes: object) -> dict[str, Any]:
        """Put a tariff into the catalogue: a month for 990.5, set-up 100, an hour for 1.4."""
        tariff: dict[str, Any] = {
            "tariff_id": str(new_id()),
            "version": 1,
            "code": code,
            "title": f"Upstream {code}",
            "data_center": "dc-1",
            "resources": {"vcpu": 1, "ram_mib": 1024, "disk_gib": 10, "ipv4": 1},
            "os_templates": [{"code": "debian-12", "title": "Debian 12"}],
            "prices": [self.price("month", "990.5", "100"), self.price("hour", "1.4")],
            "in_stock": 5,
            "orderable": True,
            "effective_from": NOON.isoformat(),
        } | changes
        self.tariffs.append(tariff)
        return tariff

    def price(self, period: str, price: str, setup_fee: str = "0") -> dict[str, Any]:
        return {
            "period": period,
            "price": {"amount": price, "currency": self.currency},
            "setup_fee": {"amount": setup_fee, "currency": self.currency},
        }

    def _answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, str]
    ) -> Answer:
        if path != "/catalog":
            return super()._answer(method, path, headers, body, query)
        catalog = {"version": "v1", "currency": self.currency, "tariffs": self.tariffs}
        return answer(200, catalog)


async def connect(house: House, shop: Shop) -> UUID:
    """Connect the shop as a seller; its id."""
    body = {"name": "Hosting A", "url": shop.url, "key": shop.key}
    return UUID((await house.owner.post("/staff/v1/sellers", body))["id"])
