"""What can't be had is refused before anything is created, and the client's money is free again."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from local_stack.demo.callers import JSON, Client
from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from shared.contract.basics import BASE_PATH, IDEMPOTENCY_HEADER
from tests.journeys.behind import behave
from tests.journeys.invariants import check_all, settle
from tests.journeys.stack import OS, Stack
from tests.journeys.wires import Wire, money, wired

pytestmark = pytest.mark.slow

PAID_IN = 100_000
# A month with set-up, in cents: for the client, and for the partner.
PRICE, COST = 720, 480
NO_ROOM = "It is sold out at the moment."
NOT_SOLD = "It isn't sold any more."
OTHER = "It couldn't be carried out. Please contact us."


@pytest.fixture
def client(common_stack: Stack) -> Client:
    return common_stack.new_client(paid_in=PAID_IN)


@pytest.fixture
def wire(common_stack: Stack) -> Iterator[Wire]:
    with wired(common_stack, stock=5, paid_in=PAID_IN) as opened:
        yield opened


@pytest.fixture
def platform_as_before(common_stack: Stack) -> Iterator[None]:
    yield
    behave(common_stack.selling_database, Behaviour())
    read_capacity_again(common_stack)


def read_capacity_again(stack: Stack) -> None:
    """Have the seller ask its platforms for their totals now: a new data centre makes it do so."""
    stack.admin.make_data_center(f"place-{uuid4().hex[:8]}")


def expect_refused(wire: Wire, client: Client, *, code: str, words: str) -> None:
    """The seller said no once, kept nothing of it but the refusal, and nobody has paid."""
    settle(wire.stack)
    order = wire.order_of(client)
    assert (order["command_state"], order["problem_code"]) == ("refused", code)
    (service,) = client.services()
    assert (service["state"], service["order_problem"]) == ("cancelled", words)
    assert money(client) == (PAID_IN, 0)
    assert [line["kind"] for line in client.every("/client/v1/statement")] == ["top_up"]
    assert len({sent.command_id for sent in wire.orders}) == 1
    for kept in ("services", "accounts", "operations", "holds", "events"):
        assert wire.at_seller(kept) == 0, kept
    assert wire.at_seller("received_commands WHERE partner_id = $1 AND state = 'refused'") == 1
    check_all(wire.stack)


def test_clients_balance_is_too_low(wire: Wire) -> None:
    poor = wire.stack.new_client(paid_in=PRICE - 1)
    body: JSON = {
        "tariff_id": wire.shop.tariff["id"],
        "period": "month",
        "options": {"os": OS, "hostname": "web-1.example.com"},
    }
    poor.refused("insufficient_balance", "POST", "/client/v1/orders", body)
    assert [*poor.services(), *poor.every("/client/v1/orders"), *wire.orders] == []
    assert money(poor) == (PRICE - 1, 0)


def test_partners_balance_is_too_low(common_stack: Stack, client: Client) -> None:
    with wired(common_stack, stock=5, paid_in=COST - 1) as wire:
        common_stack.order(client, wire.shop)
        expect_refused(wire, client, code="insufficient_balance", words=OTHER)
        assert (wire.partner_money, wire.stock) == ((COST - 1, 0), 5)


def test_seller_has_raised_the_price_since_the_import(wire: Wire, client: Client) -> None:
    goods = wire.shop.goods
    wire.stack.admin.offer(goods.partner["id"], goods.tariff["id"], discount_percent="10")
    wire.stack.order(client, wire.shop)
    expect_refused(wire, client, code="price_above_max", words=OTHER)
    assert (wire.partner_money, wire.stock) == ((PAID_IN, 0), 5)


def test_seller_has_another_version_since_the_import(wire: Wire, client: Client) -> None:
    body = {
        "vcpu": 1,
        "ram_mib": 1024,
        "disk_gib": 10,
        "os_templates": [OS],
        "prices": {"month": {"price": "900", "setup_fee": "0"}},
    }
    path = f"/admin/v1/tariffs/{wire.shop.goods.tariff['id']}/versions"
    wire.stack.admin.post(path, body)
    wire.stack.order(client, wire.shop)
    expect_refused(wire, client, code="tariff_unavailable", words=NOT_SOLD)
    assert (wire.partner_money, wire.stock) == ((PAID_IN, 0), 5)


def test_tariff_was_withdrawn(wire: Wire, client: Client) -> None:
    path = f"/admin/v1/tariffs/{wire.shop.goods.tariff['id']}"
    wire.stack.admin.patch(path, {"withdrawn": True})
    wire.stack.order(client, wire.shop)
    expect_refused(wire, client, code="tariff_unavailable", words=NOT_SOLD)
    assert (wire.partner_money, wire.stock) == ((PAID_IN, 0), 5)


def test_tariff_is_no_longer_offered_to_the_partner(wire: Wire, client: Client) -> None:
    goods = wire.shop.goods
    path = f"/admin/v1/partners/{goods.partner['id']}/offers/{goods.tariff['id']}"
    assert wire.stack.admin.http.delete(path).is_success
    wire.stack.order(client, wire.shop)
    expect_refused(wire, client, code="tariff_unavailable", words=NOT_SOLD)


def test_stock_is_gone(wire: Wire, client: Client) -> None:
    path = f"/admin/v1/tariffs/{wire.shop.goods.tariff['id']}/stock"
    wire.stack.admin.put(path, {"stock": 0})
    wire.stack.order(client, wire.shop)
    expect_refused(wire, client, code="out_of_stock", words=NO_ROOM)
    assert (wire.partner_money, wire.stock) == ((PAID_IN, 0), 0)


def test_last_one_is_sold_once(common_stack: Stack) -> None:
    clients = [common_stack.new_client(name=f"Client-{number}") for number in range(3)]
    with wired(common_stack, stock=1) as wire:
        for client in clients:
            common_stack.order(client, wire.shop)
        settle(common_stack)
        orders = [wire.order_of(client) for client in clients]
        assert sorted(order["state"] for order in orders) == ["cancelled", "cancelled", "done"]
        codes = {order["problem_code"] for order in orders if order["state"] == "cancelled"}
        assert (codes, wire.stock) == ({"out_of_stock"}, 0)
        assert wire.at_seller("services") == wire.at_seller("holds") == 1
        check_all(common_stack)


def test_platform_is_full_by_its_counter(
    wire: Wire, client: Client, platform_as_before: None
) -> None:
    behave(wire.stack.selling_database, Behaviour(ram_mib=1023))
    read_capacity_again(wire.stack)
    wire.stack.order(client, wire.shop)
    expect_refused(wire, client, code="no_capacity", words=NO_ROOM)
    assert (wire.partner_money, wire.stock) == ((PAID_IN, 0), 5)


def test_reseller_refuses_an_unknown_system_itself(wire: Wire, client: Client) -> None:
    options = {"os": "templeos-5", "hostname": "web-1.example.com"}
    body: JSON = {"tariff_id": wire.shop.tariff["id"], "period": "month", "options": options}
    client.refused("unknown_os", "POST", "/client/v1/orders", body)
    assert [*client.services(), *wire.orders] == []
    assert money(client) == (PAID_IN, 0)


def test_seller_refuses_an_unknown_system_too(wire: Wire) -> None:
    body = {
        "service_ref": str(uuid4()),
        "client_ref": str(uuid4()),
        "tariff_id": wire.shop.goods.tariff["id"],
        "tariff_version": 1,
        "period": "month",
        "options": {"os": "templeos-5", "hostname": "web-1.example.com"},
        "max_price": {"amount": COST, "currency": "EUR"},
    }
    answer = httpx.post(
        f"{wire.proxy.url}{BASE_PATH}/services",
        json=body,
        headers={
            "Authorization": f"Bearer {wire.shop.goods.key}",
            IDEMPOTENCY_HEADER: str(uuid4()),
        },
        timeout=10,
        trust_env=False,
    )
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "unknown_os")
    assert problem["outcome"] == "refused"
    for kept in ("services", "accounts", "holds"):
        assert wire.at_seller(kept) == 0, kept
    assert (wire.partner_money, wire.stock) == ((PAID_IN, 0), 5)


def test_platform_turns_out_to_be_full(
    wire: Wire, client: Client, platform_as_before: None
) -> None:
    full = Fault(kind=FaultKind.FULL, times=1)
    behave(wire.stack.selling_database, Behaviour(faults={"create_vm": full}))
    wire.stack.order(client, wire.shop)
    settle(wire.stack)
    order = wire.order_of(client)
    assert (order["command_state"], order["problem_code"]) == ("failed", "platform_full")
    (service,) = client.services()
    assert (service["state"], service["order_problem"]) == ("cancelled", NO_ROOM)
    assert money(client) == wire.partner_money == (PAID_IN, 0)
    assert wire.stock == 5
    left = "accounts a JOIN simulated_vms v ON v.owner_id = a.id WHERE a.partner_id = $1"
    assert wire.at_seller(f"{left} AND NOT v.deleted") == 0
    (upstream,) = wire.stack.admin.services(wire.partner_id)
    assert upstream["state"] == "failed"
    check_all(wire.stack)


def test_next_order_after_a_full_platform_is_a_new_one(
    wire: Wire, client: Client, platform_as_before: None
) -> None:
    full = Fault(kind=FaultKind.FULL, times=1)
    behave(wire.stack.selling_database, Behaviour(faults={"create_vm": full}))
    wire.stack.order(client, wire.shop)
    settle(wire.stack)
    wire.stack.order_active(client, wire.shop)
    settle(wire.stack)
    assert wire.at_seller("services") == 2
    assert wire.at_seller("holds WHERE partner_id = $1 AND state = 'captured'") == 1
    assert money(client) == (PAID_IN - PRICE, 0)
    assert (wire.partner_money, wire.stock) == ((PAID_IN - COST, 0), 4)
    check_all(wire.stack)
