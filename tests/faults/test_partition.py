"""The seller can't be reached for a minute, and the reseller goes on selling."""

import time
from collections.abc import Iterator
from functools import partial

import pytest

from shared.contract.basics import CommandKind
from tests.faults.chain import Chain
from tests.faults.conftest import MakeChain
from tests.faults.lives import Life, wait
from tests.faults.relay import Relay
from tests.journeys.invariants import check_all, settle
from tests.journeys.patient import look
from tests.journeys.stack import Stack
from tests.journeys.wires import Wire, wired

pytestmark = pytest.mark.slow

SECONDS = 60.0
DONE_WITHIN = 10.0
ORDERS = 12


@pytest.fixture(scope="module")
def chain(make_chain: MakeChain) -> Iterator[Chain]:
    """A pair as it is delivered, with no patience shortened."""
    with make_chain() as running:
        yield running


def test_orders_of_a_minute_without_the_seller_are_done_soon_after(chain: Chain) -> None:
    """Silence at first, then every connection is refused: both make those who wait ask rarely."""
    with Relay(chain.urls["selling"]) as cable, wired(chain, behind=cable.url) as wire:
        client = chain.new_client()
        earlier = [Life(client, wire.shop) for _ in range(ORDERS)]
        floor, before = time_to_order(earlier), earlier[0]

        cable.hold()
        began = time.monotonic()
        lives = [Life(client, wire.shop) for _ in range(ORDERS)]
        for number, life in enumerate(lives):
            life.wish(CommandKind.ORDER)
            expect_shown_as_waiting(life)
            until = began + SECONDS * (number + 1) / ORDERS
            if number == ORDERS // 2:
                cable.pull_out()
            wait(lambda until=until: time.monotonic() >= until, what="time")  # type: ignore[misc]
        before.wish(CommandKind.SUSPEND)
        expect_honest(wire, lives, before)

        cable.heal()
        healed = time.monotonic()
        for life in lives:
            life.wait_until_done(CommandKind.ORDER, seconds=60)
        before.wait_until_done(CommandKind.SUSPEND, seconds=60)
        took = time.monotonic() - healed
        print(  # noqa: T201 - figures
            f"partition of {healed - began:.0f} s: all done {took:.1f} s after it; "
            f"as many orders without one take {floor:.1f} s"
        )
        settle(chain)
        check_all(chain)
    # The orders themselves take their time, which is the machine's affair.
    assert took < DONE_WITHIN + floor


def time_to_order(lives: list[Life]) -> float:
    """Seconds from the first click until the last of these orders is done."""
    began = time.monotonic()
    for life in lives:
        life.wish(CommandKind.ORDER)
    for life in lives:
        life.wait_until_done(CommandKind.ORDER)
    return time.monotonic() - began


def expect_shown_as_waiting(life: Life) -> None:
    """The client sees an order that waits, and nothing that pretends to be there."""
    shown = life.shown()
    assert (shown["state"], shown["power"], shown["paid_until"]) == ("waiting", None, None)
    assert shown["text"] == "It was ordered and waits to be built."
    assert [row["kind"] for row in shown["pending"]] == ["order"]


def expect_honest(wire: Wire, lives: list[Life], before: Life) -> None:
    """Money is held and not charged; staff see the broken link, why, and when it is tried again."""
    chain = wire.stack
    for life in lives:
        expect_shown_as_waiting(life)
    balance = look(lives[0].client, "/client/v1/balance")
    assert balance["held"]["amount"] > 0
    shown = before.shown()
    assert [row["kind"] for row in shown["pending"]] == ["suspend"]
    path = f"/staff/v1/sellers/{wire.shop.seller['id']}"
    wait(partial(is_broken, chain, path), what="a link that is shown as broken")
    assert chain.staff.get(path)["link"]["problem"]
    states = {row["state"] for row in wire.commands("state", "settled_at") if not row["settled_at"]}
    assert states <= {"queued", "unanswered"}


def is_broken(chain: Stack, path: str) -> bool:
    """Whether the link is shown as broken."""
    return bool(chain.staff.get(path)["link"]["state"] == "broken")
