"""Hints over real HTTP: the reseller asks for them, the seller signs, and they are taken."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.journeys.behind import one
from tests.journeys.conftest import MakeStack
from tests.journeys.stack import Stack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(make_stack: MakeStack) -> Iterator[Stack]:
    """A pair on one machine, where hints may go to private addresses."""
    with make_stack(environment={"SELLING_WEBHOOK_PRIVATE_ADDRESSES": "true"}) as running:
        yield running


def delivered(stack: Stack) -> int:
    found: int = one(
        stack.selling_database,
        "SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'",
    )
    return found


def test_seller_sends_hints_and_the_reseller_takes_them(stack: Stack) -> None:
    shop, client = stack.open_shop(), stack.new_client()
    path = f"/staff/v1/sellers/{shop.seller['id']}/webhook"
    assert stack.staff.put(path, {})["hints"] is True
    stack.order_active(client, shop)
    stack.wait_until(partial(delivered, stack), what="a hint that was taken")

    assert stack.staff.http.delete(path).json()["hints"] is False
    left = one(stack.selling_database, "SELECT count(*) FROM webhook_endpoints")
    assert left == 0
    stack.order_active(client, shop)
