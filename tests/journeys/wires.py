"""Puts a faulty network between one seller and its reseller, and lets many clients order."""

import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from local_stack.demo.callers import JSON, Client
from shared.contract.basics import BASE_PATH
from tests.journeys.behind import Row, one, rows
from tests.journeys.proxy import STREAM, Fault, Proxy, Rule, Sent
from tests.journeys.stack import OS, Goods, Shop, Stack

AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A shop whose seller is reached through `proxy` only, and nobody else is."""

    stack: Stack
    shop: Shop
    proxy: Proxy

    @property
    def partner_id(self) -> str:
        """The partner's id at the seller."""
        found: str = self.shop.goods.partner["id"]
        return found

    @property
    def orders(self) -> list[Sent]:
        """The orders that went by, each as often as it did."""
        return [sent for sent in list(self.proxy.sent) if sent.is_order]

    def commands(self, *columns: str) -> list[Row]:
        """The commands for this seller, oldest first."""
        wanted = ", ".join(columns)
        return rows(
            self.stack.reselling_database,
            f"SELECT {wanted} FROM commands WHERE seller_id = $1 ORDER BY id",  # noqa: S608
            self.shop.seller["id"],
        )

    @property
    def partner_money(self) -> tuple[int, int]:
        """What the partner has, and how much of it is held; cents."""
        return _money(self.stack.admin.balance(self.partner_id))

    @property
    def stock(self) -> int | None:
        """What may still be sold of the tariff."""
        tariff = self.stack.admin.get(f"/admin/v1/tariffs/{self.shop.goods.tariff['id']}")
        found: int | None = tariff["stock"]
        return found

    def order_of(self, client: Client) -> JSON:
        """The client's only order, as the reseller's staff sees it."""
        (order,) = self.stack.staff.every("/staff/v1/orders", client_id=client.id)
        return order

    def at_seller(self, what: str) -> int:
        """Count what the seller keeps of this partner: the name of a table, and a condition."""
        statement = f"SELECT count(*) FROM {what}"  # noqa: S608
        condition = "" if "WHERE" in what else " WHERE partner_id = $1"
        found: int = one(self.stack.selling_database, statement + condition, self.partner_id)
        return found


@contextmanager
def wired(
    stack: Stack,
    *,
    rule: Rule | None = None,
    goods: Goods | None = None,
    behind: str | None = None,
    **catalogue: Any,
) -> Iterator[Wire]:
    """Open a shop behind a proxy with this rule; the reseller leaves the seller afterwards.

    `behind` is where the proxy finds the seller: None for the seller's own address.
    """
    with Proxy(target=behind or stack.urls["selling"]) as proxy:
        goods = goods or stack.provision_catalogue(**catalogue)
        shop = stack.connect(goods, through=proxy.url)
        proxy.rule = rule
        try:
            yield Wire(stack=stack, shop=shop, proxy=proxy)
        finally:
            stack.staff.post(f"/staff/v1/sellers/{shop.seller['id']}/disable")


def money(client: Client) -> tuple[int, int]:
    """What a client has, and how much of it is held; cents."""
    return _money(client.get("/client/v1/balance"))


def _money(shown: JSON) -> tuple[int, int]:
    return shown["balance"]["amount"], shown["held"]["amount"]


def first_of(*rules: Rule) -> Rule:
    """Whatever the first rule says that says something."""

    def rule(sent: Sent) -> Fault | None:
        return next((fault for each in rules if (fault := each(sent)) is not None), None)

    return rule


def mute_feed(until: threading.Event) -> Rule:
    """The feed lives and tells nothing until the event is set."""

    def rule(sent: Sent) -> Fault | None:
        told = sent.path.startswith(f"{BASE_PATH}/events")
        if not told or until.is_set():
            return None
        return Fault(mute=until) if sent.path == STREAM else Fault(refuse=True)

    return rule


def order_at_once(wire: Wire, clients: list[Client], *, orders: int) -> None:
    """Let the clients order in turn, several at once, whatever becomes of it."""

    def order(number: int) -> None:
        client = clients[number % len(clients)]
        wire.stack.order(client, wire.shop, hostname=f"vm-{number}.example.com")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(order, range(orders)))


def order_one_by_one(
    wire: Wire, clients: list[Client], *, orders: int, until: Collection[str], seconds: float
) -> None:
    """Let each client order, and order again once the command's state is one of `until`."""
    staff, tariff_id = wire.stack.staff, wire.shop.tariff["id"]

    def reached(order_id: str) -> bool:
        return staff.get(f"/staff/v1/orders/{order_id}")["command_state"] in until

    def order_all(client: Client) -> None:
        for number in range(orders // len(clients)):
            placed = client.order(tariff_id, hostname=f"vm-{number}.example.com", os=OS)
            look = partial(reached, placed["id"])
            wire.stack.wait_until(look, seconds=seconds, what=f"order {placed['id']} {until}")

    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(order_all, clients))
