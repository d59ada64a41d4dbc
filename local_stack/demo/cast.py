"""Who and what is in the story: people, a partner, tariffs, services. Tells nothing itself."""

import secrets
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from local_stack.demo.callers import JSON, Client, Provider, Reseller
from local_stack.demo.stage import Stage

ANNA_PAYS = 10_000
BORIS_PAYS = 5_000
PARTNER_PAYS = 50_000
PRICES = {"hour": 2, "month": 500, "quarter": 1_400, "year": 5_000}
SETUP_FEE = 100
DISCOUNT = "20"
MARKUP = "50"
IMAGES = {"simulated": "debian-12", "qemu": "tandem-guest"}
RAM_MIB = {"simulated": 1024, "qemu": 128}
LONGEST = {"simulated": 60.0, "qemu": 120.0}


@dataclass(slots=True)
class Cast:
    """Everything the acts hand on to each other. `tag` keeps one telling from the next."""

    stage: Stage
    urls: dict[str, str]
    provider: Provider
    reseller: Reseller
    anna: Client
    boris: Client
    platform: str
    tag: str = field(default_factory=lambda: secrets.token_hex(3))
    partner: JSON = field(default_factory=dict)
    key: str = ""
    seller: JSON = field(default_factory=dict)
    tariff: JSON = field(default_factory=dict)
    vms: dict[str, str] = field(default_factory=dict)

    @classmethod
    def gathered(
        cls,
        stage: Stage,
        urls: dict[str, str],
        logins: dict[str, tuple[str, str]],
        *,
        platform: str,
    ) -> Self:
        """Bring them together; staff log in, clients don't exist yet."""
        mark = secrets.token_hex(4)
        cast = cls(
            stage=stage,
            urls=urls,
            provider=Provider(urls["selling"]),
            reseller=Reseller(urls["reselling"]),
            anna=Client(
                urls["reselling"], name=f"Anna Ash-{mark}", email=f"anna.{mark}@example.com"
            ),
            boris=Client(
                urls["reselling"], name=f"Boris Birch-{mark}", email=f"boris.{mark}@example.com"
            ),
            platform=platform,
        )
        try:
            cast.provider.log_in(*logins["selling"])
            cast.reseller.log_in(*logins["reselling"])
        except BaseException:
            cast.close()
            raise
        return cast

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up for everybody."""
        for caller in (self.provider, self.reseller, self.anna, self.boris):
            caller.http.close()

    @property
    def os(self) -> str:
        """The operating system that is ordered; also the platform's name for its image."""
        return IMAGES[self.platform]

    @property
    def longest(self) -> float:
        """Seconds after which a VM should have been made."""
        return LONGEST[self.platform]

    @property
    def price(self) -> JSON:
        """Client's price, cost and margin of a month."""
        found: JSON = next(row for row in self.tariff["prices"] if row["period"] == "month")
        return found

    def upstream(self, service_id: str) -> JSON:
        """One service as the provider sees it."""
        ref = self.reseller.service(service_id)["service_ref"]
        return self.provider.service(ref, self.partner["id"])

    def partner_balance(self) -> int:
        """What the partner has at the provider, in cents."""
        amount: int = self.provider.balance(self.partner["id"])["balance"]["amount"]
        return amount
